//! A session over several connections, against a scripted server, in paused time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use chat_proto::{
    Answer, ClientPacket, Credential, ErrorCode, LOBBY, List, MAILBOX, Ping, PingPayload, RequestId,
    ServerPacket, feature,
};
use tokio::time::{Instant, sleep, timeout};

use super::{
    Error, Event, Events, ProtocolError, Reconnect, Session,
    testing::{Door, Peer, a_lasting_welcome, a_welcome, at, door, goodbye, line, receipt, refusal},
};

/// Longer than anything lasts here.
const LONG: Duration = Duration::from_secs(600);

/// A session that lasts, which has come in after line 0 of the lobby, on its first connection.
async fn session(reconnect: Reconnect) -> (Session, Events, Peer, Door) {
    let (connect, mut door) = door();
    let server = async {
        let mut peer = door.next().await;
        peer.greet(feature::RESUME).await;
        peer.let_in(a_lasting_welcome(1, &[at(MAILBOX, 1, 0), at(LOBBY, 1, 0)])).await;
        peer
    };
    let (logged_in, peer) = tokio::join!(reconnect.log_in(connect, "kim", Credential::None), server);
    let (session, events) = logged_in.expect("welcome");
    (session, events, peer, door)
}

/// The next connection, on which one is let back in by one token and gets the next.
async fn resumed(door: &mut Door, token: u8) -> Peer {
    let mut peer = door.next().await;
    peer.greet(feature::RESUME).await;
    peer.let_back_in(token, a_lasting_welcome(token + 1, &[at(MAILBOX, 1, 0), at(LOBBY, 1, 9)])).await;
    peer
}

async fn said(peer: &mut Peer) -> (RequestId, u64, String) {
    match peer.recv().await {
        ClientPacket::Broadcast(said) => (said.id, said.message_id, said.text.as_str().to_owned()),
        other => panic!("{other:?} is not a broadcast"),
    }
}

async fn next(events: &mut Events) -> Event {
    timeout(LONG, events.next()).await.expect("in time").expect("there is more")
}

async fn is_resumed(events: &mut Events) {
    assert!(matches!(next(events).await, Event::Reconnecting { attempt: 1, .. }));
    assert!(matches!(next(events).await, Event::Resumed(_)));
}

#[tokio::test(start_paused = true)]
async fn a_line_whose_answer_is_lost_is_said_again_with_its_number_and_what_was_missed_follows() {
    let (session, mut events, mut peer, mut door) = session(Reconnect::new(1)).await;
    let talking = tokio::spawn({
        let session = session.clone();
        async move { session.broadcast("hello").await }
    });
    peer.send(&line(1, "before")).await;
    let (_, number, text) = said(&mut peer).await;
    assert_eq!(text, "hello");
    drop(peer);
    let mut peer = resumed(&mut door, 1).await;
    assert_eq!(peer.attach(&[]).await, [at(MAILBOX, 1, 0), at(LOBBY, 1, 1)]);
    peer.send(&line(2, "meanwhile")).await;
    let (id, again, text) = said(&mut peer).await;
    assert_eq!((again, text.as_str()), (number, "hello"));
    peer.send(&receipt(id, 3)).await;
    assert_eq!(talking.await.expect("no panic").expect("said").seq, 3);
    assert!(matches!(next(&mut events).await, Event::Broadcast(line) if line.text == "before"));
    is_resumed(&mut events).await;
    assert!(matches!(next(&mut events).await, Event::Broadcast(line) if line.text == "meanwhile"));
}

#[tokio::test(start_paused = true)]
async fn when_the_answer_to_a_resume_is_lost_the_same_token_is_good_again() {
    let (_session, mut events, peer, mut door) = session(Reconnect::new(1)).await;
    drop(peer);
    let mut lost = door.next().await;
    lost.greet(feature::RESUME).await;
    lost.recv_resume(1).await;
    drop(lost);
    let mut peer = resumed(&mut door, 1).await;
    peer.attach(&[]).await;
    assert!(matches!(next(&mut events).await, Event::Reconnecting { attempt: 1, .. }));
    assert!(matches!(next(&mut events).await, Event::Reconnecting { attempt: 2, .. }));
    assert!(matches!(next(&mut events).await, Event::Resumed(_)));
}

#[tokio::test(start_paused = true)]
async fn a_token_is_kept_before_anything_shows_that_one_has_it_even_an_answer_to_a_ping() {
    let kept = Arc::new(AtomicUsize::new(0));
    let keeping = Arc::clone(&kept);
    let reconnect = Reconnect::new(1).keep(move |saved| {
        let keeping = Arc::clone(&keeping);
        async move {
            assert_eq!(saved.name(), "kim");
            sleep(Duration::from_secs(5)).await;
            keeping.fetch_add(1, Ordering::Relaxed);
        }
    });
    let (_session, _events, peer, mut door) = session(reconnect).await;
    assert_eq!(kept.load(Ordering::Relaxed), 1);
    drop(peer);
    let mut peer = door.next().await;
    peer.greet(feature::RESUME).await;
    let id = peer.recv_resume(1).await;
    let payload = PingPayload::new(b"there?").expect("short");
    peer.send(&ServerPacket::Ping(Ping { payload })).await;
    assert!(timeout(Duration::from_secs(5), peer.recv()).await.is_err(), "nothing before the answer");
    let outcome = Ok(a_lasting_welcome(2, &[at(LOBBY, 1, 0)]));
    peer.send(&ServerPacket::ResumeAnswer(Answer { id, outcome })).await;
    peer.attach(&[]).await;
    assert_eq!(kept.load(Ordering::Relaxed), 2);
    assert!(matches!(peer.recv().await, ClientPacket::Pong(pong) if pong.payload.as_bytes() == b"there?"));
}

#[tokio::test(start_paused = true)]
async fn where_the_session_is_gone_one_logs_in_anew_and_is_told_what_is_uncertain() {
    let (session, mut events, mut peer, mut door) = session(Reconnect::new(1)).await;
    let sent = session.send_broadcast(0, "sent").await.expect("on its way");
    said(&mut peer).await;
    door.close(true);
    drop(peer);
    assert!(matches!(next(&mut events).await, Event::Reconnecting { .. }));
    let unsent = session.send_broadcast(0, "never sent").await.expect("it waits");
    door.close(false);
    let mut peer = door.next().await;
    peer.greet(feature::RESUME).await;
    peer.refuse_resume(1, ErrorCode::ResumeInvalid).await;
    peer.let_in(a_lasting_welcome(5, &[at(LOBBY, 2, 40)])).await;
    let (id, _, text) = said(&mut peer).await;
    assert_eq!(text, "never sent");
    peer.send(&receipt(id, 41)).await;
    assert!(matches!(sent.await, Err(Error::Uncertain)));
    assert_eq!(unsent.await.expect("said").seq, 41);
    loop {
        match next(&mut events).await {
            Event::Reconnecting { .. } => {}
            Event::Restarted(anew) => {
                assert_eq!(anew.uncertain.len(), 1);
                assert_eq!(anew.uncertain[0].text.as_str(), "sent");
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    drop(peer);
    resumed(&mut door, 5).await.attach(&[]).await;
}

#[tokio::test(start_paused = true)]
async fn whoever_is_replaced_kicked_or_banned_does_not_come_back() {
    for code in [ErrorCode::SessionReplaced, ErrorCode::Kicked, ErrorCode::Banned] {
        let (session, mut events, mut peer, mut door) = session(Reconnect::new(1)).await;
        let pending = session.send_broadcast(0, "hello").await.expect("sent");
        peer.send(&goodbye(code, 0)).await;
        assert!(matches!(next(&mut events).await, Event::Goodbye(why) if why.code == code.into()));
        assert!(events.next().await.is_none());
        assert!(matches!(pending.await, Err(Error::Closed(_))));
        sleep(LONG).await;
        assert!(!door.is_knocked_at());
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_restarts_is_left_alone_for_as_long_as_it_asks() {
    let (_session, mut events, mut peer, mut door) = session(Reconnect::new(1)).await;
    let since = Instant::now();
    peer.send(&goodbye(ErrorCode::ShuttingDown, 3_000)).await;
    resumed(&mut door, 1).await.attach(&[]).await;
    assert!((3_000..4_001).contains(&since.elapsed().as_millis()), "{:?}", since.elapsed());
    let Event::Reconnecting { wait, why, .. } = next(&mut events).await else { panic!("it is told first") };
    assert!(wait.as_secs() == 3 && matches!(why, Error::Closed(_)));
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_asked_once_and_then_left() {
    let (_session, _events, mut peer, mut door) = session(Reconnect::new(1)).await;
    let since = Instant::now();
    assert!(matches!(peer.recv().await, ClientPacket::Ping(_)));
    assert_eq!(since.elapsed().as_secs(), 15);
    peer.send(&line(1, "I am here")).await;
    assert!(matches!(peer.recv().await, ClientPacket::Ping(_)));
    assert_eq!(since.elapsed().as_secs(), 30);
    // Its end stays open: nobody is there to close it.
    resumed(&mut door, 1).await.attach(&[]).await;
    assert_eq!(since.elapsed().as_secs(), 45);
}

#[tokio::test(start_paused = true)]
async fn no_line_is_late_at_the_moment_at_which_its_connection_is_found_dead() {
    let (session, _events, mut peer, mut door) = session(Reconnect::new(1)).await;
    // Both take 30 s.
    let talking = tokio::spawn(async move { session.broadcast("hello").await });
    said(&mut peer).await;
    let mut again = resumed(&mut door, 1).await;
    again.attach(&[]).await;
    sleep(Duration::from_secs(29)).await;
    again.send(&line(1, "not silent")).await;
    let (id, _, text) = said(&mut again).await;
    assert_eq!(text, "hello");
    again.send(&receipt(id, 2)).await;
    assert_eq!(talking.await.expect("no panic").expect("said").seq, 2);
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_answer_does_not_come_though_the_server_is_there_is_late() {
    let (session, _events, mut peer, _door) = session(Reconnect::new(1)).await;
    let talking = tokio::spawn(async move { session.broadcast("hello").await });
    for seq in 1..5 {
        sleep(Duration::from_secs(10)).await;
        peer.send(&line(seq, "not silent")).await;
    }
    assert!(matches!(talking.await.expect("no panic"), Err(Error::Timeout(_))));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_loses_its_connection_is_uncertain_and_the_next_waits_for_one() {
    let (session, _events, mut peer, mut door) = session(Reconnect::new(1)).await;
    let asking = tokio::spawn({
        let session = session.clone();
        async move { session.set_away(true).await }
    });
    assert!(matches!(peer.recv().await, ClientPacket::SetPresence(_)));
    door.close(true);
    drop(peer);
    assert!(matches!(asking.await.expect("no panic"), Err(Error::Uncertain)));
    let asking = tokio::spawn(async move { session.who(LOBBY, 0).await });
    // No answer is late while there is no connection.
    sleep(LONG).await;
    door.close(false);
    let mut peer = resumed(&mut door, 1).await;
    peer.attach(&[]).await;
    let ClientPacket::SetPresence(presence) = peer.recv().await else { panic!("away, as it was said") };
    assert_eq!(presence.state, 1);
    let ClientPacket::Who(who) = peer.recv().await else { panic!("who") };
    let outcome = Err(refusal(ErrorCode::NotInRoom, 0));
    peer.send(&ServerPacket::WhoAnswer(Answer { id: who.id, outcome })).await;
    let answer = asking.await.expect("no panic");
    assert_eq!(answer.expect_err("refused").refusal(), Some(ErrorCode::NotInRoom.into()));
}

#[tokio::test(start_paused = true)]
async fn attempts_come_to_an_end_where_that_is_wanted() {
    for (attempts, told) in [(3, 3), (0, 0)] {
        let (session, mut events, peer, door) = session(Reconnect::new(1).attempts_max(attempts)).await;
        let pending = session.send_broadcast(0, "hello").await.expect("sent");
        door.close(true);
        drop(peer);
        for _ in 0..told {
            assert!(matches!(next(&mut events).await, Event::Reconnecting { .. }));
        }
        assert!(matches!(next(&mut events).await, Event::Disconnected(_)));
        assert!(pending.await.is_err());
        assert!(session.broadcast("more").await.is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_leaves_while_there_is_no_connection_is_gone_at_once() {
    let (session, mut events, peer, door) = session(Reconnect::new(1)).await;
    door.close(true);
    drop(peer);
    assert!(matches!(next(&mut events).await, Event::Reconnecting { .. }));
    let unsent = session.send_broadcast(0, "unsent").await.expect("it waits");
    assert!(session.log_out().await.is_err());
    while !matches!(next(&mut events).await, Event::Disconnected(_)) {}
    assert!(unsent.await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_tells_a_line_twice_is_left_for_good() {
    let (_session, mut events, mut peer, mut door) = session(Reconnect::new(1)).await;
    peer.send(&line(1, "once")).await;
    peer.send(&line(1, "twice")).await;
    assert!(matches!(next(&mut events).await, Event::Broadcast(_)));
    let fault = ProtocolError::Repeated { conversation: LOBBY, seq: 1 };
    assert!(matches!(next(&mut events).await, Event::Disconnected(Error::Protocol(why)) if why == fault));
    sleep(LONG).await;
    assert!(!door.is_knocked_at());
}

#[tokio::test(start_paused = true)]
async fn where_sessions_do_not_last_one_logs_in_anew_each_time() {
    let (connect, mut door) = door();
    let server = async {
        let mut peer = door.next().await;
        peer.greet(0).await;
        peer.let_in(a_welcome("kim")).await;
    };
    let (logged_in, ()) = tokio::join!(Reconnect::new(1).log_in(connect, "kim", Credential::None), server);
    let (session, mut events) = logged_in.expect("welcome");
    assert_eq!(session.saved(), None);
    for _ in 0..2 {
        let mut peer = door.next().await;
        peer.greet(0).await;
        peer.let_in(a_welcome("kim")).await;
        peer.send(&line(1, "no promise, no fault")).await;
        assert!(matches!(next(&mut events).await, Event::Reconnecting { .. }));
        assert!(matches!(next(&mut events).await, Event::Restarted(_)));
        assert!(matches!(next(&mut events).await, Event::Broadcast(_)));
    }
}

#[tokio::test(start_paused = true)]
async fn lines_wait_for_the_rate_in_their_order_after_a_reconnect() {
    let (session, _events, peer, mut door) = session(Reconnect::new(1)).await;
    drop(peer);
    let mut answers = Vec::new();
    for text in ["one", "two", "three"] {
        answers.push(session.send_broadcast(0, text).await.expect("it waits"));
    }
    let mut peer = resumed(&mut door, 1).await;
    peer.attach(&[]).await;
    let since = Instant::now();
    for text in ["one", "two", "three"] {
        let (id, _, heard) = said(&mut peer).await;
        assert_eq!(heard, text);
        peer.send(&receipt(id, 1)).await;
    }
    assert_eq!(since.elapsed().as_millis() / 100, 6, "five a second, from an empty bucket");
    for answer in answers {
        answer.await.expect("said");
    }
}

#[tokio::test(start_paused = true)]
async fn another_program_goes_on_where_this_one_was_dealt_with() {
    let (session, mut events, mut peer, _door) = session(Reconnect::new(1)).await;
    let _unanswered = session.send_broadcast(0, "hello").await.expect("sent");
    let (_, number, _) = said(&mut peer).await;
    for seq in 1..=3 {
        peer.send(&line(seq, "hi")).await;
    }
    next(&mut events).await;
    next(&mut events).await;
    // The second has been taken, and nobody knows whether it was dealt with; the third may be here or not.
    let json = serde_json::to_string(&session.saved().expect("it lasts")).expect("strings and numbers");
    drop((session, events, peer));
    let saved: super::Saved = serde_json::from_str(&json).expect("it was written");
    assert_eq!(saved.unanswered(), 1);

    let (connect, mut door) = door();
    let script = async {
        let mut peer = resumed(&mut door, 1).await;
        assert_eq!(peer.attach(&[]).await, [at(MAILBOX, 1, 0), at(LOBBY, 1, 1)]);
        let (id, again, text) = said(&mut peer).await;
        assert_eq!((again, text.as_str()), (number, "hello"));
        let outcome = Err(refusal(ErrorCode::Muted, 0));
        peer.send(&ServerPacket::BroadcastAnswer(Answer { id, outcome })).await;
        peer
    };
    let resuming = Reconnect::new(2).resume(saved, connect, Credential::None);
    let (resumed, _peer) = tokio::join!(resuming, script);
    let (session, mut events) = resumed.expect("welcome back");
    assert!(matches!(next(&mut events).await, Event::Resumed(_)));
    // Nobody of this program has said it, so nobody else can be told.
    assert!(matches!(next(&mut events).await, Event::Error(why) if why.code == ErrorCode::Muted.into()));
    assert_eq!(session.saved().expect("it lasts").unanswered(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_plain_client_resumes_and_attaches_by_itself() {
    let (near, mut peer) = super::testing::pipe(4_096);
    let script = async {
        peer.greet(feature::RESUME).await;
        peer.let_back_in(1, a_lasting_welcome(2, &[at(LOBBY, 1, 9)])).await;
        assert_eq!(peer.attach(&[6]).await, [at(LOBBY, 1, 5), at(6, 1, 5)]);
        peer.send(&line(6, "missed")).await;
    };
    let client = async {
        let timeouts = super::Timeouts::default();
        let client = super::Client::over_asking(near, timeouts, feature::RESUME).await.expect("greeted");
        let (session, mut events) =
            client.resume(chat_proto::ResumeToken([1; 32])).await.expect("welcome back");
        assert_eq!(session.welcome().resume_token, Some(chat_proto::ResumeToken([2; 32])));
        let attached = session.attach(&[at(LOBBY, 1, 5), at(6, 1, 5)], true).await.expect("attached");
        assert_eq!(attached.lost, List(vec![6]));
        assert!(matches!(next(&mut events).await, Event::Broadcast(_)));
    };
    tokio::join!(script, client);
}
