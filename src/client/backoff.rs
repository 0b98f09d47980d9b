//! How long a client that has lost its connection waits before it connects again.

use std::time::Duration;

/// Half of the longest wait before the second attempt, a quarter of that before the third, and so on.
const BASE: Duration = Duration::from_millis(500);
/// The longest wait that a client chooses by itself.
const CAP: Duration = Duration::from_secs(30);
/// A session that lasted this long makes all that went before it forgotten.
pub const STABLE: Duration = Duration::from_secs(60);

/// Full jitter: a wait is any time from none at all to a ceiling that doubles with each attempt, so that those who lost
/// their connections together do not come back together. The first attempt is made at once.
#[derive(Clone, Debug, Default)]
pub struct Backoff {
    /// Attempts since the last session that lasted.
    attempts: u32,
}

impl Backoff {
    /// A session has ended that had lasted for so long. Only that gives the first attempt back: neither a connection that
    /// comes to no session nor a session that ends at once does, or who is sent away would come back without a pause.
    pub fn session_lasted(&mut self, lasted: Duration) {
        if lasted >= STABLE {
            self.attempts = 0;
        }
    }

    /// Attempts since the last session that lasted.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Counts an attempt, and says how long to wait before it: at least what the server asked for, which is zero where it
    /// asked for nothing. `random` is any number, each as likely as any other.
    #[must_use]
    pub fn next_wait(&mut self, at_least: Duration, random: u64) -> Duration {
        let before = self.attempts;
        self.attempts = before.saturating_add(1);
        if before == 0 && at_least.is_zero() {
            return Duration::ZERO;
        }
        at_least.saturating_add(share(ceiling(before.max(1)), random))
    }
}

/// The longest wait before the `n`-th attempt after the first.
fn ceiling(n: u32) -> Duration {
    BASE.saturating_mul(2_u32.saturating_pow(n)).min(CAP)
}

/// As much of a time as `random` is of all numbers, in whole milliseconds.
fn share(whole: Duration, random: u64) -> Duration {
    let millis = (whole.as_millis() * u128::from(random)) >> u64::BITS;
    Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::{
        collection::vec,
        prelude::{any, prop_assert, prop_assert_eq},
        proptest,
    };

    use super::*;

    const NO_HINT: Duration = Duration::ZERO;

    #[test]
    fn the_first_attempt_is_made_at_once_and_the_ceiling_of_the_others_doubles_up_to_30_s() {
        let mut backoff = Backoff::default();
        let longest: Vec<_> = (0..10).map(|_| backoff.next_wait(NO_HINT, u64::MAX).as_millis()).collect();
        assert_eq!(longest, [0, 999, 1_999, 3_999, 7_999, 15_999, 29_999, 29_999, 29_999, 29_999]);
        assert_eq!(Backoff { attempts: u32::MAX }.next_wait(NO_HINT, u64::MAX).as_millis(), 29_999);
    }

    #[test]
    fn waits_are_spread_evenly_below_the_ceiling() {
        let quarters = [0, 1 << 62, 1 << 63, 3 << 62];
        let waits = quarters.map(|random| Backoff { attempts: 7 }.next_wait(NO_HINT, random).as_millis());
        assert_eq!(waits, [0, 7_500, 15_000, 22_500]);
    }

    proptest! {
        #[test]
        fn what_the_server_asks_for_is_a_minimum(attempts in any::<u32>(), hint: u32, random: u64) {
            let hint = Duration::from_millis(hint.into());
            let wait = Backoff { attempts }.next_wait(hint, random);
            prop_assert!(wait >= hint && wait < hint + CAP);
        }

        #[test]
        fn nobody_comes_back_at_once_twice_without_a_session_that_lasted(
            life in vec((0_u64..120_000, 0_u32..5, any::<u64>()), 0..50),
        ) {
            let (mut backoff, mut at_once) = (Backoff::default(), 1);
            for (lasted, failures, random) in life {
                let lasted = Duration::from_millis(lasted);
                backoff.session_lasted(lasted);
                at_once = if lasted >= STABLE { 1 } else { at_once };
                for _ in 0..=failures {
                    let (before, wait) = (backoff.attempts(), backoff.next_wait(NO_HINT, random | 1 << 63));
                    // Half of the smallest ceiling: this chance is never a short one.
                    prop_assert_eq!(wait < BASE / 2, at_once == 1);
                    prop_assert_eq!(backoff.attempts(), before + 1);
                    at_once = 0;
                }
            }
        }
    }
}
