//! What the server counts: plain numbers that any floor may raise.

use std::sync::atomic::{AtomicU64, Ordering};

use chat_proto::ErrorCode;

/// The counters of one server.
pub struct Metrics {
    rejects: Box<[AtomicU64]>,
    tls_failures: [Counter; TlsFailure::ALL.len()],
    /// Connections accepted.
    pub accepted: Counter,
    /// Errors of `accept()`.
    pub accept_errors: Counter,
    /// Logins that succeeded.
    pub logins: Counter,
    /// Lines that readers were told they missed.
    pub missed: Counter,
    /// Connections that have ended.
    pub ended: Counter,
    /// Of these, cut: they were due a goodbye and did not take it.
    pub cut: Counter,
    /// TLS handshakes that came to a connection.
    pub tls_handshakes: Counter,
    /// Connections that began as another protocol does: TLS, HTTP, SSH at a plain port, anything but TLS at a TLS port.
    pub misdirected: Counter,
    /// When the certificate is good no more, in seconds since 1970 UTC; 0 where there is none.
    pub certificate_expiry: Gauge,
    /// Reloads of the configuration that took effect.
    pub config_reloads: Counter,
    /// Reloads of the configuration that were refused, so that it stayed as it was.
    pub config_reload_failures: Counter,
    /// Whether the last reload of the configuration took effect: 1, or 0. At the start it did.
    pub config_reload_success: Gauge,
    /// When the configuration was last reloaded and took effect, in seconds since 1970 UTC; 0: not since the start.
    pub config_reload_time: Gauge,
}

/// Why a TLS handshake came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsFailure {
    /// It took too long.
    Timeout,
    /// The peer spoke something else.
    NotTls,
    /// The peer broke the rules, or wanted what is not offered.
    Protocol,
    /// The peer went away.
    Io,
}

impl TlsFailure {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Timeout, Self::NotTls, Self::Protocol, Self::Io];

    /// The name for logs and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::NotTls => "not_tls",
            Self::Protocol => "protocol",
            Self::Io => "io",
        }
    }
}

/// A number that only grows.
#[derive(Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds to it.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// What has been added so far.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number as it is now.
#[derive(Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    /// Says how it is.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// How it was last said to be; 0 before that.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Metrics {
    /// All at zero.
    #[must_use]
    pub fn new() -> Self {
        let config_reload_success = Gauge::default();
        config_reload_success.set(1);
        Self {
            rejects: ErrorCode::ALL.iter().map(|_| AtomicU64::new(0)).collect(),
            accepted: Counter::default(),
            accept_errors: Counter::default(),
            logins: Counter::default(),
            missed: Counter::default(),
            ended: Counter::default(),
            cut: Counter::default(),
            tls_failures: Default::default(),
            tls_handshakes: Counter::default(),
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
        self.rejects[Self::index(code)].fetch_add(1, Ordering::Relaxed);
    }

    /// Refusals with this code.
    #[must_use]
    pub fn rejects(&self, code: ErrorCode) -> u64 {
        self.rejects[Self::index(code)].load(Ordering::Relaxed)
    }

    /// Counts one TLS handshake that came to nothing.
    pub fn tls_failed(&self, failure: TlsFailure) {
        self.tls_failures[failure as usize].add(1);
    }

    /// TLS handshakes that came to nothing for this reason.
    #[must_use]
    pub fn tls_failures(&self, failure: TlsFailure) -> u64 {
        self.tls_failures[failure as usize].get()
    }

    fn index(code: ErrorCode) -> usize {
        ErrorCode::ALL
            .binary_search_by_key(&(code as u16), |code| *code as u16)
            .expect("the registry is sorted")
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}
