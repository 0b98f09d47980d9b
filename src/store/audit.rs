//! The audit log: who did what to whom, written together with the act and never changed.

use std::{fmt, sync::Arc};

use sqlx::{Row as _, any::AnyRow, query};

use super::{
    StoreError,
    database::{Database, Question, Transaction},
    number, time,
};

/// Entries that one page of [`Audit::page`] has at most.
pub const PAGE_ENTRIES_MAX: u32 = 500;
/// The actor of what is done at the command line. It is a reserved name, so nobody else's.
pub const OPERATOR: &str = "operator";

const INSERT: &str = "INSERT INTO audit \
    (time_ms, actor, actor_role, action, conversation, room, target, seconds, reason) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
const PAGE: &str = "SELECT id, time_ms, actor, actor_role, action, conversation, room, target, seconds, reason \
                    FROM audit WHERE id < $1 ORDER BY id DESC LIMIT $2";

/// An entry's number. It grows, and is never another entry's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AuditId(i64);

impl AuditId {
    /// The number that [`Audit::page`] showed.
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

impl fmt::Display for AuditId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What is written of an act. All names are as they were shown: the log outlives accounts and rooms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// When: milliseconds since 1970 UTC.
    pub time_ms: u64,
    /// Who: a name, or [`OPERATOR`].
    pub actor: String,
    /// What they might do when they did it: the role's number.
    pub actor_role: u16,
    /// What: a short word that stays the same from version to version.
    pub action: String,
    /// In which conversation, below 2^63. None: on the server.
    pub conversation: Option<u64>,
    /// The room's name.
    pub room: Option<String>,
    /// To whom or what: a name, a network, a setting.
    pub target: Option<String>,
    /// For how long; [`u64::MAX`]: for good.
    pub seconds: Option<u64>,
    /// Why; may be empty.
    pub reason: String,
}

/// An entry as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRecord {
    /// Its number.
    pub id: AuditId,
    /// What it says.
    pub entry: AuditEntry,
}

/// The audit log. Cheap to clone.
#[derive(Clone)]
pub struct Audit {
    pub(super) database: Arc<Database>,
}

impl Audit {
    /// Writes down an act that changes nothing in the database. Those that do take their entry along.
    pub async fn append(&self, entry: &AuditEntry) -> Result<(), StoreError> {
        let mut transaction = self.database.begin().await?;
        let done = append(&mut transaction, entry).await;
        transaction.settle(done).await
    }

    /// The entries before this one, newest first; at most `limit`, and at most [`PAGE_ENTRIES_MAX`].
    pub async fn page(&self, before: Option<AuditId>, limit: u32) -> Result<Vec<AuditRecord>, StoreError> {
        let limit = i64::from(limit.min(PAGE_ENTRIES_MAX));
        let before = before.map_or(i64::MAX, |id| id.0);
        let rows = self.database.rows(query(PAGE).bind(before).bind(limit)).await?;
        rows.iter().map(AuditRecord::from_row).collect()
    }
}

/// Writes an entry within the transaction of its act.
pub(super) async fn append(transaction: &mut Transaction, entry: &AuditEntry) -> Result<(), StoreError> {
    let question = query(INSERT)
        .bind(time::stored(entry.time_ms))
        .bind(entry.actor.as_str())
        .bind(i64::from(entry.actor_role))
        .bind(entry.action.as_str())
        .bind(entry.conversation.map(number::stored).transpose()?)
        .bind(entry.room.clone())
        .bind(entry.target.clone())
        .bind(entry.seconds.map(time::stored))
        .bind(entry.reason.as_str());
    transaction.run(question).await.map(drop)
}

/// One change and its entry, or neither: [`StoreError::NotFound`] if there was nothing to change.
pub(super) async fn change(
    database: &Database,
    question: Question<'_>,
    entry: &AuditEntry,
) -> Result<(), StoreError> {
    let mut transaction = database.begin().await?;
    let done = match transaction.change(question).await {
        Ok(()) => append(&mut transaction, entry).await,
        error => error,
    };
    transaction.settle(done).await
}

impl AuditRecord {
    fn from_row(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: AuditId(row.try_get("id")?),
            entry: AuditEntry {
                time_ms: time::from_stored(row.try_get("time_ms")?),
                actor: row.try_get("actor")?,
                actor_role: number::in_column(row, "actor_role")?,
                action: row.try_get("action")?,
                conversation: number::maybe_in_column(row, "conversation")?,
                room: row.try_get("room")?,
                target: row.try_get("target")?,
                seconds: row.try_get::<Option<i64>, _>("seconds")?.map(time::end_from_stored),
                reason: row.try_get("reason")?,
            },
        })
    }
}
