//! Thousands of seeded random histories of the core, each checked against the plainest possible model.
//!
//! A failure prints its seed; `MODEL_SEED=7 cargo test --test model` runs that history alone.

mod person;
mod plain;
mod world;

use std::thread;

use world::{Told, World};

/// Histories in one run.
const HISTORIES: u64 = 6_000;

/// Names the history that is being tried, if it fails.
struct Named(u64);

impl Drop for Named {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("this history again: MODEL_SEED={} cargo test --test model", self.0);
        }
    }
}

#[test]
fn every_reader_gets_exactly_what_the_plainest_model_says() {
    if let Ok(seed) = std::env::var("MODEL_SEED") {
        let told = history(seed.parse().expect("MODEL_SEED is a number"));
        eprintln!("{told:?}");
        return;
    }
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let told: Told = thread::scope(|scope| {
        let share =
            |first| scope.spawn(move || (first..HISTORIES).step_by(threads).map(history).sum::<Told>());
        let shares: Vec<_> = (0..HISTORIES).take(threads).map(share).collect();
        shares.into_iter().map(|share| share.join().expect("every history holds")).sum()
    });
    // Histories in which nothing happens would hold as well.
    let Told { lines, missed, ends, pages, waits, goes_on } = told;
    assert!([lines, missed, ends, pages, waits, goes_on].iter().all(|count| *count > 100), "{told:?}");
}

fn history(seed: u64) -> Told {
    let named = Named(seed);
    let mut world = World::new(named.0);
    world.live();
    world.settle();
    world.empty()
}
