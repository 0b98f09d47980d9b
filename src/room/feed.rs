//! What the fan-out and those who store for it tell each other: which logs have news, how they end, what is stored.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chat_proto::Presence;
use parking_lot::Mutex;
use tokio::{pin, sync::Notify, time::timeout};

use super::{Log, Membership, Pace};
use crate::config::Durability;

/// Logs whose lines the history has still to take. Each is in the queue once at most, so it is as long as there are
/// conversations.
pub struct Feed {
    durability: Durability,
    queue: Mutex<Queue>,
    /// Something has been queued, or nothing more will be.
    news: Notify,
    /// The history is through with more lines.
    stored: Notify,
}

#[derive(Default)]
struct Queue {
    tails: VecDeque<Arc<Tail>>,
    end: Option<End>,
}

/// How what is said came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// In good order. Each conversation that outlives the process ends with this line.
    Heads(Vec<Presence>),
    /// Nobody knows how.
    Broken,
}

/// One log as the history follows it.
pub struct Tail {
    log: Arc<Log>,
    /// What the history has taken. Its room waits for it as for a member.
    place: Membership,
    queued: AtomicBool,
    over: AtomicBool,
}

/// What has become of what waits to be stored. Each conversation comes with the last line that this is about.
pub enum Verdict {
    /// They are stored, or need not be.
    Stored(Vec<(u64, u64)>),
    /// They could not be stored, and are refused.
    Refused(Vec<(u64, u64)>),
    /// From now on nothing waits to be stored.
    Open,
    /// From now on all that is said does again.
    Hold,
    /// Changes of where sessions are, up to this one, are stored, or need not be.
    PlacesStored(u64),
    /// They cannot be stored: those that wait are refused, and so is what would change more, until some are.
    PlacesFail,
}

impl Feed {
    /// Nothing has news yet.
    #[must_use]
    pub fn new(durability: Durability) -> Self {
        Self { durability, queue: Mutex::new(Queue::default()), news: Notify::new(), stored: Notify::new() }
    }

    /// Whether lines have to be stored before they are read and answered.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.durability == Durability::Full
    }

    /// Follows a log from its last line on.
    pub(super) fn follow(log: &Arc<Log>, pace: &Arc<Pace>) -> Arc<Tail> {
        Arc::new(Tail {
            log: Arc::clone(log),
            place: Membership::new(log.head(), Arc::clone(pace)),
            queued: AtomicBool::new(false),
            over: AtomicBool::new(false),
        })
    }

    /// Says that a log has news.
    pub(super) fn mark(&self, tail: &Arc<Tail>) {
        if !tail.queued.swap(true, Ordering::AcqRel) {
            self.queue.lock().tails.push_back(Arc::clone(tail));
            self.news.notify_one();
        }
    }

    /// Says that nothing more will be said, if that has not been said before.
    pub(super) fn end(&self, end: End) {
        self.queue.lock().end.get_or_insert(end);
        self.news.notify_one();
    }

    /// For the writer: the next log with news; `None` when there will be none. Waits while there is none. May be dropped
    /// and called again.
    pub async fn next(&self) -> Option<Arc<Tail>> {
        loop {
            if let Some(tail) = self.try_next() {
                return Some(tail);
            }
            if self.queue.lock().end.is_some() {
                return None;
            }
            self.news.notified().await;
        }
    }

    /// For the writer: the next log with news, if there is one.
    #[must_use]
    pub fn try_next(&self) -> Option<Arc<Tail>> {
        let tail = self.queue.lock().tails.pop_front()?;
        // Before its log is read: whatever is appended after that queues it again.
        tail.queued.swap(false, Ordering::AcqRel);
        Some(tail)
    }

    /// For the writer: this log has more, and waits for its next turn behind the others.
    pub fn again(&self, tail: &Arc<Tail>) {
        self.mark(tail);
    }

    /// For the writer: how many logs have news.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queue.lock().tails.len()
    }

    /// Whether no log has news.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// For the writer: how it ended, once it has.
    #[must_use]
    pub fn ended(&self) -> Option<End> {
        self.queue.lock().end.clone()
    }

    /// For the writer: the history is through with these lines.
    pub fn set_stored(&self, log: &Log, last: u64) {
        log.set_stored(last);
        self.stored.notify_waiters();
    }

    /// Waits until the history is through with a log's lines up to this one, but no longer than `within`. Returns
    /// whether it is.
    pub async fn stored(&self, log: &Log, last: u64, within: Duration) -> bool {
        let wait = async {
            loop {
                let told = self.stored.notified();
                pin!(told);
                // Before looking: what is stored after that is told.
                told.as_mut().enable();
                if log.stored() >= last {
                    return;
                }
                told.await;
            }
        };
        timeout(within, wait).await.is_ok()
    }
}

impl Tail {
    /// The log.
    #[must_use]
    pub fn log(&self) -> &Arc<Log> {
        &self.log
    }

    /// The last line that the history has taken.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.place.position()
    }

    /// For the writer: it has taken everything up to this line.
    pub fn advance(&self, position: u64) {
        self.place.advance(position);
    }

    /// Whether the conversation is no more, so that nothing of it is kept.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    /// Says that the conversation is no more. What was said in it has been appended before.
    pub(super) fn set_over(&self) {
        self.over.store(true, Ordering::Release);
    }
}
