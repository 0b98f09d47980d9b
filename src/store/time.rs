//! Times as they are stored: milliseconds since 1970 UTC, in the databases' signed numbers.

use std::time::SystemTime;

pub(super) fn stored(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

pub(super) fn from_stored(ms: i64) -> u64 {
    u64::try_from(ms).unwrap_or(0)
}

/// The clock's time, to be stored.
pub(super) fn now() -> i64 {
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
