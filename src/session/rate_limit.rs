//! How fast a peer may be: a token bucket that is told what time it is.

use std::time::Duration;

use chat_proto::{ErrorCode, Refusal, short_millis};
use tokio::time::Instant;

use crate::config::Rate;

/// A bucket of tokens that fills at its rate.
#[derive(Clone, Copy, Debug)]
pub struct TokenBucket {
    /// The time one token takes to come; zero: there is always one.
    token: Duration,
    /// Tokens it holds, at least one.
    burst: u32,
    /// When the bucket will be full again.
    full_at: Instant,
}

impl TokenBucket {
    /// A full bucket.
    #[must_use]
    pub fn new(rate: Rate, now: Instant) -> Self {
        let token = Duration::from_secs(1).checked_div(rate.per_second).unwrap_or_default();
        Self::slow(token, rate.burst, now)
    }

    /// A full bucket of a rate below one a second: `burst` tokens, and another after each `token`.
    #[must_use]
    pub fn slow(token: Duration, burst: u32, now: Instant) -> Self {
        Self { token, burst: burst.max(1), full_at: now }
    }

    /// Takes a token, or says how long until there is one.
    pub fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let full_at = self.full_at.max(now) + self.token;
        match (full_at - now).checked_sub(self.token * self.burst) {
            Some(wait) if !wait.is_zero() => Err(wait),
            _ => {
                self.full_at = full_at;
                Ok(())
            }
        }
    }

    /// Puts a token back that was taken for nothing.
    pub fn put_back(&mut self) {
        self.full_at -= self.token;
    }

    /// Whether it has rested until full, so that forgetting it would change nothing.
    #[must_use]
    pub fn is_full(&self, now: Instant) -> bool {
        self.full_at <= now
    }
}

/// A refusal of whoever has to wait. Rounded up: who waits this long is not refused again.
#[must_use]
pub fn refused_for(code: ErrorCode, wait: Duration) -> Refusal {
    let retry_ms = short_millis(wait).saturating_add(1);
    Refusal { code: code.into(), retry_ms }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rested_bucket_gives_its_burst_and_then_its_rate() {
        let mut now = Instant::now();
        let mut bucket = TokenBucket::new(Rate { per_second: 5, burst: 10 }, now);
        assert!((0..10).all(|_| bucket.take(now).is_ok()));
        assert_eq!(bucket.take(now), Err(Duration::from_millis(200)));
        now += Duration::from_millis(199);
        assert_eq!(bucket.take(now), Err(Duration::from_millis(1)));
        now += Duration::from_millis(1);
        assert_eq!(bucket.take(now), Ok(()));
        now += Duration::from_secs(3600);
        assert!(bucket.is_full(now));
        assert_eq!((0..20).filter(|_| bucket.take(now).is_ok()).count(), 10);
    }

    #[test]
    fn a_slow_bucket_counts_in_tokens_and_takes_them_back() {
        let mut now = Instant::now();
        let mut bucket = TokenBucket::slow(Duration::from_secs(12), 5, now);
        assert!((0..5).all(|_| bucket.take(now).is_ok()));
        assert_eq!(bucket.take(now), Err(Duration::from_secs(12)));
        bucket.put_back();
        assert_eq!(bucket.take(now), Ok(()));
        now += Duration::from_secs(12);
        assert_eq!((bucket.take(now), bucket.take(now)), (Ok(()), Err(Duration::from_secs(12))));
    }

    #[test]
    fn a_rate_of_zero_is_no_limit() {
        let now = Instant::now();
        let mut bucket = TokenBucket::new(Rate { per_second: 0, burst: 0 }, now);
        assert!((0..100_000).all(|_| bucket.take(now).is_ok()));
    }
}
