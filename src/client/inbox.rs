//! The events that wait to be taken, bounded in bytes.

use std::{collections::VecDeque, mem::take};

use super::Event;

/// Bytes of events that may wait to be taken while nothing is asked. Full: the connection is not read.
pub const EVENT_BYTES_RESTED: usize = 256 * 1024;
/// Bytes of events that may wait to be taken while a request is unanswered. Full: even answers wait.
pub const EVENT_BYTES_ASKING: usize = 16 * 1024 * 1024;

/// Memory of a waiting event beside its own bytes, roughly.
const EVENT_OVERHEAD: usize = 128;

pub(super) struct Inbox {
    events: VecDeque<(Event, usize)>,
    bytes: usize,
    /// False: nobody will ever take anything, so nothing is kept.
    listening: bool,
    /// Whether one's own coming into rooms and leaving them is an event.
    pub(super) own_rooms: bool,
}

impl Inbox {
    pub(super) fn new() -> Self {
        Self { events: VecDeque::new(), bytes: 0, listening: true, own_rooms: false }
    }

    /// Keeps an event that had `bytes` on the wire. True when somebody may want to know.
    pub(super) fn push(&mut self, event: Event, bytes: usize) -> bool {
        if self.listening {
            self.bytes += bytes + EVENT_OVERHEAD;
            self.events.push_back((event, bytes + EVENT_OVERHEAD));
        }
        self.listening
    }

    pub(super) fn pop(&mut self) -> Option<Event> {
        let (event, bytes) = self.events.pop_front()?;
        self.bytes -= bytes;
        Some(event)
    }

    /// From now on nothing is kept. Returns what was, to be dropped outside of any lock.
    pub(super) fn close(&mut self) -> impl Sized + use<> {
        self.listening = false;
        self.bytes = 0;
        take(&mut self.events)
    }

    /// Whether another event may be read; `asking`: while an answer may stand behind it.
    pub(super) fn has_room(&self, asking: bool) -> bool {
        self.bytes < if asking { EVENT_BYTES_ASKING } else { EVENT_BYTES_RESTED }
    }
}
