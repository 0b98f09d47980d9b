//! Accounts, each with a name that is nobody else's.

use std::sync::Arc;

use sqlx::{Row as _, query};

use super::{
    Account, AccountId, NewAccount, PasswordHash, Role, StoreError,
    database::{Database, Transaction},
    last_logins::LastLogins,
    role,
    time::stored,
};

/// Accounts that one page of [`Accounts::list`] has at most.
pub const PAGE_ACCOUNTS_MAX: u32 = 500;

/// The columns that [`Account::from_row`] reads.
macro_rules! columns {
    () => {
        "id, name, password, role, disabled, created_ms, last_login_ms"
    };
}
/// Whether the name is free, the database decides as it inserts: of many at once, one gets its row.
const INSERT: &str = concat!(
    "INSERT INTO accounts (name, name_key, skeleton, names_version, password, role, disabled, created_ms, last_login_ms) ",
    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING RETURNING ",
    columns!()
);
const FIND: &str = concat!("SELECT ", columns!(), " FROM accounts WHERE name_key = $1");
const HOLDER: &str =
    concat!("SELECT ", columns!(), " FROM accounts WHERE name_key = $1 OR skeleton = $2 ORDER BY id");
const LIST: &str = concat!("SELECT ", columns!(), " FROM accounts WHERE id > $1 ORDER BY id LIMIT $2");
const IS_TAKEN: &str = "SELECT count(*) FROM accounts WHERE name_key = $1 OR skeleton = $2";

/// The accounts. Cheap to clone.
///
/// A change is there for everybody, also after a loss of power, once its call returns. A call whose future is dropped
/// may still have been carried out.
#[derive(Clone)]
pub struct Accounts {
    pub(super) database: Arc<Database>,
    pub(super) last_logins: Arc<LastLogins>,
}

impl Accounts {
    /// Makes an account; [`StoreError::Taken`] when the name's key or skeleton is another's.
    pub async fn create(&self, new: &NewAccount, role: Role) -> Result<Account, StoreError> {
        let mut transaction = self.database.begin().await?;
        let made = insert(&mut transaction, new, Past::new(role)).await;
        transaction.settle(made).await
    }

    /// The account whose name has this key.
    pub async fn find(&self, key: &str) -> Result<Option<Account>, StoreError> {
        let rows = self.database.rows(query(FIND).bind(key)).await?;
        rows.first().map(Account::from_row).transpose()
    }

    /// The account that has this key or this skeleton: nobody else may have the name.
    pub async fn holder(&self, key: &str, skeleton: &str) -> Result<Option<Account>, StoreError> {
        let rows = self.database.rows(query(HOLDER).bind(key).bind(skeleton)).await?;
        rows.first().map(Account::from_row).transpose()
    }

    /// Whether an account has this key or this skeleton, so that a guest may not have it.
    pub async fn is_taken(&self, key: &str, skeleton: &str) -> Result<bool, StoreError> {
        let rows = self.database.rows(query(IS_TAKEN).bind(key).bind(skeleton)).await?;
        Ok(count_in(&rows)? > 0)
    }

    /// Gives the account another password.
    pub async fn set_password(&self, id: AccountId, password: &PasswordHash) -> Result<(), StoreError> {
        let question = query("UPDATE accounts SET password = $2 WHERE id = $1");
        self.database.change(question.bind(id.0).bind(password.as_str())).await
    }

    /// Stores the same password hashed anew; false when the account has another password by now, or is gone. A
    /// change that came between must not be undone.
    pub async fn rehash_password(
        &self,
        id: AccountId,
        from: &PasswordHash,
        to: &PasswordHash,
    ) -> Result<bool, StoreError> {
        let question = query("UPDATE accounts SET password = $3 WHERE id = $1 AND password = $2");
        match self.database.change(question.bind(id.0).bind(from.as_str()).bind(to.as_str())).await {
            Err(StoreError::NotFound) => Ok(false),
            done => done.map(|()| true),
        }
    }

    /// Keeps the owner out, or lets them in again.
    pub async fn set_disabled(&self, id: AccountId, disabled: bool) -> Result<(), StoreError> {
        let question = query("UPDATE accounts SET disabled = $2 WHERE id = $1");
        self.database.change(question.bind(id.0).bind(i64::from(disabled))).await
    }

    /// Sets what the owner may do.
    pub async fn set_role(&self, id: AccountId, role: Role) -> Result<(), StoreError> {
        let question = query("UPDATE accounts SET role = $2 WHERE id = $1");
        self.database.change(question.bind(id.0).bind(role::stored(role)?)).await
    }

    /// Deletes the account; its name is free.
    pub async fn delete(&self, id: AccountId) -> Result<(), StoreError> {
        self.database.change(query("DELETE FROM accounts WHERE id = $1").bind(id.0)).await
    }

    /// The accounts after this one, oldest first; at most `limit`, and at most [`PAGE_ACCOUNTS_MAX`].
    pub async fn list(&self, after: Option<AccountId>, limit: u32) -> Result<Vec<Account>, StoreError> {
        let limit = i64::from(limit.min(PAGE_ACCOUNTS_MAX));
        let rows = self.database.rows(query(LIST).bind(after.map_or(0, |id| id.0)).bind(limit)).await?;
        rows.iter().map(Account::from_row).collect()
    }

    /// Accounts there are.
    pub async fn count(&self) -> Result<u64, StoreError> {
        count_in(&self.database.rows(query("SELECT count(*) FROM accounts")).await?)
    }

    /// Remembers that the owner logged in. It waits for nothing and writes nothing yet: a log-in costs no disk. Of
    /// more than 4,096 accounts since the last [`flush_logins`](Self::flush_logins), the rest are not remembered.
    pub fn note_login(&self, id: AccountId, now_ms: u64) {
        self.last_logins.note(id, now_ms);
    }

    /// Writes what was noted, all of it at the price of one change. Whoever runs the store calls it about once a
    /// minute; closing the store does it too. After an error it is still noted.
    pub async fn flush_logins(&self) -> Result<(), StoreError> {
        self.last_logins.flush(&self.database).await
    }
}

/// What an account has that a new one has not.
#[derive(Clone, Copy)]
pub(super) struct Past {
    pub role: Role,
    pub disabled: bool,
    pub last_login_ms: Option<u64>,
}

impl Past {
    pub fn new(role: Role) -> Self {
        Self { role, disabled: false, last_login_ms: None }
    }
}

/// Makes an account within a transaction. After [`StoreError::Taken`] the transaction goes on.
pub(super) async fn insert(
    transaction: &mut Transaction,
    new: &NewAccount,
    past: Past,
) -> Result<Account, StoreError> {
    let NewAccount { name, password, created_ms } = new;
    let question = query(INSERT)
        .bind(name.shown.as_str())
        .bind(name.key.as_str())
        .bind(name.skeleton.as_str())
        .bind(i64::from(name.version))
        .bind(password.as_str())
        .bind(role::stored(past.role)?)
        .bind(i64::from(past.disabled))
        .bind(stored(*created_ms))
        .bind(past.last_login_ms.map(stored));
    let rows = transaction.rows(question).await?;
    rows.first().map_or(Err(StoreError::Taken), Account::from_row)
}

/// The number that is a question's only answer.
pub(super) fn count_in(rows: &[sqlx::any::AnyRow]) -> Result<u64, StoreError> {
    let count: i64 = rows.first().map_or(Ok(0), |row| row.try_get(0))?;
    Ok(u64::try_from(count).unwrap_or(0))
}
