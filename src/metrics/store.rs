//! What a database is asked, how long it takes to answer, and what ails it.

use super::{Counter, CounterBy, Gauge, Histogram, LATENCY_SECONDS, StoreErrorKind};

/// What is counted of one database.
pub struct StoreMetrics {
    /// How long an answer takes: of a statement, not of a transaction.
    pub seconds: Histogram,
    /// What was not answered as it should be.
    pub errors: CounterBy<StoreErrorKind>,
    /// How many changes have been committed.
    pub commits: Counter,
    /// 1 while the last change that was to be made could not be.
    pub write_fails: Gauge,
}

impl StoreMetrics {
    /// Nothing has been asked.
    #[must_use]
    pub fn new() -> Self {
        Self {
            seconds: Histogram::new(LATENCY_SECONDS),
            errors: CounterBy::default(),
            commits: Counter::default(),
            write_fails: Gauge::default(),
        }
    }

    /// A change could be made, or could not.
    pub fn note_write(&self, fails: bool) {
        self.write_fails.set(fails.into());
    }
}

impl Default for StoreMetrics {
    fn default() -> Self {
        Self::new()
    }
}
