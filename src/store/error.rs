//! Why the store did not do what it was asked.

use std::{error::Error, io, path::PathBuf};

use sqlx::sqlite::SqliteError;
use thiserror::Error;

use crate::metrics::StoreErrorKind;

/// What the database, or what stands before it, said.
pub type Cause = Box<dyn Error + Send + Sync>;

/// Why the store did not do what it was asked. The first four are answers; the others say what ails the database.
#[derive(Debug, Error)]
pub enum StoreError {
    /// Another account, or another room, has this name or one that looks like it.
    #[error("the name is taken")]
    Taken,
    /// No such account, room or invite, or nothing there to take away.
    #[error("not found")]
    NotFound,
    /// The invite is unknown, spent, expired or revoked. Which of these, a guesser is not told.
    #[error("the invite cannot be used")]
    InviteRefused,
    /// There are [`INVITES_MAX`](super::INVITES_MAX) invites.
    #[error("there are too many invites")]
    TooManyInvites,
    /// Somebody else holds the database's lock. Trying again helps.
    #[error("the database is locked: {0}")]
    Busy(Cause),
    /// The database, or the disk below it, takes no writes. Reading goes on.
    #[error("the database is read-only: {0}")]
    ReadOnly(Cause),
    /// The disk is full. Reading goes on.
    #[error("the database has no room left: {0}")]
    Full(Cause),
    /// What is read is not what was written, or is no database.
    #[error("the database is damaged: {0}")]
    Corrupt(Cause),
    /// It cannot be reached, or does not answer in time. What was being written may or may not be there.
    #[error("the database does not answer: {0}")]
    Unavailable(Cause),
    /// It was made by a newer program, which may mean other things by the same tables.
    #[error(
        "the database has schema version {found}, this program knows up to {known}: a newer program made it"
    )]
    TooNew {
        /// The database's version.
        found: u32,
        /// The newest that this program knows.
        known: u32,
    },
    /// What is configured cannot be our database. Nothing was changed.
    #[error("{0}")]
    Unusable(String),
    /// A file beside the database, or one of accounts, cannot be read or written.
    #[error("{}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

impl StoreError {
    /// Whether nothing ails the database, and what was begun can be undone in good order.
    pub(super) fn is_answer(&self) -> bool {
        matches!(self, Self::Taken | Self::NotFound | Self::InviteRefused | Self::TooManyInvites)
    }

    /// What it is counted as; `None`: nothing ails the database.
    #[must_use]
    pub fn kind(&self) -> Option<StoreErrorKind> {
        match self {
            Self::Taken | Self::NotFound | Self::InviteRefused | Self::TooManyInvites => None,
            Self::Busy(_) => Some(StoreErrorKind::Busy),
            Self::ReadOnly(_) => Some(StoreErrorKind::ReadOnly),
            Self::Full(_) => Some(StoreErrorKind::Full),
            Self::Corrupt(_) => Some(StoreErrorKind::Corrupt),
            Self::Unavailable(_) => Some(StoreErrorKind::Unavailable),
            Self::TooNew { .. } | Self::Unusable(_) | Self::File { .. } => Some(StoreErrorKind::Other),
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let known = match &error {
            sqlx::Error::Database(said) => match said.try_downcast_ref::<SqliteError>() {
                Some(_) => said.code().and_then(|code| sqlite(&code)),
                None => said.code().and_then(|code| postgres(&code)),
            },
            // Values that are not as the schema says.
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => Some(Self::Corrupt as Kind),
            sqlx::Error::Configuration(_) => Some((|cause| Self::Unusable(cause.to_string())) as Kind),
            _ => None,
        };
        known.unwrap_or(Self::Unavailable)(error.into())
    }
}

type Kind = fn(Cause) -> StoreError;

/// Of SQLite's extended result codes, whose low byte says enough but for constraints:
/// <https://www.sqlite.org/rescode.html>.
fn sqlite(code: &str) -> Option<Kind> {
    const CONSTRAINT_FOREIGN_KEY: i32 = 787;
    const CONSTRAINT_PRIMARY_KEY: i32 = 1555;
    const CONSTRAINT_UNIQUE: i32 = 2067;
    let code = code.parse::<i32>().ok()?;
    match (code, code & 0xff) {
        (CONSTRAINT_FOREIGN_KEY, _) => Some(|_| StoreError::NotFound),
        (CONSTRAINT_PRIMARY_KEY | CONSTRAINT_UNIQUE, _) => Some(|_| StoreError::Taken),
        // BUSY: another connection; LOCKED: one that shares our cache.
        (_, 5 | 6) => Some(StoreError::Busy),
        (_, 8) => Some(StoreError::ReadOnly),
        // CORRUPT; NOTADB.
        (_, 11 | 26) => Some(StoreError::Corrupt),
        (_, 13) => Some(StoreError::Full),
        _ => None,
    }
}

/// Of PostgreSQL's codes: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
fn postgres(code: &str) -> Option<Kind> {
    match code {
        // An account or a room that went while we were at it.
        "23503" => Some(|_| StoreError::NotFound),
        "23505" => Some(|_| StoreError::Taken),
        // A statement that took too long waited for a lock; a deadlock; a lock that was not to be waited for.
        "57014" | "40P01" | "40001" | "55P03" => Some(StoreError::Busy),
        "25006" => Some(StoreError::ReadOnly),
        "53100" => Some(StoreError::Full),
        "XX001" | "XX002" => Some(StoreError::Corrupt),
        _ => None,
    }
}
