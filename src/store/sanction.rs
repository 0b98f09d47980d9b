//! A ban or a mute, and whom it is for.

use sqlx::{Row as _, any::AnyRow};

use super::{
    StoreError,
    database::Question,
    time::{end_from_stored, from_stored, stored},
};

/// The end of what has none.
pub const FOR_GOOD: u64 = u64::MAX;

/// Somebody, by name; with an account or without one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// By which they are found, as the rules of the time made it. Under newer ones it is made again of the name.
    pub key: String,
    /// Their name, as others saw it.
    pub shown: String,
}

impl Person {
    pub(super) fn from_row(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self { key: row.try_get("name_key")?, shown: row.try_get("name")? })
    }
}

/// A ban, a mute, or both. Times are milliseconds since 1970 UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sanction {
    /// Until when they may not come in; [`FOR_GOOD`]. None: they may.
    pub banned_until_ms: Option<u64>,
    /// Until when they may not speak; [`FOR_GOOD`]. None: they may.
    pub muted_until_ms: Option<u64>,
    /// Who said so last: a name, or [`OPERATOR`](super::OPERATOR).
    pub by: String,
    /// Why; may be empty.
    pub reason: String,
    /// When that was.
    pub since_ms: u64,
}

impl Sanction {
    /// Whether it forbids nothing.
    pub(super) fn is_void(&self) -> bool {
        self.banned_until_ms.is_none() && self.muted_until_ms.is_none()
    }

    /// Its five columns, in the order of its fields.
    pub(super) fn bind<'q>(&self, question: Question<'q>) -> Question<'q> {
        question
            .bind(self.banned_until_ms.map(stored))
            .bind(self.muted_until_ms.map(stored))
            .bind(self.by.clone())
            .bind(self.reason.clone())
            .bind(stored(self.since_ms))
    }

    /// What of it is in force.
    pub(super) fn from_row(row: &AnyRow, now_ms: u64) -> Result<Self, StoreError> {
        let until = |column| -> Result<Option<u64>, StoreError> {
            let until = row.try_get::<Option<i64>, _>(column)?.map(end_from_stored);
            Ok(until.filter(|until| *until > now_ms))
        };
        Ok(Self {
            banned_until_ms: until("banned_until_ms")?,
            muted_until_ms: until("muted_until_ms")?,
            by: row.try_get("set_by")?,
            reason: row.try_get("reason")?,
            since_ms: from_stored(row.try_get("since_ms")?),
        })
    }
}
