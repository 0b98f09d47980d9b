//! Times as they are stored: milliseconds since 1970 UTC, in the databases' signed numbers.

use chat_proto::unix_ms;

pub(super) fn stored(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

pub(super) fn from_stored(ms: i64) -> u64 {
    u64::try_from(ms).unwrap_or(0)
}

/// A time or a span that may have no end: the largest number comes back as the largest.
pub(super) fn end_from_stored(end: i64) -> u64 {
    if end == i64::MAX { u64::MAX } else { from_stored(end) }
}

/// The clock's time, to be stored.
pub(super) fn now() -> i64 {
    stored(unix_ms())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_end_comes_back_without_one() {
        for end in [0, 1, 1_784_974_272_000, u64::MAX] {
            assert_eq!(end_from_stored(stored(end)), end);
        }
    }
}
