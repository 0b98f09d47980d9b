//! What an operator may set, its defaults, and where a value comes from: flag, environment, file, default.

mod accounts;
mod admin;
mod changes;
mod database;
mod fault;
mod file;
mod history;
mod keys;
mod live;
mod log;
mod resume;
mod rooms;
mod schema;
mod sources;
mod suggest;
#[cfg(test)]
mod tests;
mod text;
mod tls;

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

pub use accounts::{AccountsConfig, HashingConfig, NamePolicy, Registration, SecondLogin};
pub use admin::AdminConfig;
pub use changes::{Changes, blend};
pub use database::DatabaseConfig;
pub use fault::{ConfigError, Fault, Origin, Position};
pub use history::{Durability, Failing, HistoryConfig};
pub use live::{Live, Policy};
pub use log::{LogAddresses, LogConfig, LogFormat, log_filter};
pub use resume::ResumeConfig;
pub use rooms::RoomsConfig;
pub use schema::schema;
pub use sources::{Flag, Loaded, Sources, key_of_variable};
pub use text::{default_environment, default_toml};
pub use tls::{DEFAULT_TLS_PORT, TlsConfig};

/// The port of the C++ server this one succeeds.
pub const DEFAULT_PORT: u16 = 11021;

/// The longest time that the server's own clocks can be set to: what the wire has room for, in milliseconds.
const TIME_MAX: Duration = Duration::from_millis(u32::MAX as u64);

/// The most of something that a place is kept for, each: more than any machine has room for.
const PLACES_MAX: usize = 10_000_000;

/// All settings, checked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Addresses to listen on, without TLS. May be none where there is TLS.
    pub listen: Vec<SocketAddr>,
    /// Listen without TLS where others than this machine can connect: they read along, passwords too.
    pub allow_plaintext: bool,
    /// The folder for what outlives the process. None: `%ProgramData%\iocp-chat\NAME` as a service, else one of the
    /// user's own, as `chat-server --help` says.
    #[serde(serialize_with = "shown", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<PathBuf>")]
    pub data: Option<PathBuf>,
    /// How many.
    pub limits: LimitConfig,
    /// How long.
    pub timeouts: TimeoutConfig,
    /// How fast one session may be; 0 a second means no limit.
    pub rates: RateConfig,
    /// What the lobby keeps for slow readers.
    pub lobby: Bounds,
    /// What each session's mailbox keeps.
    pub mailbox: Bounds,
    /// The rooms that people make.
    pub rooms: RoomsConfig,
    /// Sessions whose connection is lost.
    pub resume: ResumeConfig,
    /// Who may be called what.
    pub accounts: AccountsConfig,
    /// Where accounts are kept, and the history.
    pub database: DatabaseConfig,
    /// What was said.
    pub history: HistoryConfig,
    /// Connections over TLS.
    pub tls: TlsConfig,
    /// What the operator sees.
    pub log: LogConfig,
    /// Metrics and health, for programs on this machine.
    pub admin: AdminConfig,
}

/// How many.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitConfig {
    /// Connections in all.
    pub connections: usize,
    /// Of these, not logged in; when there are more, the oldest of them goes.
    pub guests: usize,
    /// From one address (an IPv6 /64 counts as one).
    pub per_address: u32,
    /// New within 10 s from one address.
    pub new_per_address: u32,
    /// Addresses without these two limits.
    pub exempt_addresses: Vec<IpAddr>,
    /// Joined and left notices are sent while a room has at most this many members.
    pub notice_members: u32,
}

/// How long, as "10s" or "250ms".
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TimeoutConfig {
    /// From accept to a successful login.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "schema::Time")]
    pub login: Duration,
    /// From a packet's first byte to its last.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "schema::Time")]
    pub packet: Duration,
    /// Silence after which the server pings.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "schema::Time")]
    pub ping_after: Duration,
    /// Silence after which it hangs up.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "schema::Time")]
    pub idle: Duration,
    /// How long one write may take no byte.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "schema::Time")]
    pub write: Duration,
    /// How long a stop may take.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "schema::Time")]
    pub drain: Duration,
    /// How long it may take at most when the system shuts down. Windows ends a process after 5 s, a container's
    /// after as long as its image says.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "schema::Time")]
    pub system_shutdown: Duration,
}

/// How fast one session may be; 0 a second means no limit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RateConfig {
    /// Broadcasts and whispers.
    pub chat: Rate,
    /// All else.
    pub other: Rate,
}

/// A sustained rate and a burst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Tokens a second; 0 means no limit.
    pub per_second: u32,
    /// Tokens a rested bucket holds.
    pub burst: u32,
}

/// How much a log keeps. Full: the oldest go, and a reader behind them is told which it missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bounds {
    /// Lines.
    pub lines: usize,
    /// Bytes of encoded lines.
    pub bytes: usize,
}

/// A folder's name need not be Unicode, and TOML is.
#[expect(clippy::ref_option, reason = "serde calls it with this")]
fn shown<S: Serializer>(path: &Option<PathBuf>, to: S) -> Result<S::Ok, S::Error> {
    path.as_ref().map(|path| path.to_string_lossy()).serialize(to)
}

impl Default for Config {
    fn default() -> Self {
        let secs = Duration::from_secs;
        Self {
            listen: vec![(Ipv4Addr::LOCALHOST, DEFAULT_PORT).into()],
            allow_plaintext: false,
            data: None,
            limits: LimitConfig {
                connections: 10_000,
                guests: 1_000,
                per_address: 256,
                new_per_address: 256,
                exempt_addresses: vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
                notice_members: 200,
            },
            timeouts: TimeoutConfig {
                login: secs(10),
                packet: secs(10),
                ping_after: secs(30),
                idle: secs(75),
                write: secs(10),
                drain: secs(20),
                system_shutdown: secs(4),
            },
            rates: RateConfig {
                chat: Rate { per_second: 5, burst: 10 },
                other: Rate { per_second: 10, burst: 20 },
            },
            lobby: Bounds { lines: 4_096, bytes: 1024 * 1024 },
            mailbox: Bounds { lines: 256, bytes: 128 * 1024 },
            rooms: RoomsConfig::default(),
            resume: ResumeConfig::default(),
            accounts: AccountsConfig::default(),
            database: DatabaseConfig::default(),
            history: HistoryConfig::default(),
            log: LogConfig::default(),
            tls: TlsConfig::default(),
            admin: AdminConfig::default(),
        }
    }
}

impl Config {
    /// The settings as a file that sets them all.
    ///
    /// # Panics
    /// Never: settings are made of what TOML has.
    #[must_use]
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("settings are made of what TOML has")
    }

    /// Whether what was said is kept.
    #[must_use]
    pub fn keeps_history(&self) -> bool {
        self.history.keep && self.database.url != DatabaseConfig::NONE
    }

    /// An address on which others than this machine would be served without TLS, though nobody said that they may.
    /// No source of settings is refused for this alone: another may allow it.
    #[must_use]
    pub fn exposed(&self) -> Option<SocketAddr> {
        self.plain_to_others().filter(|_| !self.allow_plaintext)
    }

    /// An address on which others than this machine are served without TLS.
    #[must_use]
    pub fn plain_to_others(&self) -> Option<SocketAddr> {
        self.listen.iter().copied().find(|address| !address.ip().to_canonical().is_loopback())
    }

    /// What no type says: names the key that cannot be.
    fn check(&self) -> Result<(), String> {
        let at_least_one = [
            ("limits.connections", self.limits.connections),
            ("limits.guests", self.limits.guests),
            ("limits.per_address", self.limits.per_address as usize),
            ("limits.new_per_address", self.limits.new_per_address as usize),
            ("lobby.lines", self.lobby.lines),
            ("lobby.bytes", self.lobby.bytes),
            ("mailbox.lines", self.mailbox.lines),
            ("mailbox.bytes", self.mailbox.bytes),
            ("rates.chat.burst", self.rates.chat.burst as usize),
            ("rates.other.burst", self.rates.other.burst as usize),
            ("rooms.log.lines", self.rooms.log.lines),
            ("rooms.log.bytes", self.rooms.log.bytes),
            ("rooms.members", self.rooms.members as usize),
        ];
        if let Some((key, _)) = at_least_one.iter().find(|(_, value)| *value == 0) {
            return Err(format!("`{key}` must be at least 1"));
        }
        let places = [("limits.connections", self.limits.connections), ("resume.absent", self.resume.absent)];
        if let Some((key, _)) = places.iter().find(|(_, value)| *value > PLACES_MAX) {
            return Err(format!("`{key}` must be at most {PLACES_MAX}"));
        }
        let timeouts = &self.timeouts;
        let never_none = [
            ("timeouts.login", timeouts.login),
            ("timeouts.packet", timeouts.packet),
            ("timeouts.ping_after", timeouts.ping_after),
            ("timeouts.write", timeouts.write),
        ];
        if let Some((key, _)) = never_none.iter().find(|(_, time)| time.as_millis() == 0) {
            return Err(format!("`{key}` must be at least 1ms"));
        }
        let others = [
            ("timeouts.idle", timeouts.idle),
            ("timeouts.drain", timeouts.drain),
            ("timeouts.system_shutdown", timeouts.system_shutdown),
            ("resume.grace", self.resume.grace),
            ("resume.ttl", self.resume.ttl),
            ("tls.handshake", self.tls.handshake),
        ];
        if let Some((key, _)) = never_none.iter().chain(&others).find(|(_, time)| *time > TIME_MAX) {
            return Err(format!("`{key}` must be at most 49 days"));
        }
        let paths = [
            ("data", &self.data),
            ("tls.certificate", &self.tls.certificate),
            ("tls.key", &self.tls.key),
            ("tls.client_ca", &self.tls.client_ca),
        ];
        let empty = |path: &Option<PathBuf>| path.as_ref().is_some_and(|path| path.as_os_str().is_empty());
        if let Some((key, _)) = paths.iter().find(|(_, path)| empty(path)) {
            return Err(format!("`{key}` is empty: without one it is left out"));
        }
        if self.listen.is_empty() && self.tls.listen.is_empty() {
            return Err("`listen` needs an address".into());
        }
        self.accounts.hashing.check()?;
        self.rooms.check()?;
        self.resume.check()?;
        self.database.check()?;
        self.history.check()?;
        self.log.check()?;
        self.tls.check()?;
        self.admin.check()?;
        if self.history.durability == Durability::Full && !self.keeps_history() {
            return Err("`history.durability` \"full\" needs `history.keep` and a database".into());
        }
        if self.timeouts.idle <= self.timeouts.ping_after {
            return Err("`timeouts.idle` must be longer than `timeouts.ping_after`".into());
        }
        Ok(())
    }
}
