//! One session under test: its writer's side, and what arrives at the far end.

use std::{
    collections::{HashMap, VecDeque},
    io::IoSlice,
    sync::Arc,
};

use bytes::{Buf, BytesMut};
use chat_proto::{
    MAILBOX, PacketCodec, PingPayload, Pong, ServerPacket, Username, limits::SERVER_PACKET_BYTES_MAX,
};
use iocp_chat::{
    config::Bounds,
    net::Outbound,
    room::{Mailbox, SessionId, Subscriber},
};
use rand::{RngExt, rngs::StdRng};
use tokio_util::codec::Decoder;

use super::plain::{PlainLog, Stay};

/// More slices than are ever gathered.
const SLICES: usize = 256;

pub struct Person {
    pub id: SessionId,
    pub subscriber: Arc<Subscriber>,
    outbound: Outbound,
    pub mailbox: PlainLog,
    /// In the order they began; the first of a conversation is the one being read.
    pub stays: Vec<Stay>,
    /// How often they take what there is, in percent.
    pub diligence: u32,
    /// The page of members they are at, in which room.
    pub paging: Option<(u64, u64)>,
    /// What was gathered and has not arrived.
    coming: VecDeque<ServerPacket>,
    arrived: BytesMut,
    codec: PacketCodec,
    pub lines: u64,
    pub missed: u64,
}

/// What a writer is told between the changes of its memberships, to see what comes before and after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marker {
    Joined,
    Parted,
}

impl Marker {
    pub fn packet(self, conversation: u64) -> ServerPacket {
        let payload = [self as u8, u8::try_from(conversation).expect("a small room number")];
        let payload = PingPayload::new(&payload).expect("a short payload");
        ServerPacket::Pong(Pong { payload })
    }
}

impl Person {
    pub fn new(number: u64, bounds: Bounds, diligence: u32) -> Self {
        let id = SessionId(number);
        let name = Username::parse(&format!("person{number}")).expect("a valid name");
        let subscriber =
            Arc::new(Subscriber::new(id, name, chat_proto::Role::Guest, Mailbox::new(number, bounds)));
        Self {
            outbound: Outbound::new(Arc::clone(&subscriber)),
            mailbox: PlainLog::new(MAILBOX, number, bounds),
            stays: vec![Stay::new(MAILBOX, 0, None)],
            coming: VecDeque::new(),
            arrived: BytesMut::new(),
            codec: PacketCodec::new(SERVER_PACKET_BYTES_MAX),
            paging: None,
            lines: 0,
            missed: 0,
            id,
            subscriber,
            diligence,
        }
    }

    pub fn name(&self) -> String {
        self.subscriber.name().to_string()
    }

    /// Gathers once, and checks what was added against the model.
    pub fn gather(&mut self, rooms: &HashMap<u64, PlainLog>) {
        let before = self.pending();
        self.outbound.gather(self.subscriber.take_ready());
        let after = self.pending();
        assert!(after.starts_with(&before), "what was gathered stays as it was");
        let mut added = BytesMut::from(&after[before.len()..]);
        let mut codec = PacketCodec::new(SERVER_PACKET_BYTES_MAX);
        while let Some(packet) = decode(&mut codec, &mut added) {
            self.take(&packet, rooms);
            self.coming.push_back(packet);
        }
        assert!(added.is_empty(), "only whole packets are gathered");
        for stay in &mut self.stays {
            stay.catch_up(self.id, rooms.get(&stay.conversation).unwrap_or(&self.mailbox));
        }
        assert_eq!(self.outbound.told().1, self.missed);
    }

    /// Lets a random number of bytes leave, and checks what arrives.
    pub fn advance(&mut self, rng: &mut StdRng) {
        let pending = self.pending();
        let left = if rng.random_bool(0.5) { pending.len() } else { rng.random_range(0..=pending.len()) };
        self.arrive(&pending[..left]);
    }

    /// Takes all there is.
    pub fn drain(&mut self, rooms: &HashMap<u64, PlainLog>) {
        for _ in 0..1_000 {
            self.gather(rooms);
            if !self.outbound.has_pieces() && !self.outbound.has_more() {
                assert!(self.coming.is_empty(), "all that was gathered has arrived");
                return;
            }
            self.arrive(&self.pending());
        }
        panic!("{} is told of news for ever", self.id);
    }

    fn pending(&self) -> Vec<u8> {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let filled = self.outbound.slices(&mut slices);
        assert!(filled < SLICES);
        slices[..filled].iter().flat_map(|slice| slice.to_vec()).collect()
    }

    fn arrive(&mut self, bytes: &[u8]) {
        self.outbound.advance(bytes.len());
        self.arrived.extend_from_slice(bytes);
        while let Some(packet) = decode(&mut self.codec, &mut self.arrived) {
            assert_eq!(Some(packet), self.coming.pop_front(), "what arrives is what was gathered");
        }
    }

    fn take(&mut self, packet: &ServerPacket, rooms: &HashMap<u64, PlainLog>) {
        let head = match packet {
            ServerPacket::BroadcastLine(line) | ServerPacket::WhisperLine(line) => &line.head,
            ServerPacket::Joined(joined) => &joined.head,
            ServerPacket::Left(left) => &left.head,
            ServerPacket::SystemText(text) => &text.head,
            ServerPacket::Missed(missed) => {
                self.missed += missed.to - missed.from + 1;
                let (stay, log) = reading(&mut self.stays, &self.mailbox, rooms, missed.conversation);
                return stay.take_missed(self.id, log, missed);
            }
            ServerPacket::Pong(Pong { payload }) => return self.take_marker(payload.as_bytes(), rooms),
            packet => panic!("{packet:?} was never sent"),
        };
        self.lines += 1;
        let (stay, log) = reading(&mut self.stays, &self.mailbox, rooms, head.conversation);
        stay.take_line(self.id, log, head.seq, packet);
    }

    fn take_marker(&mut self, mut payload: &[u8], rooms: &HashMap<u64, PlainLog>) {
        let marker = payload.get_u8();
        let conversation = u64::from(payload.get_u8());
        if let Some(index) =
            self.stays.iter().position(|stay| stay.conversation == conversation && stay.began)
        {
            assert!(self.stays[index].end.is_some(), "{} was told twice of one membership", self.id);
            self.stays.remove(index).assert_complete(self.id, &rooms[&conversation]);
        }
        if marker == Marker::Joined as u8 {
            let joined = self.stays.iter_mut().find(|stay| stay.conversation == conversation);
            joined.expect("they have joined").began = true;
        }
    }

    /// All that stands in any log has come, and what has ended is let go of.
    pub fn assert_settled(&mut self, rooms: &HashMap<u64, PlainLog>) {
        for stay in &mut self.stays {
            assert!(stay.began);
            stay.assert_complete(self.id, rooms.get(&stay.conversation).unwrap_or(&self.mailbox));
        }
        let held = |stay: &Stay| stay.place.as_ref().is_some_and(|place| place.strong_count() > 0);
        assert!(
            self.stays.iter().all(|stay| stay.end.is_none() || !held(stay)),
            "an ended membership is held"
        );
    }
}

fn decode(codec: &mut PacketCodec, bytes: &mut BytesMut) -> Option<ServerPacket> {
    let frame = codec.decode(bytes).expect("a legal frame")?;
    Some(ServerPacket::decode(frame.kind, &frame.body).expect("a well-formed packet"))
}

fn reading<'a>(
    stays: &'a mut [Stay],
    mailbox: &'a PlainLog,
    rooms: &'a HashMap<u64, PlainLog>,
    conversation: u64,
) -> (&'a mut Stay, &'a PlainLog) {
    let stay = stays.iter_mut().find(|stay| stay.conversation == conversation);
    (stay.expect("a member got it"), rooms.get(&conversation).unwrap_or(mailbox))
}
