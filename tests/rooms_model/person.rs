//! Somebody with a writer, who checks that what comes of each room is what was said there while they were in it.

use std::{collections::HashMap, io::IoSlice, num::NonZeroU32, sync::Arc};

use bytes::BytesMut;
use chat_proto::{PacketCodec, Role, ServerPacket, Text, Username, limits::SERVER_PACKET_BYTES_MAX};
use iocp_chat::{
    config::Bounds,
    net::Outbound,
    room::{Mailbox, SessionId, Subscriber},
};
use tokio_util::codec::Decoder;

pub struct Person {
    pub subscriber: Arc<Subscriber>,
    outbound: Outbound,
    codec: PacketCodec,
    arrived: BytesMut,
    /// Of each room, what has to come and has not: lines, and the word that one is put out.
    coming: HashMap<u64, Vec<Coming>>,
    pub lines: u64,
}

#[derive(Debug, PartialEq)]
pub enum Coming {
    Line(String),
    Removed(u16),
}

impl Person {
    pub fn new(number: u64, role: Role) -> Self {
        let bounds = Bounds { lines: 16, bytes: 4_096 };
        let name = Username::parse(&format!("person{number}")).expect("a name");
        let subscriber = Arc::new(Subscriber::new(SessionId(number), name, role, Mailbox::new(1, bounds)));
        Self {
            outbound: Outbound::new(Arc::clone(&subscriber)),
            subscriber,
            codec: PacketCodec::new(SERVER_PACKET_BYTES_MAX),
            arrived: BytesMut::new(),
            coming: HashMap::new(),
            lines: 0,
        }
    }

    pub fn id(&self) -> SessionId {
        self.subscriber.id()
    }

    pub fn expect(&mut self, room: u64, coming: Coming) {
        self.coming.entry(room).or_default().push(coming);
    }

    /// Takes once what there is, perhaps a part of it.
    pub fn read(&mut self) {
        self.outbound.gather(self.subscriber.take_ready());
        let mut slices = [IoSlice::new(&[]); 64];
        let filled = self.outbound.slices(&mut slices);
        let bytes: Vec<u8> = slices[..filled].iter().flat_map(|slice| slice.to_vec()).collect();
        self.outbound.advance(bytes.len());
        self.arrived.extend_from_slice(&bytes);
        while let Some(frame) = self.codec.decode(&mut self.arrived).expect("legal frames") {
            self.take(ServerPacket::decode(frame.kind, &frame.body).expect("a packet"));
        }
    }

    fn take(&mut self, packet: ServerPacket) {
        let (room, came) = match packet {
            ServerPacket::BroadcastLine(line) => {
                self.lines += 1;
                (line.head.conversation, Coming::Line(line.text))
            }
            ServerPacket::Removed(removed) => (removed.conversation, Coming::Removed(removed.reason)),
            ServerPacket::Moderated(_) | ServerPacket::RoomChanged(_) => return,
            other => panic!("{other:?} was never sent"),
        };
        let coming = self.coming.entry(room).or_default();
        assert!(
            !coming.is_empty(),
            "{} got {came:?} of room {room}, where nothing is due",
            self.subscriber.id()
        );
        assert_eq!(came, coming.remove(0), "{} of room {room}", self.subscriber.id());
    }

    /// Takes all there is, which has to be all that was due.
    pub fn settle(&mut self) {
        for _ in 0..1_000 {
            self.read();
            if !self.outbound.has_more() && !self.outbound.has_pieces() {
                let due: Vec<_> = self.coming.iter().filter(|(_, coming)| !coming.is_empty()).collect();
                assert!(due.is_empty(), "{} never got {due:?}", self.subscriber.id());
                return;
            }
        }
        panic!("{} is told of news for ever", self.subscriber.id());
    }
}

pub fn request() -> NonZeroU32 {
    NonZeroU32::MIN
}

pub fn text(line: u64) -> Text {
    Text::parse(&line.to_string()).expect("a text")
}
