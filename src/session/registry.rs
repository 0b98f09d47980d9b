//! The index from usernames to sessions.

use std::{num::NonZeroUsize, sync::Arc};

use chat_proto::{ErrorCode, NameKey};
use dashmap::{DashMap, Entry};
use lru::LruCache;
use parking_lot::Mutex;

use super::{NameForms, Skeleton};
use crate::room::{MAILBOX_BIT, SessionId, Subscriber};

/// Names remembered after their sessions ended, to tell "offline" from "unknown". Full: the least recent is
/// forgotten, and is unknown.
const OFFLINE_NAMES_MAX: NonZeroUsize = NonZeroUsize::new(4_096).expect("not zero");

/// Exactly one session for each name at any moment, and none whose name looks like another's. Never walked, and no
/// guard of it leaves this file.
pub struct SessionRegistry {
    sessions: DashMap<NameKey, Arc<Subscriber>>,
    /// Whose each look is.
    looks: DashMap<Skeleton, SessionId>,
    offline: Mutex<LruCache<NameKey, ()>>,
}

impl SessionRegistry {
    /// An empty index.
    #[must_use]
    pub fn new() -> Self {
        Self { sessions: DashMap::new(), looks: DashMap::new(), offline: Mutex::new(LruCache::unbounded()) }
    }

    /// Takes the name for a session, or refuses with [`ErrorCode::NameTaken`].
    pub fn claim(&self, forms: &NameForms, session: &Arc<Subscriber>) -> Result<(), ErrorCode> {
        match self.looks.entry(forms.skeleton.clone()) {
            Entry::Occupied(_) => return Err(ErrorCode::NameTaken),
            Entry::Vacant(free) => drop(free.insert(session.id())),
        }
        // Equal names look equal, so this fails only where an owner took the look over from somebody else.
        let taken = match self.sessions.entry(forms.key.clone()) {
            Entry::Occupied(_) => true,
            Entry::Vacant(free) => {
                free.insert(Arc::clone(session));
                false
            }
        };
        if taken {
            self.looks.remove_if(&forms.skeleton, |_, holder| *holder == session.id());
            return Err(ErrorCode::NameTaken);
        }
        Ok(())
    }

    /// Takes the name for its owner's session, and returns the session that had it.
    pub fn take_over(&self, forms: &NameForms, session: &Arc<Subscriber>) -> Option<Arc<Subscriber>> {
        self.looks.insert(forms.skeleton.clone(), session.id());
        self.sessions.insert(forms.key.clone(), Arc::clone(session))
    }

    /// Has another connection go on with a session, and returns the one it had; `None` if the session has ended.
    pub fn succeed(&self, key: &NameKey, new: &Arc<Subscriber>) -> Option<Arc<Subscriber>> {
        let mut holder = self.sessions.get_mut(key).filter(|holder| holder.id() == new.id())?;
        let before = std::mem::replace(&mut *holder, Arc::clone(new));
        // While nobody else can look: what ends from here on is a connection, and not the session.
        before.succeed();
        Some(before)
    }

    /// Whether somebody here has the name, or one that looks like it.
    #[must_use]
    pub fn is_taken(&self, forms: &NameForms) -> bool {
        self.looks.contains_key(&forms.skeleton) || self.sessions.contains_key(&forms.key)
    }

    /// Gives the name back, if it is still this session's, by this connection. Returns whether it was.
    pub fn release(&self, forms: &NameForms, session: &Arc<Subscriber>) -> bool {
        let NameForms { key, skeleton } = forms;
        let released = self.sessions.remove_if(key, |_, holder| Arc::ptr_eq(holder, session)).is_some();
        if session.is_succeeded() {
            return released;
        }
        if released {
            let mut offline = self.offline.lock();
            offline.put(key.clone(), ());
            if offline.len() > OFFLINE_NAMES_MAX.get() {
                offline.pop_lru();
            }
        }
        self.looks.remove_if(skeleton, |_, holder| *holder == session.id());
        released
    }

    /// The session of a name; else whether the name is [offline](ErrorCode::UserOffline) or
    /// [unknown](ErrorCode::UserNotFound).
    pub fn find(&self, key: &NameKey) -> Result<Arc<Subscriber>, ErrorCode> {
        match self.sessions.get(key) {
            Some(session) => Ok(Arc::clone(&session)),
            None if self.offline.lock().contains(key) => Err(ErrorCode::UserOffline),
            None => Err(ErrorCode::UserNotFound),
        }
    }

    /// Says that there is a new whisper to whichever connection a session has now, if another has taken it over: it is in
    /// the mailbox that they share.
    pub fn mark_successor(&self, to: &Subscriber) {
        if to.is_succeeded()
            && let Ok(successor) = self.find(&to.name().key())
        {
            successor.mark(MAILBOX_BIT);
        }
    }

    /// Sessions there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Whether nobody is signed in.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }
}

impl Default for SessionRegistry {
    fn default() -> Self {
        Self::new()
    }
}
