//! How long a session without a connection is kept, and what happens when that is over.

use std::time::Duration;

use chat_proto::{ClientPacket, ErrorCode, Hello, Presence, ServerPacket};
use iocp_chat::stop::StopReason;
use tokio::time::{sleep, timeout};

use crate::{
    common::{Raw, id, login, quiet, serve},
    peer::{Peer, patient},
};

#[tokio::test(start_paused = true)]
async fn a_name_is_kept_for_the_grace_and_then_is_free_and_the_others_are_told() {
    let mut config = patient();
    config.limits.notice_members = 200;
    let server = serve(&config);
    let mut lee = Peer::log_in(&server, "lee").await;
    let kim = Peer::log_in(&server, "kim").await;
    assert_eq!(kim.welcome.grace_ms, 120_000);
    assert_eq!(lee.told().await, "1 + kim");
    let token = kim.token();
    drop(kim);
    sleep(Duration::from_secs(119)).await;
    assert_eq!(lee.who().await.len(), 2);
    sleep(Duration::from_secs(2)).await;
    assert_eq!(lee.told().await, "1 - kim 1");
    assert_eq!(server.sessions(), 1);
    // There is no database to remember it.
    let refusal = Peer::resume(&server, token).await.map(drop).expect_err("it is over");
    assert_eq!(refusal.code, ErrorCode::ResumeInvalid.into());
    let _ = Peer::log_in(&server, "kim").await;
}

#[tokio::test(start_paused = true)]
async fn nobody_else_gets_the_name_meanwhile() {
    let server = serve(&quiet());
    let kim = Peer::log_in(&server, "kim").await;
    let token = kim.token();
    drop(kim);
    sleep(Duration::from_secs(1)).await;
    let mut raw = Peer::greet(&server, 1).await;
    raw.send(&[login(2, "KIM")]).await;
    let answer = raw.receive().await;
    assert!(format!("{answer:?}").contains("1301"), "{answer:?}");
    Peer::resume(&server, token).await.map(drop).expect("it is hers");
}

#[tokio::test(start_paused = true)]
async fn of_too_many_the_one_that_has_been_absent_longest_goes() {
    let mut config = quiet();
    config.resume.absent = 2;
    let server = serve(&config);
    let mut tokens = Vec::new();
    for name in ["one", "two", "three"] {
        let peer = Peer::log_in(&server, name).await;
        tokens.push(peer.token());
        drop(peer);
        sleep(Duration::from_secs(1)).await;
    }
    let mut outcomes = Vec::new();
    for token in tokens {
        outcomes.push(Peer::resume(&server, token).await.is_ok());
    }
    assert_eq!(outcomes, [false, true, true]);
}

#[tokio::test(start_paused = true)]
async fn without_a_grace_nothing_is_granted() {
    let mut config = quiet();
    config.resume.grace = Duration::ZERO;
    let server = serve(&config);
    let mut raw = Raw::new(server.connect_in_memory(1024));
    let hello = Hello { id: id(1), version: 1, features: 1 };
    raw.send(&[ClientPacket::Hello(hello)]).await;
    let answer = raw.receive().await;
    assert!(matches!(&answer, Some(ServerPacket::HelloAnswer(answer)) if answer.features == 0), "{answer:?}");
}

#[tokio::test(start_paused = true)]
async fn a_full_lobby_waits_for_nobody_who_is_not_connected() {
    let mut config = quiet();
    config.lobby.lines = 64;
    let server = serve(&config);
    let (mut lee, kim) = (Peer::log_in(&server, "lee").await, Peer::log_in(&server, "kim").await);
    let (token, cursor) = (kim.token(), kim.lobby());
    drop(kim);
    sleep(Duration::from_secs(1)).await;
    let since = tokio::time::Instant::now();
    for line in 1..=1_000 {
        lee.say(0, &line.to_string()).await.expect("said");
    }
    assert!(since.elapsed() < Duration::from_millis(250), "nobody is waited for: {:?}", since.elapsed());
    let mut kim = Peer::resume(&server, token).await.expect("good");
    kim.attach(&[Presence { seq: 0, ..cursor }]).await;
    assert!(kim.told().await.starts_with("1 missed 1 to 9"));
}

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_for_whoever_is_not_there() {
    let server = serve(&quiet());
    drop(Peer::log_in(&server, "kim").await);
    sleep(Duration::from_secs(1)).await;
    let stopped = timeout(Duration::from_secs(1), server.stop(StopReason::Interrupt)).await;
    assert_eq!(stopped.expect("at once").cut, 0);
}

#[tokio::test(start_paused = true)]
async fn whoever_is_away_as_the_server_stops_is_there_until_what_was_asked_before_is_done() {
    let server = serve(&quiet());
    drop(Peer::log_in(&server, "kim").await);
    sleep(Duration::from_secs(1)).await;
    // As a whisper to her that waits to be stored would.
    let (operator, held) = (server.operator().clone(), server.inbox().clone());
    let stop = tokio::spawn(server.stop(StopReason::Interrupt));
    sleep(Duration::from_secs(1)).await;
    assert_eq!(operator.status().await.sessions, 1);
    drop(held);
    stop.await.expect("it stops");
    assert_eq!(operator.status().await.sessions, 0);
}
