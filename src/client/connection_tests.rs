//! Connection tests of the client against a scripted server, over in-memory pipes and paused time.

use chat_proto::{
    Answer, ClientPacket, Code, ErrorCode, ErrorNotice, Goodbye, List, Ping, PingPayload, Pong, ServerPacket,
    WhisperReceipt, WhoEntry, WhoPage, kind,
};

use super::{
    Error, Event, ProtocolError,
    testing::{a_welcome, hello_answer, line, log_in, pipe, receipt, refusal, session},
};

fn goodbye(code: impl Into<Code>) -> ServerPacket {
    ServerPacket::Goodbye(Goodbye { code: code.into(), retry_ms: 0, text: String::new() })
}

#[tokio::test(start_paused = true)]
async fn packets_torn_at_every_byte_come_out_whole() {
    let (session, mut events, mut peer) = session(1).await;
    let script = async {
        peer.send(&line(1, "안녕")).await;
        let (id, text) = peer.recv_broadcast().await;
        assert_eq!(text, "네, 안녕하세요");
        peer.send(&receipt(id, 2)).await;
    };
    let ((), receipt) = tokio::join!(script, session.broadcast("네, 안녕하세요"));
    assert_eq!(receipt.expect("answered").seq, 2);
    assert!(matches!(events.next().await, Some(Event::Broadcast(line)) if line.text == "안녕"));
}

#[tokio::test(start_paused = true)]
async fn packets_of_a_later_version_are_skipped() {
    let (_session, mut events, mut peer) = session(4_096).await;
    peer.send_bytes(&[7, 0, 0x10, 0x27, 1, 2, 3]).await;
    peer.send(&line(1, "known")).await;
    assert!(matches!(events.next().await, Some(Event::Broadcast(line)) if line.text == "known"));
}

#[tokio::test(start_paused = true)]
async fn answers_find_their_requests_in_any_order() {
    let (session, _events, mut peer) = session(4_096).await;
    let first = session.send_broadcast(0, "one").await.expect("sent");
    let second = session.send_broadcast(0, "two").await.expect("sent");
    let third = session.send_whisper(0, "lee", "three").await.expect("sent");
    let ((one, _), (two, _)) = (peer.recv_broadcast().await, peer.recv_broadcast().await);
    let ClientPacket::Whisper(three) = peer.recv().await else { panic!("a whisper is third") };
    let outcome = Ok(WhisperReceipt { time_ms: 3, kept: 0 });
    peer.send(&ServerPacket::WhisperAnswer(Answer { id: three.id, outcome })).await;
    peer.send(&receipt(two, 22)).await;
    let outcome = Err(refusal(ErrorCode::RateLimited, 200));
    peer.send(&ServerPacket::BroadcastAnswer(Answer { id: one, outcome })).await;
    assert!(matches!(first.await, Err(Error::Refused(why)) if why == refusal(ErrorCode::RateLimited, 200)));
    assert_eq!(second.await.expect("answered").seq, 22);
    assert_eq!(third.await.expect("answered").time_ms, 3);
}

#[tokio::test(start_paused = true)]
async fn an_error_notice_answers_the_request_it_names_and_no_other_is_an_event() {
    let (session, mut events, mut peer) = session(4_096).await;
    let said = session.send_broadcast(0, "one").await.expect("sent");
    let pinged = session.send_ping().await.expect("sent");
    let (id, _) = peer.recv_broadcast().await;
    let error = |kind, id, code: ErrorCode| {
        ServerPacket::Error(ErrorNotice { kind, id, code: code.into(), retry_ms: 0 })
    };
    peer.send(&error(kind::BROADCAST, id.get(), ErrorCode::TextForbidden)).await;
    peer.send(&error(kind::PING, 0, ErrorCode::RateLimited)).await;
    peer.send(&error(kind::PONG, 0, ErrorCode::RateLimited)).await;
    assert_eq!(said.await.expect_err("refused").refusal(), Some(ErrorCode::TextForbidden.into()));
    assert_eq!(pinged.await.expect_err("refused").refusal(), Some(ErrorCode::RateLimited.into()));
    assert!(matches!(events.next().await, Some(Event::Error(notice)) if notice.kind == kind::PONG));
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_connection_fails_what_is_pending_and_what_comes_after() {
    let (session, mut events, mut peer) = session(4_096).await;
    let pending = session.send_broadcast(0, "one").await.expect("sent");
    peer.recv_broadcast().await;
    drop(peer);
    assert!(matches!(pending.await, Err(Error::Disconnected)));
    assert!(matches!(session.broadcast("two").await, Err(Error::Disconnected)));
    assert!(matches!(events.next().await, Some(Event::Disconnected(Error::Disconnected))));
    assert!(events.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_goodbye_is_the_last_event_and_fails_what_is_pending() {
    let (session, mut events, mut peer) = session(4_096).await;
    let pending = session.send_broadcast(0, "one").await.expect("sent");
    peer.send(&line(1, "last words")).await;
    peer.send(&goodbye(ErrorCode::ShuttingDown)).await;
    assert!(matches!(pending.await, Err(Error::Closed(why)) if why.code == ErrorCode::ShuttingDown.into()));
    assert!(matches!(events.next().await, Some(Event::Broadcast(_))));
    assert!(matches!(events.next().await, Some(Event::Goodbye(_))));
    assert!(events.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn pings_are_answered_before_the_login_and_after_it() {
    let (near, mut peer) = pipe(4_096);
    let ping = |bytes: &[u8]| Ping { payload: PingPayload::new(bytes).expect("short") };
    let script = async {
        let ClientPacket::Hello(hello) = peer.recv().await else { panic!("a Hello is first") };
        peer.send(&hello_answer(hello.id, Code::OK)).await;
        let ClientPacket::Login(login) = peer.recv().await else { panic!("a Login is second") };
        for payload in [&b"early"[..], b"late"] {
            peer.send(&ServerPacket::Ping(ping(payload))).await;
            let answer = peer.recv().await;
            assert_eq!(answer, ClientPacket::Pong(Pong { payload: ping(payload).payload }));
            let outcome = Ok(a_welcome("kim"));
            if payload == b"early" {
                peer.send(&ServerPacket::LoginAnswer(Answer { id: login.id, outcome })).await;
            }
        }
    };
    let (logged_in, ()) = tokio::join!(log_in(near), script);
    assert!(logged_in.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_ping_tells_how_long_its_pong_took() {
    let (session, _events, mut peer) = session(4_096).await;
    let script = async {
        let ClientPacket::Ping(ping) = peer.recv().await else { panic!("a ping") };
        peer.send(&ServerPacket::Pong(Pong { payload: PingPayload::new(b"unasked").expect("short") })).await;
        peer.send(&ServerPacket::Pong(Pong { payload: ping.payload })).await;
    };
    assert!(tokio::join!(session.ping(), script).0.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_falls_silent_is_given_up_after_its_own_idle_limit() {
    let (_session, mut events, _peer) = session(4_096).await;
    let before = tokio::time::Instant::now();
    assert!(matches!(events.next().await, Some(Event::Disconnected(Error::Timeout(_)))));
    assert_eq!(before.elapsed().as_secs(), 75);
}

#[tokio::test(start_paused = true)]
async fn a_logout_waits_for_its_answer_and_the_goodbye() {
    let (session, mut events, mut peer) = session(4_096).await;
    let script = async {
        let ClientPacket::Logout(logout) = peer.recv().await else { panic!("a logout") };
        peer.send(&ServerPacket::LogoutAnswer(Answer { id: logout.id, outcome: Ok(()) })).await;
        peer.send(&goodbye(Code::OK)).await;
    };
    assert!(tokio::join!(session.log_out(), script).0.is_ok());
    assert!(matches!(events.try_next(), Some(Event::Goodbye(why)) if why.code == Code::OK));
}

#[tokio::test(start_paused = true)]
async fn all_pages_of_members_are_walked_and_a_refused_page_is_asked_again() {
    let (session, _events, mut peer) = session(4_096).await;
    let script = async {
        for (next, refused) in [(5, false), (9, true), (9, false), (0, false)] {
            let ClientPacket::Who(who) = peer.recv().await else { panic!("a who") };
            let entries = List(vec![WhoEntry { name: format!("n{}", who.after), state: 0, relation: 0 }]);
            let outcome = Ok(WhoPage { members: 3, next, entries });
            let outcome = if refused { Err(refusal(ErrorCode::RateLimited, 300)) } else { outcome };
            peer.send(&ServerPacket::WhoAnswer(Answer { id: who.id, outcome })).await;
        }
    };
    let (everyone, ()) = tokio::join!(session.everyone(1), script);
    let names: Vec<_> = everyone.expect("answered").into_iter().map(|entry| entry.name).collect();
    assert_eq!(names, ["n0", "n5", "n9"]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_breaks_the_protocol_is_left() {
    for (bytes, fault) in [
        (vec![3, 0, 1, 0], ProtocolError::Size),
        (receipt(77.try_into().expect("not 0"), 1).to_bytes().to_vec(), ProtocolError::Unexpected(3002)),
        (
            vec![5, 0, 0x5a, 0x1b, 9],
            ProtocolError::Malformed { kind: kind::PONG, fault: chat_proto::Malformed::Body },
        ),
    ] {
        let (_session, mut events, mut peer) = session(4_096).await;
        peer.send_bytes(&bytes).await;
        let event = events.next().await;
        assert!(
            matches!(&event, Some(Event::Disconnected(Error::Protocol(why))) if *why == fault),
            "{event:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_version_that_is_not_spoken_and_a_full_server_are_told_apart() {
    let (near, mut peer) = pipe(4_096);
    let script = async {
        let ClientPacket::Hello(hello) = peer.recv().await else { panic!("a Hello is first") };
        let ServerPacket::HelloAnswer(mut answer) = hello_answer(hello.id, ErrorCode::Version.into()) else {
            unreachable!("it is one")
        };
        (answer.version_min, answer.version_max) = (2, 3);
        peer.send(&ServerPacket::HelloAnswer(answer)).await;
    };
    let (logged_in, ()) = tokio::join!(log_in(near), script);
    assert!(matches!(logged_in, Err(Error::Protocol(ProtocolError::Version { min: 2, max: 3 }))));

    let (near, mut peer) = pipe(4_096);
    let full = goodbye(ErrorCode::ServerFull);
    let (logged_in, ()) = tokio::join!(log_in(near), peer.send(&full));
    assert!(matches!(logged_in, Err(Error::Closed(why)) if why.code == ErrorCode::ServerFull.into()));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_greet_is_given_up() {
    let (near, _peer) = pipe(4_096);
    assert!(matches!(log_in(near).await, Err(Error::Timeout(_))));
}
