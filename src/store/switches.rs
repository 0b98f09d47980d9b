//! Switches of the whole server, which stay as they are set.

use std::sync::Arc;

use sqlx::{Row as _, query};

use super::{AuditEntry, StoreError, audit, database::Database};

/// Who may register, for now; see [`Switches::registration_frozen`].
const REGISTRATION: &str = "registration";
const OPEN: &str = "open";
const FROZEN: &str = "frozen";

const FIND: &str = "SELECT value FROM switches WHERE name = $1";
const SET: &str = "INSERT INTO switches (name, value) VALUES ($1, $2) \
                   ON CONFLICT (name) DO UPDATE SET value = excluded.value";
const REMOVE: &str = "DELETE FROM switches WHERE name = $1";

/// The name of no switch.
const PROBE: &str = "probe";

/// The switches. Cheap to clone.
#[derive(Clone)]
pub struct Switches {
    pub(super) database: Arc<Database>,
}

impl Switches {
    /// Whether nobody may register, whatever the settings say. At first they may.
    pub async fn registration_frozen(&self) -> Result<bool, StoreError> {
        let rows = self.database.rows(query(FIND).bind(REGISTRATION)).await?;
        let Some(row) = rows.first() else { return Ok(false) };
        match row.try_get(0)? {
            OPEN => Ok(false),
            FROZEN => Ok(true),
            other => Err(StoreError::Corrupt(format!("registration is {other:?}").into())),
        }
    }

    /// Freezes registration, or lets it go on.
    pub async fn set_registration_frozen(&self, frozen: bool, entry: &AuditEntry) -> Result<(), StoreError> {
        let value = if frozen { FROZEN } else { OPEN };
        audit::change(&self.database, query(SET).bind(REGISTRATION).bind(value), entry).await
    }

    /// Finds out whether a change can be made: makes one and takes it back, which the disk sees all the same.
    pub async fn probe(&self) -> Result<(), StoreError> {
        let mut transaction = self.database.begin().await?;
        transaction.run(query(SET).bind(PROBE).bind(PROBE)).await?;
        transaction.run(query(REMOVE).bind(PROBE)).await?;
        transaction.commit().await
    }
}
