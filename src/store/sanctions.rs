//! Who is banned from the server or mute everywhere: names, and networks.

use std::sync::Arc;

use sqlx::{Row as _, any::AnyRow, query};

use super::{
    AuditEntry, Person, Sanction, StoreError, audit,
    database::{Database, Question},
    pages::Pages,
    time::stored,
};

const FORGET_EXPIRED: &str =
    "DELETE FROM sanctions WHERE coalesce(banned_until_ms, 0) <= $1 AND coalesce(muted_until_ms, 0) <= $1";
const LOAD: &str = "SELECT kind, subject, shown, banned_until_ms, muted_until_ms, set_by, reason, since_ms \
                    FROM sanctions WHERE (kind, subject) > ($1, $2) ORDER BY 1, 2 LIMIT $3";
const SET: &str = "INSERT INTO sanctions \
    (kind, subject, shown, banned_until_ms, muted_until_ms, set_by, reason, since_ms) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
    ON CONFLICT (kind, subject) DO UPDATE SET shown = excluded.shown, \
    banned_until_ms = excluded.banned_until_ms, muted_until_ms = excluded.muted_until_ms, \
    set_by = excluded.set_by, reason = excluded.reason, since_ms = excluded.since_ms";
const LIFT: &str = "DELETE FROM sanctions WHERE kind = $1 AND subject = $2";

const NAME: i64 = 1;
const NETWORK: i64 = 2;

/// Whom a sanction is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Whoever has the name; its key alone counts.
    Name(Person),
    /// Whoever comes from there: CIDR notation (RFC 4632, RFC 4291), the one text that its caller makes of it.
    Network(String),
}

impl Subject {
    /// The two columns by which it is found.
    fn bind_key(&self, question: Question<'static>) -> Question<'static> {
        match self {
            Self::Name(person) => question.bind(NAME).bind(person.key.clone()),
            Self::Network(network) => question.bind(NETWORK).bind(network.clone()),
        }
    }

    fn shown(&self) -> &str {
        match self {
            Self::Name(person) => &person.shown,
            Self::Network(network) => network,
        }
    }

    fn from_row(row: &AnyRow) -> Result<Self, StoreError> {
        let key = row.try_get("subject")?;
        match row.try_get("kind")? {
            NAME => Ok(Self::Name(Person { key, shown: row.try_get("shown")? })),
            NETWORK => Ok(Self::Network(key)),
            other => Err(StoreError::Corrupt(format!("no subject is of kind {other}").into())),
        }
    }
}

/// A sanction on the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSanction {
    /// Whom it is for. Each has one.
    pub subject: Subject,
    /// What it is.
    pub sanction: Sanction,
}

/// The sanctions on the server. Cheap to clone.
#[derive(Clone)]
pub struct Sanctions {
    pub(super) database: Arc<Database>,
}

impl Sanctions {
    /// Forgets those that have expired, and returns the others, what has expired of them left out.
    pub async fn load(&self, now_ms: u64) -> Result<Vec<ServerSanction>, StoreError> {
        self.database.run(query(FORGET_EXPIRED).bind(stored(now_ms))).await?;
        let mut loaded = Vec::new();
        let mut snapshot = self.database.snapshot().await?;
        let mut pages = Pages::of(LOAD);
        while let Some(page) = pages.next(&mut snapshot).await? {
            for row in &page {
                let sanction = Sanction::from_row(row, now_ms)?;
                loaded.push(ServerSanction { subject: Subject::from_row(row)?, sanction });
            }
        }
        snapshot.commit().await?;
        Ok(loaded)
    }

    /// Sets it in place of the one that the subject had. What forbids nothing [lifts](Self::lift) that one.
    pub async fn set(&self, new: &ServerSanction, entry: &AuditEntry) -> Result<(), StoreError> {
        if new.sanction.is_void() {
            return self.lift(&new.subject, entry).await;
        }
        let question = new.subject.bind_key(query(SET)).bind(new.subject.shown().to_owned());
        audit::change(&self.database, new.sanction.bind(question), entry).await
    }

    /// Takes the subject's sanction away. [`StoreError::NotFound`]: there was none.
    pub async fn lift(&self, subject: &Subject, entry: &AuditEntry) -> Result<(), StoreError> {
        audit::change(&self.database, subject.bind_key(query(LIFT)), entry).await
    }
}
