//! A connection may be cut anywhere, and nothing is lost, doubled or out of order.
//!
//! `CUTS` says how many connections are cut at random (1,000 if it does not). A failure prints its seed;
//! `CUTS_SEED=7 cargo test --test cuts` plays that history alone.

mod byte_boundaries;
#[path = "../common/mod.rs"]
mod common;
#[path = "../common/reconnecting/mod.rs"]
mod reconnecting;

use std::{
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Duration,
};

use reconnecting::{Crowd, Played, Terms, share_out};

/// Names the history that is being tried, if it fails.
struct Named(u64);

impl Drop for Named {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("this history again: CUTS_SEED={} cargo test --test cuts", self.0);
        }
    }
}

#[test]
fn whoever_is_cut_off_at_random_hears_every_line_once_or_is_told_what_is_missing() {
    if let Ok(seed) = std::env::var("CUTS_SEED") {
        let played = history(seed.parse().expect("CUTS_SEED is a number"));
        eprintln!("{played:?}");
        return;
    }
    let wanted: u64 = std::env::var("CUTS").map_or(1_000, |cuts| cuts.parse().expect("CUTS is a number"));
    let cuts = AtomicU64::new(0);
    let played: Played = share_out(u64::MAX, |seed| {
        // Those that are in play may bring a few more.
        (cuts.load(Ordering::Relaxed) < wanted).then(|| {
            let played = history(seed);
            cuts.fetch_add(played.counts.all(), Ordering::Relaxed);
            played
        })
    });
    eprintln!("{played:?}");
    // Histories in which nothing happens would hold as well.
    let Played { counts, said: (said, unknown), missed, out, anew } = played;
    let happened = [counts.answers_lost, counts.answers_torn, counts.resumes, said, missed, out];
    assert!(happened.iter().chain(&counts.cuts).all(|count| *count >= 10), "{played:?}");
    assert_eq!((unknown, anew), (0, 0), "no session ends in these");
}

fn history(seed: u64) -> Played {
    let named = Named(seed);
    let terms = Terms {
        seed: named.0,
        talkers: 4,
        listeners: 3,
        lines: 60,
        pause_ms: if seed.is_multiple_of(2) { 0 } else { 4_000 },
        small_logs: seed % 3 == 1,
        kicks: seed.is_multiple_of(3),
        slow_readers: seed % 5 == 2,
        restarts: false,
        grace: Duration::from_hours(24),
        delay_ms: if seed % 4 == 3 { 50 } else { 0 },
        storms: false,
        cut_of_ten: 8,
    };
    let ample = !terms.small_logs;
    let (_, played) = Crowd::play(terms);
    assert!(!ample || played.missed == 0, "memory has all of it: {played:?}");
    played
}
