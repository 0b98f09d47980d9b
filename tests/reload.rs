//! Another policy while people are connected: who comes has the new one, who is here what they were told.

mod common;

use std::time::Duration;

use chat_proto::{ErrorCode, LOBBY, Limits, ServerPacket};
use common::{Raw, broadcast, guest, heard, hello, login, quiet, serve};
use iocp_chat::{
    config::{Config, Policy, Rate},
    server::Server,
};
use tokio::{
    io::DuplexStream,
    time::{Instant, sleep_until},
};

fn set(server: &Server, change: impl FnOnce(&mut Policy)) {
    let mut policy = Policy::clone(&server.operator().policy());
    change(&mut policy);
    server.operator().set_policy(policy);
}

/// Somebody signed in, and what Hello told them.
async fn told(server: &Server, name: &str) -> (Raw<DuplexStream>, Limits) {
    let mut raw = Raw::new(server.connect_in_memory(64 * 1024));
    raw.send(&[hello(1), login(2, name)]).await;
    let Some(ServerPacket::HelloAnswer(answer)) = raw.receive().await else { panic!("an answer to Hello") };
    let Some(ServerPacket::LoginAnswer(welcome)) = raw.receive().await else { panic!("a welcome") };
    assert!(welcome.outcome.is_ok(), "{welcome:?}");
    (raw, answer.limits)
}

/// How many of so many lines at once are taken.
async fn taken(raw: &mut Raw<DuplexStream>, lines: u32) -> usize {
    for number in 0..lines {
        raw.send(&[broadcast(100 + number, "line")]).await;
    }
    let (mut taken, mut answered) = (0, 0);
    while answered < lines {
        match raw.receive().await.expect("it is answered") {
            ServerPacket::BroadcastAnswer(answer) => {
                answered += 1;
                match answer.outcome {
                    Ok(_) => taken += 1,
                    Err(refusal) => assert_eq!(refusal.code, ErrorCode::RateLimited.into()),
                }
            }
            ServerPacket::Error(_) => answered += 1,
            _ => {}
        }
    }
    taken
}

#[tokio::test(start_paused = true)]
async fn whoever_is_here_keeps_the_rate_they_were_told_and_whoever_comes_has_the_new_one() {
    let mut config = Config::default();
    config.limits.notice_members = 0;
    let server = serve(&config);
    let (mut before, limits) = told(&server, "before").await;
    assert_eq!((limits.chat_per_second, limits.chat_burst), (5, 10));
    set(&server, |policy| policy.rates.chat = Rate { per_second: 1, burst: 2 });
    let (mut strict, limits) = told(&server, "strict").await;
    assert_eq!((limits.chat_per_second, limits.chat_burst), (1, 2));
    set(&server, |policy| policy.rates.chat = Rate { per_second: 20, burst: 15 });
    let (mut loose, limits) = told(&server, "loose").await;
    assert_eq!((limits.chat_per_second, limits.chat_burst), (20, 15));
    assert_eq!(taken(&mut before, 17).await, 10);
    assert_eq!(taken(&mut strict, 17).await, 2);
    assert_eq!(taken(&mut loose, 17).await, 15);
}

#[tokio::test(start_paused = true)]
async fn silence_ends_a_connection_when_it_was_told_it_would() {
    let server = serve(&quiet());
    let begun = Instant::now();
    let (mut before, limits) = told(&server, "before").await;
    assert_eq!(limits.idle_ms, 75_000);
    set(&server, |policy| {
        policy.timeouts.ping_after = Duration::from_secs(5);
        policy.timeouts.idle = Duration::from_secs(20);
    });
    let (mut after, limits) = told(&server, "after").await;
    assert_eq!((limits.ping_after_ms, limits.idle_ms), (5_000, 20_000));
    for (raw, seconds) in [(&mut after, 20), (&mut before, 75)] {
        loop {
            match raw.receive().await {
                Some(ServerPacket::Goodbye(goodbye)) => {
                    assert_eq!(goodbye.code, ErrorCode::IdleTimeout.into());
                    break;
                }
                other => assert!(other.is_some(), "a goodbye is last"),
            }
        }
        assert_eq!(begun.elapsed().as_secs(), seconds);
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_is_logging_in_has_the_time_they_were_told() {
    let server = serve(&quiet());
    let mut waiting = Raw::new(server.connect_in_memory(1024));
    waiting.send(&[hello(1)]).await;
    waiting.receive().await.expect("an answer");
    set(&server, |policy| policy.timeouts.login = Duration::from_secs(2));
    sleep_until(Instant::now() + Duration::from_secs(9)).await;
    waiting.send(&[login(2, "late")]).await;
    let welcome = waiting.receive().await;
    assert!(matches!(welcome, Some(ServerPacket::LoginAnswer(answer)) if answer.outcome.is_ok()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_is_said_is_lost_while_the_policy_changes_again_and_again() {
    const TALKERS: usize = 4;
    const LINES: usize = 500;
    let server = serve(&quiet());
    let (_ear, mut events) = guest(&server, "ear").await;
    let mut tasks = Vec::new();
    for talker in 0..TALKERS {
        let (session, events) = guest(&server, &format!("talker{talker}")).await;
        tasks.push(tokio::spawn(async move {
            for line in 0..LINES {
                session.broadcast(&format!("{talker} {line}")).await.expect("said");
            }
            (session, events)
        }));
    }
    let mut next = [0; TALKERS];
    for n in 0..TALKERS * LINES {
        if n % 10 == 0 {
            // Each of them would cut or refuse whoever it were for.
            set(&server, |policy| {
                policy.rates.chat = Rate { per_second: 1, burst: 1 };
                policy.timeouts.write = Duration::from_millis(1 + n as u64 % 7);
                policy.limits.connections = 1 + n % 3;
                policy.history_lines = 1;
            });
        }
        let line = heard(&mut events).await;
        let (talker, line) = line.split_once(' ').expect("two numbers");
        let talker: usize = talker.parse().expect("a number");
        assert_eq!(line, next[talker].to_string(), "of {talker}, in the room {LOBBY}");
        next[talker] += 1;
    }
    let mut talkers = Vec::new();
    for task in tasks {
        talkers.push(task.await.expect("nobody was refused"));
    }
    assert_eq!((next, server.sessions()), ([LINES; TALKERS], 1 + TALKERS));
    let refused: u64 = ErrorCode::ALL.iter().map(|code| server.metrics().rejects(*code)).sum();
    assert_eq!(refused, 0);
    drop(talkers);
}
