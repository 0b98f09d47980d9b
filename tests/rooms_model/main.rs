//! Thousands of seeded random histories of rooms, kicks and capacity, each checked against the plainest possible model.
//!
//! A failure prints its seed; `MODEL_SEED=7 cargo test --test rooms_model` runs that history alone.

mod house;
mod person;

use std::thread;

use house::{House, Told};

/// Histories in one run.
const HISTORIES: u64 = 2_000;

/// Names the history that is being tried, if it fails.
struct Named(u64);

impl Drop for Named {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("this history again: MODEL_SEED={} cargo test --test rooms_model", self.0);
        }
    }
}

#[test]
fn rooms_admit_tell_and_put_out_exactly_whom_the_plainest_model_says() {
    if let Ok(seed) = std::env::var("MODEL_SEED") {
        let told = history(seed.parse().expect("MODEL_SEED is a number"));
        eprintln!("{told:?}");
        return;
    }
    let threads = u64::try_from(thread::available_parallelism().map_or(1, usize::from)).expect("few");
    let told: Vec<Told> = thread::scope(|scope| {
        let share = |first| {
            scope.spawn(move || {
                (first..HISTORIES).step_by(threads.try_into().expect("few")).map(history).collect::<Vec<_>>()
            })
        };
        let shares: Vec<_> = (0..threads).map(share).collect();
        shares.into_iter().flat_map(|share| share.join().expect("every history holds")).collect()
    });
    // Histories in which nothing happens would hold as well.
    let often = |count: fn(&Told) -> u64| told.iter().map(count).sum::<u64>() > 100;
    assert!(often(|told| told.lines) && often(|told| told.full) && often(|told| told.put_out));
    assert!(often(|told| told.banned) && often(|told| told.closed) && often(|told| told.handed_on));
}

fn history(seed: u64) -> Told {
    let named = Named(seed);
    let mut house = House::new(named.0);
    house.live();
    house.settle()
}
