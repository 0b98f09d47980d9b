//! A server that is killed under traffic, and what its clients, who come back by themselves, have heard in the end.
//!
//! `KILLS` says how often (5 if it does not), `KILLS_SEED` repeats a run; `scripts/soak.sh` runs fifty.

mod crowd;
#[path = "../common/folder.rs"]
mod folder;
mod house;
mod person;
#[path = "../common/process.rs"]
mod process;
mod round;
mod verdict;
mod wanderer;

use std::time::Duration;

use house::House;
use round::{End, Story};
use tokio::time::timeout;

/// Restarts after which the clients start again as well, each from what it has saved: what one waits between its attempts
/// grows with their number.
const RESTARTS_A_ROUND: usize = 5;
/// How long a round may take before the test is given up. What clients wait is below 30 s for each restart.
const ROUND_MAX: Duration = Duration::from_mins(15);

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|number| number.parse().expect("the variable is a number"))
}

/// Restarts: as many by a kill as were asked for, and each fourth of five by a stop in good order.
fn restarts() -> usize {
    let kills = usize::try_from(number("KILLS").unwrap_or(5)).expect("a small number");
    kills + kills / 4
}

fn mostly_killed(restart: usize) -> End {
    if restart % 5 == 3 { End::Stop } else { End::Kill }
}

/// A whole history: as many restarts as asked for, each as `end` says for its number.
async fn live_through(durability: &str, restarts: usize, end: impl Fn(usize) -> End) -> Story {
    let seed = number("KILLS_SEED").unwrap_or_else(rand::random);
    println!("KILLS_SEED={seed} durability={durability} restarts={restarts}");
    let mut house = House::open(durability);
    let mut story = Story::new(seed);
    for from in (0..restarts).step_by(RESTARTS_A_ROUND) {
        let ends: Vec<_> = (from..restarts.min(from + RESTARTS_A_ROUND)).map(&end).collect();
        timeout(ROUND_MAX, story.round(&mut house, &ends)).await.expect("a round ends in time");
    }
    story
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_answered_line_is_lost_by_a_kill_where_lines_are_stored_before_they_are_answered() {
    let story = live_through("full", restarts(), mostly_killed);
    verdict::nothing_is_missing(&story.await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_kill_costs_is_told_to_everybody_where_lines_are_answered_before_they_are_stored() {
    let story = live_through("process", restarts(), mostly_killed);
    verdict::what_is_missing_is_told(&story.await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_and_no_epoch_ends_by_a_stop_in_good_order() {
    for durability in ["process", "full"] {
        let story = live_through(durability, 2, |_| End::Stop).await;
        verdict::nothing_is_missing(&story);
        verdict::no_epoch_has_ended(&story);
    }
}
