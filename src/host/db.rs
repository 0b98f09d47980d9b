//! `chat-server db`: looks after the database, beside a running server or without one.

use std::{
    path::{Path, PathBuf},
    time::SystemTime,
};

use clap::{Args, Subcommand};

use super::{
    args::Settings,
    database::{self, Missing, failure},
    exit::Failure,
};
use crate::store::{Misfit, Place, Schema, Store, StoreError};

/// What to do with the database.
#[derive(Args)]
#[command(after_long_help = EXAMPLES)]
pub struct DbArgs {
    #[command(subcommand)]
    verb: Verb,
}

const EXAMPLES: &str = "\
Examples:
  chat-server db status
  chat-server db backup                             chat.2026-07-25T10-11-12Z.db in the data folder
  chat-server db backup D:\\backups\\chat.db
  chat-server db check && echo whole

To restore a backup: stop the server, remove chat.db-wal and chat.db-shm if they are there, copy the
file over chat.db, start the server. PostgreSQL has its own tools: pg_dump, pg_amcheck.

Exit codes: 0 done, 1 failed, 2 wrong command line, 3 wrong configuration, 5 the data store failed";

#[derive(Subcommand)]
enum Verb {
    /// Bring the database to this program's version; make it if there is none. The server does so when it starts.
    Migrate,
    /// Copy the database as it is at one moment to a new file.
    Backup {
        /// The file [default: one with the time in its name, in the data folder].
        file: Option<PathBuf>,
    },
    /// Read all of the database and say whether it is whole.
    Check,
    /// Say where the database is, which version it has and what is in it.
    Status,
}

/// Does what the command line says.
pub async fn run(args: &DbArgs, settings: &Settings) -> Result<(), Failure> {
    let config = settings.load()?;
    let missing = if matches!(args.verb, Verb::Migrate) { Missing::Make } else { Missing::Refuse };
    let place = database::operators_place(&config, missing)?;
    match &args.verb {
        Verb::Migrate => migrate(&place).await,
        Verb::Backup { file } => {
            let file = file.clone().unwrap_or_else(|| backup_name(&place, SystemTime::now()));
            place.backup(&file).await.map_err(|error| match error {
                // Its message names the file.
                error @ (StoreError::File { .. } | StoreError::Unusable(_)) => error.into(),
                error => failure(&place, &error),
            })?;
            super::print(&format!("{}\n", file.display()))
        }
        Verb::Check => {
            place.check().await.map_err(|error| failure(&place, &error))?;
            super::print(&format!("{place} is whole\n"))
        }
        Verb::Status => status(&place).await,
    }
}

async fn migrate(place: &Place) -> Result<(), Failure> {
    let store = Store::open(place).await.map_err(|error| failure(place, &error))?;
    let misfits = database::renew_names(&store).await?;
    let rooms = database::renew_room_names(&store).await?;
    let migrated = store.migrated().clone();
    store.close().await?;
    let mut lines = vec![if migrated.from == migrated.to {
        format!("{place} has schema version {} already", migrated.to)
    } else {
        format!("{place}: from schema version {} to {}", migrated.from, migrated.to)
    }];
    lines.extend(migrated.backup.map(|backup| format!("as it was before: {}", backup.display())));
    lines.extend(misfits.into_iter().map(|Misfit { id, name, collides_with }| match collides_with {
        Some(other) => format!("by new rules account {id}, {name}, has the name of {other} or looks like it"),
        None => format!("by new rules the name of account {id}, {name}, is none"),
    }));
    lines.extend(rooms.into_iter().map(|Misfit { id, name, collides_with }| match collides_with {
        Some(other) => format!("by new rules room {id}, {name}, has the name of {other} or looks like it"),
        None => format!("by new rules the name of room {id}, {name}, is none"),
    }));
    print(&lines)
}

async fn status(place: &Place) -> Result<(), Failure> {
    let Schema { applied, known } = place.schema().await.map_err(|error| failure(place, &error))?;
    let mut lines =
        vec![format!("database  {place}"), format!("schema    {applied} (this program has {known})")];
    if let Some(file) = place.as_file().and_then(|file| file.metadata().ok()) {
        lines.push(format!("bytes     {}", file.len()));
    }
    if applied < known {
        lines.push("to do     chat-server db migrate".into());
    }
    print(&lines)?;
    if applied > known {
        return Err(failure(place, &StoreError::TooNew { found: applied, known }));
    }
    if applied < known {
        return Ok(());
    }
    let store = database::open_beside(place).await?;
    let (accounts, invites) = (store.accounts().count().await?, store.invites().list().await?.len());
    store.close().await?;
    print(&[format!("accounts  {accounts}"), format!("invites   {invites}")])
}

fn print(lines: &[String]) -> Result<(), Failure> {
    super::print(&(lines.join("\n") + "\n"))
}

/// `chat.2026-07-25T10-11-12Z.db`, beside the database: Windows takes no colon in a name.
fn backup_name(place: &Place, now: SystemTime) -> PathBuf {
    let time = humantime::format_rfc3339_seconds(now).to_string().replace(':', "-");
    // PostgreSQL has no file, and is refused whatever the name.
    place.as_file().unwrap_or(Path::new("chat.db")).with_extension(format!("{time}.db"))
}
