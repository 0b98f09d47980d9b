//! The highest number that a session ever had.

use sqlx::query;

use super::{
    StoreError,
    database::{Database, Transaction},
    number,
};

const NOTE: &str = "INSERT INTO session_numbers (one, highest) VALUES (1, $1) \
                    ON CONFLICT (one) DO UPDATE SET highest = excluded.highest \
                    WHERE session_numbers.highest < excluded.highest";
const HIGHEST: &str = "SELECT highest FROM session_numbers";

/// Notes the highest of these within a transaction.
pub(super) async fn note(
    transaction: &mut Transaction,
    sessions: impl Iterator<Item = u64>,
) -> Result<(), StoreError> {
    if let Some(highest) = sessions.max() {
        transaction.run(query(NOTE).bind(number::stored(highest)?)).await?;
    }
    Ok(())
}

pub(super) async fn highest(database: &Database) -> Result<u64, StoreError> {
    let rows = database.rows(query(HIGHEST)).await?;
    rows.first().map_or(Ok(0), |row| number::in_column(row, "highest"))
}
