//! Taking an admin's powers away, but not the last one's.

use chat_proto::Role;
use sqlx::query;

use super::{AccountId, Accounts, StoreError, accounts::count_in, role};

/// Locks the admins' rows: of two who take away the last two admins' powers at once, the second waits, and sees.
const LOCK: &str = "UPDATE accounts SET role = role WHERE role = $1";
/// Whether it is an admin who can log in, and the only one.
const IS_LAST: &str = "SELECT count(*) FROM accounts WHERE id = $1 AND role = $2 AND disabled = 0 \
                       AND NOT EXISTS (SELECT 1 FROM accounts AS other \
                       WHERE other.id <> $1 AND other.role = $2 AND other.disabled = 0)";

/// What may leave a server without an admin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdminStep {
    /// The account gets this role.
    Role(Role),
    /// Its owner is kept out.
    Disable,
    /// It is deleted.
    Delete,
}

impl Accounts {
    /// Does it, unless no admin who can log in would be left: then it does nothing, and returns false.
    pub async fn keep_an_admin(&self, id: AccountId, step: AdminStep) -> Result<bool, StoreError> {
        let admin = role::stored(Role::Admin)?;
        let mut transaction = self.database.begin().await?;
        transaction.run(query(LOCK).bind(admin)).await?;
        let last = count_in(&transaction.rows(query(IS_LAST).bind(id.0).bind(admin)).await?)? > 0;
        if last && step != AdminStep::Role(Role::Admin) {
            transaction.rollback().await?;
            return Ok(false);
        }
        let question = match step {
            AdminStep::Role(role) => {
                query("UPDATE accounts SET role = $2 WHERE id = $1").bind(id.0).bind(role::stored(role)?)
            }
            AdminStep::Disable => query("UPDATE accounts SET disabled = 1 WHERE id = $1").bind(id.0),
            AdminStep::Delete => query("DELETE FROM accounts WHERE id = $1").bind(id.0),
        };
        if transaction.run(question).await? == 0 {
            transaction.rollback().await?;
            return Err(StoreError::NotFound);
        }
        transaction.commit().await?;
        Ok(true)
    }
}
