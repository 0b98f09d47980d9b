//! What becomes of the history with time: what is too old or too much is deleted, and all of a room that has ended.

use std::{collections::BTreeSet, mem, sync::Arc, time::Duration};

use chat_proto::millis;
use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

use crate::{
    config::Live,
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
    pub async fn run(self: Arc<Self>, store: History, live: Live, clock: fn() -> u64) {
        let mut before = live.now();
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
                let policy = live.now();
                let (lines, age) = (policy.history_lines, policy.history_age);
                let is_other = (lines, age) != (before.history_lines, before.history_age);
                before = policy;
                let older_than_ms = clock().saturating_sub(millis(age));
                let grown = mem::take(&mut self.due.lock().grown);
                let pruned = if now >= next_all || is_other {
                    next_all = now + ALL_EVERY;
                    prune_all(&store, lines, older_than_ms).await
                } else {
                    prune(&store, grown, lines, older_than_ms).await
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

#[cfg(test)]
mod tests {
    use std::{fs, process, sync::mpsc};

    use chat_proto::LOBBY;
    use tokio::{task::spawn_blocking, time};

    use super::*;
    use crate::{
        config::{Config, Policy},
        store::{Batch, Cursor, NewLine, PageLimit, Place, Store},
    };

    fn line(seq: u64) -> NewLine {
        let (sender, text) = ("kim".into(), format!("line {seq}"));
        NewLine { seq, time_ms: seq, session: None, account: None, sender, message_id: None, text }
    }

    /// Waits until the lobby has no more lines than these.
    async fn left(history: &History, lines: usize) {
        let begun = std::time::Instant::now();
        let end = Cursor { conversation: LOBBY, epoch: 0, seq: 0 };
        loop {
            let page = history.before(end, PageLimit { lines: 100, bytes: 10_000 }).await.expect("a page");
            if page.lines.len() == lines {
                return;
            }
            assert!(begun.elapsed().as_secs() < 60, "{} lines are left", page.lines.len());
        }
    }

    #[tokio::test]
    async fn where_less_is_to_be_kept_from_now_on_the_rest_goes_within_a_minute() {
        let folder = std::env::temp_dir().join(format!("chat upkeep {}", process::id()));
        // Of a test that could not take it away, and whose process had the same number.
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).expect("a new folder");
        let store = Store::open(&Place::in_folder(&folder).expect("a path")).await.expect("a new database");
        let history = store.history().clone();
        let lines = (1..=10).map(line).collect();
        let batch = Batch { conversation: LOBBY, epoch: 7, lines, ..Batch::default() };
        history.write(&[batch]).await.expect("written");
        // While somebody blocks a thread, the clock goes on only when it is told to: a database takes its time.
        time::pause();
        let (release, held) = mpsc::channel::<()>();
        let holding = spawn_blocking(move || held.recv());
        let mut policy = Policy { history_lines: 8, ..Policy::of(&Config::default()) };
        let live = Live::new(policy.clone());
        let running = tokio::spawn(Arc::new(Upkeep::default()).run(history.clone(), live.clone(), || 10));
        tokio::task::yield_now().await;
        time::advance(EVERY + Duration::from_secs(1)).await;
        left(&history, 8).await;
        policy.history_lines = 3;
        live.replace(policy.clone());
        time::advance(EVERY + Duration::from_secs(1)).await;
        left(&history, 3).await;
        policy.history_age = Duration::from_millis(1);
        live.replace(policy);
        time::advance(EVERY + Duration::from_secs(1)).await;
        left(&history, 2).await;
        // What is left of the work has the time that a database takes, before the clock may run ahead of it again.
        running.abort();
        let _ = running.await;
        store.close().await.expect("closed");
        drop(release);
        let _ = holding.await;
        // Only the folder for such things: Windows may keep it for a while.
        let _ = fs::remove_dir_all(folder);
    }
}
