//! The tables' versions: each step from one to the next, taken once, forward only.

use std::{
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use sqlx::{AnyConnection, Row as _, query, raw_sql};

use super::{Place, StoreError, time};

/// Every step there is, in order. One that was released is never changed.
pub const STEPS: &[Step] = &[
    Step {
        sqlite: include_str!("schema/sqlite/0001_accounts.sql"),
        postgres: include_str!("schema/postgres/0001_accounts.sql"),
    },
    Step {
        sqlite: include_str!("schema/sqlite/0002_rooms_and_moderation.sql"),
        postgres: include_str!("schema/postgres/0002_rooms_and_moderation.sql"),
    },
    Step {
        sqlite: include_str!("schema/sqlite/0003_resume_and_history.sql"),
        postgres: include_str!("schema/postgres/0003_resume_and_history.sql"),
    },
    Step {
        sqlite: include_str!("schema/sqlite/0004_stored_whispers.sql"),
        postgres: include_str!("schema/postgres/0004_stored_whispers.sql"),
    },
    Step {
        sqlite: include_str!("schema/sqlite/0005_sealed_whispers.sql"),
        postgres: include_str!("schema/postgres/0005_sealed_whispers.sql"),
    },
];

/// Whoever migrates a PostgreSQL database holds this lock of it: "chat" in ASCII.
const LOCK: &str = "SELECT pg_advisory_xact_lock(1667785076)";

/// Changes nothing, and is refused where writing is. (SQLite's BEGIN IMMEDIATE is not.)
const TRY_TO_WRITE: &str = "UPDATE schema_versions SET version = version WHERE version < 0";

/// What makes a version out of the one before it.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// SQLite's statements.
    pub sqlite: &'static str,
    /// PostgreSQL's, to the same end.
    pub postgres: &'static str,
}

/// How far a database has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schema {
    /// Its version; 0 is an empty one.
    pub applied: u32,
    /// The version of this program.
    pub known: u32,
}

/// What opening a database did to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migrated {
    /// The version before.
    pub from: u32,
    /// The version now.
    pub to: u32,
    /// The database as it was before, if it is a SQLite file that was not new. A PostgreSQL database is its
    /// operator's to back up (`pg_dump`).
    pub backup: Option<PathBuf>,
}

/// Where a database stands.
pub(super) async fn look(
    connection: &mut AnyConnection,
    place: &Place,
    steps: &[Step],
) -> Result<Schema, StoreError> {
    let exists = if place.is_sqlite() {
        "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'schema_versions'"
    } else {
        "SELECT count(*) FROM pg_class WHERE oid = to_regclass('schema_versions')"
    };
    let known = u32::try_from(steps.len()).expect("few steps");
    if query(exists).fetch_one(&mut *connection).await?.try_get::<i64, _>(0)? == 0 {
        return Ok(Schema { applied: 0, known });
    }
    let row = query("SELECT coalesce(max(version), 0) FROM schema_versions").fetch_one(connection).await?;
    let applied: i64 = row.try_get(0)?;
    Ok(Schema { applied: u32::try_from(applied).unwrap_or(u32::MAX), known })
}

/// Takes the steps that are missing, all or none of them:
///
/// 1. A lock is taken that only one program can hold; the others wait, and then find nothing to do.
/// 2. A SQLite file that is not new is copied by a second connection; the copy stays beside it.
/// 3. The steps and their record are one transaction.
///
/// That it can write is tried also when nothing is missing: what takes no writes is found at the start. After an error
/// the transaction may be open, and goes with the connection.
pub(super) async fn migrate(
    connection: &mut AnyConnection,
    place: &Place,
    steps: &[Step],
) -> Result<Migrated, StoreError> {
    if place.is_sqlite() {
        raw_sql("BEGIN IMMEDIATE").execute(&mut *connection).await?;
    } else {
        raw_sql("BEGIN").execute(&mut *connection).await?;
        raw_sql(LOCK).execute(&mut *connection).await?;
    }
    let Schema { applied, known } = look(connection, place, steps).await?;
    if applied > known {
        return Err(StoreError::TooNew { found: applied, known });
    }
    if applied > 0 {
        raw_sql(TRY_TO_WRITE).execute(&mut *connection).await?;
    }
    let mut backup = None;
    if let Some(file) = place.as_file()
        && (1..known).contains(&applied)
    {
        let name = backup_name(file, applied, SystemTime::now());
        place.backup(&name).await?;
        backup = Some(name);
    }
    let taken = take_steps(connection, place, &steps[applied as usize..], applied).await;
    if let (Err(_), Some(backup)) = (&taken, &backup) {
        // Whoever tries again and again must not fill the disk with copies of what did not change.
        let _ = fs::remove_file(backup);
    }
    taken.map(|()| Migrated { from: applied, to: known, backup })
}

async fn take_steps(
    connection: &mut AnyConnection,
    place: &Place,
    missing: &[Step],
    applied: u32,
) -> Result<(), StoreError> {
    for (step, version) in missing.iter().zip(applied + 1..) {
        raw_sql(if place.is_sqlite() { step.sqlite } else { step.postgres })
            .execute(&mut *connection)
            .await?;
        query("INSERT INTO schema_versions (version, applied_ms) VALUES ($1, $2)")
            .bind(i64::from(version))
            .bind(time::now())
            .execute(&mut *connection)
            .await?;
    }
    raw_sql("COMMIT").execute(connection).await?;
    Ok(())
}

/// `chat.v1.2026-07-25T10-11-12Z.db`: Windows takes no colon in a name.
fn backup_name(file: &Path, version: u32, now: SystemTime) -> PathBuf {
    let time = humantime::format_rfc3339_seconds(now).to_string().replace(':', "-");
    file.with_extension(format!("v{version}.{time}.db"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_backups_name_is_one_on_windows_too() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_784_974_272);
        let name = backup_name(Path::new("홍 길동/chat.db"), 1, now);
        assert_eq!(name, Path::new("홍 길동/chat.v1.2026-07-25T10-11-12Z.db"));
    }
}
