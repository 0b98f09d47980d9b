//! When a talker's lines are due, whatever the server does: the open loop.

use std::time::Duration;

/// A line due within this time is sent now, and counts from now: waiting is by whole milliseconds.
pub const EARLY: u64 = 1_000_000;

/// An endless row of moments at equal distances, in nanoseconds since the run began.
#[derive(Clone, Debug)]
pub struct Schedule {
    start: u64,
    interval: f64,
    next: u64,
}

impl Schedule {
    /// `rate` lines a second from `start` on. Talker `number` of `talkers` is shifted so that all of them
    /// together speak evenly.
    #[must_use]
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    pub fn new(start: u64, rate: f64, number: usize, talkers: usize) -> Self {
        let interval = 1e9 / rate;
        let shift = interval * number as f64 / talkers.max(1) as f64;
        Self { start: start + shift as u64, interval, next: 0 }
    }

    /// When the next line is due.
    #[must_use]
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    pub fn due(&self) -> u64 {
        self.start + (self.interval * self.next as f64) as u64
    }

    /// Takes the next line if it is due: the moment it counts from, which is when it should have been sent, not
    /// when there was time for it.
    pub fn take(&mut self, now: u64) -> Option<u64> {
        let due = self.due();
        if due > now + EARLY {
            return None;
        }
        self.next += 1;
        Some(due.min(now))
    }
}

/// How long to wait for `due`: whole milliseconds, rounded down, as the wait itself rounds up.
#[must_use]
pub fn wait_until(due: u64, now: u64) -> Duration {
    Duration::from_millis(due.saturating_sub(now) / 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn lines_are_due_at_equal_distances_and_talkers_take_turns() {
        let due = |number| {
            let mut schedule = Schedule::new(5 * MS, 50.0, number, 4);
            std::iter::from_fn(|| schedule.take(1000 * MS)).take(3).map(|at| at / MS).collect::<Vec<_>>()
        };
        assert_eq!(due(0), [5, 25, 45]);
        assert_eq!(due(1), [10, 30, 50]);
    }

    #[test]
    fn a_line_that_could_not_be_sent_in_time_counts_from_when_it_was_due() {
        let mut schedule = Schedule::new(0, 100.0, 0, 1);
        assert_eq!(schedule.take(95 * MS), Some(0));
        assert_eq!(schedule.take(95 * MS), Some(10 * MS));
        let late = std::iter::from_fn(|| schedule.take(95 * MS)).count();
        assert_eq!(late, 8, "and then it has caught up");
        assert_eq!(schedule.due(), 100 * MS);
    }

    #[test]
    fn a_line_is_at_most_a_millisecond_early_and_then_counts_from_when_it_was_sent() {
        let mut schedule = Schedule::new(10 * MS, 100.0, 0, 1);
        assert_eq!(schedule.take(8 * MS), None);
        assert_eq!(schedule.take(9 * MS + 1), Some(9 * MS + 1));
        assert_eq!(schedule.due(), 20 * MS, "the row does not shift");
        assert_eq!(wait_until(20 * MS, 9 * MS + 1), Duration::from_millis(10));
    }
}
