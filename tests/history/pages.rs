//! History as a client asks for it: pages before and after a place, for members only, from the database or from memory.

use std::collections::BTreeSet;

use chat_proto::{
    Broadcast, ClientPacket, CreateRoom, History, HistoryPage, Ignore, LOBBY, MAILBOX, Refusal, Remark,
    RoomName, RoomPassword, RoomSettings, ServerPacket, Text, Username,
};
use iocp_chat::{
    config::{Config, Durability},
    server::Server,
    session::Recalled,
    stop::StopReason,
    store::{Place, Store},
};
use tokio::io::DuplexStream;

use crate::common::{Raw, full, hello, id, quiet, serve};

const BEFORE: u16 = 0;
const AFTER: u16 = 1;

/// Somebody who asks one thing at a time.
pub struct Person {
    wire: Raw<DuplexStream>,
    next: u32,
}

impl Person {
    pub async fn come(server: &Server, name: &str) -> Self {
        let mut wire = Raw::new(server.connect_in_memory(256 * 1024));
        wire.log_in(name).await;
        Self { wire, next: 10 }
    }

    /// What is answered; what is heard meanwhile does not matter.
    pub async fn ask(&mut self, packet: ClientPacket) -> ServerPacket {
        self.wire.send(&[packet]).await;
        loop {
            let packet = self.wire.receive().await.expect("an answer");
            let heard = matches!(packet, ServerPacket::BroadcastLine(_) | ServerPacket::Ping(_));
            if !heard {
                return packet;
            }
        }
    }

    pub async fn say(&mut self, text: &str) {
        self.next += 1;
        let text = Text::parse(text).expect("a text");
        let said =
            self.ask(ClientPacket::Broadcast(Broadcast { id: id(self.next), message_id: 0, text })).await;
        assert!(matches!(&said, ServerPacket::BroadcastAnswer(answer) if answer.outcome.is_ok()), "{said:?}");
    }

    /// Makes a room that ends with its last member; its number.
    pub async fn make_room(&mut self, name: &str) -> u64 {
        self.next += 1;
        let room = CreateRoom {
            id: id(self.next),
            name: RoomName::parse(name).expect("a name"),
            password: RoomPassword::default(),
            settings: RoomSettings { capacity: 10, flags: 0, slow_s: 0 },
            topic: Remark::default(),
        };
        match self.ask(ClientPacket::CreateRoom(room)).await {
            ServerPacket::CreateRoomAnswer(answer) => answer.outcome.expect("made").place.conversation,
            other => panic!("{other:?}"),
        }
    }

    pub async fn history(
        &mut self,
        (conversation, direction): (u64, u16),
        (epoch, seq): (u64, u64),
        limit: u16,
    ) -> Result<HistoryPage, Refusal> {
        self.next += 1;
        let request = History { id: id(self.next), conversation, direction, epoch, seq, limit };
        match self.ask(ClientPacket::History(request)).await {
            ServerPacket::HistoryAnswer(answer) => answer.outcome,
            other => panic!("{other:?}"),
        }
    }

    /// All pages from one end to the other, as texts in the order they come.
    pub async fn walk(&mut self, direction: u16, limit: u16) -> Vec<Vec<String>> {
        let (mut pages, mut place) = (Vec::new(), (0, 0));
        loop {
            let page = self.history((LOBBY, direction), place, limit).await.expect("a page");
            place = (page.epoch, page.seq);
            pages.push(texts(&page));
            if page.more == 0 {
                return pages;
            }
        }
    }
}

pub fn texts(page: &HistoryPage) -> Vec<String> {
    page.entries.0.iter().map(|entry| entry.text.clone()).collect()
}

fn code(outcome: Result<HistoryPage, Refusal>) -> u16 {
    outcome.expect_err("refused").code.0
}

pub async fn keeping(config: &Config, store: &Store) -> Server {
    let recalled = Recalled::from(store.clone(), 1).await.expect("whole");
    let recalled = recalled.with_history(&config.history).await.expect("whole");
    Server::start(config, Vec::new(), Some(recalled)).expect("a server")
}

async fn memory() -> Store {
    Store::open(&Place::memory()).await.expect("a database")
}

#[tokio::test(start_paused = true)]
async fn pages_go_back_and_forth_over_everything_once_whether_it_is_stored_or_in_memory() {
    let store = memory().await;
    for server in [keeping(&quiet(), &store).await, serve(&quiet())] {
        let (mut kim, mut lee) = (Person::come(&server, "kim").await, Person::come(&server, "lee").await);
        for line in 1..=25 {
            let speaker = if line % 2 == 0 { &mut kim } else { &mut lee };
            speaker.say(&line.to_string()).await;
        }
        // One's own lines are among them.
        let all: Vec<String> = (1..=25).map(|line| line.to_string()).collect();
        let forth = kim.walk(AFTER, 10).await;
        assert_eq!(forth.iter().map(Vec::len).collect::<Vec<_>>(), [10, 10, 5]);
        assert_eq!(forth.concat(), all);
        let back = kim.walk(BEFORE, 10).await;
        assert_eq!(back.iter().map(Vec::len).collect::<Vec<_>>(), [10, 10, 5]);
        assert_eq!(back.into_iter().rev().collect::<Vec<_>>().concat(), all);
        let exact = kim.walk(BEFORE, 25).await;
        assert_eq!(exact.len(), 1, "that was all, and it is known");
        server.stop(StopReason::Interrupt).await;
    }
    store.close().await.expect("closed");
}

#[tokio::test(start_paused = true)]
async fn a_page_of_long_lines_is_short_and_has_a_next() {
    let store = memory().await;
    let server = keeping(&quiet(), &store).await;
    let mut kim = Person::come(&server, "kim").await;
    for _ in 0..50 {
        kim.say(&"한".repeat(1_024)).await;
    }
    let pages = kim.walk(AFTER, 100).await;
    assert_eq!(pages.iter().map(Vec::len).sum::<usize>(), 50);
    assert_eq!(pages.len(), 3, "{:?}", pages.iter().map(Vec::len).collect::<Vec<_>>());
    server.stop(StopReason::Interrupt).await;
    store.close().await.expect("closed");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_asked_for_is_out_of_range_and_of_what_one_is_not_in_nothing_is_told() {
    let store = memory().await;
    let server = keeping(&quiet(), &store).await;
    let (mut kim, mut lee) = (Person::come(&server, "kim").await, Person::come(&server, "lee").await);
    kim.say("hello").await;
    let page = kim.history((LOBBY, BEFORE), (0, 0), 10).await.expect("a page");
    let (epoch, seq) = (page.epoch, page.seq);
    for (way, place, limit) in [
        ((LOBBY, 2), (0, 0), 10),
        ((LOBBY, BEFORE), (0, 0), 0),
        ((LOBBY, BEFORE), (0, 0), 101),
        ((LOBBY, BEFORE), (epoch, 0), 10),
        ((LOBBY, BEFORE), (0, seq), 10),
        ((LOBBY, AFTER), (epoch, seq + 1), 10),
        ((LOBBY, BEFORE), (epoch ^ 1, 1), 10),
    ] {
        assert_eq!(code(kim.history(way, place, limit).await), 3003, "{way:?} {place:?} {limit}");
    }
    assert_eq!(code(kim.history((MAILBOX, BEFORE), (0, 0), 10).await), 2001);
    assert_eq!(code(kim.history((77, BEFORE), (0, 0), 10).await), 2001);
    let conversation = kim.make_room("salon").await;
    assert_eq!(code(lee.history((conversation, BEFORE), (0, 0), 10).await), 2005);
    let empty = kim.history((conversation, BEFORE), (0, 0), 10).await.expect("a page");
    assert_eq!((texts(&empty), empty.more, empty.epoch, empty.seq), (vec![], 0, 0, 0));
    server.stop(StopReason::Interrupt).await;
    store.close().await.expect("closed");
}

#[tokio::test(start_paused = true)]
async fn lines_of_people_one_ignores_are_not_in_the_pages_and_the_pages_are_full_all_the_same() {
    let store = memory().await;
    let server = keeping(&quiet(), &store).await;
    let (mut kim, mut lee) = (Person::come(&server, "kim").await, Person::come(&server, "lee").await);
    for line in 1..=40 {
        let speaker = if line % 4 == 0 { &mut kim } else { &mut lee };
        speaker.say(&line.to_string()).await;
    }
    let ignore = Ignore { id: id(1), name: Username::parse("LEE").expect("a name"), on: 1 };
    kim.ask(ClientPacket::Ignore(ignore)).await;
    let pages = kim.walk(BEFORE, 4).await;
    let lengths: Vec<_> = pages.iter().map(Vec::len).collect();
    assert_eq!(lengths, [4, 4, 2]);
    let own: BTreeSet<String> = (1..=10).map(|line| (4 * line).to_string()).collect();
    assert_eq!(pages.concat().into_iter().collect::<BTreeSet<_>>(), own);
    server.stop(StopReason::Interrupt).await;
    store.close().await.expect("closed");
}

#[tokio::test(start_paused = true)]
async fn a_hello_tells_what_an_answer_means() {
    let store = memory().await;
    for durability in [Durability::Process, Durability::Full] {
        let mut config = quiet();
        config.history.durability = durability;
        let server = keeping(&config, &store).await;
        let mut wire = Raw::new(server.connect_in_memory(4_096));
        wire.send(&[hello(1)]).await;
        let Some(ServerPacket::HelloAnswer(answer)) = wire.receive().await else { panic!("greeted") };
        assert_eq!(answer.durability, durability.number());
        server.stop(StopReason::Interrupt).await;
    }
    store.close().await.expect("closed");
}

#[tokio::test]
async fn lines_are_not_stored_first_where_nothing_is_kept() {
    let refused = Server::start(&full(), Vec::new(), None).err().expect("refused").to_string();
    assert!(refused.contains("history.durability"), "{refused}");
}
