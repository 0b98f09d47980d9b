//! How long things take: counted by how long, so that percentiles can be told over any time and any servers.

use std::time::Duration;

use super::Counter;

/// Bounds for what somebody waits for, in seconds.
pub const LATENCY_SECONDS: &[f64] =
    &[0.000_1, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Bounds for a turn of the fan-out, in seconds.
pub const TURN_SECONDS: &[f64] =
    &[0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.25];

/// Times, by how long they were.
pub struct Histogram {
    bounds: &'static [f64],
    /// One for each bound, of what is longer than the bound before; and one for what is longer than all.
    counts: Box<[Counter]>,
    nanoseconds: Counter,
}

/// What a histogram held at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Distribution {
    /// How many, up to each bound and above the one before. The last bound is infinite.
    pub buckets: Vec<(f64, u64)>,
    /// All together.
    pub sum: f64,
}

impl Histogram {
    /// Nothing yet. The bounds ascend.
    #[must_use]
    pub fn new(bounds: &'static [f64]) -> Self {
        let counts = (0..=bounds.len()).map(|_| Counter::default()).collect();
        Self { bounds, counts, nanoseconds: Counter::default() }
    }

    /// Counts one.
    pub fn observe(&self, time: Duration) {
        let seconds = time.as_secs_f64();
        let place = self.bounds.iter().position(|bound| seconds <= *bound).unwrap_or(self.bounds.len());
        self.counts[place].add(1);
        self.nanoseconds.add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    /// What it holds.
    #[must_use]
    pub fn distribution(&self) -> Distribution {
        let bounds = self.bounds.iter().copied().chain([f64::INFINITY]);
        let buckets = bounds.zip(self.counts.iter().map(Counter::get)).collect();
        Distribution { buckets, sum: Duration::from_nanos(self.nanoseconds.get()).as_secs_f64() }
    }
}

impl Distribution {
    /// Values that are all there at once, by these bounds.
    #[must_use]
    pub fn of(values: impl Iterator<Item = u32>, bounds: &[f64]) -> Self {
        let mut buckets: Vec<_> =
            bounds.iter().copied().chain([f64::INFINITY]).map(|bound| (bound, 0)).collect();
        let mut sum = 0.0;
        for value in values.map(f64::from) {
            sum += value;
            if let Some((_, count)) = buckets.iter_mut().find(|(bound, _)| value <= *bound) {
                *count += 1;
            }
        }
        Self { buckets, sum }
    }

    /// How many in all.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|(_, count)| count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_stands_under_the_first_bound_that_is_not_shorter() {
        let histogram = Histogram::new(&[0.001, 0.1]);
        for micros in [1, 1_000, 1_001, 100_000, 100_001, 10_000_000] {
            histogram.observe(Duration::from_micros(micros));
        }
        let told = histogram.distribution();
        assert_eq!(told.buckets, [(0.001, 2), (0.1, 2), (f64::INFINITY, 2)]);
        assert_eq!((told.count(), told.sum), (6, 10.202_003));
    }

    #[test]
    fn what_is_there_at_once_is_told_the_same_way() {
        let told = Distribution::of([0, 1, 2, 3, 900].into_iter(), &[1.0, 2.0]);
        assert_eq!((told.buckets, told.sum), (vec![(1.0, 2), (2.0, 1), (f64::INFINITY, 2)], 906.0));
    }
}
