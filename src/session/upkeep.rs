//! What becomes of the history with time: what is too old or too much is deleted, and all of a room that has ended.

use std::{collections::BTreeSet, mem, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

use crate::{
    config::HistoryConfig,
    store::{History, StoreError},
};

/// How often conversations are looked at in which something was said.
const EVERY: Duration = Duration::from_mins(1);
/// How often all are: lines age of themselves.
const ALL_EVERY: Duration = Duration::from_hours(1);
/// Rooms that have ended and whose lines are still to be deleted. Beyond: the next start deletes them.
const GONE_MAX: usize = 10_000;

/// What the writer of the history leaves to be done beside it.
#[derive(Default)]
pub struct Upkeep {
    due: Mutex<Due>,
    news: Notify,
}

#[derive(Default)]
struct Due {
    /// Conversations in which something was said.
    grown: BTreeSet<u64>,
    /// Conversations that are no more.
    gone: BTreeSet<u64>,
}

impl Upkeep {
    /// Lines were written in these conversations.
    pub(super) fn grow(&self, conversations: impl Iterator<Item = u64>) {
        self.due.lock().grown.extend(conversations);
    }

    /// Nothing of this conversation is kept any longer.
    pub(super) fn forget(&self, conversation: u64) {
        let mut due = self.due.lock();
        due.grown.remove(&conversation);
        if due.gone.len() < GONE_MAX {
            due.gone.insert(conversation);
            self.news.notify_one();
        }
    }

    /// Deletes what is due, for as long as the server runs. May be dropped at any time: the next start goes on.
    pub async fn run(self: Arc<Self>, store: History, config: HistoryConfig, clock: fn() -> u64) {
        let age_ms = u64::try_from(config.age.as_millis()).unwrap_or(u64::MAX);
        let start = Instant::now();
        let (mut next, mut next_all) = (start + EVERY, start + EVERY);
        loop {
            tokio::select! {
                () = self.news.notified() => {}
                () = sleep_until(next) => {}
            }
            let gone = mem::take(&mut self.due.lock().gone);
            let mut done = forget(&store, gone).await;
            let now = Instant::now();
            if now >= next {
                let older_than_ms = clock().saturating_sub(age_ms);
                let grown = mem::take(&mut self.due.lock().grown);
                let pruned = if now >= next_all {
                    next_all = now + ALL_EVERY;
                    prune_all(&store, config.lines, older_than_ms).await
                } else {
                    prune(&store, grown, config.lines, older_than_ms).await
                };
                done = done.and(pruned);
                next = now + EVERY;
            }
            if let Err(error) = done {
                // The next time, or at the next start.
                tracing::warn!(event = "history_not_pruned", err = %error, "old lines of the history are not deleted");
            }
        }
    }
}

async fn forget(store: &History, gone: BTreeSet<u64>) -> Result<(), StoreError> {
    for conversation in gone {
        store.forget(conversation).await?;
    }
    Ok(())
}

async fn prune(
    store: &History,
    grown: BTreeSet<u64>,
    lines: u64,
    older_than_ms: u64,
) -> Result<(), StoreError> {
    for conversation in grown {
        store.prune(conversation, lines, older_than_ms).await?;
    }
    Ok(())
}

async fn prune_all(store: &History, lines: u64, older_than_ms: u64) -> Result<(), StoreError> {
    let mut after = 0;
    loop {
        let page = store.conversations(after).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = *last;
        prune(store, page.into_iter().collect(), lines, older_than_ms).await?;
    }
}
