//! Stores whispers before they are heard and answered, in batches of what has piled up.

use std::{
    collections::HashMap,
    future::ready,
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use chat_proto::{Refusal, Username};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::{
    Families, MailboxStore, STORE_PATIENCE, SessionRegistry, WaitingWhisper, mailbox_batch::MailboxBatch,
    unavailable,
};
use crate::{
    metrics::Metrics,
    room::{SessionId, Subscriber},
    store::{AccountId, MailboxCut, StoreError, StoredMailbox},
};

/// What may wait for the writer of mailboxes, and whispers of one transaction. Full: further ones are refused with
/// [`ErrorCode::Overloaded`](chat_proto::ErrorCode::Overloaded).
pub const MAILBOX_REQUESTS: usize = 1_024;
/// How often mailboxes are tried again of which nobody knows what was written into them.
const RETRY: Duration = Duration::from_secs(2);

/// What the writer of mailboxes is asked. It serves one after the other.
pub enum MailboxRequest {
    /// Stores a whisper, hands it over then, and answers it.
    Whisper(WaitingWhisper),
    /// Hands over what is kept for the owner of an account to a session of theirs; what is sealed only if its client has
    /// shown a device that it is for.
    Letters {
        /// The account.
        account: AccountId,
        /// What was said then or before, in milliseconds since 1970 UTC, is forgotten.
        older_than_ms: u64,
        /// The session.
        to: Arc<Subscriber>,
    },
    /// Reads what is in the mailbox of a session that has lapsed: all that was answered is.
    Recall {
        /// The session.
        session: SessionId,
        /// Its mailbox, if it had one.
        reply: oneshot::Sender<Result<Option<StoredMailbox>, Refusal>>,
    },
}

/// The one who appends to the mailboxes of sessions that may come back, each whisper when it is stored. Nobody else
/// numbers them, so a mailbox in memory is never ahead of the stored one.
pub struct MailboxWriter<S> {
    store: S,
    requests: mpsc::Receiver<MailboxRequest>,
    /// One that was taken, and comes next.
    put_by: Option<MailboxRequest>,
    families: Arc<Families>,
    registry: Arc<SessionRegistry>,
    metrics: Arc<Metrics>,
    /// Mailboxes into which more may have been written than was handed over, and whether that was kept for an account.
    doubtful: HashMap<SessionId, (Arc<Subscriber>, Option<AccountId>)>,
    /// Whether the last that was to be done could not be.
    fails: bool,
    done: CancellationToken,
}

impl<S: MailboxStore> MailboxWriter<S> {
    /// One that serves these requests until `done` is cancelled, and then those that are left.
    #[must_use]
    pub fn new(
        store: S,
        requests: mpsc::Receiver<MailboxRequest>,
        families: Arc<Families>,
        registry: Arc<SessionRegistry>,
        metrics: Arc<Metrics>,
        done: CancellationToken,
    ) -> Self {
        let (put_by, doubtful) = (None, HashMap::new());
        Self { store, requests, put_by, families, registry, metrics, doubtful, fails: false, done }
    }

    /// Serves until nobody asks any more.
    pub async fn run(mut self) {
        loop {
            let next = if self.doubtful.is_empty() {
                self.next().await
            } else if let Ok(next) = timeout(RETRY, self.next()).await {
                next
            } else {
                self.put_right().await;
                continue;
            };
            match next {
                Some(MailboxRequest::Whisper(first)) => self.store(first).await,
                Some(MailboxRequest::Letters { account, older_than_ms, to }) => {
                    self.move_letters(account, older_than_ms, &to).await;
                }
                Some(MailboxRequest::Recall { session, reply }) => {
                    // Whoever has asked may have hung up.
                    let _ = reply.send(self.recall(session).await);
                }
                None => break,
            }
        }
        self.put_right().await;
    }

    /// The next request; none when there will be none. May be dropped and called again.
    async fn next(&mut self) -> Option<MailboxRequest> {
        if self.put_by.is_some() {
            return self.put_by.take();
        }
        loop {
            tokio::select! {
                biased;
                () = self.done.cancelled(), if !self.requests.is_closed() => self.requests.close(),
                request = self.requests.recv() => return request,
            }
        }
    }

    /// Stores a whisper with those that have piled up behind it.
    async fn store(&mut self, first: WaitingWhisper) {
        let mut whispers = vec![first];
        while whispers.len() < MAILBOX_REQUESTS && self.put_by.is_none() {
            match self.requests.try_recv() {
                Ok(MailboxRequest::Whisper(next)) => whispers.push(next),
                Ok(other) => self.put_by = Some(other),
                Err(_) => break,
            }
        }
        let mut batch = MailboxBatch::of(whispers);
        let (registry, metrics) = (Arc::clone(&self.registry), Arc::clone(&self.metrics));
        if batch.stored().is_empty() {
            return batch.hand_over(&registry, &metrics);
        }
        let (new, owners) = (batch.stored().to_vec(), batch.owners().to_vec());
        let (store, families) = (self.store.clone(), Arc::clone(&self.families));
        let write = async {
            if owners.iter().any(|owner| owner.mailbox().head() == 0) {
                // Whoever has just come in may not be known to the database yet.
                families.stored().await;
            }
            store.add(&new).await
        };
        match self.in_time(write, || batch.refuse(&metrics)).await {
            Ok(()) => batch.hand_over(&registry, &metrics),
            Err(_) => owners.iter().for_each(|owner| self.doubt(owner, None)),
        }
    }

    /// What cannot be moved now is the next time that its recipient comes.
    async fn move_letters(&mut self, account: AccountId, older_than_ms: u64, to: &Arc<Subscriber>) {
        let (head, devices) = (to.mailbox().head(), to.devices());
        let (store, families) = (self.store.clone(), Arc::clone(&self.families));
        let move_all = async {
            families.stored().await;
            store.move_letters((account, older_than_ms), &devices, (to.id().0, head)).await
        };
        let Ok(letters) = self.in_time(move_all, || ()).await else {
            return self.doubt(to, Some(account));
        };
        for letter in letters {
            // The rules may have changed since it was kept; it has its number all the same. In a mailbox that has been
            // closed nobody reads.
            let _ = match (Username::parse(&letter.sender), letter.text.words()) {
                (Ok(name), Ok(text)) => {
                    let message_id = letter.message_id.unwrap_or_default();
                    to.hand_over((SessionId(letter.session), &name), message_id, &text, letter.time_ms)
                }
                _ => to.skip_whisper(),
            };
        }
        self.registry.mark_successor(to);
    }

    async fn recall(&mut self, session: SessionId) -> Result<Option<StoredMailbox>, Refusal> {
        let store = self.store.clone();
        let recalled = self.in_time(async { store.load(session.0).await }, || ()).await;
        recalled.map_err(|error| unavailable(&error))
    }

    /// Puts mailboxes right of which nobody knows what was written into them, if there are any.
    async fn put_right(&mut self) {
        if !self.doubtful.is_empty() {
            // They stay so if it does not succeed.
            let _ = self.in_time(ready(Ok(())), || ()).await;
        }
    }

    /// Does something in the database when all doubtful mailboxes are right. What takes too long has failed, whatever
    /// comes of it: `give_up` says so to those who wait; and until it has ended nothing else can be done, so that all that is
    /// asked meanwhile is refused.
    async fn in_time<T>(
        &mut self,
        work: impl Future<Output = Result<T, StoreError>>,
        give_up: impl FnOnce(),
    ) -> Result<T, StoreError> {
        let (store, cuts) = (self.store.clone(), self.cuts());
        // Whether all doubtful mailboxes are right, and what came of the work.
        let mut work = pin!(async {
            if !cuts.is_empty()
                && let Err(error) = store.cut(&cuts).await
            {
                return (false, Err(error));
            }
            (true, work.await)
        });
        let in_time = timeout(STORE_PATIENCE, &mut work).await;
        let is_late = in_time.is_err();
        let late = || StoreError::Unavailable(format!("no answer in {STORE_PATIENCE:?}").into());
        let (mut right, outcome) = in_time.unwrap_or_else(|_| (false, Err(late())));
        self.note(&outcome);
        if outcome.is_err() {
            give_up();
        }
        if is_late {
            right = self.refuse_until(work).await.0;
        }
        if right {
            self.doubtful.clear();
        }
        outcome
    }

    /// Refuses all that is asked until something has come to its end.
    async fn refuse_until<T>(&mut self, mut work: Pin<&mut impl Future<Output = T>>) -> T {
        loop {
            tokio::select! {
                done = &mut work => return done,
                Some(request) = self.next() => self.refuse(request),
                else => return work.await,
            }
        }
    }

    /// Nobody knows any more what is stored of a mailbox beyond what is in it. If nobody did before, nothing was added to
    /// that.
    fn doubt(&mut self, owner: &Arc<Subscriber>, kept_for: Option<AccountId>) {
        self.doubtful.entry(owner.id()).or_insert_with(|| (Arc::clone(owner), kept_for));
    }

    fn cuts(&self) -> Vec<MailboxCut> {
        let cut = |(to, kept_for): &(Arc<Subscriber>, Option<AccountId>)| MailboxCut {
            session: to.id().0,
            head: to.mailbox().head(),
            kept_for: *kept_for,
        };
        self.doubtful.values().map(cut).collect()
    }

    fn refuse(&self, request: MailboxRequest) {
        match request {
            MailboxRequest::Whisper(waiting) => waiting.answer_as_known(&self.metrics),
            // The next time that they come.
            MailboxRequest::Letters { .. } => {}
            MailboxRequest::Recall { reply, .. } => {
                let error = StoreError::Unavailable("it has not answered for a while".into());
                let _ = reply.send(Err(unavailable(&error)));
            }
        }
    }

    fn note<T>(&mut self, outcome: &Result<T, StoreError>) {
        match outcome {
            Err(error) if !self.fails => {
                tracing::error!(event = "whispers_failing", err = %error, "whispers cannot be stored");
            }
            Ok(_) if self.fails => tracing::info!(event = "whispers_work", "whispers are stored again"),
            _ => {}
        }
        self.fails = outcome.is_err();
    }
}
