//! The sessions that wait for their owners to come back: how many there may be, and which goes when there are too many.

use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
};

use chat_proto::{ErrorCode, LeaveReason};
use parking_lot::Mutex;

use crate::room::{Control, Subscriber};

/// Sessions without a connection, in the order in which they lost it.
pub struct Absences {
    max: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    absent: BTreeMap<u64, Weak<Subscriber>>,
    next: u64,
}

/// One absence. Dropped, it is over.
pub struct Absence {
    absences: Arc<Absences>,
    number: u64,
}

impl Absences {
    /// Nobody is absent, and so many may be.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self { max, state: Mutex::default() }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.state.lock().absent.len()
    }

    /// Whether nobody is absent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One more. If that is one too many, the session that has been absent longest is told to end.
    pub fn begin(self: &Arc<Self>, subscriber: &Arc<Subscriber>) -> Absence {
        let mut state = self.state.lock();
        let number = state.next;
        state.next += 1;
        state.absent.insert(number, Arc::downgrade(subscriber));
        let oldest = if state.absent.len() > self.max { state.absent.pop_first() } else { None };
        drop(state);
        if let Some(oldest) = oldest.and_then(|(_, oldest)| oldest.upgrade()) {
            oldest.tell(Control::Close(ErrorCode::ServerFull, LeaveReason::Lost));
        }
        Absence { absences: Arc::clone(self), number }
    }
}

impl Drop for Absence {
    fn drop(&mut self) {
        self.absences.state.lock().absent.remove(&self.number);
    }
}
