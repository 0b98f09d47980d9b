//! What a member has of the room it is in: what it must hear there, and whether what it hears was said there.

use chat_proto::Presence;

use super::{
    checker::{Checker, Fault},
    stamp::{self, STAMP_BYTES},
};

/// The least a text has that is said in a room: its stamp, and the room's number in the same form.
pub const TEXT_BYTES_MIN: usize = 2 * STAMP_BYTES;

/// One member's room.
pub struct Room {
    conversation: u64,
    checker: Checker,
    /// The room's highest line that this member knows of.
    end: u64,
}

impl Room {
    /// A room that is entered there. Where joins are told, the place after it may be one's own.
    pub fn new(at: Presence, joins_are_told: bool) -> Self {
        let checker = Checker::new(at.epoch, at.seq, joins_are_told);
        Self { conversation: at.conversation, checker, end: at.seq }
    }

    /// Its number.
    pub fn conversation(&self) -> u64 {
        self.conversation
    }

    /// The highest line that this member knows of: the others may know of a higher one.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// What must be heard.
    pub fn checker(&self) -> &Checker {
        &self.checker
    }

    /// Whether this is the room for which a text of ours was written, whatever number the line has.
    pub fn is_said_here(&self, text: &[u8]) -> bool {
        text.get(STAMP_BYTES..).and_then(stamp::read) == Some(self.conversation)
    }

    /// A line came.
    pub fn take(&mut self, epoch: u64, seq: u64) -> Result<(), Fault> {
        self.end = self.end.max(seq);
        self.checker.take(epoch, seq)
    }

    /// The answer to a line of one's own came.
    pub fn own_line(&mut self, seq: u64) {
        self.end = self.end.max(seq);
        self.checker.own_line(seq);
    }

    /// The server says that the lines `from` to `to` will not come.
    pub fn missed(&mut self, epoch: u64, from: u64, to: u64) -> Result<(), Fault> {
        self.end = self.end.max(to);
        self.checker.missed(epoch, from, to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_tells_the_room_it_was_written_for() {
        let room = Room::new(Presence { conversation: 7, epoch: 9, seq: 0 }, false);
        let text = |conversation| [stamp::write(1), stamp::write(conversation)].concat();
        assert!(room.is_said_here(&text(7)));
        for elsewhere in [text(8), text(0), text(7)[..15].to_vec(), Vec::new()] {
            assert!(!room.is_said_here(&elsewhere), "{elsewhere:?}");
        }
    }

    #[test]
    fn the_end_is_what_was_heard_said_or_missed() {
        let mut room = Room::new(Presence { conversation: 7, epoch: 9, seq: 3 }, false);
        assert_eq!(room.end(), 3);
        room.take(9, 4).expect("in order");
        room.own_line(6);
        assert_eq!(room.end(), 6);
        room.missed(9, 7, 9).expect("in order");
        assert_eq!(room.end(), 9);
    }
}
