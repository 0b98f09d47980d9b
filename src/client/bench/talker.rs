//! Who talks: which lines are due, which are unanswered, and the bytes of each.

use chat_proto::kind;

use super::{
    schedule::Schedule,
    stamp::{self, STAMP_BYTES},
};

/// What keeps a talker from talking all the time.
pub enum Pace {
    /// Nothing but the answers: the closed loop.
    Window,
    /// A schedule: the open loop.
    Open(Schedule),
}

/// A packet with a line, but for its id and its stamp.
pub struct LinePacket {
    kind: u16,
    /// What stands between the id and the text, which begins with the stamp.
    before_stamp: Vec<u8>,
    /// The text's other bytes.
    after_stamp: Vec<u8>,
}

/// Somebody who talks.
pub struct Talker {
    pace: Pace,
    packet: LinePacket,
    /// When each unanswered line was due, by its request id less one.
    unanswered: Vec<Option<u64>>,
    /// The ids not in use, less one.
    free: Vec<u32>,
    /// The server has asked to wait until then.
    paused_until: u64,
    sent: u64,
}

impl LinePacket {
    /// A broadcast of `size` bytes.
    pub fn broadcast(size: usize) -> Self {
        Self::new(kind::BROADCAST, &[], &[], size)
    }

    /// A whisper of `size` bytes.
    pub fn whisper(to: &str, size: usize) -> Self {
        let mut addressee = Vec::new();
        put_number(to.len() as u64, &mut addressee);
        addressee.extend_from_slice(to.as_bytes());
        Self::new(kind::WHISPER, &addressee, &[], size)
    }

    /// A line of `size` bytes for a room, whose number stands in the text too.
    pub fn room_chat(conversation: u64, size: usize) -> Self {
        let mut addressee = Vec::new();
        put_number(conversation, &mut addressee);
        Self::new(kind::ROOM_CHAT, &addressee, &stamp::write(conversation), size)
    }

    fn new(kind: u16, addressee: &[u8], after_stamp: &[u8], size: usize) -> Self {
        // No number of its own: the line is not sent again.
        let mut before_stamp = vec![0];
        before_stamp.extend_from_slice(addressee);
        put_number(size as u64, &mut before_stamp);
        let mut after_stamp = after_stamp.to_vec();
        after_stamp.resize(size.saturating_sub(STAMP_BYTES).max(after_stamp.len()), b'x');
        Self { kind, before_stamp, after_stamp }
    }

    /// Appends the packet.
    fn put(&self, id: u32, due: u64, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0, 0]);
        out.extend_from_slice(&self.kind.to_le_bytes());
        put_number(id.into(), out);
        out.extend_from_slice(&self.before_stamp);
        out.extend_from_slice(&stamp::write(due));
        out.extend_from_slice(&self.after_stamp);
        let size = u16::try_from(out.len() - start).expect("a text has at most 3,072 bytes");
        out[start..start + 2].copy_from_slice(&size.to_le_bytes());
    }
}

/// Appends a varint of section 2 of `PROTOCOL.md`.
fn put_number(number: u64, out: &mut Vec<u8>) {
    let (first, bytes) = match number {
        0..=250 => return out.push(number.to_le_bytes()[0]),
        251..=0xffff => (251, 2),
        0x1_0000..=0xffff_ffff => (252, 4),
        _ => (253, 8),
    };
    out.push(first);
    out.extend_from_slice(&number.to_le_bytes()[..bytes]);
}

impl Talker {
    /// Somebody who may have `window` lines unanswered.
    pub fn new(pace: Pace, packet: LinePacket, window: usize) -> Self {
        let free = (0..u32::try_from(window).unwrap_or(u32::MAX)).rev().collect();
        Self { pace, packet, unanswered: vec![None; window], free, paused_until: 0, sent: 0 }
    }

    /// When the next line is due; `None` while an answer must come first.
    pub fn due(&self) -> Option<u64> {
        if self.free.is_empty() {
            return None;
        }
        Some(match &self.pace {
            Pace::Window => self.paused_until,
            Pace::Open(schedule) => schedule.due().max(self.paused_until),
        })
    }

    /// Appends every line that is due.
    pub fn talk(&mut self, now: u64, out: &mut Vec<u8>) {
        while now >= self.paused_until
            && let Some(slot) = self.free.last().copied()
        {
            let due = match &mut self.pace {
                Pace::Window => Some(now),
                Pace::Open(schedule) => schedule.take(now),
            };
            let Some(due) = due else { return };
            self.free.pop();
            self.unanswered[slot as usize] = Some(due);
            self.packet.put(slot + 1, due, out);
            self.sent += 1;
        }
    }

    /// The line with this id is answered: since when it was due. `None`: there is no such line.
    pub fn answered(&mut self, id: u64) -> Option<u64> {
        let slot = u32::try_from(id.checked_sub(1)?).ok()?;
        let due = self.unanswered.get_mut(slot as usize)?.take()?;
        self.free.push(slot);
        Some(due)
    }

    /// The server takes nothing before then.
    pub fn pause(&mut self, until: u64) {
        self.paused_until = self.paused_until.max(until);
    }

    /// Lines without an answer.
    pub fn unanswered(&self) -> u64 {
        (self.unanswered.len() - self.free.len()) as u64
    }

    /// Lines sent in all.
    pub fn sent(&self) -> u64 {
        self.sent
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use chat_proto::{Broadcast, ClientPacket, RequestId, RoomChat, Text, Username, Whisper};

    use super::*;

    #[test]
    fn packets_are_the_bytes_that_the_protocol_crate_writes() {
        for (size, number) in [(8, 1), (64, 250), (250, 251), (251, 65_536), (1_024, 7)] {
            let text = String::from_utf8(stamp::write(99).to_vec()).expect("text") + &"x".repeat(size - 8);
            let text = Text::parse(&text).expect("valid");
            let id = RequestId::new(number).expect("not zero");
            let mut wanted = BytesMut::new();
            ClientPacket::Broadcast(Broadcast { id, message_id: 0, text: text.clone() }).encode(&mut wanted);
            let to = Username::parse("lee").expect("valid");
            ClientPacket::Whisper(Whisper { id, message_id: 0, to, text }).encode(&mut wanted);
            let mut out = Vec::new();
            LinePacket::broadcast(size).put(number, 99, &mut out);
            LinePacket::whisper("lee", size).put(number, 99, &mut out);
            assert_eq!(out, wanted, "{size} bytes, id {number}");
        }
    }

    #[test]
    fn a_line_for_a_room_has_its_number_in_the_text_too() {
        for conversation in [2, 250, 251, 65_536, 1 << 32] {
            let head = [stamp::write(99), stamp::write(conversation)].concat();
            let text = String::from_utf8(head).expect("text") + &"x".repeat(48);
            let text = Text::parse(&text).expect("valid");
            let id = RequestId::new(7).expect("not zero");
            let mut wanted = BytesMut::new();
            ClientPacket::RoomChat(RoomChat { id, message_id: 0, conversation, text }).encode(&mut wanted);
            let mut out = Vec::new();
            LinePacket::room_chat(conversation, 64).put(7, 99, &mut out);
            assert_eq!(out, wanted, "room {conversation}");
        }
    }

    #[test]
    fn a_closed_loop_talks_until_the_window_is_full_and_again_when_answered() {
        let mut talker = Talker::new(Pace::Window, LinePacket::broadcast(64), 3);
        let mut out = Vec::new();
        talker.talk(5, &mut out);
        assert_eq!((talker.sent(), talker.unanswered(), talker.due()), (3, 3, None));
        assert_eq!(talker.answered(2), Some(5));
        assert_eq!(talker.answered(2), None, "answered once already");
        assert_eq!((talker.answered(0), talker.answered(4)), (None, None));
        talker.talk(9, &mut out);
        assert_eq!((talker.sent(), talker.answered(2)), (4, Some(9)));
    }

    #[test]
    fn an_open_loop_whose_window_was_full_counts_from_when_lines_were_due() {
        let mut talker =
            Talker::new(Pace::Open(Schedule::new(0, 1000.0, 0, 1)), LinePacket::broadcast(64), 1);
        let mut out = Vec::new();
        talker.talk(0, &mut out);
        talker.talk(50_000_000, &mut out);
        assert_eq!(talker.sent(), 1);
        assert_eq!(talker.answered(1), Some(0));
        talker.talk(50_000_000, &mut out);
        assert_eq!(talker.answered(1), Some(1_000_000));
    }

    #[test]
    fn a_talker_who_is_told_to_wait_waits() {
        let mut talker = Talker::new(Pace::Window, LinePacket::broadcast(64), 1);
        let mut out = Vec::new();
        talker.pause(100);
        talker.talk(99, &mut out);
        assert_eq!((out.len(), talker.due()), (0, Some(100)));
        talker.talk(100, &mut out);
        assert_eq!(talker.sent(), 1);
    }
}
