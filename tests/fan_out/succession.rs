//! What is done to somebody whose next connection is on its way: it has the name already, and no place yet.

use std::{net::IpAddr, num::NonZeroU32, sync::Arc};

use chat_proto::{
    Act, ErrorCode, LOBBY, LeaveReason, MAILBOX, Moderate, Remark, ResumeToken, ServerPacket, Username,
};
use iocp_chat::{
    config::Bounds,
    room::{Command, Grant, Inbox, RoomRequest, Subscriber},
};
use parking_lot::Mutex;

use super::{
    lobby::{Guest, Lobby},
    rooms::{ROOM, ask, join, make},
};

const BOUNDS: Bounds = Bounds { lines: 16, bytes: 1 << 20 };

/// An owner of a room, a guest in it, and whom the guest's name finds.
async fn set() -> (Lobby, Guest, Guest, Arc<Mutex<Arc<Subscriber>>>) {
    let guest = Guest::new(2);
    let found = Arc::new(Mutex::new(Arc::clone(&guest.subscriber)));
    let finding = Arc::clone(&found);
    let lobby = Lobby::open_finding(BOUNDS, Box::new(move |_| Ok(Arc::clone(&finding.lock()))));
    let owner = lobby.enter(1).await;
    let guest = lobby.let_in(guest).await;
    make(&owner, &lobby.inbox).await;
    join(&guest, &lobby.inbox).await;
    lobby.take_all().await;
    (lobby, owner, guest, found)
}

/// Another connection of the guest's, which has not asked for its places.
fn succeed(guest: &Guest, found: &Mutex<Arc<Subscriber>>) -> Guest {
    let next = Arc::new(guest.subscriber.successor(IpAddr::from([127, 0, 0, 1]), 0));
    *found.lock() = Arc::clone(&next);
    guest.subscriber.succeed();
    Guest::of(next)
}

async fn resume(next: &Guest, inbox: &Inbox) {
    let grant = Box::new(Grant { token: ResumeToken([7; 32]), grace_ms: 1 });
    let slot = next.subscriber.slot().await;
    inbox.send(Command::Resume { slot, request: NonZeroU32::MIN, grant }).await.expect("a fan-out");
}

#[tokio::test(start_paused = true)]
async fn whoever_is_put_out_of_a_room_just_then_is_told_by_the_resumes_answer_and_by_nothing_before_it() {
    let (lobby, owner, guest, found) = set().await;
    let mut next = succeed(&guest, &found);
    let kick = Moderate {
        id: NonZeroU32::MIN,
        conversation: ROOM,
        act: Act::Kick as u16,
        name: Username::parse("guest2").expect("a valid name"),
        seconds: 0,
        reason: Remark::default(),
    };
    ask(&owner, &lobby.inbox, RoomRequest::Moderate(kick)).await;
    resume(&next, &lobby.inbox).await;
    lobby.take_all().await;
    next.take_all();
    let [ServerPacket::ResumeAnswer(answer)] = &next.packets[..] else { panic!("{:?}", next.packets) };
    let places = &answer.outcome.as_ref().expect("it goes on").conversations.0;
    assert_eq!(places.iter().map(|place| place.conversation).collect::<Vec<_>>(), [MAILBOX, LOBBY]);
}

#[tokio::test(start_paused = true)]
async fn whoever_is_put_off_the_server_by_the_connection_before_is_gone_by_the_next_too() {
    let (lobby, _owner, guest, found) = set().await;
    let mut next = succeed(&guest, &found);
    resume(&next, &lobby.inbox).await;
    let (code, reason) = (ErrorCode::Kicked, LeaveReason::Kicked);
    let session = Arc::clone(&guest.subscriber);
    let expel = Command::Expel { session, code, reason, by: "root".into(), words: Remark::default() };
    lobby.inbox.send(expel).await.expect("a fan-out");
    lobby.take_all().await;
    next.take_all();
    assert!(next.subscriber.is_gone());
    assert!(matches!(next.packets.last(), Some(ServerPacket::Removed(_))), "{:?}", next.packets);
}
