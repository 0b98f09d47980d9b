//! Which whispers have been opened before, so that a copy of one is known for that.

use std::collections::BTreeSet;

/// Whispers that are remembered. Full: the one that was said first goes, and what was said then or before is taken for a
/// repeat.
pub const REPEATS_MAX: usize = 1_000;

/// How far ahead of this device's clock a sender's may be, in milliseconds: a day. What claims to have been said later is
/// not remembered, or whoever claims it often enough would have all that is said until then taken for a repeat.
const AHEAD_MAX_MS: u64 = 24 * 60 * 60 * 1_000;

/// What is known of a whisper that has been opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It is new.
    Never,
    /// It has been opened before.
    Before,
    /// Nobody knows: by its sender's clock it is older than all that is remembered, or it is yet to be said.
    PerhapsBefore,
}

/// The whispers that have been opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repeats {
    /// Their times and what is theirs alone, by time.
    opened: BTreeSet<(u64, [u8; 16])>,
    /// Nothing that was said then or before is remembered.
    floor: u64,
}

impl Repeats {
    /// What was kept of them.
    #[must_use]
    pub fn of(floor: u64, opened: impl IntoIterator<Item = (u64, [u8; 16])>) -> Self {
        let mut repeats = Self { opened: opened.into_iter().collect(), floor };
        repeats.trim();
        repeats
    }

    /// A whisper was opened at `now_ms`, which was said at `time_ms` by its sender's clock, both in milliseconds since 1970
    /// UTC.
    pub fn see(&mut self, time_ms: u64, nonce: [u8; 16], now_ms: u64) -> Seen {
        if self.opened.contains(&(time_ms, nonce)) {
            return Seen::Before;
        }
        if time_ms <= self.floor || time_ms > now_ms.saturating_add(AHEAD_MAX_MS) {
            return Seen::PerhapsBefore;
        }
        self.opened.insert((time_ms, nonce));
        self.trim();
        Seen::Never
    }

    /// The time up to which nothing is remembered.
    #[must_use]
    pub fn floor(&self) -> u64 {
        self.floor
    }

    /// Those that are remembered.
    pub fn opened(&self) -> impl Iterator<Item = &(u64, [u8; 16])> {
        self.opened.iter()
    }

    fn trim(&mut self) {
        while self.opened.len() > REPEATS_MAX {
            if let Some((time_ms, _)) = self.opened.pop_first() {
                self.floor = self.floor.max(time_ms);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*, proptest};

    use super::*;

    #[test]
    fn a_copy_is_known_and_two_of_one_time_are_two() {
        let mut repeats = Repeats::default();
        assert_eq!(repeats.see(5, [1; 16], 5), Seen::Never);
        assert_eq!(repeats.see(5, [2; 16], 5), Seen::Never);
        assert_eq!(repeats.see(5, [1; 16], 5), Seen::Before);
    }

    #[test]
    fn what_is_older_than_memory_is_doubted() {
        let mut repeats = Repeats::default();
        for time_ms in 1..=1 + REPEATS_MAX as u64 {
            assert_eq!(repeats.see(time_ms, [0; 16], time_ms), Seen::Never);
        }
        assert_eq!(repeats.see(1, [0; 16], 1), Seen::PerhapsBefore);
        assert_eq!(repeats.see(2, [0; 16], 2), Seen::Before);
        assert_eq!(Repeats::of(repeats.floor(), repeats.opened().copied()), repeats);
    }

    #[test]
    fn whoever_claims_to_speak_in_the_future_spoils_nothing() {
        let (mut repeats, now) = (Repeats::default(), 1_790_000_000_000);
        for number in 0..=1 + REPEATS_MAX as u128 {
            assert_eq!(repeats.see(u64::MAX, number.to_le_bytes(), now), Seen::PerhapsBefore);
        }
        assert_eq!(repeats.see(now + AHEAD_MAX_MS, [1; 16], now), Seen::Never, "a clock may be wrong");
        assert_eq!(repeats.see(now, [1; 16], now), Seen::Never);
        assert_eq!(repeats.see(now, [1; 16], now), Seen::Before);
    }

    proptest! {
        #[test]
        fn nothing_is_new_twice(times in vec((1..2_500_u64, any::<bool>()), 0..4_000)) {
            let (mut repeats, mut new) = (Repeats::default(), BTreeSet::new());
            for (time_ms, early) in times {
                let now = if early { 0 } else { time_ms };
                let time_ms = time_ms + AHEAD_MAX_MS;
                if repeats.see(time_ms, [0; 16], now) == Seen::Never {
                    prop_assert!(new.insert(time_ms));
                }
            }
        }
    }
}
