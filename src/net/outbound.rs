//! What is ready to leave one connection, and where its session stands in each conversation.

use std::{collections::VecDeque, io::IoSlice, sync::Arc};

use bytes::{Buf, Bytes};
use chat_proto::{ErrorCode, LeaveReason, Missed, ServerPacket};

use crate::room::{Attachment, CONTROL_BIT, Control, Hearing, Ignored, MAILBOX_BIT, Read, Subscriber};

/// Bytes gathered for one write: slices of the logs, not copies. At 64 KiB a hall that is talked to at full speed
/// costs a third more for each line; more than this would let one fast conversation hold the others up.
const GATHER_BYTES: usize = 256 * 1024;

/// Slices gathered for one write: what one vectored write takes on Windows and Linux without a copy.
const GATHER_SLICES: usize = 64;

/// Places for slices that are kept while fewer are needed. A listener's batch is one or two slices; a talker's, which
/// leaves out its own lines, has many each time, and keeps the places. Who was sent many once does not.
const KEPT_SLICES: usize = 8;

/// The least a conversation is given of one write, however many have news.
const SHARE_BYTES_MIN: usize = 4 * 1024;

/// One connection's unsent bytes and cursors. It never waits: the writer asks it what to write.
pub struct Outbound {
    subscriber: Arc<Subscriber>,
    /// What is read, each from where its member stands.
    cursors: Vec<Attachment>,
    /// Bits of logs that may have more, and of the control queue.
    ready: u64,
    /// Gathered, not yet written.
    pieces: VecDeque<Bytes>,
    /// Whether the first piece has been written in part.
    begun: bool,
    /// Whether what was gathered last would have fitted into [`KEPT_SLICES`].
    were_few: bool,
    /// A conversation that is being read to its end before anything after it is told.
    detaching: Option<u32>,
    /// Nothing more is gathered: the connection ends with this.
    closed: Option<(ErrorCode, LeaveReason)>,
    /// Lines gathered, and lines told to be missed, in all.
    told: (u64, u64),
    /// Whom the session ignores, if anybody.
    ignored: Option<Box<Ignored>>,
    whispers: Whispers,
}

/// From where the mailbox is read.
#[derive(Clone, Copy)]
enum Whispers {
    /// After this one.
    After(u64),
    /// The client has yet to say so. It was told of this one.
    Held { told: u64 },
}

impl Outbound {
    /// Nothing to send yet.
    #[must_use]
    pub fn new(subscriber: Arc<Subscriber>) -> Self {
        // Whoever comes back ignores whom they ignored.
        let ignored = subscriber.is_resumed().then(|| Ignored::new(subscriber.ignored()));
        Self {
            // Most are only ever in the lobby, and sent one thing at a time.
            cursors: Vec::with_capacity(1),
            ready: 0,
            pieces: VecDeque::with_capacity(1),
            begun: false,
            were_few: true,
            detaching: None,
            closed: None,
            told: (0, 0),
            ignored: ignored.filter(|ignored| !ignored.is_empty()).map(Box::new),
            whispers: if subscriber.is_resumed() { Whispers::Held { told: 0 } } else { Whispers::After(0) },
            subscriber,
        }
    }

    /// As [`new`](Self::new), for a session whose login or resume is not answered yet: no whisper precedes that.
    #[must_use]
    pub fn unanswered(subscriber: Arc<Subscriber>) -> Self {
        Self { whispers: Whispers::Held { told: 0 }, ..Self::new(subscriber) }
    }

    /// The session it sends for.
    #[must_use]
    pub fn subscriber(&self) -> &Arc<Subscriber> {
        &self.subscriber
    }

    /// Why the session was closed from outside, once that has been read.
    #[must_use]
    pub fn closed(&self) -> Option<(ErrorCode, LeaveReason)> {
        self.closed
    }

    /// Lines of conversations gathered for this session, and lines it was told it missed, in all.
    #[must_use]
    pub fn told(&self) -> (u64, u64) {
        self.told
    }

    /// Whether gathered bytes wait to be written.
    #[must_use]
    pub fn has_pieces(&self) -> bool {
        !self.pieces.is_empty()
    }

    /// Whether gathering again would find something that was marked before.
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.ready != 0
    }

    /// Gathers what the marked logs have, each its share, after what the control queue says.
    pub fn gather(&mut self, marked: u64) {
        self.ready |= marked;
        if self.closed.is_some() {
            self.ready = 0;
            return;
        }
        // What is told after a conversation's end waits for that.
        if self.detaching.is_some_and(|bit| marked & (1 << bit) != 0) {
            self.ready |= 1 << CONTROL_BIT;
        }
        if self.ready & (1 << CONTROL_BIT) != 0 {
            self.gather_control();
        }
        if self.ready & (1 << MAILBOX_BIT) != 0 {
            self.attach_mailbox();
        }
        // A mark may come late, for a log that has been detached since: nobody would ever clear it.
        self.ready &= self.cursors.iter().fold(1 << CONTROL_BIT, |bits, cursor| bits | 1 << cursor.bit);
        let logs = (self.ready & !(1 << CONTROL_BIT)).count_ones().max(1) as usize;
        let share = (GATHER_BYTES / logs).max(SHARE_BYTES_MIN);
        for index in 0..self.cursors.len() {
            if self.is_full() {
                break;
            }
            if self.ready & (1 << self.cursors[index].bit) != 0 {
                self.gather_log(index, share);
            }
        }
        self.were_few = self.pieces.len() <= KEPT_SLICES;
        // Who came last this time comes first next time.
        if !self.cursors.is_empty() {
            self.cursors.rotate_left(1);
        }
    }

    fn gather_control(&mut self) {
        while !self.is_full() {
            if let Some(bit) = self.detaching {
                if !self.read_to_the_end(bit) {
                    return;
                }
                self.detaching = None;
            }
            match self.subscriber.next_control() {
                None => {
                    self.ready &= !(1 << CONTROL_BIT);
                    return;
                }
                Some(Control::Packets(packets)) => self.pieces.push_back(packets.freeze()),
                Some(Control::Attach(attachment)) => self.attach(attachment),
                Some(Control::Detach { bit }) => {
                    if bit == MAILBOX_BIT {
                        self.attach_mailbox();
                    }
                    self.detaching = Some(bit);
                }
                Some(Control::Ignore(ignored)) => {
                    self.ignored = (!ignored.is_empty()).then(|| Box::new(ignored));
                }
                Some(Control::HoldMailbox(told)) => self.whispers = Whispers::Held { told },
                Some(Control::OpenMailbox { after }) => {
                    if let Whispers::Held { told } = self.whispers {
                        self.whispers = Whispers::After(after.unwrap_or(told));
                    }
                    self.attach_mailbox();
                }
                Some(Control::Close(code, reason)) => {
                    self.closed = Some((code, reason));
                    self.ready = 0;
                    return;
                }
            }
        }
    }

    /// Reads a conversation on; true when its end has been reached and it is gone.
    fn read_to_the_end(&mut self, bit: u32) -> bool {
        let Some(index) = self.cursors.iter().position(|cursor| cursor.bit == bit) else { return true };
        loop {
            self.ready |= 1 << bit;
            while self.ready & (1 << bit) != 0 {
                if self.is_full() {
                    return false;
                }
                self.gather_log(index, GATHER_BYTES);
            }
            let Attachment { log, member, .. } = &self.cursors[index];
            let Some(end) = member.end().filter(|end| member.position() < *end) else { break };
            if log.readable() < end {
                // Its last lines are still to be stored: it is marked again when they are.
                self.ready &= !(1 << CONTROL_BIT);
                return false;
            }
        }
        self.cursors.swap_remove(index);
        true
    }

    /// Takes what one log has for this reader; its bit stays while there is more.
    fn gather_log(&mut self, index: usize, share: usize) {
        let Attachment { bit, log, member } = &self.cursors[index];
        let seq = member.position();
        let room = (share, GATHER_SLICES.saturating_sub(self.pieces.len()).max(1));
        let (session, ignored) = (self.subscriber.id(), self.ignored.as_deref_mut());
        let mut hearing = Hearing { session, ignored, passed_over: 0 };
        let (to, more) = match log.read(seq, &mut hearing, member, room, &mut self.pieces) {
            Read::Lines { cursor, more, .. } => {
                self.told.0 += cursor - seq - hearing.passed_over;
                (cursor, more)
            }
            Read::Missed { from, to } => {
                let (conversation, epoch) = (log.conversation(), log.epoch());
                self.pieces
                    .push_back(ServerPacket::Missed(Missed { conversation, epoch, from, to }).to_bytes());
                self.told.1 += to - from + 1;
                (to, true)
            }
        };
        if seq != to {
            member.advance(to);
        }
        if !more {
            self.ready &= !(1 << *bit);
        }
    }

    /// Reads the mailbox too, from the first whisper on.
    fn attach_mailbox(&mut self) {
        if self.cursors.iter().all(|cursor| cursor.bit != MAILBOX_BIT)
            && let Whispers::After(after) = self.whispers
            && let Some(mailbox) = self.subscriber.mailbox().attachment(after)
        {
            self.attach(mailbox);
        }
    }

    fn attach(&mut self, attachment: Attachment) {
        // What was said since the session came in was marked before anyone here could look.
        self.ready |= 1 << attachment.bit;
        self.cursors.push(attachment);
    }

    fn is_full(&self) -> bool {
        self.pieces.len() >= GATHER_SLICES
            || self.pieces.iter().map(Bytes::len).sum::<usize>() >= GATHER_BYTES
    }

    /// The connection is lost: nobody waits for its reading any more.
    pub fn hold(&self) {
        for cursor in &self.cursors {
            cursor.member.hold();
        }
    }

    /// Gives up all but the piece that has been begun, so that the stream can end on a whole packet.
    pub fn cut(&mut self) {
        self.pieces.truncate(usize::from(self.begun));
        self.ready = 0;
    }

    /// Fills `slices` with what to write next; returns how many.
    pub fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let filled = self.pieces.len().min(slices.len());
        for (slice, piece) in slices.iter_mut().zip(&self.pieces) {
            *slice = IoSlice::new(piece);
        }
        filled
    }

    /// `written` bytes have left.
    pub fn advance(&mut self, mut written: usize) {
        while let Some(piece) = self.pieces.front_mut() {
            if written < piece.len() {
                self.begun |= written > 0;
                piece.advance(written);
                return;
            }
            written -= piece.len();
            self.begun = false;
            self.pieces.pop_front();
        }
        if self.were_few && self.pieces.capacity() > KEPT_SLICES {
            self.pieces = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use chat_proto::{LOBBY, Line, PacketCodec, Text, Username, limits::SERVER_PACKET_BYTES_MAX};
    use tokio_util::codec::Decoder;

    use super::*;
    use crate::{
        config::Bounds,
        room::{Charter, Hub, LOBBY_BIT, Log, Mailbox, Pace, SessionId},
    };

    const ROOM: Bounds = Bounds { lines: 64, bytes: 1 << 20 };

    fn lobby() -> Hub {
        let mut hub = Hub::new(0);
        hub.open(Log::new(LOBBY, 7, ROOM), Pace::new(|| {}), Charter::lobby());
        hub
    }

    fn member(hub: &mut Hub, number: u64) -> Outbound {
        let name = Username::parse(&format!("member{number}")).expect("valid");
        let subscriber = Arc::new(Subscriber::new(
            SessionId(number),
            name,
            chat_proto::Role::Guest,
            Mailbox::new(1, ROOM),
        ));
        let (_, attachment) = hub.join(LOBBY, &subscriber, LOBBY_BIT, 0).expect("a new member");
        subscriber.send(&ServerPacket::Pong(pong()));
        subscriber.tell(Control::Attach(attachment));
        Outbound::new(subscriber)
    }

    fn pong() -> chat_proto::Pong {
        chat_proto::Pong { payload: chat_proto::PingPayload::new(b"first").expect("short") }
    }

    fn say(hub: &mut Hub, speaker: u64, text: &str) {
        let text = Text::parse(text).expect("valid");
        hub.say(LOBBY, SessionId(speaker), (&text, 0), 0).expect("a member speaks");
    }

    /// Everything there is, written; what it says.
    fn written(outbound: &mut Outbound) -> Vec<String> {
        let mut bytes = BytesMut::new();
        loop {
            outbound.gather(outbound.subscriber().take_ready());
            if !outbound.has_pieces() && !outbound.has_more() {
                break;
            }
            for piece in &outbound.pieces {
                bytes.extend_from_slice(piece);
            }
            outbound.advance(usize::MAX);
        }
        let mut codec = PacketCodec::new(SERVER_PACKET_BYTES_MAX);
        let mut said = Vec::new();
        while let Some(frame) = codec.decode(&mut bytes).expect("packets") {
            said.push(match ServerPacket::decode(frame.kind, &frame.body).expect("valid") {
                ServerPacket::BroadcastLine(Line { text, .. }) => text,
                ServerPacket::Missed(Missed { from, to, .. }) => format!("missed {from} to {to}"),
                ServerPacket::Pong(_) => "answer".into(),
                other => panic!("{other:?}"),
            });
        }
        said
    }

    #[test]
    fn the_answer_comes_before_the_first_line_and_ones_own_lines_do_not_come() {
        let mut hub = lobby();
        let (mut one, mut two) = (member(&mut hub, 1), member(&mut hub, 2));
        for (speaker, text) in [(1, "a"), (2, "b"), (2, "c"), (1, "d")] {
            say(&mut hub, speaker, text);
        }
        hub.publish();
        assert_eq!(written(&mut one), ["answer", "b", "c"]);
        assert_eq!(written(&mut two), ["answer", "a", "d"]);
        assert_eq!(written(&mut two), [""; 0]);
    }

    #[test]
    fn who_was_lapped_is_told_which_lines_are_gone_and_reads_on() {
        let mut hub = lobby();
        let (mut one, _two) = (member(&mut hub, 1), member(&mut hub, 2));
        for line in 1..=100 {
            say(&mut hub, 2, &line.to_string());
            hub.publish();
        }
        let said = written(&mut one);
        assert_eq!(said[..3], ["answer", "missed 1 to 36", "37"]);
        assert_eq!(said.last().map(String::as_str), Some("100"));
        assert_eq!((said.len(), one.told()), (2 + 64, (64, 36)));
    }

    #[test]
    fn a_detached_log_is_read_to_its_end_and_a_late_mark_keeps_nobody_busy() {
        let mut hub = lobby();
        let (mut one, _two) = (member(&mut hub, 1), member(&mut hub, 2));
        say(&mut hub, 2, "before");
        let bit = hub.part(LOBBY, SessionId(1), LeaveReason::Kicked, 0).expect("a member");
        say(&mut hub, 2, "after");
        one.subscriber.tell(Control::Detach { bit });
        one.subscriber.send(&ServerPacket::Pong(pong()));
        hub.publish();
        assert_eq!(written(&mut one), ["answer", "before", "answer"]);
        one.subscriber.mark(bit);
        one.gather(one.subscriber.take_ready());
        assert!(!one.has_more() && !one.has_pieces());
    }

    #[test]
    fn a_cut_leaves_only_the_rest_of_the_piece_that_was_begun() {
        let mut hub = lobby();
        let (mut one, _two) = (member(&mut hub, 1), member(&mut hub, 2));
        say(&mut hub, 2, "line");
        hub.publish();
        one.gather(one.subscriber.take_ready());
        let answer = one.pieces[0].len();
        one.advance(1);
        one.cut();
        assert_eq!(one.pieces.iter().map(Bytes::len).sum::<usize>(), answer - 1);
        one.advance(answer - 1);
        one.cut();
        assert!(!one.has_pieces());
    }

    #[test]
    fn nothing_follows_a_close() {
        let mut hub = lobby();
        let (mut one, _two) = (member(&mut hub, 1), member(&mut hub, 2));
        one.subscriber.tell(Control::Close(ErrorCode::SessionReplaced, LeaveReason::Replaced));
        say(&mut hub, 2, "later");
        hub.publish();
        assert_eq!(written(&mut one), ["answer"]);
        assert_eq!(one.closed(), Some((ErrorCode::SessionReplaced, LeaveReason::Replaced)));
    }
}
