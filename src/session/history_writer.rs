//! Writes what is said into the history: reads the logs along, in batches of what has piled up.

use std::{collections::HashMap, future, sync::Arc, time::Duration};

use chat_proto::Presence;
use tokio::{
    pin,
    sync::mpsc,
    time::{Instant, sleep, timeout},
};

use super::{
    history_batch::{Owed, Taken},
    upkeep::Upkeep,
};
use crate::{
    config::Failing,
    room::{End, Feed, Read, Tail, Verdict},
    store::{Batch, EpochEnd, History, StoreError},
};

/// Lines of one transaction.
const BATCH_LINES: usize = 1_000;
/// Lines that one conversation is given of a batch, however many have news.
const SHARE_LINES_MIN: usize = 50;

/// How long lines that wait to be stored are waited for. Then they are refused, or said without.
pub const STORE_PATIENCE: Duration = Duration::from_secs(5);
/// How long the database is left alone after it failed: the first time, and at most.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// How long a database that fails is tried again when the server stops.
pub(super) const CLOSING_PATIENCE: Duration = Duration::from_secs(3);

/// Verdicts that the fan-out has not taken yet. Full: the writer waits.
pub const VERDICTS: usize = 16;

/// What the history is written to.
pub trait HistoryStore: Clone + Send + Sync + 'static {
    /// Writes all of it or nothing, as [`History::write`].
    fn write(&self, batches: &[Batch]) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// Closes epochs, as [`History::close_epochs`].
    fn close_epochs(&self, ends: &[EpochEnd]) -> impl Future<Output = Result<(), StoreError>> + Send;
}

impl HistoryStore for History {
    async fn write(&self, batches: &[Batch]) -> Result<u64, StoreError> {
        self.write(batches).await
    }

    async fn close_epochs(&self, ends: &[EpochEnd]) -> Result<(), StoreError> {
        self.close_epochs(ends).await
    }
}

/// The one reader of all logs, who writes them into the history.
pub struct HistoryWriter<S> {
    store: S,
    feed: Arc<Feed>,
    verdicts: mpsc::Sender<Verdict>,
    failing: Failing,
    upkeep: Arc<Upkeep>,
    /// Whether lines wait to be stored before they are read and answered.
    holds: bool,
    /// Whether the last that was to be written could not be.
    fails: bool,
    /// By conversation, what has to be written beside its next lines.
    owed: HashMap<u64, Owed>,
}

impl<S: HistoryStore> HistoryWriter<S> {
    /// A writer of what this feed tells of.
    #[must_use]
    pub fn new(
        store: S,
        feed: Arc<Feed>,
        verdicts: mpsc::Sender<Verdict>,
        failing: Failing,
        upkeep: Arc<Upkeep>,
    ) -> Self {
        let holds = feed.is_full();
        Self { store, feed, verdicts, failing, upkeep, holds, fails: false, owed: HashMap::new() }
    }

    /// Writes until nothing more is said, and then how it ended. Returns whether all of it is written.
    pub async fn run(mut self) -> bool {
        while let Some(taken) = self.take().await {
            if self.holds {
                self.store_first(taken).await;
            } else {
                self.store_along(taken).await;
            }
        }
        let written = self.end().await;
        if !written {
            tracing::error!(
                event = "history_incomplete",
                "what was said last could not be written to the history: its numbers begin anew"
            );
        }
        written
    }

    /// Takes what has piled up, the logs by turns. `None`: that was all.
    async fn take(&mut self) -> Option<Taken> {
        let mut taken = Taken::default();
        let mut next = if self.owed.is_empty() {
            Some(self.feed.next().await?)
        } else {
            // What is owed is not kept for the next line.
            timeout(RETRY.1, self.feed.next()).await.unwrap_or_default()
        };
        if next.is_none() && self.feed.ended().is_some() && self.feed.is_empty() {
            return None;
        }
        let mut again = Vec::new();
        while let Some(tail) = next {
            let share = (BATCH_LINES - taken.lines()) / (self.feed.len() + 1);
            if self.take_from(&tail, share.max(SHARE_LINES_MIN), &mut taken) {
                again.push(tail);
            }
            next = if taken.lines() < BATCH_LINES { self.feed.try_next() } else { None };
        }
        for tail in &again {
            self.feed.again(tail);
        }
        taken.add_owed(&mut self.owed);
        Some(taken)
    }

    /// Takes what one log has; true if it has more.
    fn take_from(&mut self, tail: &Arc<Tail>, share: usize, taken: &mut Taken) -> bool {
        let log = tail.log();
        if tail.is_over() && !self.holds {
            self.forget(tail);
            return false;
        }
        loop {
            let mut lines = Vec::new();
            match log.lines(tail.position(), share, &mut lines) {
                Read::Missed { from, to } => {
                    taken.miss(tail, from..=to);
                    tail.advance(to);
                }
                Read::Lines { cursor, more, .. } => {
                    taken.add(tail, cursor, &lines);
                    tail.advance(cursor);
                    return more;
                }
            }
        }
    }

    /// Writes what has been answered already, as soon as that is possible.
    async fn store_along(&mut self, taken: Taken) {
        let (mut wait, begun) = (RETRY.0, Instant::now());
        loop {
            let Err(error) = self.write(&taken).await else {
                return self.note_stored(&taken).await;
            };
            let patience = self.feed.ended().map(|_| CLOSING_PATIENCE);
            let lost = !may_pass(&error) || patience.is_some_and(|patience| begun.elapsed() >= patience);
            self.note_fails(&error);
            if lost {
                return self.lose(&taken);
            }
            sleep(wait).await;
            wait = RETRY.1.min(2 * wait);
        }
    }

    /// Writes what waits for that, and says what has become of it.
    async fn store_first(&mut self, taken: Taken) {
        match self.write_in_time(&taken).await {
            Some(Ok(_)) => {
                self.note_stored(&taken).await;
                self.tell(Verdict::Stored(taken.ends())).await;
            }
            Some(Err(error)) => {
                self.note_fails(&error);
                if self.holds {
                    self.give_up(&taken).await;
                }
                if !self.holds {
                    self.store_along(taken).await;
                }
            }
            None => {}
        }
    }

    /// Writes while somebody waits for it. `None`: it took too long, and has been refused whatever became of it.
    async fn write_in_time(&mut self, taken: &Taken) -> Option<Result<u64, StoreError>> {
        let store = self.store.clone();
        let write = async { if taken.is_empty() { Ok(0) } else { store.write(taken.batches()).await } };
        pin!(write);
        if let Ok(outcome) = timeout(STORE_PATIENCE, &mut write).await {
            return Some(outcome);
        }
        self.note_fails(&StoreError::Unavailable(format!("no answer in {STORE_PATIENCE:?}").into()));
        self.give_up(taken).await;
        // It may still come about, and until it has ended nothing else can be written.
        let outcome = loop {
            tokio::select! {
                outcome = &mut write => break outcome,
                tail = self.next_refused() => self.refuse_unseen(&tail).await,
            }
        };
        (!self.holds).then_some(outcome)
    }

    /// What could not be stored in time is refused, or from now on nothing waits.
    async fn give_up(&mut self, taken: &Taken) {
        match self.failing {
            Failing::Forget => {
                self.holds = false;
                self.tell(Verdict::Open).await;
            }
            Failing::Refuse => {
                taken.owe_refused(&mut self.owed);
                self.tell(Verdict::Refused(taken.ends())).await;
                self.forget_ended(taken);
            }
        }
    }

    /// The next log of which everything is refused, because what was to be stored before does not come to an end.
    async fn next_refused(&self) -> Arc<Tail> {
        if self.holds
            && let Some(tail) = self.feed.next().await
        {
            return tail;
        }
        future::pending().await
    }

    /// Refuses what the database has never been asked to store.
    async fn refuse_unseen(&mut self, tail: &Arc<Tail>) {
        let mut refused = Taken::default();
        while self.take_from(tail, BATCH_LINES, &mut refused) {}
        refused.owe_unseen(&mut self.owed);
        self.tell(Verdict::Refused(refused.ends())).await;
        self.forget_ended(&refused);
    }

    /// Writes what is owed, and closes the epochs if everything before is written and came to a good end.
    async fn end(&mut self) -> bool {
        let begun = Instant::now();
        let Some(End::Heads(heads)) = self.feed.ended() else { return false };
        let heads: Vec<EpochEnd> = heads.into_iter().map(end_of).collect();
        loop {
            let mut last = Taken::default();
            last.add_owed(&mut self.owed);
            let written = match self.write(&last).await {
                Ok(_) if !self.owed.is_empty() => continue,
                Ok(_) => self.store.close_epochs(&heads).await,
                Err(error) => {
                    last.owe_again(&mut self.owed);
                    Err(error)
                }
            };
            let Err(error) = written else { return true };
            self.note_fails(&error);
            if begun.elapsed() >= CLOSING_PATIENCE {
                return false;
            }
            sleep(RETRY.0).await;
        }
    }

    async fn write(&self, taken: &Taken) -> Result<u64, StoreError> {
        if taken.is_empty() { Ok(0) } else { self.store.write(taken.batches()).await }
    }

    async fn note_stored(&mut self, taken: &Taken) {
        if !taken.is_empty() {
            self.note_works().await;
        }
        for (tail, last) in taken.tails() {
            tail.log().set_doubtful(0);
            self.feed.set_stored(tail.log(), *last);
        }
        self.upkeep.grow(taken.batches().iter().map(|batch| batch.conversation));
        self.forget_ended(taken);
    }

    /// The lines that could not be written are a gap.
    fn lose(&mut self, taken: &Taken) {
        taken.owe_again(&mut self.owed);
        self.forget_ended(taken);
    }

    /// Keeps nothing of conversations that have ended, once all is taken of them.
    fn forget_ended(&mut self, taken: &Taken) {
        for (tail, last) in taken.tails() {
            if tail.is_over() && *last == tail.log().head() {
                self.forget(tail);
            }
        }
    }

    fn forget(&mut self, tail: &Tail) {
        let conversation = tail.log().conversation();
        self.owed.remove(&conversation);
        self.upkeep.forget(conversation);
    }

    async fn tell(&self, verdict: Verdict) {
        // The fan-out has ended: nobody waits any more.
        let _ = self.verdicts.send(verdict).await;
    }

    fn note_fails(&mut self, error: &StoreError) {
        if !self.fails {
            tracing::error!(event = "history_failing", err = %error, "what is said cannot be written to the history");
        }
        self.fails = true;
    }

    async fn note_works(&mut self) {
        if self.fails {
            tracing::info!(event = "history_works", "what is said is written to the history again");
            self.fails = false;
        }
        if self.feed.is_full() && !self.holds {
            self.holds = true;
            self.tell(Verdict::Hold).await;
        }
    }
}

/// Whether it may be written later what could not be written now.
fn may_pass(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::Busy(_) | StoreError::ReadOnly(_) | StoreError::Full(_) | StoreError::Unavailable(_)
    )
}

fn end_of(Presence { conversation, epoch, seq }: Presence) -> EpochEnd {
    EpochEnd { conversation, epoch, head: seq }
}
