//! The last lines of one conversation, encoded once and read by everyone from where they stand.

use std::{collections::VecDeque, ops::Range};

use bytes::{Bytes, BytesMut};
use chat_proto::LineHead;
use parking_lot::RwLock;
use thiserror::Error;

use super::{Hearing, Membership, SessionId};
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
}

#[derive(Default)]
struct Ring {
    blocks: VecDeque<Block>,
    /// One for each line from `first` to the head.
    marks: VecDeque<Mark>,
    /// The oldest line kept, less one.
    before: u64,
    /// Bytes ever appended.
    written: u64,
    /// Where the next line that comes alone is written: several share an allocation.
    spare: BytesMut,
    /// Nothing is appended any more.
    closed: bool,
}

/// The log takes no more lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the log is closed")]
pub struct Closed;

struct Block {
    /// Its first line's number.
    first: u64,
    /// Bytes ever appended before it.
    offset: u64,
    /// Bits of those who speak in it: who has none of them has no line of their own there.
    speakers: u64,
    bytes: Bytes,
}

#[derive(Clone, Copy)]
struct Mark {
    sender: Option<SessionId>,
    /// Where in its block the line ends.
    end: u32,
}

/// One bit of 64, which few share.
fn speaker_bit(session: SessionId) -> u64 {
    1 << (session.0 % 64)
}

impl Mark {
    fn new(sender: Option<SessionId>, end: usize) -> Self {
        Self { sender, end: u32::try_from(end).expect("a block is a batch of bounded lines") }
    }
}

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
        Self { conversation, epoch, bounds, ring: RwLock::default() }
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

    /// An empty draft of what comes after the last line. One draft at a time may be open.
    #[must_use]
    pub fn draft(&self) -> Draft {
        let head =
            LineHead { conversation: self.conversation, epoch: self.epoch, seq: self.head(), time_ms: 0 };
        Draft { head, bytes: BytesMut::new(), marks: Vec::new() }
    }

    /// Makes the draft's lines readable, and leaves the draft empty after them.
    pub fn append(&self, draft: &mut Draft) {
        self.ring.write().append(draft, self.bounds);
    }

    /// Appends the line that `write` makes, under one lock with its numbering: for a log with many speakers.
    /// The line is in the log before it closes, or refused.
    pub(super) fn append_line(
        &self,
        time_ms: u64,
        sender: SessionId,
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
        let mark = Mark::new(Some(sender), line.len());
        ring.push(line, [mark], self.bounds);
        Ok(())
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
        let last = member.readable(ring.head());
        if cursor < ring.before && cursor < last {
            return Read::Missed { from: cursor + 1, to: ring.before.min(last) };
        }
        ring.read(cursor, last, reader, (bytes_max, slices_max), out)
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
        let ring = self.ring.read();
        let by_lines = ring.head().saturating_sub((self.bounds.lines / 2) as u64);
        let recent = ring.written.saturating_sub((self.bounds.bytes / 2) as u64);
        let near = ring.blocks.partition_point(|block| block.offset < recent);
        // A newest block that is itself more than half has to be taken whole: the next such one ends it.
        let by_bytes = ring.blocks.get(near).map_or(ring.head(), |block| block.first - 1);
        by_lines.max(by_bytes).max(ring.before)
    }
}

impl Ring {
    fn head(&self) -> u64 {
        self.before + self.marks.len() as u64
    }

    fn append(&mut self, draft: &mut Draft, bounds: Bounds) {
        if !draft.marks.is_empty() {
            self.push(draft.bytes.split().freeze(), draft.marks.drain(..), bounds);
        }
    }

    fn push(&mut self, bytes: Bytes, marks: impl IntoIterator<Item = Mark>, bounds: Bounds) {
        let (first, offset) = (self.head() + 1, self.written);
        self.written += bytes.len() as u64;
        let mut speakers = 0;
        self.marks.extend(marks.into_iter().inspect(|mark| speakers |= mark.sender.map_or(0, speaker_bit)));
        self.blocks.push_back(Block { first, offset, speakers, bytes });
        while self.is_over(bounds) {
            self.forget_oldest();
        }
    }

    /// Whether the oldest block has to go. The newest never does: it has not been read by anyone.
    fn is_over(&self, bounds: Bounds) -> bool {
        let kept = self.blocks.front().map_or(0, |oldest| self.written - oldest.offset);
        self.blocks.len() > 1 && (self.marks.len() > bounds.lines || kept > bounds.bytes as u64)
    }

    fn forget_oldest(&mut self) {
        self.blocks.pop_front();
        let next = self.blocks.front().map_or(self.head() + 1, |block| block.first);
        self.marks.drain(..usize::try_from(next - 1 - self.before).expect("a line in memory has an index"));
        self.before = next - 1;
    }

    fn mark(&self, seq: u64) -> Mark {
        self.marks[usize::try_from(seq - self.before - 1).expect("a line in memory has an index")]
    }

    fn read(
        &self,
        mut cursor: u64,
        last: u64,
        reader: &mut Hearing,
        (bytes_max, slices_max): (usize, usize),
        out: &mut VecDeque<Bytes>,
    ) -> Read {
        let mut taken = Taken { slices_max: out.len() + slices_max, slices: out, bytes: 0 };
        let mut index = self.blocks.partition_point(|block| block.first <= cursor + 1).saturating_sub(1);
        while cursor < last && !taken.is_full() {
            let block = &self.blocks[index];
            let end = self.blocks.get(index + 1).map_or(self.head(), |next| next.first - 1).min(last);
            let start = if cursor < block.first { 0 } else { self.mark(cursor).end as usize };
            let rest = start..self.mark(end).end as usize;
            let own = block.speakers & speaker_bit(reader.session) != 0;
            if !own && reader.is_plain() && taken.bytes + rest.len() <= bytes_max {
                // What most readers find of most blocks: all of it is theirs.
                taken.push(block, rest);
                (cursor, index) = (end, index + 1);
                continue;
            }
            // Neighbouring lines that will be taken as one slice; one that is passed over ends the run.
            let mut run = start..start;
            while cursor < end {
                let mark = self.mark(cursor + 1);
                let line_end = mark.end as usize;
                let own = reader.passes_over(mark.sender, &block.bytes[run.end..line_end]);
                let first = taken.bytes + run.len() == 0;
                let over = !own && !first && taken.bytes + (line_end - run.start) > bytes_max;
                if own || over {
                    taken.push(block, run.start..run.end);
                }
                if over || taken.is_full() {
                    return Read::Lines { cursor, bytes: taken.bytes, more: true };
                }
                run = if own { line_end..line_end } else { run.start..line_end };
                cursor += 1;
            }
            taken.push(block, run);
            index += 1;
        }
        Read::Lines { cursor, bytes: taken.bytes, more: cursor < last }
    }
}

/// What a read has taken so far.
struct Taken<'a> {
    slices: &'a mut VecDeque<Bytes>,
    slices_max: usize,
    bytes: usize,
}

impl Taken<'_> {
    fn is_full(&self) -> bool {
        self.slices.len() >= self.slices_max
    }

    fn push(&mut self, block: &Block, run: Range<usize>) {
        if !run.is_empty() {
            self.bytes += run.len();
            self.slices.push_back(block.bytes.slice(run));
        }
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
    /// pass it over.
    pub fn line(
        &mut self,
        time_ms: u64,
        sender: Option<SessionId>,
        write: impl FnOnce(LineHead, &mut BytesMut),
    ) -> LineHead {
        self.head = LineHead { seq: self.head.seq + 1, time_ms, ..self.head };
        write(self.head, &mut self.bytes);
        self.marks.push(Mark::new(sender, self.bytes.len()));
        self.head
    }
}
