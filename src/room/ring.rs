//! The lines that a log keeps: blocks of bytes, where each line ends in them, and whose it is.

use std::{collections::VecDeque, ops::Range};

use bytes::{Bytes, BytesMut};
use chat_proto::kind;

use super::{Hearing, Read, SessionId};
use crate::config::Bounds;

/// The last lines of one conversation.
pub(super) struct Ring {
    blocks: VecDeque<Block>,
    /// One for each line from `first` to the head.
    marks: VecDeque<Mark>,
    /// The oldest line kept, less one.
    pub before: u64,
    /// No line after this is read by anyone but the history, and none is thrown away.
    pub readable: u64,
    /// Bytes ever appended.
    written: u64,
    /// Where the next line that comes alone is written: several share an allocation.
    pub spare: BytesMut,
    /// Nothing is appended any more.
    pub closed: bool,
}

pub(super) struct Block {
    /// Its first line's number.
    first: u64,
    /// Bytes ever appended before it.
    offset: u64,
    /// Bits of those who speak in it: who has none of them has no line of their own there. All bits, where a line is void:
    /// then nobody takes it whole.
    speakers: u64,
    bytes: Bytes,
}

/// One line.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    sender: Option<SessionId>,
    /// The sender's own number of it, or 0.
    message_id: u64,
    /// Where in its block the line ends.
    end: u32,
    /// Refused after all: everybody passes it over.
    void: bool,
}

/// A line that was said, as the history takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Its number.
    pub seq: u64,
    /// Who said it; `None`: the operator.
    pub sender: Option<SessionId>,
    /// The sender's own number of it, or 0.
    pub message_id: u64,
    /// The whole packet.
    pub packet: Bytes,
}

/// Whether a packet is what somebody, or the operator, said: not who comes and goes.
fn is_said(packet: &[u8]) -> bool {
    let kind = packet.get(2..4).map_or(0, |kind| u16::from_le_bytes([kind[0], kind[1]]));
    matches!(kind, kind::BROADCAST_LINE | kind::WHISPER_LINE | kind::SEALED_LINE | kind::SYSTEM_TEXT)
}

/// One bit of 64, which few share.
fn speaker_bit(session: SessionId) -> u64 {
    1 << (session.0 % 64)
}

impl Mark {
    pub fn new(sender: Option<SessionId>, message_id: u64, end: usize) -> Self {
        let end = u32::try_from(end).expect("a block is a batch of bounded lines");
        Self { sender, message_id, end, void: false }
    }
}

impl Ring {
    /// Nothing, after lines up to `head` that are not here.
    pub fn after(head: u64) -> Self {
        Self {
            blocks: VecDeque::new(),
            marks: VecDeque::new(),
            before: head,
            readable: u64::MAX,
            written: 0,
            spare: BytesMut::new(),
            closed: false,
        }
    }

    pub fn half(&self, bounds: Bounds) -> u64 {
        let by_lines = self.head().saturating_sub((bounds.lines / 2) as u64);
        let recent = self.written.saturating_sub((bounds.bytes / 2) as u64);
        let near = self.blocks.partition_point(|block| block.offset < recent);
        // A newest block that is itself more than half has to be taken whole: the next such one ends it.
        let by_bytes = self.blocks.get(near).map_or(self.head(), |block| block.first - 1);
        by_lines.max(by_bytes).max(self.before)
    }

    pub fn head(&self) -> u64 {
        self.before + self.marks.len() as u64
    }

    pub fn push(&mut self, bytes: Bytes, marks: impl IntoIterator<Item = Mark>, bounds: Bounds) {
        let (first, offset) = (self.head() + 1, self.written);
        self.written += bytes.len() as u64;
        let mut speakers = 0;
        self.marks.extend(marks.into_iter().inspect(|mark| speakers |= mark.sender.map_or(0, speaker_bit)));
        self.blocks.push_back(Block { first, offset, speakers, bytes });
        while self.is_over(bounds) {
            self.forget_oldest();
        }
    }

    /// Whether the oldest block has to go. The newest never does: it has not been read by anyone. Nor does one that
    /// nobody may read yet.
    fn is_over(&self, bounds: Bounds) -> bool {
        let kept = self.blocks.front().map_or(0, |oldest| self.written - oldest.offset);
        self.blocks.len() > 1
            && (self.marks.len() > bounds.lines || kept > bounds.bytes as u64)
            && self.blocks[1].first - 1 <= self.readable
    }

    fn forget_oldest(&mut self) {
        self.blocks.pop_front();
        let next = self.blocks.front().map_or(self.head() + 1, |block| block.first);
        self.marks.drain(..self.index(next));
        self.before = next - 1;
    }

    fn mark(&self, seq: u64) -> Mark {
        self.marks[self.index(seq)]
    }

    fn index(&self, seq: u64) -> usize {
        usize::try_from(seq - self.before - 1).expect("a line in memory has an index")
    }

    /// Where the block stands that has the line after `cursor`.
    fn block_after(&self, cursor: u64) -> usize {
        self.blocks.partition_point(|block| block.first <= cursor + 1).saturating_sub(1)
    }

    /// Where in its block a line stands. `index` is the block of the line before it, or its own, and becomes its own.
    fn range(&self, index: &mut usize, seq: u64) -> Range<usize> {
        *index += usize::from(self.blocks.get(*index + 1).is_some_and(|next| next.first <= seq));
        let start = if seq == self.blocks[*index].first { 0 } else { self.mark(seq - 1).end as usize };
        start..self.mark(seq).end as usize
    }

    /// What was said after `after`, up to `last`. Returns how many bytes that is.
    pub fn said(&self, after: u64, last: u64, out: &mut Vec<LogLine>) -> usize {
        let (mut index, mut taken) = (self.block_after(after), 0);
        for seq in after + 1..=last {
            let line = self.range(&mut index, seq);
            let (bytes, Mark { sender, message_id, void, .. }) = (&self.blocks[index].bytes, self.mark(seq));
            if !void && is_said(&bytes[line.clone()]) {
                taken += line.len();
                out.push(LogLine { seq, sender, message_id, packet: bytes.slice(line) });
            }
        }
        taken
    }

    pub fn void(&mut self, from: u64, to: u64) {
        let mut index = self.block_after(from - 1);
        for seq in from..=to {
            let line = self.range(&mut index, seq);
            let (place, block) = (self.index(seq), &mut self.blocks[index]);
            // What the operator says, and who comes and goes, was refused to nobody.
            if self.marks[place].sender.is_some() && is_said(&block.bytes[line]) {
                self.marks[place].void = true;
                block.speakers = u64::MAX;
            }
        }
    }

    pub fn read(
        &self,
        mut cursor: u64,
        last: u64,
        reader: &mut Hearing,
        (bytes_max, slices_max): (usize, usize),
        out: &mut VecDeque<Bytes>,
    ) -> Read {
        let mut taken = Taken { slices_max: out.len() + slices_max, slices: out, bytes: 0 };
        let mut index = self.block_after(cursor);
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
                let own = mark.void || reader.passes_over(mark.sender, &block.bytes[run.end..line_end]);
                let first = taken.bytes + run.len() == 0;
                let over = !own && !first && taken.bytes + (line_end - run.start) > bytes_max;
                if own || over {
                    taken.push(block, run.start..run.end);
                    if over || taken.is_full() {
                        return Read::Lines { cursor, bytes: taken.bytes, more: true };
                    }
                    reader.passed_over += 1;
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
