//! A session's private log: whispers to it, from anyone, for one reader.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use chat_proto::{Line, MAILBOX, SealedLine, ServerPacket, Text, Username, Words};
use parking_lot::Mutex;

use super::{
    Attachment, Closed, Log, LogLine, MAILBOX_BIT, Membership, SessionId, Subscriber, membership::Pace,
};
use crate::config::Bounds;

/// The whispers to one session. Whoever whispers appends; a mailbox that is closed takes nothing, so nobody is
/// told that a whisper arrived where nobody reads any more.
pub struct Mailbox {
    epoch: u64,
    /// The last whisper there was when it was made.
    begun_after: u64,
    bounds: Bounds,
    /// Whispers are stored before they are in it.
    stored_first: bool,
    /// It takes no more; what was whispered before is still to be read. Set while `log` is held.
    closed: AtomicBool,
    /// Most have none: nobody has whispered yet.
    log: Mutex<Option<Arc<Log>>>,
}

/// A whisper in a mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whispered {
    /// Its number.
    pub seq: u64,
    /// Whose it is.
    pub sender: SessionId,
    /// Their name, as shown.
    pub name: Username,
    /// Their own number of it, or 0.
    pub message_id: u64,
    /// When it was said: milliseconds since 1970 UTC.
    pub time_ms: u64,
    /// What was said.
    pub text: Words,
}

impl Whispered {
    fn of(line: &LogLine) -> Option<Self> {
        let (header, body) = line.packet.split_at_checked(4)?;
        let kind = u16::from_le_bytes([header[2], header[3]]);
        let (head, sender, text) = match ServerPacket::decode(kind, body).ok()? {
            ServerPacket::WhisperLine(Line { head, sender, text }) => {
                (head, sender, Words::Plain(Text::parse(&text).ok()?))
            }
            ServerPacket::SealedLine(SealedLine { head, sender, envelope }) => {
                (head, sender, Words::Sealed(envelope))
            }
            _ => return None,
        };
        Some(Self {
            seq: line.seq,
            sender: line.sender?,
            name: Username::parse(&sender).ok()?,
            message_id: line.message_id,
            time_ms: head.time_ms,
            text,
        })
    }
}

impl Mailbox {
    /// An open, empty mailbox.
    #[must_use]
    pub fn new(epoch: u64, bounds: Bounds) -> Self {
        Self {
            epoch,
            begun_after: 0,
            bounds,
            stored_first: false,
            closed: AtomicBool::new(false),
            log: Mutex::new(None),
        }
    }

    /// One that has outlived a process, with what is still known of what was in it: each whisper has the number it had.
    #[must_use]
    pub fn restored(epoch: u64, head: u64, bounds: Bounds, whispers: &[Whispered]) -> Self {
        let mailbox = Self { begun_after: head, ..Self::new(epoch, bounds) };
        if head == 0 {
            return mailbox;
        }
        let before = whispers.first().map_or(head, |first| first.seq.saturating_sub(1));
        // However far apart they are: those that it keeps no more need no holes between them.
        let before = before.max(head.saturating_sub(bounds.lines as u64));
        let log = Arc::new(Log::continued(MAILBOX, epoch, before, bounds));
        *mailbox.log.lock() = Some(Arc::clone(&log));
        for whisper in whispers.iter().filter(|whisper| whisper.seq > before) {
            let Whispered { seq, sender, name, message_id, text, time_ms } = whisper;
            log.skip_to(seq - 1);
            mailbox.append((*sender, name), *message_id, text, *time_ms).expect("it is open");
        }
        log.skip_to(head);
        mailbox
    }

    /// The same, where each whisper is stored before it is in it.
    #[must_use]
    pub fn stored_first(self) -> Self {
        Self { stored_first: true, ..self }
    }

    /// Whether each whisper is stored before it is in it: then only the one who stores them appends.
    #[must_use]
    pub fn is_stored_first(&self) -> bool {
        self.stored_first
    }

    /// The last whisper there was when it was made: of one that goes on, those that its client may know.
    #[must_use]
    pub fn begun_after(&self) -> u64 {
        self.begun_after
    }

    /// Whether it takes no more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// The last whisper that it keeps no more; 0 while there is none.
    #[must_use]
    pub fn forgotten(&self) -> u64 {
        let Some(log) = &*self.log.lock() else { return 0 };
        log.oldest() - 1
    }

    /// What is in it.
    #[must_use]
    pub fn whispers(&self) -> Vec<Whispered> {
        let Some(log) = &*self.log.lock() else { return Vec::new() };
        let mut lines = Vec::new();
        log.lines(log.oldest() - 1, usize::MAX, &mut lines);
        lines.iter().filter_map(Whispered::of).collect()
    }

    /// What the session's writer reads it by, after a whisper it has taken, 0 for none; `None` while nobody has whispered.
    #[must_use]
    pub fn attachment(&self, after: u64) -> Option<Attachment> {
        let Some(log) = &*self.log.lock() else { return None };
        let member = Membership::new(after.min(log.head()), Arc::new(Pace::new(|| {})));
        Some(Attachment { bit: MAILBOX_BIT, log: Arc::clone(log), member: Arc::new(member) })
    }

    /// The last whisper there is; 0 while there is none.
    #[must_use]
    pub fn head(&self) -> u64 {
        let Some(log) = &*self.log.lock() else { return 0 };
        log.head()
    }

    /// What it keeps.
    #[must_use]
    pub fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// Which past its sequence numbers belong to.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Appends a whisper. The session is not told yet: [`Subscriber::whisper`].
    fn append(
        &self,
        (sender, name): (SessionId, &Username),
        message_id: u64,
        text: &Words,
        time_ms: u64,
    ) -> Result<(), Closed> {
        // The log refuses if it is closed before the line is in it.
        self.open_log()?.append_line(time_ms, sender, message_id, |head, out| {
            text.encode_line(head, name.as_str(), out);
        })
    }

    /// Has a number that no whisper has: it was of one that cannot be handed over.
    fn skip(&self) -> Result<(), Closed> {
        let log = self.open_log()?;
        log.skip_to(log.head() + 1);
        Ok(())
    }

    /// Takes no more.
    pub fn close(&self) {
        let log = self.log.lock();
        self.closed.store(true, Ordering::Release);
        if let Some(log) = &*log {
            log.close();
        }
    }

    fn open_log(&self) -> Result<Arc<Log>, Closed> {
        let mut log = self.log.lock();
        if self.is_closed() {
            return Err(Closed);
        }
        let new = || Arc::new(Log::new(MAILBOX, self.epoch, self.bounds));
        Ok(Arc::clone(log.get_or_insert_with(new)))
    }
}

impl Subscriber {
    /// Hands over a whisper, which its sender may have a number for. Of people who are ignored nothing arrives, and they are not told.
    pub fn whisper(
        &self,
        from: (SessionId, &Username),
        message_id: u64,
        text: &Words,
        time_ms: u64,
    ) -> Result<(), Closed> {
        if self.ignores(from.1) {
            return Ok(());
        }
        self.hand_over(from, message_id, text, time_ms)
    }

    /// Hands over a whisper of somebody who is not ignored.
    pub fn hand_over(
        &self,
        (from, name): (SessionId, &Username),
        message_id: u64,
        text: &Words,
        time_ms: u64,
    ) -> Result<(), Closed> {
        self.mailbox().append((from, name), message_id, text, time_ms)?;
        self.mark(MAILBOX_BIT);
        Ok(())
    }

    /// Leaves a number of the mailbox to nobody: what would have it cannot be handed over.
    pub fn skip_whisper(&self) -> Result<(), Closed> {
        self.mailbox().skip()
    }
}
