//! The model: a conversation is a list of lines, and a member is a cursor into it with an end.

use std::sync::Weak;

use chat_proto::{LineHead, Missed, ServerPacket};
use iocp_chat::{
    config::Bounds,
    room::{Membership, SessionId},
};

/// All lines ever said in one conversation, and which of them are readable still.
pub struct PlainLog {
    pub conversation: u64,
    pub epoch: u64,
    bounds: Bounds,
    lines: Vec<PlainLine>,
    /// The last line that readers can see.
    pub readable: u64,
    /// How many lines each batch that is kept has.
    batches: Vec<u64>,
}

struct PlainLine {
    sender: Option<SessionId>,
    packet: ServerPacket,
}

/// Somebody's time in a conversation, as far as their writer has told it.
pub struct Stay {
    pub conversation: u64,
    /// The last line taken, passed over or missed.
    pub cursor: u64,
    /// The last line they may read, once they have parted.
    pub end: Option<u64>,
    /// Whether they have been told that they came in.
    pub began: bool,
    /// What their writer publishes; a mailbox's nobody looks at.
    pub place: Option<Weak<Membership>>,
}

impl PlainLog {
    pub fn new(conversation: u64, epoch: u64, bounds: Bounds) -> Self {
        Self { conversation, epoch, bounds, lines: Vec::new(), readable: 0, batches: Vec::new() }
    }

    /// The last line, readable or not.
    pub fn head(&self) -> u64 {
        self.lines.len() as u64
    }

    /// The last line that is gone.
    pub fn gone(&self) -> u64 {
        self.readable - self.batches.iter().sum::<u64>()
    }

    pub fn say(
        &mut self,
        time_ms: u64,
        sender: Option<SessionId>,
        packet: impl FnOnce(LineHead) -> ServerPacket,
    ) {
        let head =
            LineHead { conversation: self.conversation, epoch: self.epoch, seq: self.head() + 1, time_ms };
        self.lines.push(PlainLine { sender, packet: packet(head) });
    }

    pub fn publish(&mut self) {
        if self.readable < self.head() {
            self.batches.push(self.head() - self.readable);
            self.readable = self.head();
        }
        // The newest batch stays, whatever its size.
        while self.batches.len() > 1 && self.is_over() {
            self.batches.remove(0);
        }
    }

    fn is_over(&self) -> bool {
        let (lines, bytes) = self.unread(self.gone());
        lines > self.bounds.lines || bytes > self.bounds.bytes
    }

    /// How much is readable after a place.
    fn unread(&self, place: u64) -> (usize, usize) {
        let lines = &self.lines[index(place)..index(self.readable)];
        (lines.len(), lines.iter().map(|line| line.packet.to_bytes().len()).sum())
    }

    /// Whether more than half of what is kept stands after a place.
    pub fn is_more_than_half_after(&self, place: u64) -> bool {
        let (lines, bytes) = self.unread(place.min(self.readable));
        lines > self.bounds.lines / 2 || bytes > self.bounds.bytes / 2
    }

    fn line(&self, seq: u64) -> &PlainLine {
        &self.lines[index(seq) - 1]
    }
}

impl Stay {
    pub fn new(conversation: u64, cursor: u64, place: Option<Weak<Membership>>) -> Self {
        Self { conversation, cursor, end: None, began: place.is_none(), place }
    }

    fn last(&self, log: &PlainLog) -> u64 {
        self.end.unwrap_or(u64::MAX).min(log.readable)
    }

    /// Passes over one's own lines up to `seq`: anybody else's would have had to come.
    fn pass(&mut self, reader: SessionId, log: &PlainLog, seq: u64) {
        assert!(seq >= self.cursor, "{reader} goes back from {} to {seq}", self.cursor);
        let lost = (self.cursor + 1..=seq).find(|seq| log.line(*seq).sender != Some(reader));
        assert_eq!(lost, None, "{reader} lost a line of conversation {}", log.conversation);
        self.cursor = seq;
    }

    pub fn take_line(&mut self, reader: SessionId, log: &PlainLog, seq: u64, packet: &ServerPacket) {
        assert!(self.began, "{reader} got line {seq} before the answer to their join");
        assert!(seq > self.cursor, "{reader} got line {seq} twice or out of order, after {}", self.cursor);
        assert!(seq <= self.last(log), "{reader} got line {seq} after their end {:?}", self.end);
        assert_eq!(packet, &log.line(seq).packet, "to {reader}");
        assert_ne!(log.line(seq).sender, Some(reader), "{reader} got an echo of line {seq}");
        self.pass(reader, log, seq - 1);
        self.cursor = seq;
    }

    pub fn take_missed(&mut self, reader: SessionId, log: &PlainLog, missed: &Missed) {
        assert!(self.began, "{reader} missed something before the answer to their join");
        assert_eq!(missed.epoch, log.epoch);
        self.pass(reader, log, missed.from - 1);
        // Nothing that is there still, and all that is not.
        assert_eq!(missed.to, log.gone().min(self.last(log)), "{reader} is told {missed:?}");
        self.cursor = missed.to;
    }

    /// The writer publishes where it stands: that may be after one's own lines, which no packet shows.
    pub fn catch_up(&mut self, reader: SessionId, log: &PlainLog) {
        if let Some(place) = self.place.as_ref().and_then(Weak::upgrade) {
            self.pass(reader, log, place.position());
        }
    }

    /// Nothing more can come.
    pub fn assert_complete(&mut self, reader: SessionId, log: &PlainLog) {
        self.pass(reader, log, self.last(log));
    }
}

fn index(seq: u64) -> usize {
    usize::try_from(seq).expect("a short history")
}
