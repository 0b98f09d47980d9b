//! A test's paused clock, kept from running ahead while a database in memory answers.

use std::sync::mpsc::{SyncSender, sync_channel};

use tokio::task::spawn_blocking;

use super::Place;

/// While it lives, Tokio's clock stands still where a test has paused it.
///
/// A paused clock jumps to the next timer when every task waits, and SQLite answers from threads that Tokio does not
/// know of: every deadline of the test would pass during the first question. Tokio waits for blocking tasks, and this
/// is one. Databases in memory are for tests; others have none.
pub(super) struct ClockStop(
    #[expect(dead_code, reason = "dropping it ends the task")] Option<SyncSender<()>>,
);

impl ClockStop {
    pub fn of(place: &Place) -> Self {
        Self(place.is_memory().then(|| {
            let (held, dropped) = sync_channel(0);
            spawn_blocking(move || dropped.recv());
            held
        }))
    }
}
