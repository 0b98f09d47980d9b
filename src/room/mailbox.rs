//! A session's private log: whispers to it, from anyone, for one reader.

use std::sync::Arc;

use chat_proto::{Line, MAILBOX, Text, Username};
use parking_lot::Mutex;

use super::{Attachment, Closed, Log, MAILBOX_BIT, Membership, SessionId, membership::Pace};
use crate::config::Bounds;

/// The whispers to one session. Whoever whispers appends; a mailbox that is closed takes nothing, so nobody is
/// told that a whisper arrived where nobody reads any more.
pub struct Mailbox {
    epoch: u64,
    bounds: Bounds,
    state: Mutex<State>,
}

enum State {
    /// Nobody has whispered yet, as to most: there is no log.
    Unused,
    Used(Arc<Log>),
    /// What was whispered before is still to be read.
    Closed(Option<Arc<Log>>),
}

impl Mailbox {
    /// An open, empty mailbox.
    #[must_use]
    pub fn new(epoch: u64, bounds: Bounds) -> Self {
        Self { epoch, bounds, state: Mutex::new(State::Unused) }
    }

    /// What the session's writer reads it by, from its beginning; `None` while nobody has whispered.
    #[must_use]
    pub fn attachment(&self) -> Option<Attachment> {
        let (State::Used(log) | State::Closed(Some(log))) = &*self.state.lock() else { return None };
        let member = Membership::new(0, Arc::new(Pace::new(|| {})));
        Some(Attachment { bit: MAILBOX_BIT, log: Arc::clone(log), member: Arc::new(member) })
    }

    /// Which past its sequence numbers belong to.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Appends a whisper. The session is not told yet: [`Subscriber::whisper`](super::Subscriber::whisper).
    pub(super) fn append(
        &self,
        sender: SessionId,
        name: &Username,
        text: &Text,
        time_ms: u64,
    ) -> Result<(), Closed> {
        // The log refuses if it is closed before the line is in it.
        self.log()?.append_line(time_ms, sender, |head, out| {
            Line { head, sender: name.as_str(), text: text.as_str() }.encode_whisper(out);
        })
    }

    /// Takes no more.
    pub fn close(&self) {
        let mut state = self.state.lock();
        if let State::Used(log) = &*state {
            log.close();
            *state = State::Closed(Some(Arc::clone(log)));
        } else if matches!(*state, State::Unused) {
            *state = State::Closed(None);
        }
    }

    fn log(&self) -> Result<Arc<Log>, Closed> {
        let mut state = self.state.lock();
        match &*state {
            State::Closed(_) => Err(Closed),
            State::Used(log) => Ok(Arc::clone(log)),
            State::Unused => {
                let log = Arc::new(Log::new(MAILBOX, self.epoch, self.bounds));
                *state = State::Used(Arc::clone(&log));
                Ok(log)
            }
        }
    }
}
