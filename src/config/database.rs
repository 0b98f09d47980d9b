//! Where what outlives the process is kept.

use std::{fmt, path::PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where what outlives the process is kept.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DatabaseConfig {
    /// `file`: SQLite, in the data folder. `none`: nowhere, so that there are guests and no accounts. Or a PostgreSQL
    /// database: `postgres://user:password@host:port/name`.
    pub url: String,
    /// A file whose first line is that, instead: a password that is in no process's environment and on no command line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url_file: Option<PathBuf>,
}

impl DatabaseConfig {
    /// In the data folder.
    pub const FILE: &str = "file";
    /// Nowhere.
    pub const NONE: &str = "none";

    /// What stands where a password is not shown.
    const HIDDEN: &str = "***";

    /// The URL without a password in it, wherever that stands.
    #[must_use]
    pub fn shown_url(&self) -> String {
        let Some((scheme, rest)) = self.url.split_once("://") else { return self.url.clone() };
        let (place, query) = rest.split_once('?').map_or((rest, None), |(place, query)| (place, Some(query)));
        if place.contains(':') && query.is_some_and(|query| query.contains('@')) {
            // A password with a question mark in it, perhaps.
            return format!("{scheme}://{}", Self::HIDDEN);
        }
        // The last of them: whoever forgot to write `%40` in a password has not told it by that.
        let place = match place.rsplit_once('@').map(|(user, host)| (user.split_once(':'), user, host)) {
            Some((Some((user, _)), _, host)) => format!("{user}:{}@{host}", Self::HIDDEN),
            _ => place.to_owned(),
        };
        let parameter = |parameter: &str| match parameter.split_once('=') {
            Some((name, _)) if name.to_lowercase().contains("pass") => format!("{name}={}", Self::HIDDEN),
            _ => parameter.to_owned(),
        };
        let query = query.map(|query| query.split('&').map(parameter).collect::<Vec<_>>().join("&"));
        format!("{scheme}://{place}{}", query.map_or(String::new(), |query| format!("?{query}")))
    }

    /// Says what cannot be, naming the key.
    pub fn check(&self) -> Result<(), String> {
        let url = &self.url;
        if url.contains(&format!(":{}@", Self::HIDDEN)) || url.contains(&format!("={}", Self::HIDDEN)) {
            return Err("`database.url` has no password, only what stands for one that is not shown".into());
        }
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
        Self { url: Self::FILE.into(), url_file: None }
    }
}

/// A URL may hold a password.
impl fmt::Debug for DatabaseConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseConfig").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_shown_nowhere_and_what_stands_for_it_is_not_taken_for_one() {
        let config = |url: &str| DatabaseConfig { url: url.into(), url_file: None };
        for (url, shown) in [
            ("postgres://kim:secret@db:5432/chat", "postgres://kim:***@db:5432/chat"),
            ("postgres://kim:se@cr/et@db/chat?sslmode=off", "postgres://kim:***@db/chat?sslmode=off"),
            ("postgres://db/chat?user=kim&password=secret", "postgres://db/chat?user=kim&password=***"),
            ("postgres://:secret@/chat", "postgres://:***@/chat"),
            ("postgres://kim:se?cr@db/chat", "postgres://***"),
            ("postgres://kim:se@c?secret@db/chat", "postgres://***"),
            ("postgres://kim@db/chat", "postgres://kim@db/chat"),
            ("file", "file"),
        ] {
            let config = config(url);
            assert_eq!(config.shown_url(), shown);
            assert!(!format!("{config:?}").contains("secret"));
            assert!(config.check().is_ok(), "{url}");
        }
        for hidden in ["postgres://kim:***@db/chat", "postgres://db/chat?password=***"] {
            assert!(config(hidden).check().expect_err(hidden).contains("database.url"));
        }
    }
}
