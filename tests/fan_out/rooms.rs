//! What one session asks is done in the order asked, over all rooms and whichever of them wait.

use std::num::NonZeroU32;

use chat_proto::{
    CreateRoom, JoinRoom, LOBBY, Remark, RoomName, RoomPassword, RoomSettings, ServerPacket, kind,
};
use iocp_chat::{
    config::Bounds,
    room::{Command, Inbox, RoomCommand, RoomRequest},
};
use tokio::time::Instant;

use super::lobby::{Guest, Lobby, text};

const REQUEST: NonZeroU32 = NonZeroU32::MIN;
pub const ROOM: u64 = LOBBY + 1;
/// Lines after which a room of this size waits for who has read none of them.
const LINES: usize = 9;
const BOUNDS: Bounds = Bounds { lines: 16, bytes: 1 << 20 };

pub async fn ask(guest: &Guest, inbox: &Inbox, request: RoomRequest) {
    let slot = guest.subscriber.slot().await;
    inbox.send(Command::Room(Box::new(RoomCommand { slot, request }))).await.expect("a fan-out");
}

pub async fn make(guest: &Guest, inbox: &Inbox) {
    let name = RoomName::parse("dev").expect("a name");
    let settings = RoomSettings { capacity: 9, flags: 0, slow_s: 0 };
    let (password, topic) = (RoomPassword::default(), Remark::default());
    let request = CreateRoom { id: REQUEST, name, password, settings, topic };
    ask(guest, inbox, RoomRequest::Create { request, look: "dev".into(), lock: None }).await;
}

pub async fn join(guest: &Guest, inbox: &Inbox) {
    let name = RoomName::parse("dev").expect("a name");
    ask(guest, inbox, RoomRequest::Join(JoinRoom { id: REQUEST, name, password: RoomPassword::default() }))
        .await;
}

async fn say_in(conversation: u64, guest: &Guest, inbox: &Inbox) {
    let slot = guest.subscriber.slot().await;
    let kind = if conversation == LOBBY { kind::BROADCAST } else { kind::ROOM_CHAT };
    let line = Command::Say { slot, kind, request: REQUEST, conversation, message_id: 0, text: text(4) };
    inbox.send(line).await.expect("a fan-out");
}

/// In which conversations its lines were taken, in the order it heard of that.
fn said(guest: &mut Guest) -> Vec<u64> {
    guest.take_all();
    let place = |packet: &ServerPacket| match packet {
        ServerPacket::BroadcastAnswer(answer) => answer.outcome.ok().map(|_| LOBBY),
        ServerPacket::RoomChatAnswer(answer) => answer.outcome.ok().map(|_| ROOM),
        _ => None,
    };
    guest.packets.iter().filter_map(place).collect()
}

#[tokio::test(start_paused = true)]
async fn a_line_for_a_room_that_does_not_wait_comes_after_the_one_before_it_for_a_room_that_does() {
    let lobby = Lobby::open(BOUNDS);
    let _stalled = lobby.enter(1).await;
    let mut speaker = lobby.enter(2).await;
    let mut other = lobby.enter(3).await;
    make(&speaker, &lobby.inbox).await;
    join(&other, &lobby.inbox).await;
    for _ in 0..LINES {
        say_in(LOBBY, &speaker, &lobby.inbox).await;
    }
    lobby.take_all().await;
    // The lobby waits for who never reads; the room has nobody to wait for.
    for conversation in [LOBBY, ROOM, LOBBY, ROOM] {
        say_in(conversation, &speaker, &lobby.inbox).await;
    }
    say_in(ROOM, &other, &lobby.inbox).await;
    lobby.take_all().await;
    assert_eq!(said(&mut speaker), [LOBBY; LINES]);
    assert_eq!(said(&mut other), [ROOM], "nobody else is held up");
    let asked = Instant::now();
    while said(&mut speaker).len() < LINES + 4 {
        speaker.take_next().await;
    }
    assert!(asked.elapsed().as_millis() >= 240, "{:?}", asked.elapsed());
    assert_eq!(said(&mut speaker)[LINES..], [LOBBY, ROOM, LOBBY, ROOM]);
}

/// Where the fan-out would take turns while it waits for both rooms, no time would go by.
#[tokio::test(start_paused = true)]
async fn where_both_rooms_wait_everything_is_said_in_its_order_when_they_do_not_any_more() {
    let lobby = Lobby::open(BOUNDS);
    let stalled = lobby.enter(1).await;
    let mut speaker = lobby.enter(2).await;
    make(&speaker, &lobby.inbox).await;
    join(&stalled, &lobby.inbox).await;
    for conversation in [LOBBY, ROOM] {
        for _ in 0..LINES {
            say_in(conversation, &speaker, &lobby.inbox).await;
        }
        lobby.take_all().await;
    }
    let mut expected = [[LOBBY; LINES], [ROOM; LINES]].concat();
    for conversation in [LOBBY, ROOM, ROOM, LOBBY, ROOM] {
        say_in(conversation, &speaker, &lobby.inbox).await;
        expected.push(conversation);
    }
    while said(&mut speaker).len() < expected.len() {
        speaker.take_next().await;
    }
    assert_eq!(said(&mut speaker), expected);
}
