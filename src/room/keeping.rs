//! How a room's lines are kept, and what waits there until they are stored: answers, and who has left.

use std::sync::Arc;

use chat_proto::{Receipt, RequestId};

use super::{Feed, Log, Pace, Slot, Subscriber, Tail};

/// What a room needs to have its lines kept.
pub(super) struct Keeping {
    feed: Arc<Feed>,
    tail: Arc<Tail>,
    /// The room has waited for the history long enough: not again before it has caught up.
    left_behind: bool,
    /// Lines wait to be stored before anybody reads them, or is answered.
    holds: bool,
    answers: Vec<Held>,
    leavers: Vec<Leaver>,
}

/// The answer to a line that is not stored yet.
pub(super) struct Held {
    /// For the answer.
    pub slot: Slot,
    /// The type of the request.
    pub kind: u16,
    /// The request.
    pub request: RequestId,
    /// The speaker's own number of the line, or 0.
    pub message_id: u64,
    /// The answer.
    pub receipt: Receipt,
}

/// Somebody who has left, and may read up to a line that is not stored yet.
struct Leaver {
    subscriber: Arc<Subscriber>,
    bit: u32,
    end: u64,
}

impl Keeping {
    pub fn new(feed: &Arc<Feed>, log: &Arc<Log>, pace: &Arc<Pace>, holds: bool) -> Self {
        let tail = Feed::follow(log, pace);
        let mut keeping = Self {
            feed: Arc::clone(feed),
            tail,
            left_behind: false,
            holds: false,
            answers: Vec::new(),
            leavers: Vec::new(),
        };
        if holds {
            keeping.hold();
        }
        keeping
    }

    /// Whether lines wait to be stored.
    pub fn holds(&self) -> bool {
        self.holds
    }

    /// Whether something waits for its line to be stored.
    pub fn is_awaited(&self) -> bool {
        self.holds && self.log().readable() < self.log().head()
    }

    /// From now on lines wait to be stored.
    pub fn hold(&mut self) {
        self.holds = true;
        self.log().set_readable(self.log().head());
    }

    /// From now on nothing waits. Returns the answers that did.
    pub fn open(&mut self) -> Vec<Held> {
        self.holds = false;
        self.log().set_readable(u64::MAX);
        self.release(u64::MAX)
    }

    /// Something has been appended.
    pub fn mark(&self) {
        self.feed.mark(&self.tail);
    }

    /// The room is no more, and all that was said there has been appended.
    pub fn end(&self) {
        self.tail.set_over();
        self.mark();
    }

    /// Keeps an answer until its line is stored, or gives it back if it is.
    pub fn hold_answer(&mut self, held: Held) -> Option<Held> {
        let Receipt { epoch, seq, .. } = held.receipt;
        if !self.holds || epoch != self.log().epoch() || seq <= self.log().readable() {
            return Some(held);
        }
        self.answers.push(held);
        None
    }

    /// Somebody has left who reads to this line. They are told again when it can be read.
    pub fn leave(&mut self, subscriber: &Arc<Subscriber>, bit: u32, end: u64) {
        if self.holds && end > self.log().readable() {
            self.leavers.push(Leaver { subscriber: Arc::clone(subscriber), bit, end });
        }
    }

    /// Lines up to this one are stored, or else refused. Returns the answers that waited for it.
    pub fn settle(&mut self, last: u64, stored: bool) -> Vec<Held> {
        let before = self.log().readable();
        if !self.holds || last <= before {
            return Vec::new();
        }
        if !stored {
            self.log().void(before + 1, last);
        }
        self.log().set_readable(last);
        self.release(last)
    }

    /// Where the history stands, for a room that wonders whether to wait for it: beyond all if it is not waited for.
    pub fn position(&mut self, half: u64, readable: u64) -> u64 {
        if self.holds {
            // As long as it takes.
            return readable;
        }
        let position = self.tail.position();
        self.left_behind &= position < half;
        if self.left_behind { u64::MAX } else { position }
    }

    /// Waits no longer for the history until it has caught up, if it need not be waited for.
    pub fn leave_behind(&mut self, half: u64) {
        self.left_behind = !self.holds && self.tail.position() < half;
    }

    fn release(&mut self, last: u64) -> Vec<Held> {
        for leaver in self.leavers.extract_if(.., |leaver| leaver.end <= last) {
            leaver.subscriber.mark(leaver.bit);
        }
        self.answers.extract_if(.., |held| held.receipt.seq <= last).collect()
    }

    fn log(&self) -> &Log {
        self.tail.log()
    }
}
