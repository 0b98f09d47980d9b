//! Whom each account's owner does not want to hear.

use std::sync::Arc;

use sqlx::query;

use super::{AccountId, Person, StoreError, database::Database};

/// Names that [`Ignores::load`] reads of one account. Whoever adds them allows fewer.
pub const IGNORES_READ_MAX: u32 = 1_000;

const LOAD: &str = "SELECT name_key, name FROM ignores WHERE account = $1 ORDER BY name_key LIMIT $2";
/// Of an account that is gone it adds nothing.
const ADD: &str = "INSERT INTO ignores (account, name_key, name) SELECT id, $2, $3 FROM accounts WHERE id = $1 \
                   ON CONFLICT (account, name_key) DO UPDATE SET name = excluded.name";
const REMOVE: &str = "DELETE FROM ignores WHERE account = $1 AND name_key = $2";

/// The ignored. Cheap to clone. They go with the account whose owner ignores them, and stay when their own goes.
#[derive(Clone)]
pub struct Ignores {
    pub(super) database: Arc<Database>,
}

impl Ignores {
    /// Whom the account's owner ignores, by key; the first [`IGNORES_READ_MAX`].
    pub async fn load(&self, account: AccountId) -> Result<Vec<Person>, StoreError> {
        let question = query(LOAD).bind(account.0).bind(i64::from(IGNORES_READ_MAX));
        self.database.rows(question).await?.iter().map(Person::from_row).collect()
    }

    /// Ignores somebody, also once more. [`StoreError::NotFound`]: there is no such account.
    pub async fn add(&self, account: AccountId, ignored: &Person) -> Result<(), StoreError> {
        let question = query(ADD).bind(account.0).bind(ignored.key.as_str()).bind(ignored.shown.as_str());
        self.database.change(question).await
    }

    /// Hears them again. [`StoreError::NotFound`]: they were not ignored.
    pub async fn remove(&self, account: AccountId, key: &str) -> Result<(), StoreError> {
        self.database.change(query(REMOVE).bind(account.0).bind(key)).await
    }
}
