//! Invites: who has one may register, with the role it names.

use std::sync::Arc;

use sqlx::{Row as _, any::AnyRow, query};

use super::{
    Account, InviteToken, NewAccount, Role, StoreError,
    accounts::{Past, count_in, insert},
    database::{Database, Transaction},
    role,
    time::{from_stored, stored},
};

/// Invites there may be, spent and expired ones aside. One more: [`StoreError::TooManyInvites`].
pub const INVITES_MAX: u32 = 1_000;

/// No use is left, or no time.
const FORGET_DEAD: &str = "DELETE FROM invites WHERE uses_left <= 0 OR expires_ms <= $1";
const INSERT: &str = "INSERT INTO invites (token_hash, role, uses, uses_left, created_ms, expires_ms) \
                      VALUES ($1, $2, $3, $3, $4, $5)";
/// The last use is taken by one only: the database looks at the row again when it has it to itself.
const SPEND: &str = "UPDATE invites SET uses_left = uses_left - 1 \
                     WHERE token_hash = $1 AND uses_left > 0 AND (expires_ms IS NULL OR expires_ms > $2) \
                     RETURNING role";
const LIST: &str = "SELECT id, role, uses, uses_left, created_ms, expires_ms FROM invites ORDER BY id";

/// An invite's number, to revoke it by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InviteId(i64);

impl InviteId {
    /// The number that [`Invites::list`] showed.
    #[must_use]
    pub const fn new(number: i64) -> Self {
        Self(number)
    }

    /// To show.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }
}

/// An invite that does not exist yet.
#[derive(Clone, Copy, Debug)]
pub struct NewInvite {
    /// The role of the accounts made with it.
    pub role: Role,
    /// Accounts that can be made with it.
    pub uses: u32,
    /// Milliseconds since 1970 UTC.
    pub created_ms: u64,
    /// From when on it is void. None: never.
    pub expires_ms: Option<u64>,
}

/// An invite as it is stored: all but its token, which was told once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invite {
    /// Its number.
    pub id: InviteId,
    /// The role of the accounts made with it.
    pub role: Role,
    /// Accounts that could be made with it at first.
    pub uses: u32,
    /// Accounts that can still be made with it.
    pub uses_left: u32,
    /// Milliseconds since 1970 UTC.
    pub created_ms: u64,
    /// From when on it is void. None: never.
    pub expires_ms: Option<u64>,
}

/// The invites. Cheap to clone.
#[derive(Clone)]
pub struct Invites {
    pub(super) database: Arc<Database>,
}

impl Invites {
    /// Makes an invite. Its token is told here and never again. Those that are spent or expired go.
    pub async fn create(&self, new: &NewInvite) -> Result<InviteToken, StoreError> {
        let token = InviteToken::random();
        let mut transaction = self.database.begin().await?;
        transaction.run(query(FORGET_DEAD).bind(stored(new.created_ms))).await?;
        let count = count_in(&transaction.rows(query("SELECT count(*) FROM invites")).await?)?;
        if count >= u64::from(INVITES_MAX) {
            transaction.rollback().await?;
            return Err(StoreError::TooManyInvites);
        }
        let question = query(INSERT)
            .bind(token.hash())
            .bind(role::stored(new.role)?)
            .bind(i64::from(new.uses))
            .bind(stored(new.created_ms))
            .bind(new.expires_ms.map(stored));
        transaction.run(question).await?;
        transaction.commit().await?;
        Ok(token)
    }

    /// Makes an account with the invite's role, and spends one use of it, both or neither: a name that is
    /// [taken](StoreError::Taken) costs nothing. [`StoreError::InviteRefused`] when the invite is no good.
    pub async fn redeem(&self, token: &InviteToken, new: &NewAccount) -> Result<Account, StoreError> {
        let mut transaction = self.database.begin().await?;
        let made = redeem(&mut transaction, token, new).await;
        transaction.settle(made).await
    }

    /// All of them, oldest first: few more than [`INVITES_MAX`].
    pub async fn list(&self) -> Result<Vec<Invite>, StoreError> {
        self.database.rows(query(LIST)).await?.iter().map(Invite::from_row).collect()
    }

    /// Nobody can register with it any more.
    pub async fn revoke(&self, id: InviteId) -> Result<(), StoreError> {
        self.database.change(query("DELETE FROM invites WHERE id = $1").bind(id.0)).await
    }
}

async fn redeem(
    transaction: &mut Transaction,
    token: &InviteToken,
    new: &NewAccount,
) -> Result<Account, StoreError> {
    let rows = transaction.rows(query(SPEND).bind(token.hash()).bind(stored(new.created_ms))).await?;
    let row = rows.first().ok_or(StoreError::InviteRefused)?;
    insert(transaction, new, Past::new(role::from_stored(row.try_get(0)?)?)).await
}

impl Invite {
    fn from_row(row: &AnyRow) -> Result<Self, StoreError> {
        let uses = |column| row.try_get::<i64, _>(column).map(|uses| u32::try_from(uses).unwrap_or(0));
        Ok(Self {
            id: InviteId(row.try_get("id")?),
            role: role::from_stored(row.try_get("role")?)?,
            uses: uses("uses")?,
            uses_left: uses("uses_left")?,
            created_ms: from_stored(row.try_get("created_ms")?),
            expires_ms: row.try_get::<Option<i64>, _>("expires_ms")?.map(from_stored),
        })
    }
}
