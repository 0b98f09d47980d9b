//! A fan-out whose lines are kept, and people in its lobby who take what they are sent when a test says so.

use std::{num::NonZeroU32, sync::Arc};

use chat_proto::{
    Answer, ErrorCode, JoinRoom, LOBBY, LeaveReason, LeaveRoom, Remark, RequestId, RoomName, RoomPassword,
    RoomSettings, ServerPacket, Text, kind,
};
use iocp_chat::{
    config::{Bounds, Durability, Failing, RoomsConfig},
    metrics::Metrics,
    room::{Command, FanOut, Feed, Inbox, Log, Past, RoomCommand, RoomRequest},
    session::{FamilyChanges, HistoryStore, HistoryWriter, Upkeep, VERDICTS, keep_families},
};
use tokio::{
    sync::{mpsc, oneshot},
    task::{JoinHandle, yield_now},
};
use tokio_util::sync::CancellationToken;

use crate::{lobby::Guest, shelf::Shelf};

/// A fan-out, and the writer of what is said there.
pub struct House {
    pub inbox: Inbox,
    pub feed: Arc<Feed>,
    pub metrics: Arc<Metrics>,
    fan_out: JoinHandle<()>,
    writer: JoinHandle<bool>,
    keeper: Option<(JoinHandle<()>, CancellationToken)>,
}

impl House {
    /// With an empty lobby of epoch 1. Nobody is told who comes and goes.
    pub fn open(bounds: Bounds, durability: Durability, failing: Failing, store: impl HistoryStore) -> Self {
        Self::open_with(0, Log::new(LOBBY, 1, bounds), bounds, (durability, failing), store)
    }

    pub fn open_with(
        notice_members: u32,
        lobby: Log,
        rooms: Bounds,
        (durability, failing): (Durability, Failing),
        store: impl HistoryStore,
    ) -> Self {
        let config = RoomsConfig { log: rooms, ..RoomsConfig::default() };
        Self::assemble(notice_members, lobby, config, (durability, failing), store, None)
    }

    /// Under `full`, where it is stored in `places` in which rooms they are who can come back. Everybody is told who comes
    /// and goes.
    pub fn open_keeping(rooms: RoomsConfig, failing: Failing, lines: &Shelf, places: &Shelf) -> Self {
        let lobby = Log::new(LOBBY, 1, rooms.log);
        Self::assemble(200, lobby, rooms, (Durability::Full, failing), lines.clone(), Some(places.clone()))
    }

    fn assemble(
        notice_members: u32,
        lobby: Log,
        config: RoomsConfig,
        (durability, failing): (Durability, Failing),
        store: impl HistoryStore,
        places: Option<Shelf>,
    ) -> Self {
        let (inbox, commands) = mpsc::channel(1_024);
        let metrics = Arc::new(Metrics::new());
        let mut fan_out = FanOut::new(notice_members, lobby, config, || 7, Arc::clone(&metrics));
        let feed = Arc::new(Feed::new(durability));
        let (verdicts, taken) = mpsc::channel(VERDICTS);
        fan_out.set_history(Arc::clone(&feed), taken);
        let upkeep = Arc::new(Upkeep::default());
        let keeper = places.map(|places| {
            let changes = Arc::new(FamilyChanges::new(Some((verdicts.clone(), failing))));
            let (noted, done) = (Arc::clone(&changes), CancellationToken::new());
            let note = move |session, rooms| noted.put_rooms(session, rooms);
            fan_out.directory_mut().set_note_rooms(Box::new(note));
            (tokio::spawn(keep_families(places, changes, 1, || 7, done.clone())), done)
        });
        let writer = HistoryWriter::new(store, Arc::clone(&feed), verdicts, failing, upkeep);
        let (fan_out, writer) = (tokio::spawn(fan_out.run(commands)), tokio::spawn(writer.run()));
        Self { inbox, feed, metrics, fan_out, writer, keeper }
    }

    pub async fn enter(&self, number: u64) -> Guest {
        self.let_in(Guest::new(number)).await
    }

    /// Somebody who can come back.
    pub async fn enter_resumable(&self, number: u64) -> Guest {
        let guest = Guest::new(number);
        guest.subscriber.set_resumable();
        self.let_in(guest).await
    }

    async fn let_in(&self, mut guest: Guest) -> Guest {
        guest.ask_in(&self.inbox).await;
        while guest.packets.is_empty() {
            guest.take_next().await;
        }
        guest
    }

    /// Lets everybody do all they can without time going by.
    pub async fn settle(&self) {
        for _ in 0..200 {
            yield_now().await;
        }
    }

    pub async fn tell(&self, command: Command) {
        self.inbox.send(command).await.expect("a fan-out");
    }

    /// What was said in the lobby, as somebody may read it back.
    pub async fn past(&self, asker: &Guest) -> Past {
        let (reply, past) = oneshot::channel();
        let asker = Arc::clone(&asker.subscriber);
        self.tell(Command::Consult { asker, conversation: LOBBY, reply }).await;
        past.await.expect("an answer").expect("a member")
    }

    /// Lets everything be said and written. Returns whether all of it is.
    pub async fn close(self) -> bool {
        drop(self.inbox);
        self.fan_out.await.expect("it ends");
        if let Some((keeper, done)) = self.keeper {
            done.cancel();
            keeper.await.expect("it ends");
        }
        self.writer.await.expect("it ends")
    }
}

/// What can be asked for, by numbers of the test's own.
impl House {
    pub async fn say(&self, guest: &Guest, request: u32, text: &str) {
        self.say_in(LOBBY, guest, request, text).await;
    }

    pub async fn say_in(&self, conversation: u64, guest: &Guest, request: u32, text: &str) {
        let slot = guest.subscriber.slot().await;
        let (kind, request) = (kind::BROADCAST, id(request));
        let (message_id, text) = (0, Text::parse(text).expect("a text"));
        self.tell(Command::Say { slot, kind, request, conversation, message_id, text }).await;
    }

    pub async fn depart(&self, guest: &Guest) {
        let (session, reason) = (Arc::clone(&guest.subscriber), LeaveReason::Quit);
        self.tell(Command::Depart { session, reason }).await;
    }

    /// Puts somebody off the server.
    pub async fn expel(&self, guest: &Guest) {
        let (session, reason) = (Arc::clone(&guest.subscriber), LeaveReason::Kicked);
        let (by, words) = ("".into(), Remark::default());
        self.tell(Command::Expel { session, code: ErrorCode::Kicked, reason, by, words }).await;
    }

    pub async fn ask(&self, guest: &Guest, request: RoomRequest) {
        let slot = guest.subscriber.slot().await;
        self.tell(Command::Room(Box::new(RoomCommand { slot, request }))).await;
    }

    /// Makes a room that ends with its last member; the first is number 2.
    pub async fn make_room(&self, guest: &Guest, request: u32, name: &str) {
        let request = chat_proto::CreateRoom {
            id: id(request),
            name: RoomName::parse(name).expect("a name"),
            password: RoomPassword::new("").expect("short"),
            settings: RoomSettings { capacity: 100, flags: 0, slow_s: 0 },
            topic: Remark::default(),
        };
        self.ask(guest, RoomRequest::Create { request, look: name.into(), lock: None }).await;
    }

    pub async fn join_room(&self, guest: &Guest, request: u32, name: &str) {
        let (name, password) =
            (RoomName::parse(name).expect("a name"), RoomPassword::new("").expect("short"));
        self.ask(guest, RoomRequest::Join(JoinRoom { id: id(request), name, password })).await;
    }

    pub async fn leave_room(&self, guest: &Guest, request: u32, conversation: u64) {
        self.ask(guest, RoomRequest::Leave(LeaveRoom { id: id(request), conversation })).await;
    }
}

/// Lets people take all they were sent, whatever it is.
pub fn take_all<const PEOPLE: usize>(people: [&mut Guest; PEOPLE]) {
    for one in people {
        told(one);
    }
}

/// What somebody was sent, in words, in order: lines as they read, answers as `answer 3`, refusals as `5002 to 3`.
pub fn told(guest: &mut Guest) -> Vec<String> {
    guest.take_all();
    guest.packets.drain(..).map(|packet| word(&packet)).collect()
}

fn word(packet: &ServerPacket) -> String {
    let answered = |id: RequestId, refusal: Option<chat_proto::Refusal>| match refusal {
        None => format!("answer {id}"),
        Some(refusal) => format!("{} to {id}", refusal.code.0),
    };
    match packet {
        ServerPacket::BroadcastLine(line) => line.text.clone(),
        ServerPacket::SystemText(line) => format!("! {}", line.text),
        ServerPacket::Joined(line) => format!("+ {}", line.name),
        ServerPacket::Left(line) => format!("- {}", line.name),
        ServerPacket::Missed(missed) => format!("missed {} to {}", missed.from, missed.to),
        ServerPacket::BroadcastAnswer(Answer { id, outcome }) => {
            answered(*id, outcome.as_ref().err().copied())
        }
        ServerPacket::WhoAnswer(Answer { id, outcome }) => answered(*id, outcome.as_ref().err().copied()),
        ServerPacket::LeaveRoomAnswer(Answer { id, outcome }) => {
            answered(*id, outcome.as_ref().err().copied())
        }
        ServerPacket::CreateRoomAnswer(Answer { id, outcome })
        | ServerPacket::JoinRoomAnswer(Answer { id, outcome }) => {
            answered(*id, outcome.as_ref().err().copied())
        }
        ServerPacket::WhisperLine(line) => format!("*{} {}", line.head.seq, line.text),
        ServerPacket::WhisperAnswer(Answer { id, outcome }) => answered(*id, outcome.as_ref().err().copied()),
        ServerPacket::LoginAnswer(_) => "welcome".into(),
        ServerPacket::ResumeAnswer(Answer { outcome: Ok(welcome), .. }) => {
            let places = welcome.conversations.0.iter().map(|place| place.conversation);
            format!("welcome to {:?}", places.collect::<Vec<_>>())
        }
        ServerPacket::Removed(removed) => {
            let entered = removed.entered.0.iter().map(|place| place.conversation);
            format!("out of {}, into {:?}", removed.conversation, entered.collect::<Vec<_>>())
        }
        other => format!("{other:?}"),
    }
}

pub fn id(number: u32) -> RequestId {
    NonZeroU32::new(number).expect("not zero")
}
