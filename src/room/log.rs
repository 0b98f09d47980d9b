//! The last lines of one conversation, encoded once and read by everyone from where they stand.

use std::{
    collections::VecDeque,
    sync::atomic::{AtomicU64, Ordering},
};

use bytes::{Bytes, BytesMut};
use chat_proto::LineHead;
use parking_lot::RwLock;
use thiserror::Error;

use super::{
    Hearing, LogLine, Membership, SessionId,
    ring::{Mark, Ring},
};
use crate::config::Bounds;

/// Bytes that a line said alone may be expected to have; a longer one allocates for itself.
const LINE_BYTES: usize = 192;
/// Bytes allocated for lines said alone: room for some ten short ones.
const SPARE_BYTES: usize = 1024;

/// The ring of one conversation's last lines. One owner appends, anyone reads.
///
/// Lines stand in blocks: what was appended together is one run of bytes, so that a reader takes a whole
/// batch as one slice, shared with every other reader. The block is also what is thrown away.
pub struct Log {
    conversation: u64,
    epoch: u64,
    bounds: Bounds,
    ring: RwLock<Ring>,
    /// The last line that the history is through with; nobody asks where there is none.
    stored: AtomicU64,
    /// From this line on the history may have lines that were refused; 0: it has none.
    doubtful: AtomicU64,
}

/// The log takes no more lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the log is closed")]
pub struct Closed;

/// Lines on their way into a log: encoded and numbered, not yet seen by any reader.
pub struct Draft {
    head: LineHead,
    bytes: BytesMut,
    marks: Vec<Mark>,
}

/// What a read found.
#[derive(Debug, PartialEq, Eq)]
pub enum Read {
    /// Lines were taken, or passed over, up to `cursor`; `more` are readable.
    Lines {
        /// The last line taken.
        cursor: u64,
        /// Bytes taken.
        bytes: usize,
        /// Whether the read stopped for want of room.
        more: bool,
    },
    /// The reader was lapped: these lines are gone. Read on from `to`.
    Missed {
        /// The first line missed.
        from: u64,
        /// The last line missed.
        to: u64,
    },
}

impl Log {
    /// An empty log.
    #[must_use]
    pub fn new(conversation: u64, epoch: u64, bounds: Bounds) -> Self {
        Self::continued(conversation, epoch, 0, bounds)
    }

    /// A log whose lines up to `head` were said in another process, and are not here.
    #[must_use]
    pub fn continued(conversation: u64, epoch: u64, head: u64, bounds: Bounds) -> Self {
        let (stored, doubtful) = (AtomicU64::new(head), AtomicU64::new(0));
        Self { conversation, epoch, bounds, ring: RwLock::new(Ring::after(head)), stored, doubtful }
    }

    /// The conversation's number.
    #[must_use]
    pub fn conversation(&self) -> u64 {
        self.conversation
    }

    /// Which past its sequence numbers belong to.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The last line's number; 0 while there is none.
    #[must_use]
    pub fn head(&self) -> u64 {
        self.ring.read().head()
    }

    /// The first line kept; the next that comes, while there is none.
    #[must_use]
    pub fn oldest(&self) -> u64 {
        self.ring.read().before + 1
    }

    /// The last line that may be read: the head, or, where lines wait to be stored, the last that is.
    #[must_use]
    pub fn readable(&self) -> u64 {
        let ring = self.ring.read();
        ring.readable.min(ring.head())
    }

    /// Lets lines up to this one be read, and thrown away; with `u64::MAX` all that come.
    pub(super) fn set_readable(&self, last: u64) {
        self.ring.write().readable = last;
    }

    /// The last line that the history is through with.
    #[must_use]
    pub fn stored(&self) -> u64 {
        self.stored.load(Ordering::Acquire)
    }

    /// The history is through with the lines up to this one: those that it is to have, it has.
    pub fn set_stored(&self, last: u64) {
        self.stored.store(last, Ordering::Release);
    }

    /// From which line on the history may have lines that were refused; 0: it has none.
    #[must_use]
    pub fn doubtful(&self) -> u64 {
        self.doubtful.load(Ordering::Acquire)
    }

    /// Says from which line on the history may have lines that were refused; 0: it has none.
    pub fn set_doubtful(&self, first: u64) {
        self.doubtful.store(first, Ordering::Release);
    }

    /// An empty draft of what comes after the last line. One draft at a time may be open.
    #[must_use]
    pub fn draft(&self) -> Draft {
        let head =
            LineHead { conversation: self.conversation, epoch: self.epoch, seq: self.head(), time_ms: 0 };
        Draft { head, bytes: BytesMut::new(), marks: Vec::new() }
    }

    /// Makes the draft's lines readable, and leaves the draft empty after them.
    pub fn append(&self, draft: &mut Draft) {
        if !draft.marks.is_empty() {
            let bytes = draft.bytes.split().freeze();
            self.ring.write().push(bytes, draft.marks.drain(..), self.bounds);
        }
    }

    /// Appends the line that `write` makes, under one lock with its numbering: for a log with many speakers.
    /// The line is in the log before it closes, or refused.
    pub(super) fn append_line(
        &self,
        time_ms: u64,
        sender: SessionId,
        message_id: u64,
        write: impl FnOnce(LineHead, &mut BytesMut),
    ) -> Result<(), Closed> {
        let mut ring = self.ring.write();
        if ring.closed {
            return Err(Closed);
        }
        let (conversation, epoch, seq) = (self.conversation, self.epoch, ring.head() + 1);
        if ring.spare.capacity() < LINE_BYTES {
            ring.spare.reserve(SPARE_BYTES);
        }
        write(LineHead { conversation, epoch, seq, time_ms }, &mut ring.spare);
        let line = ring.spare.split().freeze();
        let mark = Mark::new(Some(sender), message_id, line.len());
        ring.push(line, [mark], self.bounds);
        Ok(())
    }

    /// Goes on after this line: those that it would have had until there are gone, and nobody is told of them.
    pub(super) fn skip_to(&self, last: u64) {
        let mut ring = self.ring.write();
        let gone = ring.head()..last;
        if !gone.is_empty() {
            ring.push(Bytes::new(), gone.map(|_| Mark::new(None, 0, 0)), self.bounds);
        }
    }

    /// Takes no more lines from [`append_line`](Self::append_line).
    pub(super) fn close(&self) {
        self.ring.write().closed = true;
    }

    /// Takes the lines after `cursor` that `member` may read, but those the reader passes over, as slices onto the end of `out`: at
    /// most `bytes_max` bytes (or one line, if that is longer) in at most `slices_max` slices.
    pub fn read(
        &self,
        cursor: u64,
        reader: &mut Hearing,
        member: &Membership,
        (bytes_max, slices_max): (usize, usize),
        out: &mut VecDeque<Bytes>,
    ) -> Read {
        let ring = self.ring.read();
        let last = member.readable(ring.head()).min(ring.readable);
        if cursor < ring.before && cursor < last {
            return Read::Missed { from: cursor + 1, to: ring.before.min(last) };
        }
        ring.read(cursor, last, reader, (bytes_max, slices_max), out)
    }

    /// For the history: takes what was said in the next `most` lines after `after`, whether members may read it yet or
    /// not. What is no saying, or is void, is passed over.
    pub fn lines(&self, after: u64, most: usize, out: &mut Vec<LogLine>) -> Read {
        let ring = self.ring.read();
        if after < ring.before {
            return Read::Missed { from: after + 1, to: ring.before };
        }
        let last = ring.head().min(after.saturating_add(most as u64));
        let bytes = ring.said(after, last, out);
        Read::Lines { cursor: last, bytes, more: last < ring.head() }
    }

    /// Makes what people said from `from` to `to` void: nobody has read it, and nobody will.
    pub(super) fn void(&self, from: u64, to: u64) {
        self.ring.write().void(from, to);
    }

    /// Whether a draft is an eighth of what the log keeps. Appended in such blocks, no line that comes laps a
    /// reader that has taken the [half](Self::half): it is five eighths behind then, and what is kept is seven.
    pub(super) fn is_batch(&self, draft: &Draft) -> bool {
        draft.marks.len() >= self.bounds.lines / 8 || draft.bytes.len() >= self.bounds.bytes / 8
    }

    /// The line that a reader should have taken: one that stands before it is more than half of what the log
    /// keeps behind, and will be lapped soon.
    #[must_use]
    pub fn half(&self) -> u64 {
        self.ring.read().half(self.bounds)
    }

    /// Whether twice what is kept waits to be stored.
    pub(super) fn is_choked(&self) -> bool {
        let ring = self.ring.read();
        ring.head().saturating_sub(ring.readable) >= 2 * self.bounds.lines as u64
    }

    /// As [`half`](Self::half), and the last line that may be read.
    pub(super) fn half_and_readable(&self) -> (u64, u64) {
        let ring = self.ring.read();
        (ring.half(self.bounds), ring.readable)
    }
}

impl Draft {
    /// The number of the last line, drafted or appended.
    #[must_use]
    pub fn head(&self) -> u64 {
        self.head.seq
    }

    /// Whether it holds no line.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    /// Adds the line that `write` encodes after the given place, and returns that place. `sender`'s own reads
    /// pass it over; `message_id` is the sender's own number of it, or 0.
    pub fn line(
        &mut self,
        time_ms: u64,
        sender: Option<SessionId>,
        message_id: u64,
        write: impl FnOnce(LineHead, &mut BytesMut),
    ) -> LineHead {
        self.head = LineHead { seq: self.head.seq + 1, time_ms, ..self.head };
        write(self.head, &mut self.bytes);
        self.marks.push(Mark::new(sender, message_id, self.bytes.len()));
        self.head
    }
}
