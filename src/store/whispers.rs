//! Whispers to owners of accounts who are away, until they come.

use std::sync::Arc;

use sqlx::query;

use super::{
    AccountId, Keeping, Letter, LetterLimits, StoreError,
    database::{Database, Transaction},
    number,
    retention::STEP_ROWS,
    session_numbers,
    time::stored,
};

/// Locks the account's row: of two who whisper at once, the second waits, and counts the first.
const LOCK: &str = "UPDATE accounts SET role = role WHERE id = $1";
const FORGET_OLD: &str = "DELETE FROM letters WHERE account = $1 AND time_ms <= $2";
const IS_KEPT: &str =
    "SELECT id FROM letters WHERE session = $1 AND message_id = $2 AND message_id IS NOT NULL";
const COUNT: &str = "SELECT count(*) AS letters, coalesce(sum(octet_length(text)), 0) AS bytes, \
                     coalesce(sum(CASE WHEN sender = $2 OR session = $3 THEN 1 ELSE 0 END), 0) AS of_sender \
                     FROM letters WHERE account = $1";
const KEEP: &str = "INSERT INTO letters (account, sender, session, message_id, time_ms, text) \
                    VALUES ($1, $2, $3, $4, $5, $6)";
const READ: &str = "SELECT sender, session AS sender_session, message_id, time_ms, text FROM letters \
                    WHERE account = $1 ORDER BY id";
const REMOVE: &str = "DELETE FROM letters WHERE account = $1";
const EXPIRE: &str = "DELETE FROM letters WHERE id IN \
                      (SELECT id FROM letters WHERE time_ms <= $1 ORDER BY time_ms LIMIT $2)";

/// Whispers that wait: for owners of accounts who are away, and over a restart for sessions. Cheap to clone. They go
/// with the account or the session that they are for.
#[derive(Clone)]
pub struct Whispers {
    pub(super) database: Arc<Database>,
}

impl Whispers {
    /// Keeps a whisper for an account within the limits, as they are at the time it was said; what is too old by then
    /// goes first. [`StoreError::NotFound`]: there is no such account.
    pub async fn keep(
        &self,
        account: AccountId,
        letter: &Letter,
        limits: &LetterLimits,
    ) -> Result<Keeping, StoreError> {
        let mut transaction = self.database.begin().await?;
        let done = keep(&mut transaction, account, letter, limits).await;
        transaction.settle(done).await
    }

    /// Takes all that is kept for an account, the oldest first; what was said at `older_than_ms` or before is left out,
    /// and gone too.
    pub async fn take(&self, account: AccountId, older_than_ms: u64) -> Result<Vec<Letter>, StoreError> {
        let mut transaction = self.database.begin().await?;
        let done = take(&mut transaction, account, older_than_ms).await;
        transaction.settle(done).await
    }

    /// Forgets those said at `older_than_ms` or before, in small transactions. Returns how many.
    pub async fn expire(&self, older_than_ms: u64) -> Result<u64, StoreError> {
        let mut expired = 0;
        loop {
            let step = self.database.run(query(EXPIRE).bind(stored(older_than_ms)).bind(STEP_ROWS)).await?;
            expired += step;
            if step < STEP_ROWS.cast_unsigned() {
                return Ok(expired);
            }
        }
    }
}

async fn keep(
    transaction: &mut Transaction,
    account: AccountId,
    letter: &Letter,
    limits: &LetterLimits,
) -> Result<Keeping, StoreError> {
    transaction.change(query(LOCK).bind(account.0)).await?;
    let session = number::stored(letter.session)?;
    if let Some(message_id) = letter.message_id {
        let question = query(IS_KEPT).bind(session).bind(number::stored_bits(message_id));
        if !transaction.rows(question).await?.is_empty() {
            return Ok(Keeping::Kept);
        }
    }
    let too_old = letter.time_ms.saturating_sub(limits.age_ms);
    transaction.run(query(FORGET_OLD).bind(account.0).bind(stored(too_old))).await?;
    let question = query(COUNT).bind(account.0).bind(letter.sender.clone()).bind(session);
    let rows = transaction.rows(question).await?;
    let count = |column| number::in_column::<u64>(&rows[0], column);
    let bytes = count("bytes")?.saturating_add(letter.text.len() as u64);
    if count("letters")? >= limits.letters.into()
        || count("of_sender")? >= limits.of_one_sender.into()
        || bytes > limits.bytes
    {
        return Ok(Keeping::Full);
    }
    transaction.run(letter.bind(query(KEEP).bind(account.0))?).await?;
    session_numbers::note(transaction, [letter.session].into_iter()).await?;
    Ok(Keeping::Kept)
}

async fn take(
    transaction: &mut Transaction,
    account: AccountId,
    older_than_ms: u64,
) -> Result<Vec<Letter>, StoreError> {
    transaction.run(query(LOCK).bind(account.0)).await?;
    transaction.run(query(FORGET_OLD).bind(account.0).bind(stored(older_than_ms))).await?;
    let rows = transaction.rows(query(READ).bind(account.0)).await?;
    if !rows.is_empty() {
        transaction.run(query(REMOVE).bind(account.0)).await?;
    }
    rows.iter().map(Letter::from_row).collect()
}
