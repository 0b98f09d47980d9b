//! Whole histories in simulated time: late bytes, cuts, half-open connections, sessions that nobody comes back to in time.
//!
//! `SEEDS` says how many (100 if it does not). A failure prints its seed; `SIMULATION_SEED=7 cargo test --test simulation`
//! plays that history alone and prints it.

#[path = "common/mod.rs"]
mod common;
#[path = "common/reconnecting/mod.rs"]
mod reconnecting;

use std::{thread, time::Duration};

use rand::{RngExt as _, SeedableRng, rngs::StdRng};
use reconnecting::{Crowd, History, Played, Terms, share_out};

/// Names the history that is being tried, if it fails.
struct Named(u64);

impl Drop for Named {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("this history again: SIMULATION_SEED={} cargo test --test simulation", self.0);
        }
    }
}

#[test]
fn in_every_history_all_is_heard_that_was_said_or_told_as_missing() {
    if let Ok(seed) = std::env::var("SIMULATION_SEED") {
        let (history, played) = history(seed.parse().expect("SIMULATION_SEED is a number"));
        for (number, heard) in history.iter().enumerate() {
            for (at, heard) in heard {
                eprintln!("{at:>9} p{number} {heard:?}");
            }
        }
        eprintln!("{played:?}");
        return;
    }
    let seeds: u64 = std::env::var("SEEDS").map_or(100, |seeds| seeds.parse().expect("SEEDS is a number"));
    let played: Played = share_out(seeds, |seed| Some(history(seed).1));
    eprintln!("{played:?}");
    let Played { counts, said: (said, unknown), missed, out, anew } = played;
    let happened =
        [counts.answers_lost, counts.answers_torn, counts.resumes, said, unknown, missed, out, anew];
    assert!(happened.iter().chain(&counts.cuts).all(|count| *count > 0), "{played:?}");
}

#[test]
fn the_same_seed_is_the_same_history_to_the_millisecond() {
    for seed in 0..10 {
        let [once, again] = [history(seed), history(seed)];
        for (number, (once, again)) in once.0.iter().zip(&again.0).enumerate() {
            let differs = once.iter().zip(again).position(|(once, again)| once != again);
            let at = differs.map(|at| (&once[at], &again[at]));
            assert_eq!(once, again, "seed {seed}: p{number} heard {at:?}");
        }
        assert_eq!(once.1, again.1, "seed {seed}");
    }
}

fn history(seed: u64) -> (History, Played) {
    let named = Named(seed);
    let mut rng = StdRng::seed_from_u64(seed);
    Crowd::play(Terms {
        seed: named.0,
        talkers: rng.random_range(2..=5),
        listeners: rng.random_range(1..=5),
        lines: rng.random_range(20..=60),
        pause_ms: rng.random_range(0..=8_000),
        small_logs: rng.random_ratio(1, 3),
        kicks: rng.random(),
        slow_readers: rng.random_ratio(1, 3),
        restarts: true,
        grace: Duration::from_secs(rng.random_range(2..=60)),
        delay_ms: rng.random_range(0..=300),
        storms: rng.random_ratio(1, 3),
        cut_of_ten: rng.random_range(2..=9),
    })
}
