//! Times in whole milliseconds, as fields of packets and those who store them have them.

use std::time::{Duration, SystemTime};

/// A time in milliseconds, rounded down; the largest number for all that is longer.
#[must_use]
pub fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The same, of a field of 32 bits: 49 days, or [`u32::MAX`].
#[must_use]
pub fn short_millis(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}

/// The clock's time, in milliseconds since 1970 UTC; 0 if it says that it is before that.
#[must_use]
pub fn unix_ms() -> u64 {
    millis(SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_without_an_end_is_the_largest_number() {
        assert_eq!((millis(Duration::MAX), short_millis(Duration::MAX)), (u64::MAX, u32::MAX));
        let days = Duration::from_hours(50 * 24);
        assert_eq!((millis(days), short_millis(days)), (4_320_000_000, u32::MAX));
        assert_eq!(short_millis(Duration::from_micros(1_999)), 1);
    }
}
