//! A session's private log: whispers to it, from anyone, for one reader.

use std::sync::Arc;

use chat_proto::{Line, MAILBOX, Text, Username};

use super::{Attachment, Closed, Log, MAILBOX_BIT, Membership, SessionId, membership::Pace};
use crate::config::Bounds;

/// The whispers to one session. Whoever whispers appends; a mailbox that is closed takes nothing, so nobody is
/// told that a whisper arrived where nobody reads any more.
pub struct Mailbox {
    log: Arc<Log>,
}

impl Mailbox {
    /// An open, empty mailbox.
    #[must_use]
    pub fn new(epoch: u64, bounds: Bounds) -> Self {
        Self { log: Arc::new(Log::new(MAILBOX, epoch, bounds)) }
    }

    /// What the session's writer reads it by.
    #[must_use]
    pub fn attachment(&self) -> Attachment {
        let member = Membership::new(0, Arc::new(Pace::new(|| {})));
        Attachment { bit: MAILBOX_BIT, log: Arc::clone(&self.log), member: Arc::new(member) }
    }

    /// Which past its sequence numbers belong to.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.log.epoch()
    }

    /// Appends a whisper. The session is not told yet: [`Subscriber::whisper`](super::Subscriber::whisper).
    pub(super) fn append(
        &self,
        sender: SessionId,
        name: &Username,
        text: &Text,
        time_ms: u64,
    ) -> Result<(), Closed> {
        self.log.append_line(time_ms, sender, |head, out| {
            Line { head, sender: name.as_str(), text: text.as_str() }.encode_whisper(out);
        })
    }

    /// Takes no more.
    pub fn close(&self) {
        self.log.close();
    }
}
