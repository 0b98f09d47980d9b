//! What an operator asks of a server and has done by it, with people in it over pipes.

mod common;

use std::{net::IpAddr, time::Duration};

use chat_proto::{Act, Credential, ErrorCode, LOBBY, LeaveReason, Remark, Text, Username};
use common::{guest, heard, next, quiet, serve};
use iocp_chat::{
    client::{Client, Error, Event, Events, Session},
    room::SessionId,
    server::{Server, State},
    session::{Subject, parse_network},
    stop::StopReason,
};

fn name(text: &str) -> Username {
    Username::parse(text).expect("a name")
}

fn why(text: &str) -> Remark {
    Remark::parse(text).expect("a remark")
}

fn network(text: &str) -> Subject {
    Subject::Network(parse_network(text).expect("a network"))
}

async fn guest_from(server: &Server, address: &str, name: &str) -> Result<(Session, Events), Error> {
    let address: IpAddr = address.parse().expect("an address");
    let client = Client::over(server.connect_in_memory_from(address, 64 * 1024)).await.expect("greeted");
    client.log_in(name, Credential::None).await
}

fn code<T>(outcome: Result<T, Error>) -> ErrorCode {
    let refusal = outcome.err().and_then(|error| error.refusal()).expect("it is refused");
    refusal.error().expect("a known code")
}

/// How a session was put out: the reason it was told with its words, and its last packet.
async fn put_out(events: &mut Events) -> (u16, String, ErrorCode) {
    let Event::Removed(removed) = next(events).await else { panic!("told why first") };
    assert_eq!((removed.conversation, removed.by.as_str()), (LOBBY, ""));
    let Event::Goodbye(goodbye) = next(events).await else { panic!("then a goodbye") };
    (removed.reason, removed.text, goodbye.code.error().expect("a known code"))
}

#[tokio::test]
async fn whoever_is_kicked_is_told_why_and_may_come_back() {
    let server = serve(&quiet());
    let (_lee, mut events) = guest(&server, "lee").await;
    let operator = server.operator();
    operator.kick(name("LEE"), why("flooding")).await.expect("lee is here");
    let kicked = (LeaveReason::Kicked as u16, "flooding".to_owned(), ErrorCode::Kicked);
    assert_eq!(put_out(&mut events).await, kicked);
    while operator.kick(name("lee"), why("")).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert_eq!(operator.kick(name("lee"), why("")).await, Err(ErrorCode::UserOffline));
    assert_eq!(operator.kick(name("nobody"), why("")).await, Err(ErrorCode::UserNotFound));
    guest(&server, "lee").await;
}

#[tokio::test]
async fn a_banned_name_is_put_out_and_comes_back_when_the_ban_is_lifted() {
    let server = serve(&quiet());
    let (_lee, mut events) = guest(&server, "Lee").await;
    let operator = server.operator();
    assert_eq!(operator.ban(Subject::Name(name("lee")), 0, why("enough")).await, Ok(1));
    let banned = (LeaveReason::Banned as u16, "enough".to_owned(), ErrorCode::Banned);
    assert_eq!(put_out(&mut events).await, banned);
    assert_eq!(code(guest_from(&server, "127.0.0.1", "LEE").await), ErrorCode::Banned);
    guest(&server, "lee2").await;
    let bans = operator.bans();
    assert_eq!((bans.len(), &*bans[0].1.by), (1, "operator"));
    assert_eq!(operator.unban(Subject::Name(name("lee"))).await, Ok(true));
    assert_eq!(operator.unban(Subject::Name(name("lee"))).await, Ok(false));
    guest(&server, "lee").await;
}

#[tokio::test]
async fn a_banned_network_is_put_out_and_not_let_in_again() {
    let server = serve(&quiet());
    let (_near, mut near) = guest_from(&server, "10.1.2.3", "near").await.expect("let in");
    let (far, _events) = guest_from(&server, "10.2.2.3", "far").await.expect("let in");
    let waiting = Client::over(server.connect_in_memory_from([10, 1, 9, 9].into(), 1024)).await;
    let operator = server.operator();
    assert_eq!(operator.ban(network("10.1.0.0/16"), 60, why("")).await, Ok(1));
    assert_eq!(put_out(&mut near).await.2, ErrorCode::Banned);
    let waiting = waiting.expect("greeted before").log_in("wait", Credential::None).await;
    assert_eq!(code(waiting), ErrorCode::Banned);
    far.ping().await.expect("not banned");
    assert_eq!(operator.unban(network("10.1.255.255/16")).await, Ok(true));
    guest_from(&server, "10.1.2.3", "near").await.expect("let in");
}

#[tokio::test]
async fn who_is_mute_stays_so_when_they_come_back() {
    let server = serve(&quiet());
    let (lee, mut events) = guest(&server, "lee").await;
    let operator = server.operator();
    operator.mute(name("lee"), 600, why("so loud")).await.expect("done");
    let Event::Moderated(told) = next(&mut events).await else { panic!("told") };
    assert_eq!((told.act, told.seconds, told.text.as_str()), (Act::Mute as u16, 600, "so loud"));
    assert_eq!(code(lee.broadcast("a").await), ErrorCode::Muted);
    lee.log_out().await.expect("gone");
    let (lee, mut events) = guest(&server, "lee").await;
    assert_eq!(code(lee.broadcast("a").await), ErrorCode::Muted);
    assert_eq!(operator.unmute(name("lee")).await, Ok(true));
    assert!(matches!(next(&mut events).await, Event::Moderated(_)));
    lee.broadcast("a").await.expect("said");
    assert_eq!(operator.unmute(name("lee")).await, Ok(false));
    operator.mute(name("absent"), 0, why("")).await.expect("by name");
    assert_eq!(code(guest(&server, "absent").await.0.broadcast("a").await), ErrorCode::Muted);
}

#[tokio::test]
async fn a_draining_server_keeps_who_is_here_and_takes_nobody_else() {
    let server = serve(&quiet());
    let (lee, _events) = guest(&server, "lee").await;
    let waiting = Client::over(server.connect_in_memory(1024)).await.expect("greeted");
    let operator = server.operator();
    operator.drain(true);
    assert_eq!(operator.status().await.state, State::Draining);
    let refused = waiting.log_in("late", Credential::None).await;
    assert!(matches!(refused, Err(Error::Refused(_) | Error::Closed(_))), "{:?}", refused.err());
    lee.broadcast("still here").await.expect("said");
    operator.drain(false);
    guest(&server, "late").await;
    assert_eq!(operator.status().await.state, State::Open);
}

#[tokio::test]
async fn an_operator_sees_who_is_here_where_they_are_and_who_is_slow() {
    let server = serve(&quiet());
    let (lee, _lee) = guest_from(&server, "2001:db8::9", "lee").await.expect("let in");
    let (kim, _kim) = guest_from(&server, "10.0.0.9", "kim").await.expect("let in");
    let room =
        lee.create_room("dev", "", chat_proto::RoomSettings { capacity: 9, flags: 1, slow_s: 0 }, "work");
    let room = room.await.expect("made").place.conversation;
    kim.set_away(true).await.expect("done");
    let operator = server.operator();
    let here = operator.sessions(SessionId(0)).await.expect("it runs");
    let seen: Vec<_> = here
        .iter()
        .map(|one| {
            let session = &one.subscriber;
            (
                session.name().as_str(),
                session.address().to_string(),
                session.state(),
                one.conversations.clone(),
            )
        })
        .collect();
    assert_eq!(seen[0], ("lee", "2001:db8::9".to_owned(), 0, vec![LOBBY, room]));
    assert_eq!(seen[1], ("kim", "10.0.0.9".to_owned(), 1, vec![LOBBY]));
    assert!(here.iter().all(|one| one.subscriber.since_ms() > 1_700_000_000_000));
    assert!(operator.sessions(here[1].subscriber.id()).await.expect("it runs").is_empty());
    let rooms = operator.rooms(0).await.expect("it runs");
    let rooms: Vec<_> =
        rooms.iter().map(|room| (room.conversation, room.name.as_str(), room.members)).collect();
    assert_eq!(rooms, [(LOBBY, "", 2), (room, "dev", 1)]);
    let status = operator.status().await;
    assert_eq!((status.sessions, status.connections, status.logins), (2, 2, 2));
    assert_eq!(status.totals.expect("it runs").rooms, 1);
}

#[tokio::test]
async fn everybody_hears_an_announcement() {
    let server = serve(&quiet());
    let (lee, mut events) = guest(&server, "lee").await;
    server.operator().announce(Text::parse("soon").expect("a text")).await.expect("it runs");
    let Event::System(line) = next(&mut events).await else { panic!("an announcement") };
    assert_eq!(line.text, "soon");
    let (_kim, mut kim) = guest(&server, "kim").await;
    lee.broadcast("ok").await.expect("said");
    assert_eq!(heard(&mut kim).await, "ok");
}

#[tokio::test]
async fn an_operator_does_not_keep_a_server_from_stopping_and_hears_that_it_has() {
    let server = serve(&quiet());
    let operator = server.operator().clone();
    let waits = tokio::spawn({
        let operator = operator.clone();
        async move { operator.told_to_stop().await }
    });
    operator.stop();
    waits.await.expect("told");
    let stopped = tokio::time::timeout(Duration::from_secs(60), server.stop(StopReason::Terminate)).await;
    assert_eq!(stopped.expect("at once").cut, 0);
    assert!(operator.slow().await.is_err_and(|code| code == ErrorCode::ShuttingDown));
    assert_eq!(operator.kick(name("lee"), why("")).await, Err(ErrorCode::ShuttingDown));
    assert_eq!(operator.announce(Text::parse("?").expect("a text")).await, Err(ErrorCode::ShuttingDown));
    let status = operator.status().await;
    assert!(status.state == State::Stopping && status.totals.is_none());
}
