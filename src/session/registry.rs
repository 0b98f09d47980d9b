//! The index from usernames to sessions.

use std::{num::NonZeroUsize, sync::Arc};

use chat_proto::{ErrorCode, NameKey};
use dashmap::{DashMap, Entry};
use lru::LruCache;
use parking_lot::Mutex;

use crate::room::{SessionId, Subscriber};

/// Names remembered after their sessions ended, to tell "offline" from "unknown". Full: the least recent is
/// forgotten, and is unknown.
const OFFLINE_NAMES_MAX: NonZeroUsize = NonZeroUsize::new(4_096).expect("not zero");

/// Exactly one session for each name at any moment. Never walked, and no guard of it leaves this file.
pub struct SessionRegistry {
    sessions: DashMap<NameKey, Arc<Subscriber>>,
    offline: Mutex<LruCache<NameKey, ()>>,
}

impl SessionRegistry {
    /// An empty index.
    #[must_use]
    pub fn new() -> Self {
        Self { sessions: DashMap::new(), offline: Mutex::new(LruCache::unbounded()) }
    }

    /// Takes the name for a session, or refuses with [`ErrorCode::NameTaken`].
    pub fn claim(&self, key: NameKey, session: &Arc<Subscriber>) -> Result<(), ErrorCode> {
        match self.sessions.entry(key) {
            Entry::Occupied(_) => Err(ErrorCode::NameTaken),
            Entry::Vacant(free) => {
                free.insert(Arc::clone(session));
                Ok(())
            }
        }
    }

    /// Gives the name back, if it is still this session's.
    pub fn release(&self, key: &NameKey, session: SessionId) {
        if self.sessions.remove_if(key, |_, holder| holder.id() == session).is_some() {
            let mut offline = self.offline.lock();
            offline.put(key.clone(), ());
            if offline.len() > OFFLINE_NAMES_MAX.get() {
                offline.pop_lru();
            }
        }
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
