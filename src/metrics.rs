//! What the server counts: plain numbers that any floor may raise.

use std::sync::atomic::{AtomicU64, Ordering};

use chat_proto::ErrorCode;

/// The counters of one server.
pub struct Metrics {
    rejects: Box<[AtomicU64]>,
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

impl Metrics {
    /// All at zero.
    #[must_use]
    pub fn new() -> Self {
        Self {
            rejects: ErrorCode::ALL.iter().map(|_| AtomicU64::new(0)).collect(),
            accepted: Counter::default(),
            accept_errors: Counter::default(),
            logins: Counter::default(),
            missed: Counter::default(),
            ended: Counter::default(),
            cut: Counter::default(),
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
