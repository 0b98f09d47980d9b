//! How long things took: histograms with three exact digits, and the percentiles people ask for.

use hdrhistogram::Histogram;
use serde::Serialize;

/// The longest time told apart, in nanoseconds: 10 minutes. What takes longer counts as this.
const LONGEST: u64 = 600_000_000_000;
/// The shortest time told apart: a microsecond.
const SHORTEST: u64 = 1_000;

/// Times, in nanoseconds.
pub struct Latency {
    histogram: Histogram<u64>,
}

/// What a histogram comes to, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Percentiles {
    /// How many times were recorded.
    pub count: u64,
    /// Half of them took at most this long.
    pub p50_ms: f64,
    /// 90 % of them.
    pub p90_ms: f64,
    /// 99 % of them.
    pub p99_ms: f64,
    /// 99.9 % of them.
    pub p999_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

impl Default for Latency {
    fn default() -> Self {
        Self::new()
    }
}

impl Latency {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        let histogram = Histogram::new_with_bounds(SHORTEST, LONGEST, 3).expect("bounds in order, 3 digits");
        Self { histogram }
    }

    /// Records `count` times of the same length.
    pub fn record(&mut self, nanoseconds: u64, count: u64) {
        self.histogram.saturating_record_n(nanoseconds, count);
    }

    /// Adds all of `other`, and empties it.
    pub fn take_over(&mut self, other: &mut Self) {
        self.histogram.add(&other.histogram).expect("the same bounds");
        other.histogram.reset();
    }

    /// What they come to; all 0 when there are none.
    #[must_use]
    pub fn percentiles(&self) -> Percentiles {
        #[expect(clippy::cast_precision_loss, reason = "milliseconds for people")]
        let at = |quantile| self.histogram.value_at_quantile(quantile) as f64 / 1e6;
        #[expect(clippy::cast_precision_loss, reason = "milliseconds for people")]
        let max_ms = self.histogram.max() as f64 / 1e6;
        Percentiles {
            count: self.histogram.len(),
            p50_ms: at(0.5),
            p90_ms: at(0.9),
            p99_ms: at(0.99),
            p999_ms: at(0.999),
            max_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_exact_to_three_digits() {
        let mut latency = Latency::new();
        (1..=1000).for_each(|ms| latency.record(ms * 1_000_000, 1));
        let it = latency.percentiles();
        for (is, should) in [(it.p50_ms, 500.0), (it.p90_ms, 900.0), (it.p99_ms, 990.0), (it.p999_ms, 999.0)]
        {
            assert!((is / should - 1.0).abs() < 0.001, "{is} is not {should}");
        }
        assert_eq!(it.count, 1000);
    }

    #[test]
    fn what_takes_for_ever_counts_as_the_longest() {
        let mut latency = Latency::new();
        latency.record(u64::MAX, 2);
        assert!(latency.percentiles().max_ms >= 600_000.0);
        let mut sum = Latency::new();
        sum.take_over(&mut latency);
        assert_eq!((sum.percentiles().count, latency.percentiles().count), (2, 0));
    }
}
