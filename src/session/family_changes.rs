//! What has changed about the tokens of sessions and is still to be stored: the last of each, not all of them.

use std::collections::HashMap;

use chat_proto::{Role, Username};
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc, watch};

use super::{
    FamilyId,
    families::{TokenHash, Whose},
};
use crate::{
    config::Failing,
    room::{SessionId, Verdict, Whispered},
    store::{AccountId, Resumable},
};

/// Families whose changes may wait. Full: what changes about others is not stored, so that a restart may end them.
const CHANGES_MAX: usize = 65_536;

/// A family as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FamilyRecord {
    /// Which.
    pub family: FamilyId,
    /// The hash of the token that is good.
    pub current: TokenHash,
    /// Of one more, until the client has shown that it holds that.
    pub previous: Option<TokenHash>,
    /// Whose session it brings back.
    pub whose: Whose,
    /// Whether the session is there; else it has lapsed.
    pub here: bool,
}

impl FamilyRecord {
    /// As it was stored; `None` if nobody may come in by it any more.
    #[must_use]
    pub fn recall(stored: &Resumable) -> Option<Self> {
        let Resumable { resume, owner, .. } = stored;
        if owner.is_some_and(|owner| owner.disabled) {
            return None;
        }
        let whose = Whose {
            session: SessionId(resume.session),
            name: Username::parse(&resume.person.shown).ok()?,
            role: owner.map_or(Role::Guest, |owner| owner.role),
            account: resume.account,
        };
        Some(Self {
            family: FamilyId::from_bytes(resume.family),
            current: resume.token_hash,
            previous: resume.previous_hash,
            whose,
            here: resume.here,
        })
    }
}

/// A mailbox as it is stored.
#[derive(Debug)]
pub struct KeptMailbox {
    /// Which past its numbers belong to.
    pub epoch: u64,
    /// The last number.
    pub head: u64,
    /// What is still in it.
    pub whispers: Vec<Whispered>,
}

/// Changes that wait to be stored.
#[derive(Debug, Default)]
pub struct Changes {
    /// Families as they are now; `None`: it is no more.
    pub families: HashMap<FamilyId, Option<FamilyRecord>>,
    /// Accounts of which no family is good any more, but one.
    pub accounts: HashMap<AccountId, Option<FamilyId>>,
    /// The epochs of mailboxes that begin.
    pub begun: HashMap<SessionId, u64>,
    /// What is in the mailboxes of sessions that go on when the server starts again.
    pub mailboxes: HashMap<SessionId, KeptMailbox>,
    /// The rooms that sessions are in now.
    pub rooms: HashMap<SessionId, Vec<u64>>,
    /// How many changes there have been when this was taken.
    noted: u64,
}

/// Where changes wait, for the one who stores them.
pub struct FamilyChanges {
    waiting: Mutex<Changes>,
    news: Notify,
    stored: watch::Sender<Stored>,
    /// Where the fan-out is told what is stored, if it waits for that, and whether it does when nothing can be.
    verdicts: Option<(mpsc::Sender<Verdict>, Failing)>,
}

/// How much of what has changed is stored.
#[derive(Clone, Copy, Default)]
struct Stored {
    /// So many changes.
    last: u64,
    /// Further ones could not be.
    fails: bool,
}

impl FamilyChanges {
    /// Nothing has changed. Where durability is `full`, nobody is told of a token, or where they are, before it is stored:
    /// the fan-out hears of that by these verdicts.
    #[must_use]
    pub fn new(verdicts: Option<(mpsc::Sender<Verdict>, Failing)>) -> Self {
        Self { waiting: Mutex::default(), news: Notify::new(), stored: watch::Sender::default(), verdicts }
    }

    /// Whether nobody is told of a token, or where they are, before it is stored.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.verdicts.is_some()
    }

    /// A family is like this now.
    pub fn put(&self, record: FamilyRecord) {
        self.change(|changes| drop(changes.families.insert(record.family, Some(record))));
    }

    /// A family is no more.
    pub fn remove(&self, family: FamilyId) {
        // However many wait: what is void must not be good again.
        self.change_always(|changes| drop(changes.families.insert(family, None)));
    }

    /// No family of an account is good any more, but one.
    pub fn remove_account(&self, account: AccountId, but: Option<FamilyId>) {
        self.change_always(|changes| {
            changes.accounts.insert(account, but);
        });
    }

    /// A mailbox begins with this epoch.
    pub fn begin_mailbox(&self, session: SessionId, epoch: u64) {
        self.change(|changes| {
            changes.begun.insert(session, epoch);
        });
    }

    /// This is in the mailbox of a session that goes on when the server starts again.
    pub fn put_mailbox(&self, session: SessionId, mailbox: KeptMailbox) {
        self.change(|changes| drop(changes.mailboxes.insert(session, mailbox)));
    }

    /// A session is in these rooms now, of all that there are. Returns which change that is, if nobody is told before it
    /// is stored; else 0.
    pub fn put_rooms(&self, session: SessionId, rooms: Vec<u64>) -> u64 {
        let put = |changes: &mut Changes| drop(changes.rooms.insert(session, rooms));
        if self.is_full() {
            // However many wait: whoever is here came in when it could be stored.
            return self.change_always(put);
        }
        self.change(put);
        0
    }

    fn change(&self, change: impl FnOnce(&mut Changes)) {
        let full = {
            let waiting = self.waiting.lock();
            waiting.families.len().max(waiting.rooms.len()) >= CHANGES_MAX
        };
        if full {
            tracing::error!(event = "resume_unstored", "too many sessions wait to be stored");
        } else {
            self.change_always(change);
        }
    }

    /// Returns which change it is.
    fn change_always(&self, change: impl FnOnce(&mut Changes)) -> u64 {
        let mut waiting = self.waiting.lock();
        waiting.noted += 1;
        change(&mut waiting);
        let noted = waiting.noted;
        drop(waiting);
        self.news.notify_one();
        noted
    }

    /// Takes what waits.
    #[must_use]
    pub fn take(&self) -> Changes {
        let mut waiting = self.waiting.lock();
        let noted = waiting.noted;
        std::mem::replace(&mut *waiting, Changes { noted, ..Changes::default() })
    }

    /// They could not be stored. What has changed since goes before.
    pub fn put_back(&self, changes: Changes) {
        let mut waiting = self.waiting.lock();
        for (family, record) in changes.families {
            waiting.families.entry(family).or_insert(record);
        }
        for (account, but) in changes.accounts {
            waiting.accounts.entry(account).or_insert(but);
        }
        for (session, epoch) in changes.begun {
            waiting.begun.entry(session).or_insert(epoch);
        }
        for (session, mailbox) in changes.mailboxes {
            waiting.mailboxes.entry(session).or_insert(mailbox);
        }
        for (session, rooms) in changes.rooms {
            waiting.rooms.entry(session).or_insert(rooms);
        }
    }

    /// They have been stored.
    pub async fn tell_stored(&self, changes: &Changes) {
        self.stored.send_replace(Stored { last: changes.noted, fails: false });
        self.tell(|_| Verdict::PlacesStored(changes.noted)).await;
    }

    /// What waits cannot be stored for now.
    pub async fn tell_failing(&self) {
        self.stored.send_modify(|stored| stored.fails = true);
        self.tell(|failing| match failing {
            Failing::Refuse => Verdict::PlacesFail,
            Failing::Forget => Verdict::PlacesStored(u64::MAX),
        })
        .await;
    }

    async fn tell(&self, verdict: impl FnOnce(Failing) -> Verdict) {
        if let Some((verdicts, failing)) = &self.verdicts {
            // The fan-out may have ended: nobody waits any more.
            let _ = verdicts.send(verdict(*failing)).await;
        }
    }

    /// Has whoever waits look again.
    pub fn wake(&self) {
        self.news.notify_one();
    }

    /// Waits until something may have changed.
    pub async fn changed(&self) {
        self.news.notified().await;
    }

    /// Waits until all that has changed so far has been stored.
    pub async fn stored(&self) {
        let noted = self.waiting.lock().noted;
        let mut stored = self.stored.subscribe();
        // Its sender is here.
        let _ = stored.wait_for(|stored| stored.last >= noted).await;
    }

    /// Waits until a change has been stored, or cannot be for now. Returns whether it has been.
    pub async fn is_stored(&self, change: u64) -> bool {
        let mut stored = self.stored.subscribe();
        let known = stored.wait_for(|stored| stored.last >= change || stored.fails).await;
        known.is_ok_and(|stored| stored.last >= change)
    }
}
