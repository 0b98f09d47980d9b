//! Where what outlives the process is kept.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where what outlives the process is kept.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseConfig {
    /// `file`: SQLite, in the data folder. `none`: nowhere, so that there are guests and no accounts. Or a PostgreSQL
    /// database: `postgres://user:password@host:port/name`.
    pub url: String,
}

impl DatabaseConfig {
    /// In the data folder.
    pub const FILE: &str = "file";
    /// Nowhere.
    pub const NONE: &str = "none";

    /// Says what cannot be, naming the key.
    pub fn check(&self) -> Result<(), String> {
        let url = &self.url;
        let known = [Self::FILE, Self::NONE].contains(&url.as_str());
        if known || ["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
            return Ok(());
        }
        // Not repeated: it may hold a password.
        Err("`database.url` must be \"file\", \"none\" or begin with postgres://".into())
    }
}

impl Default for DatabaseConfig {
    fn default() -> Self {
        Self { url: Self::FILE.into() }
    }
}

/// A URL may hold a password.
impl fmt::Debug for DatabaseConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseConfig").finish_non_exhaustive()
    }
}
