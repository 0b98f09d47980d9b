//! A lobby served by a fan-out task, and sessions that take what they are sent when a test says so.

use std::{future::poll_fn, io::IoSlice, num::NonZeroU32, sync::Arc};

use bytes::BytesMut;
use chat_proto::{
    Answer, ErrorCode, LOBBY, Missed, PacketCodec, Receipt, Refusal, ServerPacket, Text, Username, Who, kind,
    limits::SERVER_PACKET_BYTES_MAX,
};
use iocp_chat::{
    config::{Bounds, RoomsConfig},
    metrics::Metrics,
    net::Outbound,
    room::{Command, FanOut, Find, Inbox, Log, Mailbox, SLOTS_MAX, SessionId, Subscriber},
};
use tokio::{
    sync::mpsc,
    task::{JoinHandle, yield_now},
};
use tokio_util::codec::Decoder;

/// Commands the inbox holds: more than any test sends at once.
const INBOX: usize = 32 * 1_024;

pub struct Lobby {
    pub inbox: Inbox,
    pub task: JoinHandle<()>,
    pub metrics: Arc<Metrics>,
}

/// A session of the lobby, with all it was ever sent.
pub struct Guest {
    pub subscriber: Arc<Subscriber>,
    outbound: Outbound,
    codec: PacketCodec,
    pub packets: Vec<ServerPacket>,
}

impl Lobby {
    /// A lobby that tells nobody of people coming and leaving.
    pub fn open(bounds: Bounds) -> Self {
        Self::open_finding(bounds, Box::new(|_| Err(ErrorCode::UserNotFound)))
    }

    /// As [`open`](Self::open), where an act finds whom it is about by this.
    pub fn open_finding(bounds: Bounds, find: Find) -> Self {
        let (inbox, commands) = mpsc::channel(INBOX);
        let metrics = Arc::new(Metrics::new());
        // Rooms keep what the lobby keeps.
        let rooms = RoomsConfig { log: bounds, ..RoomsConfig::default() };
        let mut fan_out = FanOut::new(0, Log::new(LOBBY, 1, bounds), rooms, || 7, Arc::clone(&metrics));
        fan_out.set_find(find);
        Self { inbox, task: tokio::spawn(fan_out.run(commands)), metrics }
    }

    pub async fn enter(&self, number: u64) -> Guest {
        self.let_in(Guest::new(number)).await
    }

    pub async fn let_in(&self, mut guest: Guest) -> Guest {
        guest.ask_in(&self.inbox).await;
        while guest.packets.is_empty() {
            guest.take_next().await;
        }
        guest
    }

    /// As many as there are numbers.
    pub async fn enter_all(&self, numbers: std::ops::Range<u64>) -> Vec<Guest> {
        let mut guests = Vec::new();
        for number in numbers {
            guests.push(self.enter(number).await);
        }
        guests
    }

    /// Lets the fan-out take everything it was sent, without time going by.
    pub async fn take_all(&self) {
        while self.inbox.capacity() < self.inbox.max_capacity() {
            yield_now().await;
        }
        // What was taken last is still to be said and marked.
        yield_now().await;
    }
}

impl Guest {
    pub fn new(number: u64) -> Self {
        let name = Username::parse(&format!("guest{number}")).expect("a valid name");
        let mailbox = Mailbox::new(1, Bounds { lines: 1, bytes: 1 });
        Self::of(Arc::new(Subscriber::new(SessionId(number), name, chat_proto::Role::Guest, mailbox)))
    }

    pub fn of(subscriber: Arc<Subscriber>) -> Self {
        let outbound = Outbound::new(Arc::clone(&subscriber));
        Self { subscriber, outbound, codec: PacketCodec::new(SERVER_PACKET_BYTES_MAX), packets: Vec::new() }
    }

    pub async fn ask_in(&self, inbox: &Inbox) {
        let slot = self.subscriber.slot().await;
        inbox.send(Command::Enter { slot, request: NonZeroU32::MIN, grant: None }).await.expect("a fan-out");
    }

    pub async fn say(&self, inbox: &Inbox, text: &Text) {
        say(&self.subscriber, inbox, text).await;
    }

    /// Uses all of its slots.
    pub async fn say_all_at_once(&self, inbox: &Inbox, text: &Text) {
        for _ in 0..SLOTS_MAX {
            self.say(inbox, text).await;
        }
    }

    pub async fn ask_who(&self, inbox: &Inbox) {
        let slot = self.subscriber.slot().await;
        let request = Who { id: NonZeroU32::MIN, conversation: LOBBY, after: 0, limit: 10 };
        inbox.send(Command::Who { slot, request }).await.expect("a fan-out");
    }

    /// Waits for news and takes what one write would.
    pub async fn take_next(&mut self) {
        let marked = if self.outbound.has_more() {
            self.subscriber.take_ready()
        } else {
            poll_fn(|cx| self.subscriber.poll_ready(cx)).await
        };
        self.gather(marked);
    }

    /// Takes all there is, and waits for nothing.
    pub fn take_all(&mut self) {
        self.gather(self.subscriber.take_ready());
        while self.outbound.has_more() {
            self.gather(0);
        }
    }

    fn gather(&mut self, marked: u64) {
        self.outbound.gather(marked);
        let mut arrived = BytesMut::new();
        while self.outbound.has_pieces() {
            let mut slice = [IoSlice::new(&[])];
            self.outbound.slices(&mut slice);
            arrived.extend_from_slice(&slice[0]);
            let length = slice[0].len();
            self.outbound.advance(length);
        }
        while let Some(frame) = self.codec.decode(&mut arrived).expect("a legal frame") {
            self.packets.push(ServerPacket::decode(frame.kind, &frame.body).expect("a packet"));
        }
    }

    /// Reads from now on, as fast as it can, until it is aborted.
    pub fn read_on(mut self) -> JoinHandle<()> {
        tokio::spawn(async move {
            loop {
                self.take_next().await;
            }
        })
    }

    /// The numbers of the lines it got.
    pub fn lines(&self) -> Vec<u64> {
        let seq = |packet: &ServerPacket| match packet {
            ServerPacket::BroadcastLine(line) => Some(line.head.seq),
            _ => None,
        };
        self.packets.iter().filter_map(seq).collect()
    }

    pub fn missed(&self) -> Vec<Missed> {
        let missed = |packet: &ServerPacket| match packet {
            ServerPacket::Missed(missed) => Some(*missed),
            _ => None,
        };
        self.packets.iter().filter_map(missed).collect()
    }

    /// Where its own lines came to stand.
    pub fn receipts(&self) -> Vec<Receipt> {
        self.answers().filter_map(Result::ok).collect()
    }

    /// Why its other lines were refused.
    pub fn refusals(&self) -> Vec<(Option<ErrorCode>, u32)> {
        self.answers()
            .filter_map(Result::err)
            .map(|refusal| (refusal.code.error(), refusal.retry_ms))
            .collect()
    }

    fn answers(&self) -> impl Iterator<Item = Result<Receipt, Refusal>> {
        self.packets.iter().filter_map(|packet| match packet {
            ServerPacket::BroadcastAnswer(Answer { outcome, .. }) => Some(*outcome),
            _ => None,
        })
    }
}

/// Says a line as soon as there is a slot for its answer.
pub async fn say(subscriber: &Arc<Subscriber>, inbox: &Inbox, text: &Text) {
    let slot = subscriber.slot().await;
    let text = text.clone();
    let line = Command::Say {
        slot,
        kind: kind::BROADCAST,
        request: NonZeroU32::MIN,
        conversation: LOBBY,
        message_id: 0,
        text,
    };
    inbox.send(line).await.expect("a fan-out");
}

/// Says `lines` lines with all slots in use all the time, while its own reader takes what comes.
pub fn flood(guest: Guest, inbox: Inbox, lines: usize, text: &Text) -> JoinHandle<()> {
    let (subscriber, text) = (Arc::clone(&guest.subscriber), text.clone());
    let reader = guest.read_on();
    tokio::spawn(async move {
        for _ in 0..lines {
            say(&subscriber, &inbox, &text).await;
        }
        subscriber.settled().await;
        reader.abort();
    })
}

pub fn text(chars: usize) -> Text {
    Text::parse(&"한".repeat(chars)).expect("a valid text")
}
