//! The settings that may change while a server runs, as its parts look at them.

use std::{sync::Arc, time::Duration};

use chat_proto::{Limits, short_millis};
use parking_lot::RwLock;

use super::{
    AccountsConfig, Config, HistoryConfig, LimitConfig, Rate, RateConfig, Registration, SecondLogin,
    TimeoutConfig,
};

/// What goes at one time, whole: whoever has it finds nothing of another time in it. A connection keeps what it found
/// when it came, because Hello told it so.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// How many.
    pub limits: LimitConfig,
    /// How long.
    pub timeouts: TimeoutConfig,
    /// How fast.
    pub rates: RateConfig,
    /// Who may make an account.
    pub registration: Registration,
    /// Whether people come in without one, if that is said.
    pub guests: Option<bool>,
    /// What becomes of an account's session when its owner logs in again.
    pub second_login: SecondLogin,
    /// Lines kept of each conversation,
    pub history_lines: u64,
    /// and how long.
    pub history_age: Duration,
}

impl Policy {
    /// Of these settings.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let AccountsConfig { registration, guests, second_login, .. } = &config.accounts;
        let HistoryConfig { lines, age, .. } = &config.history;
        Self {
            limits: config.limits.clone(),
            timeouts: config.timeouts.clone(),
            rates: config.rates.clone(),
            registration: *registration,
            guests: *guests,
            second_login: *second_login,
            history_lines: *lines,
            history_age: *age,
        }
    }

    /// What Hello says of it, and of all else as in `limits`.
    #[must_use]
    pub fn announced(&self, limits: Limits) -> Limits {
        let Self { rates: RateConfig { chat, other }, timeouts, .. } = self;
        let (Rate { per_second: chat_per_second, burst: chat_burst }, Rate { per_second, burst }) =
            (*chat, *other);
        Limits {
            chat_per_second,
            chat_burst,
            other_per_second: per_second,
            other_burst: burst,
            login_ms: short_millis(timeouts.login),
            packet_ms: short_millis(timeouts.packet),
            ping_after_ms: short_millis(timeouts.ping_after),
            idle_ms: short_millis(timeouts.idle),
            write_ms: short_millis(timeouts.write),
            ..limits
        }
    }
}

/// The policy in force. Cheap to clone; all clones are one. Looked at when somebody comes, logs in or registers,
/// never for a packet or a delivery.
#[derive(Clone, Debug)]
pub struct Live(Arc<RwLock<Arc<Policy>>>);

impl Live {
    /// With this to begin with.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(policy))))
    }

    /// What is in force now.
    #[must_use]
    pub fn now(&self) -> Arc<Policy> {
        Arc::clone(&self.0.read())
    }

    /// Puts another in force, for everybody who looks from now on.
    pub fn replace(&self, policy: Policy) {
        *self.0.write() = Arc::new(policy);
    }
}
