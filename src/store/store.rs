//! The open database, and its opening, keeping and closing.

use std::{path::Path, sync::Arc};

use sqlx::{AnyConnection, ConnectOptions as _, Connection as _};

use super::{
    Accounts, Audit, DeviceKeys, History, Ignores, Invites, Migrated, Place, Resumes, Rooms, Sanctions,
    Schema, StoreError, Switches, Whispers,
    clock::ClockStop,
    database::Database,
    last_logins::LastLogins,
    postgres,
    schema::{self, STEPS, Step},
    sqlite,
};
use crate::metrics::StoreMetrics;

/// The open database. Cheap to clone: all clones are one.
#[derive(Clone)]
pub struct Store {
    pub(super) database: Arc<Database>,
    accounts: Accounts,
    invites: Invites,
    rooms: Rooms,
    sanctions: Sanctions,
    ignores: Ignores,
    device_keys: DeviceKeys,
    audit: Audit,
    switches: Switches,
    history: History,
    resumes: Resumes,
    whispers: Whispers,
    migrated: Migrated,
}

impl Store {
    /// Opens the database, makes it if it is a SQLite one that is not there, and brings it to this program's version.
    /// Nothing is ever deleted; what goes wrong changes nothing.
    pub async fn open(place: &Place) -> Result<Self, StoreError> {
        Self::open_with(place, STEPS).await
    }

    /// With other versions than the real ones, for tests of what a later version will meet.
    #[doc(hidden)]
    pub async fn open_with(place: &Place, steps: &[Step]) -> Result<Self, StoreError> {
        let _stopped = ClockStop::of(place);
        if let Some(file) = place.as_file() {
            sqlite::make_file(file)?;
        }
        let mut connection = connect(place).await?;
        let migrated = match make_ready(&mut connection, place, steps).await {
            Ok(migrated) => migrated,
            Err(error) => {
                close(connection).await;
                return Err(error);
            }
        };
        let database = Arc::new(Database::new(place.clone(), connection).await);
        let last_logins = Arc::new(LastLogins::default());
        let shared = || Arc::clone(&database);
        Ok(Self {
            accounts: Accounts { database: shared(), last_logins },
            invites: Invites { database: shared() },
            rooms: Rooms { database: shared() },
            sanctions: Sanctions { database: shared() },
            ignores: Ignores { database: shared() },
            device_keys: DeviceKeys { database: shared() },
            audit: Audit { database: shared() },
            switches: Switches { database: shared() },
            history: History { database: shared() },
            resumes: Resumes { database: shared() },
            whispers: Whispers { database: shared() },
            database,
            migrated,
        })
    }

    /// The accounts.
    #[must_use]
    pub fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    /// The invites.
    #[must_use]
    pub fn invites(&self) -> &Invites {
        &self.invites
    }

    /// The rooms that persist.
    #[must_use]
    pub fn rooms(&self) -> &Rooms {
        &self.rooms
    }

    /// The sanctions on the server.
    #[must_use]
    pub fn sanctions(&self) -> &Sanctions {
        &self.sanctions
    }

    /// Who ignores whom.
    #[must_use]
    pub fn ignores(&self) -> &Ignores {
        &self.ignores
    }

    /// Which devices of whom whispers are sealed to.
    #[must_use]
    pub fn device_keys(&self) -> &DeviceKeys {
        &self.device_keys
    }

    /// The audit log.
    #[must_use]
    pub fn audit(&self) -> &Audit {
        &self.audit
    }

    /// The switches.
    #[must_use]
    pub fn switches(&self) -> &Switches {
        &self.switches
    }

    /// What was said.
    #[must_use]
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Who may come back to which session.
    #[must_use]
    pub fn resumes(&self) -> &Resumes {
        &self.resumes
    }

    /// Whispers that wait.
    #[must_use]
    pub fn whispers(&self) -> &Whispers {
        &self.whispers
    }

    /// What opening did to the database.
    #[must_use]
    pub fn migrated(&self) -> &Migrated {
        &self.migrated
    }

    /// What is counted of it.
    #[must_use]
    pub fn metrics(&self) -> &Arc<StoreMetrics> {
        self.database.metrics()
    }

    /// Where it is.
    #[must_use]
    pub fn place(&self) -> &Place {
        self.database.place()
    }

    /// Writes what is only noted and closes every connection, after the answers that are under way; from then on
    /// everything is [`StoreError::Unavailable`]. Nothing is left running, and beside a SQLite file no `-wal` and
    /// `-shm`, unless another program has it open. An error is one of writing; it is closed all the same.
    pub async fn close(&self) -> Result<(), StoreError> {
        let flushed = self.accounts.flush_logins().await;
        self.database.close().await;
        flushed
    }
}

/// Upkeep that needs no [`Store`], beside a running server or without one. It neither makes nor changes a database.
impl Place {
    /// How far the database has come.
    pub async fn schema(&self) -> Result<Schema, StoreError> {
        let mut connection = connect(self).await?;
        let schema = schema::look(&mut connection, self, STEPS).await;
        close(connection).await;
        schema
    }

    /// Whether the database is whole: [`StoreError::Corrupt`] if not. A SQLite file is read to its end and everything
    /// in it compared; PostgreSQL has its own tools for that, and is only read.
    pub async fn check(&self) -> Result<(), StoreError> {
        let mut connection = connect(self).await?;
        let checked = if self.is_sqlite() {
            sqlite::check(&mut connection).await
        } else {
            postgres::check(&mut connection).await
        };
        close(connection).await;
        checked
    }

    /// Copies the database, as it is at one moment, to a file that is not there yet. Of a PostgreSQL database its
    /// own `pg_dump` makes copies: [`StoreError::Unusable`].
    pub async fn backup(&self, to: &Path) -> Result<(), StoreError> {
        if !self.is_sqlite() {
            return Err(StoreError::Unusable("a PostgreSQL database is backed up by its own pg_dump".into()));
        }
        let mut connection = connect(self).await?;
        let copied = sqlite::copy(&mut connection, to).await;
        close(connection).await;
        copied
    }
}

/// A connection to a database that can be ours.
async fn connect(place: &Place) -> Result<AnyConnection, StoreError> {
    let mut connection = place.options().connect().await?;
    let checked = if place.is_sqlite() {
        sqlite::check_ours(&mut connection).await
    } else {
        postgres::check_ours(&mut connection).await
    };
    match checked {
        Ok(()) => Ok(connection),
        Err(error) => {
            close(connection).await;
            Err(error)
        }
    }
}

async fn make_ready(
    connection: &mut AnyConnection,
    place: &Place,
    steps: &[Step],
) -> Result<Migrated, StoreError> {
    if place.as_file().is_some() {
        sqlite::write_ahead(connection).await?;
        sqlite::check_promises(connection).await?;
    }
    schema::migrate(connection, place, steps).await
}

async fn close(connection: AnyConnection) {
    // What it had to do it has done.
    let _ = connection.close().await;
}
