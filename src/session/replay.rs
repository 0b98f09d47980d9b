//! What somebody missed whose connection was lost: from the database, up to where memory has it.

use bytes::BytesMut;
use chat_proto::{Line, LineHead, Missed, ServerPacket, SystemText, UNKNOWN_END};

use super::{
    HistorySource,
    history::{IgnoredNames, WRITTEN_WITHIN, is_heard, is_past},
};
use crate::{
    room::{Log, SessionId},
    store::{self, Cursor, PageLimit, StoreError, Told},
};

/// Lines of one part.
const PART_LINES: usize = 500;

/// A place in a conversation: after this line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Which past `seq` belongs to.
    pub epoch: u64,
    /// The line's number.
    pub seq: u64,
}

/// A part of what somebody missed.
#[derive(Debug)]
pub struct Replay {
    /// Whole packets: lines, and what is missing between them.
    pub packets: BytesMut,
    /// Up to where it goes.
    pub place: Place,
    /// Lines that are told to be missing, as far as their number is known.
    pub missed: u64,
    /// Whether memory has all that comes after; the place is in the log's own epoch then. If not, another part follows.
    pub done: bool,
}

impl HistorySource {
    /// What was said in a conversation after a place: the next part of it, without the session's own lines and those of
    /// people it ignores, in at most about `bytes_max` bytes. What is not there is told to be missing, also while the
    /// database does not answer.
    pub async fn after(
        &self,
        log: &Log,
        place: Place,
        (session, ignored): (SessionId, &IgnoredNames),
        bytes_max: usize,
    ) -> Replay {
        let mut part = Part { log, session, ignored, packets: BytesMut::new(), place, missed: 0 };
        if part.is_in_memory() {
            return part.finish();
        }
        // Before anything is read: what is thrown away later is in the database by then, or was never in it.
        let before = log.oldest() - 1;
        let Some((history, feed)) = &self.kept else {
            part.skip(before);
            return part.finish();
        };
        let written = feed.stored(log, before, WRITTEN_WITHIN).await;
        let cursor = Cursor { conversation: log.conversation(), epoch: place.epoch, seq: place.seq };
        match history.after(cursor, PageLimit { lines: PART_LINES, bytes: bytes_max }).await {
            Ok(page) => {
                let more = page.told.into_iter().all(|told| part.tell(told, before)) && page.more;
                if !more {
                    part.end(before, written);
                }
            }
            // Nothing was written of it.
            Err(StoreError::NotFound) if place.epoch == log.epoch() => part.end(before, written),
            Err(StoreError::NotFound) => part.skip(before),
            Err(error) => {
                tracing::error!(event = "store_failed", err = %error, "what was missed cannot be read");
                part.skip(before);
            }
        }
        part.finish()
    }
}

/// A part that is being made.
struct Part<'a> {
    log: &'a Log,
    session: SessionId,
    ignored: &'a IgnoredNames,
    packets: BytesMut,
    place: Place,
    missed: u64,
}

impl Part<'_> {
    /// Whether memory has all that comes after.
    fn is_in_memory(&self) -> bool {
        self.place.epoch == self.log.epoch() && self.place.seq >= self.log.oldest() - 1
    }

    /// Tells one thing; false if it is beyond what memory has not: that is read there.
    fn tell(&mut self, told: Told, before: u64) -> bool {
        let (epoch, seq) = match &told {
            Told::Line(line) => (line.epoch, line.seq),
            Told::Missed { epoch, from, .. } => (*epoch, *from),
        };
        let present = epoch == self.log.epoch();
        if present && seq > before {
            return false;
        }
        match told {
            Told::Line(line) => {
                if is_past(&line, self.log, before) {
                    self.write(&line);
                }
                self.place = Place { epoch, seq };
            }
            Told::Missed { from, to, .. } => {
                let to = if present { to.min(before) } else { to };
                self.miss(epoch, from, to);
                self.place = Place { epoch, seq: to };
            }
        }
        true
    }

    fn write(&mut self, line: &store::Line) {
        let store::Line { epoch, seq, time_ms, ref sender, ref text, .. } = *line;
        let head = LineHead { conversation: self.log.conversation(), epoch, seq, time_ms };
        if sender.is_empty() {
            SystemText { head, text: text.as_str() }.encode(&mut self.packets);
        } else if line.session != Some(self.session.0) && is_heard(sender, self.ignored) {
            Line { head, sender: sender.as_str(), text: text.as_str() }.encode_broadcast(&mut self.packets);
        }
    }

    fn miss(&mut self, epoch: u64, from: u64, to: u64) {
        let missed = Missed { conversation: self.log.conversation(), epoch, from, to };
        ServerPacket::Missed(missed).encode(&mut self.packets);
        self.missed += if to == UNKNOWN_END { 0 } else { to - from + 1 };
    }

    /// The database has no more. What it has not been given yet, and memory has not any more, is missing.
    fn end(&mut self, before: u64, written: bool) {
        let here = self.place.epoch == self.log.epoch();
        let taken = if here { self.place.seq } else { 0 };
        if !written {
            let known = taken.max(self.log.stored());
            if known < before {
                self.miss(self.log.epoch(), known + 1, before);
            }
        }
        self.place = Place { epoch: self.log.epoch(), seq: taken.max(before) };
    }

    /// Nothing is known of the place, or nothing can be read: all is missing that memory has not.
    fn skip(&mut self, before: u64) {
        let (Place { epoch, seq }, present) = (self.place, self.log.epoch());
        if epoch != present && seq != UNKNOWN_END {
            self.miss(epoch, seq + 1, UNKNOWN_END);
        }
        let taken = if epoch == present { seq } else { 0 };
        if taken < before {
            self.miss(present, taken + 1, before);
        }
        self.place = Place { epoch: present, seq: taken.max(before) };
    }

    fn finish(self) -> Replay {
        let done = self.is_in_memory();
        let Self { packets, place, missed, .. } = self;
        Replay { packets, place, missed, done }
    }
}
