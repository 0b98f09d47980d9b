//! What the server counts: plain numbers that any floor may raise.

mod by;
mod exposition;
mod families;
mod family;
mod histogram;
mod labels;
mod number;
mod store;
mod traffic;

use chat_proto::ErrorCode;

pub use by::{CounterBy, Label, Labels};
pub use exposition::{CONTENT_TYPE, text};
pub use families::hashing;
pub use family::{Family, Kind, Sample, Value};
pub use histogram::{Distribution, Histogram, LATENCY_SECONDS, TURN_SECONDS};
pub use labels::{
    AuthAttempt, AuthMethod, AuthResult, Disconnect, Message, RateScope, ResumeResult, SlowAction,
    StoreErrorKind, TlsFailure, TransportKind,
};
pub use number::{Counter, Gauge};
pub use store::StoreMetrics;
pub use traffic::Traffic;

/// The counters of one server. [`families`](Self::families) tells all of them.
pub struct Metrics {
    rejects: CounterBy<ErrorCode>,
    /// Connections accepted, by what they are to run over.
    pub accepted: CounterBy<TransportKind>,
    /// Errors of `accept()`.
    pub accept_errors: Counter,
    /// Logins that succeeded, resumes among them.
    pub logins: Counter,
    /// Who tried to come in how, and what came of it.
    pub auth_attempts: CounterBy<AuthAttempt>,
    /// Sessions that were to go on by another connection.
    pub resume_attempts: CounterBy<ResumeResult>,
    /// Connections that have ended, by why.
    pub disconnects: CounterBy<Disconnect>,
    /// Of these, cut: they were due a goodbye and did not take it.
    pub cut: Counter,
    /// Lines that readers were told they missed.
    pub missed: Counter,
    /// What slow readers led to.
    pub slow_consumers: CounterBy<SlowAction>,
    /// What was too fast, and refused for that.
    pub rate_limited: CounterBy<RateScope>,
    /// What goes through the sockets of people.
    pub traffic: Traffic,
    /// How long the fan-out takes for a turn.
    pub fan_out_seconds: Histogram,
    /// How long a question waits for the fan-out.
    pub fan_out_wait_seconds: Histogram,
    /// How long a batch of lines takes to be written to the history.
    pub history_write_seconds: Histogram,
    /// Lines written to the history.
    pub history_lines: Counter,
    /// Lines that the history did not get.
    pub history_gap_lines: Counter,
    /// TLS handshakes that succeeded.
    pub tls_handshakes: Counter,
    /// TLS handshakes that failed, by why.
    pub tls_failures: CounterBy<TlsFailure>,
    /// Connections that spoke another protocol than the port's.
    pub misdirected: Counter,
    /// When the certificate expires, in seconds since 1970 UTC; 0: there is none.
    pub certificate_expiry: Gauge,
    /// Reloads of the configuration that took effect.
    pub config_reloads: Counter,
    /// Reloads of the configuration that were refused, so that it stayed as it was.
    pub config_reload_failures: Counter,
    /// Whether the last reload of the configuration took effect: 1, or 0. At the start it did.
    pub config_reload_success: Gauge,
    /// When the configuration was last loaded and took effect, in seconds since 1970 UTC.
    pub config_reload_time: Gauge,
}

impl Metrics {
    /// All at zero.
    #[must_use]
    pub fn new() -> Self {
        let config_reload_success = Gauge::default();
        config_reload_success.set(1);
        Self {
            rejects: CounterBy::default(),
            accepted: CounterBy::default(),
            accept_errors: Counter::default(),
            logins: Counter::default(),
            auth_attempts: CounterBy::default(),
            resume_attempts: CounterBy::default(),
            disconnects: CounterBy::default(),
            cut: Counter::default(),
            missed: Counter::default(),
            slow_consumers: CounterBy::default(),
            rate_limited: CounterBy::default(),
            traffic: Traffic::default(),
            fan_out_seconds: Histogram::new(TURN_SECONDS),
            fan_out_wait_seconds: Histogram::new(LATENCY_SECONDS),
            history_write_seconds: Histogram::new(LATENCY_SECONDS),
            history_lines: Counter::default(),
            history_gap_lines: Counter::default(),
            tls_handshakes: Counter::default(),
            tls_failures: CounterBy::default(),
            misdirected: Counter::default(),
            certificate_expiry: Gauge::default(),
            config_reloads: Counter::default(),
            config_reload_failures: Counter::default(),
            config_reload_success,
            config_reload_time: Gauge::default(),
        }
    }

    /// Counts one refusal.
    pub fn reject(&self, code: ErrorCode) {
        self.rejects.add(code);
    }

    /// Refusals with this code.
    #[must_use]
    pub fn rejects(&self, code: ErrorCode) -> u64 {
        self.rejects.get(code)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}
