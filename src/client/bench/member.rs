//! One connection of the load generator: what it has of the server, and what it makes of each packet.

use std::{collections::BTreeMap, io};

use bytes::BytesMut;
use chat_proto::{
    ClientPacket, Credential, Hello, LOBBY, Login, Logout, MAILBOX, Malformed, Missed, Pong, RequestId,
    ServerPacket, Username, VERSION, kind,
};

use super::{
    checker::{Checker, Fault},
    room::Room,
    scan::{Broken, Fields, Heard, Packets},
    stamp,
    talker::Talker,
    tally::{Clock, Row, Tally},
    wire::{Taken, Wire},
};

/// Bytes read at once. A packet has at most 65,535, so there is always room for the rest of one.
const READ_BYTES: usize = 256 * 1024;

/// Where all connections, one after the other, put what they read.
pub struct Buffers {
    /// As it came, where it came over TLS.
    records: Box<[u8]>,
    /// As it is meant.
    plain: Box<[u8]>,
}

impl Buffers {
    pub fn new() -> Self {
        Self { records: vec![0; READ_BYTES].into(), plain: vec![0; READ_BYTES].into() }
    }
}

const HELLO: RequestId = RequestId::MIN;
const LOGIN: RequestId = HELLO.saturating_add(1);
const LOGOUT: RequestId = LOGIN.saturating_add(1);
/// Of the request that leads into a room. Whoever makes it does not talk yet.
pub const ENTER: RequestId = LOGOUT.saturating_add(1);

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Until the socket can be written to.
    Connecting,
    /// Until the login is answered.
    LoggingIn,
    /// Logged in.
    Here,
    /// Until the server closes.
    Leaving,
    /// Closed.
    Gone,
}

pub struct Member {
    wire: Wire,
    pub phase: Phase,
    pub name: Username,
    pub talker: Option<Talker>,
    /// Does not read, for now.
    pub is_stalled: bool,
    /// When connecting began.
    since: u64,
    /// The beginning of a packet whose rest has not come.
    partial: Vec<u8>,
    out: Vec<u8>,
    written: usize,
    lobby: Option<Checker>,
    mailbox: Option<Checker>,
    room: Option<Room>,
    goodbye: Option<String>,
}

impl Member {
    /// A connection on its way.
    pub fn new(wire: Wire, name: Username, since: u64) -> Self {
        Self {
            wire,
            phase: Phase::Connecting,
            name,
            talker: None,
            is_stalled: false,
            since,
            partial: Vec::new(),
            out: Vec::new(),
            written: 0,
            lobby: None,
            mailbox: None,
            room: None,
            goodbye: None,
        }
    }

    /// The socket may be written to: greets and logs in if that is due, and writes what waits.
    pub fn writable(&mut self, tally: &mut Tally) {
        if self.phase == Phase::Connecting {
            match self.wire.is_connected() {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => return self.lost(&error.to_string(), tally),
            }
            // A line is one small packet; waiting for more would only make it late.
            let _ = self.wire.socket().set_nodelay(true);
            self.phase = Phase::LoggingIn;
            let name = self.name.clone();
            self.put(&ClientPacket::Hello(Hello { id: HELLO, version: VERSION, features: 0 }));
            self.put(&ClientPacket::Login(Login { id: LOGIN, name, credential: Credential::None }));
        }
        self.flush(tally);
    }

    /// When there is something to say.
    pub fn due(&self) -> Option<u64> {
        self.talker.as_ref().filter(|_| self.phase == Phase::Here).and_then(Talker::due)
    }

    /// Says what is due.
    pub fn talk(&mut self, now: u64, tally: &mut Tally) {
        if let Some(talker) = &mut self.talker
            && self.phase == Phase::Here
        {
            talker.talk(now, &mut self.out);
            self.flush(tally);
        }
    }

    /// The room it is in, beside the lobby.
    pub fn room(&self) -> Option<&Room> {
        self.room.as_ref()
    }

    /// Sends a request.
    pub fn ask(&mut self, request: &ClientPacket, tally: &mut Tally) {
        self.put(request);
        self.flush(tally);
    }

    /// Leaves.
    pub fn log_out(&mut self, tally: &mut Tally) {
        self.phase = Phase::Leaving;
        self.ask(&ClientPacket::Logout(Logout { id: LOGOUT }), tally);
    }

    /// Takes what is there to be read; `to_the_end` when the server has closed, which no later event tells again.
    pub fn readable(&mut self, to_the_end: bool, buffers: &mut Buffers, clock: Clock, tally: &mut Tally) {
        let Buffers { records, plain: buffer } = buffers;
        while self.phase != Phase::Gone && self.phase != Phase::Connecting {
            let held = self.partial.len();
            buffer[..held].copy_from_slice(&self.partial);
            match self.wire.read(records, &mut buffer[held..]) {
                Ok(Taken::End) => return self.closed(tally),
                Ok(Taken::Bytes { count, is_all }) => {
                    let filled = held + count;
                    match self.take(&buffer[..filled], clock.now(), tally) {
                        Ok(used) => {
                            self.partial.clear();
                            self.partial.extend_from_slice(&buffer[used..filled]);
                        }
                        Err(Broken) => return self.lost("it sent what is no packet", tally),
                    }
                    // On Linux a read that is not full has emptied the socket, and news wakes again. Elsewhere
                    // only a read that would wait asks to be woken.
                    if cfg!(target_os = "linux") && is_all && !to_the_end {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return self.lost(&error.to_string(), tally),
            }
        }
        self.flush(tally);
    }

    /// Judges the lobby and the room up to these ends, and the mailbox up to its own.
    pub fn finish(&self, ends: &BTreeMap<u64, u64>, tally: &mut Tally) {
        for (conversation, checker) in self.checkers() {
            let end = ends.get(&conversation).copied().unwrap_or(checker.last());
            let verdict = checker.clone().finish(end);
            tally.check.lost += verdict.lost;
            tally.check.echoed += verdict.echoed;
            tally.check.missed += checker.missed_lines();
        }
    }

    /// Lines that the server said it will not send.
    pub fn missed(&self) -> u64 {
        self.checkers().map(|(_, checker)| checker.missed_lines()).sum()
    }

    fn checkers(&self) -> impl Iterator<Item = (u64, &Checker)> {
        let room = self.room.as_ref().map(|room| (room.conversation(), room.checker()));
        let lobby = self.lobby.as_ref().map(|checker| (LOBBY, checker));
        let mailbox = self.mailbox.as_ref().map(|checker| (MAILBOX, checker));
        [lobby, mailbox, room].into_iter().flatten()
    }

    /// Why the server ended the connection, if it said so.
    pub fn goodbye(&self) -> Option<&str> {
        self.goodbye.as_deref()
    }

    fn take(&mut self, bytes: &[u8], now: u64, tally: &mut Tally) -> Result<usize, Broken> {
        let mut packets = Packets::new(bytes);
        let mut row = Row::default();
        while let Some((kind, body)) = packets.next_packet()? {
            match kind {
                kind::BROADCAST_LINE | kind::WHISPER_LINE => self.line(&body.line()?, &mut row, now, tally),
                kind::BROADCAST_ANSWER | kind::ROOM_CHAT_ANSWER | kind::WHISPER_ANSWER => {
                    self.answer(kind, body, now, tally)?;
                }
                kind => self.rare(kind, body, now, tally)?,
            }
        }
        tally.record(&row, now);
        Ok(bytes.len() - packets.rest().len())
    }

    #[inline]
    fn line(&mut self, line: &Heard<'_>, row: &mut Row, now: u64, tally: &mut Tally) {
        let stamp = stamp::read(line.text);
        // A text without a stamp is somebody else's, and knows no room.
        if stamp.is_some() && self.room.as_ref().is_some_and(|room| !room.is_said_here(line.text)) {
            tally.check.stray += 1;
            return;
        }
        self.place(line.conversation, line.epoch, line.seq, tally);
        tally.delivered(stamp, row, now);
    }

    #[inline]
    fn place(&mut self, conversation: u64, epoch: u64, seq: u64, tally: &mut Tally) {
        // What the welcome did not name begins with its first line.
        let begin = || Checker::new(epoch, seq.saturating_sub(1), false);
        let taken = match (conversation, &mut self.room) {
            (LOBBY, _) => {
                tally.end = tally.end.max(seq);
                self.lobby.get_or_insert_with(begin).take(epoch, seq)
            }
            (MAILBOX, _) => self.mailbox.get_or_insert_with(begin).take(epoch, seq),
            (number, Some(room)) if room.conversation() == number => room.take(epoch, seq),
            _ => return tally.check.stray += 1,
        };
        if let Err(fault) = taken {
            tally.fault(fault);
        }
    }

    fn answer(&mut self, kind: u16, mut body: Fields<'_>, now: u64, tally: &mut Tally) -> Result<(), Broken> {
        let (id, code) = (body.number()?, body.number()?);
        let due = self.talker.as_mut().and_then(|talker| talker.answered(id));
        let Some(due) = due else {
            tally.check.unasked += 1;
            return Ok(());
        };
        if code != 0 {
            self.refused(code, body.number()?, now, tally);
            return Ok(());
        }
        if kind != kind::WHISPER_ANSWER {
            let (_epoch, seq) = (body.number()?, body.number()?);
            self.own_line(kind, seq, tally);
        }
        tally.accepted(now.saturating_sub(due));
        Ok(())
    }

    fn own_line(&mut self, kind: u16, seq: u64, tally: &mut Tally) {
        if kind == kind::BROADCAST_ANSWER {
            tally.end = tally.end.max(seq);
            if let Some(lobby) = &mut self.lobby {
                lobby.own_line(seq);
            }
        } else if let Some(room) = &mut self.room {
            room.own_line(seq);
        }
    }

    fn refused(&mut self, code: u64, retry_ms: u64, now: u64, tally: &mut Tally) {
        *tally.refused.entry(code).or_default() += 1;
        tally.check.refused += 1;
        if let Some(talker) = &mut self.talker {
            talker.pause(now + retry_ms.max(1) * 1_000_000);
        }
    }

    /// All that does not come often.
    #[cold]
    fn rare(&mut self, kind: u16, mut body: Fields<'_>, now: u64, tally: &mut Tally) -> Result<(), Broken> {
        match kind {
            kind::JOINED | kind::LEFT | kind::SYSTEM_TEXT => {
                let (conversation, epoch, seq) = body.place()?;
                self.place(conversation, epoch, seq, tally);
                tally.check.notices += 1;
                return Ok(());
            }
            _ => {}
        }
        let packet = match ServerPacket::decode(kind, body.0) {
            Ok(packet) => packet,
            // Types of later versions are skipped.
            Err(Malformed::UnknownType) => return Ok(()),
            Err(_) => return Err(Broken),
        };
        match packet {
            ServerPacket::HelloAnswer(hello) => tally.limits = Some(hello.limits),
            ServerPacket::LoginAnswer(answer) => match answer.outcome {
                Ok(welcome) => {
                    let joins_are_told = tally.joins_are_told();
                    for at in welcome.conversations.0 {
                        match at.conversation {
                            LOBBY => self.lobby = Some(Checker::new(at.epoch, at.seq, joins_are_told)),
                            MAILBOX => self.mailbox = Some(Checker::new(at.epoch, at.seq, false)),
                            _ => {}
                        }
                    }
                    self.phase = Phase::Here;
                    tally.log_ins += 1;
                    tally.log_in_latency.record(now - self.since, 1);
                }
                Err(refusal) => self.lost(&format!("the login was refused: {}", refusal.code.0), tally),
            },
            ServerPacket::CreateRoomAnswer(answer) | ServerPacket::JoinRoomAnswer(answer) => {
                match answer.outcome {
                    Ok(entered) => {
                        self.room = Some(Room::new(entered.place, tally.joins_are_told()));
                        tally.entered += 1;
                    }
                    Err(refusal) => tally.kept_out = Some(refusal.code),
                }
            }
            ServerPacket::Missed(missed) => {
                if let Err(fault) = self.missed_lines(&missed) {
                    tally.fault(fault);
                }
            }
            ServerPacket::Ping(ping) => self.put(&ClientPacket::Pong(Pong { payload: ping.payload })),
            // It concludes a line, or nothing.
            ServerPacket::Error(error) if self.concludes(error.id) => {
                self.refused(error.code.0.into(), error.retry_ms.into(), now, tally);
            }
            ServerPacket::Goodbye(goodbye) => {
                self.goodbye = Some(format!("goodbye {}: {:?}", goodbye.code.0, goodbye.text));
            }
            _ => {}
        }
        Ok(())
    }

    fn missed_lines(&mut self, missed: &Missed) -> Result<(), Fault> {
        let Missed { conversation, epoch, from, to } = *missed;
        let checker = match (conversation, &mut self.room) {
            (LOBBY, _) => &mut self.lobby,
            (number, Some(room)) if room.conversation() == number => return room.missed(epoch, from, to),
            _ => &mut self.mailbox,
        };
        checker.as_mut().map_or(Ok(()), |checker| checker.missed(epoch, from, to))
    }

    fn concludes(&mut self, id: u32) -> bool {
        self.talker.as_mut().is_some_and(|talker| talker.answered(id.into()).is_some())
    }

    fn put(&mut self, packet: &ClientPacket) {
        let mut bytes = BytesMut::new();
        packet.encode(&mut bytes);
        self.out.extend_from_slice(&bytes);
    }

    fn flush(&mut self, tally: &mut Tally) {
        while self.written < self.out.len() {
            match self.wire.write(&self.out[self.written..]) {
                Ok(count) => self.written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return self.lost(&error.to_string(), tally),
            }
        }
        self.out.clear();
        self.written = 0;
        match self.wire.flush() {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => self.lost(&error.to_string(), tally),
            _ => {}
        }
    }

    fn closed(&mut self, tally: &mut Tally) {
        if self.phase == Phase::Leaving {
            self.phase = Phase::Gone;
        } else {
            self.lost("it closed the connection", tally);
        }
    }

    fn lost(&mut self, why: &str, tally: &mut Tally) {
        if self.phase != Phase::Gone {
            self.phase = Phase::Gone;
            let why = self.goodbye.as_deref().unwrap_or(why);
            tally.broken(format!("{}: {why}", self.name.as_str()));
        }
    }
}
