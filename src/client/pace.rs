//! A client's own side of a server's rate: when the next request may be sent.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// A token bucket as a server announces it, kept by the client so that nothing it sends is refused as too fast.
///
/// It keeps one token of the burst back: who sends at exactly the rate from an empty bucket is refused whenever a
/// packet travels a little faster than the one before.
#[derive(Debug)]
pub struct Pace {
    /// The time one token takes to come back. Zero: no limit.
    interval: Duration,
    /// How far ahead of the rate one may be.
    credit: Duration,
    /// When the bucket is, or was, full.
    full_at: Instant,
}

impl Pace {
    /// A full bucket of `burst` tokens that fills at `per_second`; 0 a second means no limit.
    #[must_use]
    pub fn new(per_second: u32, burst: u32, now: Instant) -> Self {
        let interval = Duration::from_secs(1).checked_div(per_second).unwrap_or_default();
        Self { interval, credit: interval.saturating_mul(burst.saturating_sub(1).max(1)), full_at: now }
    }

    /// Takes a token, and says how long to wait before using it.
    pub fn take(&mut self, now: Instant) -> Duration {
        self.full_at = self.full_at.max(now) + self.interval;
        self.full_at.saturating_duration_since(now).saturating_sub(self.credit)
    }

    /// Takes a token, and waits until it may be used.
    pub async fn wait(&mut self) {
        let wait = self.take(Instant::now());
        // A timer of no time at all still waits for the clock's next tick.
        if !wait.is_zero() {
            sleep(wait).await;
        }
    }

    /// The server refused what it was sent, for this long: its bucket is emptier than this one.
    pub fn fall_behind(&mut self, now: Instant, wait: Duration) {
        if !self.interval.is_zero() {
            self.full_at = self.full_at.max(now + self.credit) + wait;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_goes_at_once_and_the_rest_at_the_rate() {
        let now = Instant::now();
        let mut pace = Pace::new(5, 4, now);
        let waits: Vec<_> = (0..6).map(|_| pace.take(now).as_millis()).collect();
        assert_eq!(waits, [0, 0, 0, 200, 400, 600]);
    }

    #[test]
    fn rest_gives_back_no_more_than_a_burst() {
        let start = Instant::now();
        let mut pace = Pace::new(5, 3, start);
        for _ in 0..2 {
            pace.take(start);
        }
        let later = start + Duration::from_hours(1);
        let waits: Vec<_> = (0..3).map(|_| pace.take(later).as_millis()).collect();
        assert_eq!(waits, [0, 0, 200]);
    }

    #[test]
    fn after_a_refusal_the_next_is_later_than_the_server_asked_for() {
        let now = Instant::now();
        let mut pace = Pace::new(5, 4, now);
        pace.fall_behind(now, Duration::from_millis(70));
        let waits: Vec<_> = (0..2).map(|_| pace.take(now).as_millis()).collect();
        assert_eq!(waits, [270, 470]);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_where_there_is_no_need_and_as_long_as_it_takes_where_there_is() {
        let start = Instant::now();
        let mut pace = Pace::new(5, 3, start);
        for waited in [0, 0, 200, 400] {
            pace.wait().await;
            assert_eq!(start.elapsed().as_millis(), waited);
        }
    }

    #[test]
    fn a_rate_of_zero_is_no_limit() {
        let now = Instant::now();
        let mut pace = Pace::new(0, 0, now);
        assert!((0..1_000).all(|_| pace.take(now).is_zero()));
    }
}
