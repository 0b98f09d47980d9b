//! The tokens that bring sessions back: a family for each session, of which the last token is good, once.

use std::{
    collections::{HashMap, hash_map::Entry},
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chat_proto::{ResumeToken, Role, Username};
use parking_lot::Mutex;
use rand::Rng as _;
use sha2::{Digest as _, Sha256};
use tokio::time::timeout;

use super::family_changes::{FamilyChanges, FamilyRecord, KeptMailbox};
use crate::{
    room::{Mailbox, SessionId},
    store::{AccountId, FAMILY_BYTES, StoreError},
};

/// How long somebody who comes in waits for a slow database to store their token.
const SETTLED_WITHIN: Duration = Duration::from_millis(500);

/// Which session a token is of: the first bytes of each of its tokens. Nobody but its owner knows it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FamilyId(u64);

impl FamilyId {
    /// One that was stored.
    #[must_use]
    pub fn from_bytes(bytes: [u8; FAMILY_BYTES]) -> Self {
        Self(u64::from_le_bytes(bytes))
    }

    /// As it is stored, and as it begins its tokens.
    #[must_use]
    pub fn to_bytes(self) -> [u8; FAMILY_BYTES] {
        self.0.to_le_bytes()
    }
}

/// It is half of a secret.
impl fmt::Debug for FamilyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FamilyId(..)")
    }
}

/// SHA-256 of a token. Comparing hashes takes equally long for a token that is nearly right.
pub type TokenHash = [u8; 32];

/// Who a session is of, to make it anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whose {
    /// The session.
    pub session: SessionId,
    /// The name, as shown.
    pub name: Username,
    /// What they may do.
    pub role: Role,
    /// The account; `None`: a guest.
    pub account: Option<AccountId>,
}

/// What a token is found to be.
#[derive(Debug, PartialEq, Eq)]
pub enum Presented {
    /// Good, and used now.
    Good {
        /// Its family.
        family: FamilyId,
        /// Whose session it brings back.
        whose: Whose,
        /// What brings it back the next time.
        next: ResumeToken,
    },
    /// One that has been used, or is none, of a family that there is: somebody else has had it. The family is no more.
    Stolen(Whose),
    /// Of no family that there is.
    Unknown,
}

/// How a session ends, for its tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It is over.
    Void,
    /// It may be made anew by its last token.
    Lapse,
    /// The server stops: it goes on when that starts again.
    Stop,
}

/// The families of the sessions that there are.
pub struct Families {
    live: Mutex<HashMap<FamilyId, Family>>,
    /// The server stops: no session lapses any more.
    stopping: AtomicBool,
    /// What has to outlive the process; `None`: nothing does.
    changes: Option<Arc<FamilyChanges>>,
}

struct Family {
    current: TokenHash,
    /// Good as well, until the client has shown that it holds the current one: the answer that had it may be lost.
    previous: Option<TokenHash>,
    whose: Whose,
}

impl Families {
    /// None yet. What has to outlive the process is noted in `changes`.
    #[must_use]
    pub fn new(changes: Option<Arc<FamilyChanges>>) -> Self {
        Self { live: Mutex::new(HashMap::new()), stopping: AtomicBool::new(false), changes }
    }

    /// The first token of a new session.
    #[must_use]
    pub fn open(&self, whose: Whose) -> (FamilyId, ResumeToken) {
        let mut live = self.live.lock();
        let mut family = FamilyId(rand::rng().next_u64());
        while live.contains_key(&family) {
            family = FamilyId(rand::rng().next_u64());
        }
        let token = token_of(family);
        let opened = Family { current: hash(&token), previous: None, whose };
        self.note(family, &opened, true);
        live.insert(family, opened);
        (family, token)
    }

    /// Puts a family back that was stored, unless there is one. It is not stored again.
    pub fn adopt(&self, record: FamilyRecord) {
        let FamilyRecord { family, current, previous, whose, .. } = record;
        self.live.lock().entry(family).or_insert(Family { current, previous, whose });
    }

    /// Uses a token: the next is made, and this one is good until the client has shown that it holds that.
    pub fn present(&self, token: &ResumeToken) -> Presented {
        let (family, presented) = (family_of(token), hash(token));
        let mut live = self.live.lock();
        let Some(found) = live.get_mut(&family) else { return Presented::Unknown };
        if found.current != presented && found.previous != Some(presented) {
            let whose = found.whose.clone();
            live.remove(&family);
            self.note_gone(family);
            return Presented::Stolen(whose);
        }
        let next = token_of(family);
        found.previous = Some(presented);
        found.current = hash(&next);
        self.note(family, found, true);
        Presented::Good { family, whose: found.whose.clone(), next }
    }

    /// Whether there is such a family in memory; else it may be stored.
    #[must_use]
    pub fn knows(&self, token: &ResumeToken) -> bool {
        self.live.lock().contains_key(&family_of(token))
    }

    /// Whether this is the last token of a family.
    #[must_use]
    pub fn is_latest(&self, family: FamilyId, token: &ResumeToken) -> bool {
        self.live.lock().get(&family).is_some_and(|found| found.current == hash(token))
    }

    /// The client holds the token of this hash: if it is the current one, any other is no good any more.
    pub fn confirm(&self, family: FamilyId, held: &TokenHash) {
        if let Some(found) = self.live.lock().get_mut(&family).filter(|found| found.current == *held) {
            found.previous = None;
            self.note(family, found, true);
        }
    }

    /// The mailbox of a session that may come back begins, where whispers are stored before they are in it: its epoch must
    /// be known to the database before it is to anybody else.
    pub fn begin_mailbox(&self, session: SessionId, mailbox: &Mailbox) {
        if let Some(changes) = self.changes.as_ref().filter(|_| mailbox.is_stored_first()) {
            changes.begin_mailbox(session, mailbox.epoch());
        }
    }

    /// The server ends, and a session that goes on when it starts again has this in its mailbox.
    pub fn keep_mailbox(&self, session: SessionId, mailbox: &Mailbox) {
        // Else it is stored already.
        if let Some(changes) = self.changes.as_ref().filter(|_| !mailbox.is_stored_first()) {
            let (epoch, head, whispers) = (mailbox.epoch(), mailbox.head(), mailbox.whispers());
            changes.put_mailbox(session, KeptMailbox { epoch, head, whispers });
        }
    }

    /// The server stops: sessions that are lost from now on go on when it starts again.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    /// Whether the server stops.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// A session has ended, or the server ends.
    pub fn end(&self, family: FamilyId, ending: Ending) {
        let mut live = self.live.lock();
        if let Some(ended) = live.remove(&family) {
            self.note_end(family, &ended, ending);
        }
    }

    /// The same, of a session to which nobody has come by this token, its last; where another connection has come by a
    /// later one meanwhile, it is that one's.
    pub fn end_by(&self, family: FamilyId, last: &ResumeToken, ending: Ending) {
        let mut live = self.live.lock();
        if let Entry::Occupied(found) = live.entry(family)
            && found.get().current == hash(last)
        {
            self.note_end(family, &found.remove(), ending);
        }
    }

    /// Ends all families of an account but one, those that have lapsed too.
    pub fn end_account(&self, account: AccountId, but: Option<FamilyId>) {
        let of_account = |id: &FamilyId, one: &Family| one.whose.account == Some(account) && Some(*id) != but;
        let mut live = self.live.lock();
        for (family, _) in live.extract_if(|id, one| of_account(id, one)) {
            self.note_gone(family);
        }
        if let Some(changes) = &self.changes {
            changes.remove_account(account, but);
        }
    }

    /// Waits until what has changed is stored, before anybody is told of it: as long as it takes where lines are stored
    /// before they are answered, else no longer than a moment. A token that a broken server took along looks like a theft
    /// to the next one.
    pub async fn settled(&self) {
        let Some(changes) = &self.changes else { return };
        if changes.is_full() {
            changes.stored().await;
        } else {
            // Whoever waits in vain comes in all the same: a slow disk keeps nobody out.
            let _ = timeout(SETTLED_WITHIN, changes.stored()).await;
        }
    }

    /// Waits until what has changed is stored, where anything is.
    pub async fn stored(&self) {
        if let Some(changes) = &self.changes {
            changes.stored().await;
        }
    }

    /// Waits until a change of where sessions are is stored, if it has to be before anybody is told. An error: it cannot be
    /// for now.
    pub async fn placed(&self, change: u64) -> Result<(), StoreError> {
        match &self.changes {
            Some(changes) if !changes.is_stored(change).await => {
                Err(StoreError::Unavailable("it does not store who is in the room".into()))
            }
            _ => Ok(()),
        }
    }

    fn note_end(&self, family: FamilyId, ended: &Family, ending: Ending) {
        match ending {
            Ending::Void => self.note_gone(family),
            Ending::Lapse => self.note(family, ended, false),
            Ending::Stop => self.note(family, ended, true),
        }
    }

    /// What changes is noted while nobody else can change it: it is stored in the order in which it came about.
    fn note(&self, family: FamilyId, found: &Family, here: bool) {
        if let Some(changes) = &self.changes {
            let Family { current, previous, whose } = found;
            let (current, previous, whose) = (*current, *previous, whose.clone());
            changes.put(FamilyRecord { family, current, previous, whose, here });
        }
    }

    fn note_gone(&self, family: FamilyId) {
        if let Some(changes) = &self.changes {
            changes.remove(family);
        }
    }
}

/// The family that a token claims to be of.
#[must_use]
pub fn family_of(token: &ResumeToken) -> FamilyId {
    let (family, _) = token.0.split_first_chunk::<FAMILY_BYTES>().expect("a token is longer");
    FamilyId::from_bytes(*family)
}

/// A token of this family that nobody can guess: the thread's generator is cryptographic, and seeded by the system.
fn token_of(family: FamilyId) -> ResumeToken {
    let mut token = [0; 32];
    let (id, secret) = token.split_at_mut(FAMILY_BYTES);
    id.copy_from_slice(&family.to_bytes());
    rand::rng().fill_bytes(secret);
    ResumeToken(token)
}

/// What is kept in a token's place.
#[must_use]
pub fn hash(token: &ResumeToken) -> TokenHash {
    Sha256::digest(token.0).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whose(session: u64) -> Whose {
        let name = Username::parse(&format!("member{session}")).expect("valid");
        Whose { session: SessionId(session), name, role: Role::Guest, account: None }
    }

    fn next(families: &Families, token: &ResumeToken) -> ResumeToken {
        match families.present(token) {
            Presented::Good { next, .. } => next,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_token_is_good_until_the_client_has_shown_that_it_holds_the_next() {
        let families = Families::new(None);
        let (family, first) = families.open(whose(1));
        // The answers are lost, and the client comes by the same one again.
        let lost = next(&families, &first);
        let second = next(&families, &first);
        assert!(lost != second);
        // A packet of the connection before shows nothing of this one.
        families.confirm(family, &hash(&lost));
        assert!(families.is_latest(family, &second));
        families.confirm(family, &hash(&second));
        assert_eq!(families.present(&first), Presented::Stolen(whose(1)));
        assert_eq!(families.present(&second), Presented::Unknown);
    }

    #[test]
    fn a_resume_with_the_next_token_shows_that_it_is_held() {
        let families = Families::new(None);
        let (_, first) = families.open(whose(1));
        let second = next(&families, &first);
        let third = next(&families, &second);
        assert_eq!(families.present(&first), Presented::Stolen(whose(1)));
        assert_eq!(families.present(&third), Presented::Unknown);
    }

    #[test]
    fn a_changed_bit_is_never_good_and_only_hurts_the_family_it_names() {
        for bit in 0..256 {
            let families = Families::new(None);
            let ((_, mut token), (_, others)) = (families.open(whose(1)), families.open(whose(2)));
            token.0[bit / 8] ^= 1 << (bit % 8);
            assert!(!matches!(families.present(&token), Presented::Good { .. }), "bit {bit}");
            let _ = next(&families, &others);
        }
    }

    #[test]
    fn when_an_account_has_another_password_one_of_its_sessions_stays() {
        let families = Families::new(None);
        let owned = |session| Whose { account: Some(AccountId::new(7)), ..whose(session) };
        let [(kept, here), (_, elsewhere)] = [1, 2].map(|session| families.open(owned(session)));
        let (_, strangers) = families.open(whose(3));
        families.end_account(AccountId::new(7), Some(kept));
        assert_eq!(families.present(&elsewhere), Presented::Unknown);
        let _ = (next(&families, &here), next(&families, &strangers));
    }

    #[test]
    fn no_log_shows_a_token() {
        let families = Families::new(None);
        let (family, token) = families.open(whose(1));
        assert_eq!(format!("{family:?} {token:?}"), "FamilyId(..) ResumeToken(..)");
    }
}
