//! What an operator may set of the log: how much of it there is, for whom, where it goes, how long it stays.

use std::{path::PathBuf, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracing_subscriber::{EnvFilter, filter::LevelFilter};

use super::schema::Time;

/// What the operator sees.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    /// A level (error, warn, info, debug, trace, off), or directives as of `tracing_subscriber::EnvFilter`.
    pub level: String,
    /// For people or for machines.
    pub format: LogFormat,
    /// Whether it goes to standard error. A service has none.
    pub console: bool,
    /// The file it goes to as well. Not set: none, but for a Windows service `log\chat-server.log` in its data
    /// folder, where relative paths of a service begin. "": none for a service either.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// Bytes the file may have; then it is put aside under a name with the time, and begun anew. At least 4,096;
    /// 0: any number.
    pub rotate_bytes: u64,
    /// The span of UTC of which one file has the lines: a day ends at midnight, an hour on the hour. At least 1s;
    /// 0s: any.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "Time")]
    pub rotate_age: Duration,
    /// Files put aside that are kept, at most 1,000. Beyond: the oldest is deleted.
    pub keep: usize,
    /// Whether addresses of peers are whole, or of IPv4 only the /24 and of IPv6 the /48.
    pub addresses: LogAddresses,
}

/// For whom the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// People.
    Text,
    /// Machines: a JSON object a line.
    Json,
}

/// What the log has of addresses of peers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogAddresses {
    /// All, with the port.
    #[default]
    Full,
    /// The network: of IPv4 24 bits, of IPv6 48.
    Truncated,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            level: "info".into(),
            format: LogFormat::Text,
            console: true,
            file: None,
            rotate_bytes: 10 * 1024 * 1024,
            rotate_age: Duration::from_hours(24),
            keep: 14,
            addresses: LogAddresses::Full,
        }
    }
}

impl LogConfig {
    /// The least that [`rotate_bytes`](Self::rotate_bytes) may be, or most lines would have a file of their own.
    const ROTATE_BYTES_MIN: u64 = 4_096;
    /// The most that [`keep`](Self::keep) may be: they are looked through at each start.
    const KEEP_MAX: usize = 1_000;

    pub(super) fn check(&self) -> Result<(), String> {
        log_filter(&self.level).map_err(|error| format!("`log.level`: {error}"))?;
        if (1..Self::ROTATE_BYTES_MIN).contains(&self.rotate_bytes) {
            return Err(format!("`log.rotate_bytes` must be at least {}, or 0", Self::ROTATE_BYTES_MIN));
        }
        if !self.rotate_age.is_zero() && self.rotate_age < Duration::from_secs(1) {
            return Err("`log.rotate_age` must be at least 1s, or 0s".into());
        }
        if self.keep > Self::KEEP_MAX {
            return Err(format!("`log.keep` must be at most {}", Self::KEEP_MAX));
        }
        Ok(())
    }
}

/// The filter that the directives of `log.level` make. A word alone has to be a level: `EnvFilter` would take one that is
/// mistyped for part of a program, and log all of that and nothing else.
pub fn log_filter(directives: &str) -> Result<EnvFilter, String> {
    for word in directives.split(',').map(str::trim) {
        if !word.contains(['=', '[']) && word.parse::<LevelFilter>().is_err() {
            return Err(format!("{word:?} is no level: error, warn, info, debug, trace or off"));
        }
    }
    EnvFilter::try_new(directives).map_err(|error| format!("{error}: {directives:?}"))
}
