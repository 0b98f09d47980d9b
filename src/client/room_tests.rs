//! Rooms through the library, against a scripted server.

use chat_proto::{
    Answer, ClientPacket, ErrorCode, List, Presence, Receipt, RoomEntered, RoomEntry, RoomLeft, RoomSettings,
    RoomsPage, ServerPacket,
};

use super::{
    Event,
    testing::{Peer, line, refusal, session},
};

const SETTINGS: RoomSettings = RoomSettings { capacity: 9, flags: 0, slow_s: 0 };

async fn let_in_and_go(peer: &mut Peer) {
    let ClientPacket::JoinRoom(join) = peer.recv().await else { panic!("a JoinRoom is first") };
    let place = Presence { conversation: 5, epoch: 1, seq: 2 };
    let (name, topic) = ("dev".to_owned(), String::new());
    let entered = RoomEntered { place, name, relation: 0, members: 1, settings: SETTINGS, topic };
    peer.send(&line(1, "before")).await;
    peer.send(&ServerPacket::JoinRoomAnswer(Answer { id: join.id, outcome: Ok(entered) })).await;
    peer.send(&line(2, "between")).await;
    let ClientPacket::LeaveRoom(leave) = peer.recv().await else { panic!("a LeaveRoom is second") };
    let left = RoomLeft { entered: List::default() };
    peer.send(&ServerPacket::LeaveRoomAnswer(Answer { id: leave.id, outcome: Ok(left) })).await;
    peer.send(&line(3, "after")).await;
}

#[tokio::test]
async fn ones_own_rooms_are_events_in_their_place_where_that_is_asked_for() {
    for asked_for in [true, false] {
        let (session, mut events, mut peer) = session(1 << 16).await;
        if asked_for {
            events.tell_own_rooms();
        }
        let asks = async {
            let entered = session.join_room("dev", "").await.expect("let in");
            session.leave_room(entered.place.conversation).await.expect("let go");
        };
        tokio::join!(asks, let_in_and_go(&mut peer));
        let mut told = Vec::new();
        while told.last().is_none_or(|last| last != "after") {
            told.push(match events.next().await.expect("the connection lasts") {
                Event::Broadcast(line) => line.text,
                Event::RoomEntered(entered) => format!("in {}", entered.name),
                Event::RoomLeft { conversation, .. } => format!("out of {conversation}"),
                other => panic!("{other:?}"),
            });
        }
        let all = ["before", "in dev", "between", "out of 5", "after"];
        let expected: Vec<_> = all.into_iter().filter(|told| asked_for || !told.contains(' ')).collect();
        assert_eq!(told, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn all_pages_of_rooms_are_walked_and_a_refused_page_is_asked_again() {
    let (session, _events, mut peer) = session(1 << 16).await;
    let server = async {
        for (after, next) in [(0, 7), (7, 9), (9, 0)] {
            for outcome in [Err(refusal(ErrorCode::RateLimited, 50)), Ok(next)] {
                let ClientPacket::Rooms(rooms) = peer.recv().await else { panic!("a Rooms is next") };
                assert_eq!(rooms.after, after);
                let entry = |next| RoomEntry {
                    conversation: next,
                    name: format!("room{next}"),
                    members: 1,
                    settings: SETTINGS,
                    topic: String::new(),
                };
                let outcome = outcome.map(|next| RoomsPage { next, entries: List(vec![entry(next)]) });
                peer.send(&ServerPacket::RoomsAnswer(Answer { id: rooms.id, outcome })).await;
            }
        }
    };
    let client = async {
        let (mut walk, mut names) = (session.all_rooms(), Vec::new());
        while let Some(page) = walk.next_page().await.expect("answered") {
            names.extend(page.entries.0.into_iter().map(|entry| entry.name));
        }
        names
    };
    assert_eq!(tokio::join!(client, server).0, ["room7", "room9", "room0"]);
}

#[tokio::test]
async fn a_line_for_a_room_is_answered_with_its_place_there() {
    let (session, _events, mut peer) = session(1 << 16).await;
    let server = async {
        let ClientPacket::RoomChat(said) = peer.recv().await else { panic!("a RoomChat is first") };
        assert_eq!((said.conversation, said.text.as_str()), (5, "hi"));
        let outcome = Ok(Receipt { epoch: 1, seq: 9, time_ms: 0 });
        peer.send(&ServerPacket::RoomChatAnswer(Answer { id: said.id, outcome })).await;
    };
    let (receipt, ()) = tokio::join!(session.room_chat(5, "hi"), server);
    assert_eq!(receipt.expect("said").seq, 9);
}

#[tokio::test]
async fn what_has_not_the_form_is_refused_before_it_is_sent() {
    let (session, _events, _peer) = session(1 << 16).await;
    let code = |outcome: Result<_, super::Error>| outcome.map(drop).expect_err("refused").refusal();
    let long = "x".repeat(65);
    assert_eq!(code(session.join_room("dev", &long).await), Some(ErrorCode::PasswordInvalid.into()));
    assert_eq!(code(session.join_room("no name", "").await), Some(ErrorCode::RoomNameInvalid.into()));
    let topic = "x".repeat(129);
    let created = session.create_room("dev", "", SETTINGS, &topic).await;
    assert_eq!(code(created), Some(ErrorCode::TextTooLong.into()));
}
