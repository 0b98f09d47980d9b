//! The time by which tokens expire: that of the system when the server started, and what has passed since.

use chat_proto::millis;
use tokio::time::Instant;

/// A clock that nobody sets: an operator, or a time server, who moves the system's by an hour, ends no token an hour early
/// and revives none. What it says is stored, and is compared with the system's time of the next start.
#[derive(Clone, Copy, Debug)]
pub struct SteadyClock {
    started: Instant,
    started_ms: u64,
}

impl SteadyClock {
    /// One that begins with what the system's clock says now, in milliseconds since 1970 UTC.
    #[must_use]
    pub fn new(system: fn() -> u64) -> Self {
        Self { started: Instant::now(), started_ms: system() }
    }

    /// Milliseconds since 1970 UTC.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.started_ms.saturating_add(millis(self.started.elapsed()))
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicU64, Ordering},
        time::Duration,
    };

    use tokio::time::advance;

    use super::*;

    static SYSTEM_MS: AtomicU64 = AtomicU64::new(0);
    const HOUR_MS: u64 = 3_600_000;

    #[tokio::test(start_paused = true)]
    async fn it_goes_on_where_it_was_when_the_systems_clock_is_set() {
        SYSTEM_MS.store(10 * HOUR_MS, Ordering::Relaxed);
        let clock = SteadyClock::new(|| SYSTEM_MS.load(Ordering::Relaxed));
        assert_eq!(clock.now_ms(), 10 * HOUR_MS);
        for system_ms in [11 * HOUR_MS, 9 * HOUR_MS, 0, u64::MAX] {
            SYSTEM_MS.store(system_ms, Ordering::Relaxed);
            assert_eq!(clock.now_ms(), 10 * HOUR_MS);
        }
        advance(Duration::from_millis(1_500)).await;
        assert_eq!(clock.now_ms(), 10 * HOUR_MS + 1_500);
    }
}
