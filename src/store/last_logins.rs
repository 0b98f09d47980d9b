//! When people last logged in, until it is written.

use std::collections::HashMap;

use parking_lot::Mutex;
use sqlx::query;

use super::{AccountId, StoreError, database::Database, time::stored};

/// Accounts whose login is noted and not yet written. Full: the next are not noted. It is for people to read, and
/// about a minute's worth.
const NOTED_MAX: usize = 4_096;

#[derive(Default)]
pub(super) struct LastLogins {
    noted: Mutex<HashMap<AccountId, u64>>,
}

impl LastLogins {
    pub fn note(&self, id: AccountId, now_ms: u64) {
        let mut noted = self.noted.lock();
        if noted.len() < NOTED_MAX || noted.contains_key(&id) {
            let last = noted.entry(id).or_default();
            *last = now_ms.max(*last);
        }
    }

    pub async fn flush(&self, database: &Database) -> Result<(), StoreError> {
        let mut due = std::mem::take(&mut *self.noted.lock()).into_iter().collect::<Vec<_>>();
        if due.is_empty() {
            return Ok(());
        }
        // In one order everywhere: two servers that flush at once must not wait for each other.
        due.sort_unstable();
        let written = write(database, &due).await;
        if written.is_err() {
            for (id, ms) in due {
                self.note(id, ms);
            }
        }
        written
    }
}

async fn write(database: &Database, logins: &[(AccountId, u64)]) -> Result<(), StoreError> {
    let mut transaction = database.begin().await?;
    for (id, ms) in logins {
        let question = "UPDATE accounts SET last_login_ms = $2 \
                        WHERE id = $1 AND (last_login_ms IS NULL OR last_login_ms < $2)";
        transaction.run(query(question).bind(id.0).bind(stored(*ms))).await?;
    }
    transaction.commit().await
}
