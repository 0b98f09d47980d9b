//! What only SQLite needs: a file made with care, the write-ahead log, a look at what we rely on, and copies.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use sqlx::{AnyConnection, Row as _, query, raw_sql};
use tokio::time::{Instant, sleep};

use super::StoreError;

/// Earlier ones can damage a database whose WAL starts over while somebody reads: <https://sqlite.org/releaselog/3_51_3.html>.
const SQLITE_VERSION_MIN: (u32, u32, u32) = (3, 51, 3);
/// How long a connection waits for another's lock. sqlx sets it by itself; `check_promises` looks.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long to leave the others alone before the next try at what SQLite does not wait for.
const RETRY_PAUSE: Duration = Duration::from_millis(20);
/// What `PRAGMA synchronous` says for FULL: a commit returns when the disk has it.
const SYNCHRONOUS_FULL: i64 = 2;
/// Faults that an error repeats of the many that a check may find.
const FAULTS_SHOWN: usize = 5;

/// Makes the file and its folder where they are missing, for nobody else to read: password hashes are in there, and
/// SQLite gives its side files the rights of this one.
pub fn make_file(file: &Path) -> Result<(), StoreError> {
    let failed = |error| StoreError::File { path: file.into(), error };
    let mut folders = fs::DirBuilder::new();
    let mut options = fs::OpenOptions::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
        folders.mode(0o700);
        options.mode(0o600);
    }
    if let Some(folder) = file.parent() {
        folders.recursive(true).create(folder).map_err(failed)?;
    }
    match options.write(true).create_new(true).open(file) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(failed(error)),
        _ => Ok(()),
    }
}

/// Refuses a SQLite that is too old, and another program's database.
pub async fn check_ours(connection: &mut AnyConnection) -> Result<(), StoreError> {
    let version: String = query("SELECT sqlite_version()").fetch_one(&mut *connection).await?.try_get(0)?;
    if parse_version(&version).is_none_or(|version| version < SQLITE_VERSION_MIN) {
        let (major, minor, patch) = SQLITE_VERSION_MIN;
        let text =
            format!("SQLite {version} can damage databases; {major}.{minor}.{patch} or newer is needed");
        return Err(StoreError::Unusable(text));
    }
    // Also the first read of the file: here one learns that it is no database.
    let tables =
        "SELECT count(*), coalesce(sum(name = 'schema_versions'), 0) FROM sqlite_master WHERE type = 'table'";
    let row = query(tables).fetch_one(connection).await?;
    let (all, ours): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    if all > 0 && ours == 0 {
        return Err(StoreError::Unusable("the file is another program's database".into()));
    }
    Ok(())
}

/// Writes ahead from now on: who reads does not wait for who writes. The file remembers it.
pub async fn write_ahead(connection: &mut AnyConnection) -> Result<(), StoreError> {
    let deadline = Instant::now() + BUSY_TIMEOUT;
    loop {
        // SQLite does not wait here for another connection, which may be doing the same.
        let error = match raw_sql("PRAGMA journal_mode = WAL").fetch_one(&mut *connection).await {
            Ok(row) if row.try_get::<String, _>(0)? == "wal" => return Ok(()),
            Ok(_) => StoreError::Unusable("the file's disk cannot keep a write-ahead log".into()),
            Err(error) => error.into(),
        };
        if !matches!(error, StoreError::Busy(_)) || Instant::now() > deadline {
            return Err(error);
        }
        sleep(RETRY_PAUSE).await;
    }
}

/// Every connection has what is promised, though nobody asks for it one by one: sqlx's options do not reach through
/// its `any`, and a pool takes an error after connecting for bad luck and tries again.
pub async fn check_promises(connection: &mut AnyConnection) -> Result<(), StoreError> {
    let busy_ms = i64::try_from(BUSY_TIMEOUT.as_millis()).expect("seconds");
    for (pragma, expected) in [
        ("PRAGMA synchronous", SYNCHRONOUS_FULL),
        ("PRAGMA foreign_keys", 1),
        ("PRAGMA busy_timeout", busy_ms),
    ] {
        let value: i64 = raw_sql(pragma).fetch_one(&mut *connection).await?.try_get(0)?;
        if value != expected {
            return Err(StoreError::Unusable(format!("this SQLite has {pragma} = {value}, not {expected}")));
        }
    }
    Ok(())
}

/// Reads everything, and compares what hangs together.
pub async fn check(connection: &mut AnyConnection) -> Result<(), StoreError> {
    let rows = raw_sql("PRAGMA integrity_check").fetch_all(&mut *connection).await?;
    let texts = rows.iter().map(|row| row.try_get(0)).collect::<Result<Vec<&str>, _>>()?;
    // A row may have several lines.
    let mut faults: Vec<&str> =
        texts.iter().flat_map(|text| text.lines()).filter(|line| *line != "ok").collect();
    if !raw_sql("PRAGMA foreign_key_check").fetch_all(connection).await?.is_empty() {
        faults.push("rows that refer to nothing");
    }
    if faults.is_empty() {
        return Ok(());
    }
    faults.truncate(FAULTS_SHOWN);
    Err(StoreError::Corrupt(faults.join("; ").into()))
}

/// Copies the database as it is at one moment, while others use it. The copy has its name only once it is whole.
pub async fn copy(connection: &mut AnyConnection, to: &Path) -> Result<(), StoreError> {
    let failed = |error| StoreError::File { path: to.into(), error };
    let to = std::path::absolute(to).map_err(failed)?;
    let mut partial = to.clone().into_os_string();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let name = partial.to_str().ok_or_else(|| failed(io::ErrorKind::InvalidFilename.into()))?;
    if to.exists() {
        return Err(failed(io::ErrorKind::AlreadyExists.into()));
    }
    // SQLite writes into an empty file, and so into one with our rights. One that is not empty is of a copy that was
    // cut off.
    match fs::remove_file(&partial) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => make_file(&partial)?,
    }
    let copied = query("VACUUM INTO $1").bind(name).execute(connection).await;
    let finished = match copied {
        Ok(_) => finish(partial.clone(), to.clone()).await.map_err(failed),
        Err(error) => Err(error.into()),
    };
    if finished.is_err() {
        // It is of no use; the error says why.
        let _ = fs::remove_file(&partial);
    }
    finished
}

/// Onto the disk, then its name.
async fn finish(partial: PathBuf, to: PathBuf) -> io::Result<()> {
    let work = move || {
        fs::OpenOptions::new().write(true).open(&partial)?.sync_all()?;
        fs::rename(&partial, &to)
    };
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

fn parse_version(text: &str) -> Option<(u32, u32, u32)> {
    let mut numbers = text.split('.').map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??, numbers.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sqlite_that_can_damage_databases_is_told_from_one_that_cannot() {
        for (version, old_enough) in
            [("3.51.2", false), ("3.51.3", true), ("3.52.0", true), ("4.0.0", true), ("3.9.12", false)]
        {
            assert_eq!(
                parse_version(version).expect("three numbers") >= SQLITE_VERSION_MIN,
                old_enough,
                "{version}"
            );
        }
    }
}
