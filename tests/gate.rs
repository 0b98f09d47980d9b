//! The gate: a thousand people held at once, paced chat among them, and a stop that tells everyone who listens.
//!
//! It runs against this build's server, or against another that `CHAT_TEST_SERVER` names: chat-server.exe under
//! Wine, where a server is slow once more than a hundred of its sockets are busy. So no more than [`BURST`] people
//! ask anything at once.
#![cfg(unix)]

mod common;
#[path = "common/process.rs"]
mod process;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use chat_proto::{Credential, ErrorCode, limits::TEXT_CHARS_MAX};
use common::Raw;
use iocp_chat::client::{Client, Event, Events, Session, Timeouts};
use process::ServerProcess;
use tokio::{
    net::{TcpSocket, TcpStream},
    sync::Semaphore,
    task::{JoinHandle, JoinSet},
    time::{Instant, timeout},
};

/// People who listen.
const PEOPLE: usize = 1_000;
/// People who ask something at once.
const BURST: usize = 100;
/// Bursts of talkers, this many at once each: now and then all that may.
const TALKERS: [usize; 8] = [1, 10, 10, 10, BURST, 10, 10, 1];
/// People who take nothing from their sockets.
const DEAF: usize = 3;
/// Whispers that each of the others sends to the deaf: in all more than the kernel holds for a socket, 4 MiB in
/// the sender's buffer and what the receiver's takes.
const WHISPERS: usize = 5;
/// How long a step may take before the gate is given up.
const WATCHDOG: Duration = Duration::from_mins(5);
/// A stop takes at most the 20 s of the default configuration; the rest is for a slow machine to end the process.
const STOP_MAX: Duration = Duration::from_secs(60);

/// Somebody who listens all the time.
struct Person {
    session: Session,
    hearing: JoinHandle<Heard>,
}

/// What they heard, up to the end.
#[derive(Default)]
struct Heard {
    /// Number and text of each line.
    lines: Vec<(u64, String)>,
    /// Everything that is neither a line nor somebody's coming, up to the last: the goodbye.
    other: Vec<Event>,
    /// When the last was heard.
    ended: Option<Instant>,
}

#[tokio::test]
async fn a_thousand_talk_and_all_who_listen_hear_goodbye_on_ctrl_c() {
    let server = ServerProcess::start(&[
        // What is whispered to them is to fill their sockets, and not to be lapped on the way.
        "--set",
        "mailbox={lines=4096,bytes=16777216}",
        // A hundred come in at once, and it is the stop that cuts those who take nothing, however slow the machine is.
        "--set",
        "timeouts.login=5m",
        "--set",
        "timeouts.write=5m",
    ]);
    let count = Arc::new(Semaphore::new(0));

    let began = Instant::now();
    let people = log_in_all(server.address, &count).await;
    println!("{PEOPLE} people logged in, {BURST} at a time: {:.1} s", began.elapsed().as_secs_f64());

    let (began, mut said) = (Instant::now(), Vec::new());
    for talkers in TALKERS {
        said.extend(talk(&people, said.len(), talkers).await);
        hear(&count, talkers * (PEOPLE - 1)).await;
    }
    let deliveries = said.len() * (PEOPLE - 1);
    println!("{} lines, {deliveries} deliveries: {:.1} s", said.len(), began.elapsed().as_secs_f64());

    let began = Instant::now();
    let deaf = deafen(server.address, &people).await;
    println!("{DEAF} sockets filled: {:.1} s", began.elapsed().as_secs_f64());

    let stopping = Instant::now();
    server.interrupt();
    let ended = tokio::task::spawn_blocking(|| server.ended());
    let (status, log) = timeout(STOP_MAX, ended).await.expect("it stops in time").expect("no panic");
    let stopped = stopping.elapsed();
    let goodbyes = goodbyes(people, &said, stopping).await;
    println!(
        "{} goodbyes, the last after {:.1} s; stopped after {:.1} s",
        goodbyes.0,
        goodbyes.1.as_secs_f64(),
        stopped.as_secs_f64()
    );
    assert_eq!(goodbyes.0, PEOPLE, "everyone who listens is told goodbye");
    assert_eq!(status.code(), Some(0), "{}", tail(&log));
    assert!(log.contains(&format!(r#""event":"stopped","cut":{DEAF}"#)), "{}", tail(&log));
    drop(deaf);
}

async fn log_in_all(address: SocketAddr, count: &Arc<Semaphore>) -> Vec<Person> {
    let mut people = Vec::new();
    while people.len() < PEOPLE {
        let first = people.len();
        let burst = (first..first + BURST).map(|number| {
            let count = Arc::clone(count);
            async move {
                let timeouts = Timeouts { connect: WATCHDOG, login: WATCHDOG, answer: WATCHDOG };
                let client = Client::connect_within(address, timeouts).await.expect("it listens");
                let (session, events) =
                    client.log_in(&format!("person{number}"), Credential::None).await.expect("free");
                Person { session, hearing: tokio::spawn(listen(events, count)) }
            }
        });
        people.extend(all(burst).await);
    }
    people
}

/// Takes everything; `count` gets a permit for each line.
async fn listen(mut events: Events, count: Arc<Semaphore>) -> Heard {
    let mut heard = Heard::default();
    while let Some(event) = events.next().await {
        match event {
            Event::Broadcast(line) => {
                heard.lines.push((line.head.seq, line.text));
                count.add_permits(1);
            }
            Event::Joined(_) => {}
            other => heard.other.push(other),
        }
    }
    heard.ended = Some(Instant::now());
    heard
}

/// Everyone of a burst says one line; number, speaker and text of each, in the order of the numbers.
async fn talk(people: &[Person], from: usize, talkers: usize) -> Vec<(u64, usize, String)> {
    let burst = (from..from + talkers).map(|number| {
        let speaker = number * 7 % PEOPLE;
        let session = people[speaker].session.clone();
        async move {
            let text = format!("line {number}");
            (session.broadcast(&text).await.expect("said").seq, speaker, text)
        }
    });
    let mut said = all(burst).await;
    said.sort();
    said
}

/// Waits until so many lines have been heard by all together.
async fn hear(count: &Semaphore, lines: usize) {
    let lines = u32::try_from(lines).expect("not that many");
    let heard = timeout(WATCHDOG, count.acquire_many(lines)).await;
    heard
        .unwrap_or_else(|_| panic!("{} lines of {lines} were heard", count.available_permits()))
        .expect("nobody closes it")
        .forget();
}

/// People who log in, and then take nothing, while the others whisper to them until their sockets are full.
async fn deafen(address: SocketAddr, people: &[Person]) -> Vec<Raw<TcpStream>> {
    let mut deaf = Vec::new();
    for number in 0..DEAF {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(4_096).expect("a TCP option");
        let mut raw = Raw::new(socket.connect(address).await.expect("it listens"));
        raw.log_in(&format!("deaf{number}")).await;
        deaf.push(raw);
    }
    let text = "가".repeat(TEXT_CHARS_MAX.into());
    for (at, burst) in people.chunks(BURST).enumerate() {
        let whispering = burst.iter().enumerate().map(|(number, person)| {
            let (session, text, first) = (person.session.clone(), text.clone(), at * BURST + number);
            async move {
                let mut sent = Vec::new();
                for number in first..first + WHISPERS {
                    let to = format!("deaf{}", number % DEAF);
                    sent.push(session.send_whisper(0, &to, &text).await.expect("sent"));
                }
                for whisper in sent {
                    whisper.await.expect("whispered");
                }
            }
        });
        all(whispering).await;
    }
    deaf
}

/// Checks what everyone has heard; how many were told goodbye, and how long after the stop the last was.
async fn goodbyes(
    people: Vec<Person>,
    said: &[(u64, usize, String)],
    stopping: Instant,
) -> (usize, Duration) {
    let (mut goodbyes, mut last) = (0, Duration::ZERO);
    for (number, Person { session, hearing }) in people.into_iter().enumerate() {
        let heard = timeout(WATCHDOG, hearing).await.expect("it ends").expect("no panic");
        let due = said.iter().filter(|(_, speaker, _)| *speaker != number);
        let due: Vec<_> = due.map(|(seq, _, text)| (*seq, text.clone())).collect();
        assert!(heard.lines == due, "person{number}: {:?} instead of {due:?}", heard.lines);
        match &heard.other[..] {
            [Event::Goodbye(goodbye)] => {
                assert_eq!(goodbye.code, ErrorCode::ShuttingDown.into());
                goodbyes += 1;
                last = last.max(heard.ended.map_or(last, |ended| ended - stopping));
            }
            other => println!("person{number} hears {other:?}"),
        }
        drop(session);
    }
    (goodbyes, last)
}

/// What a burst comes to.
async fn all<T: Send + 'static>(
    burst: impl Iterator<Item = impl Future<Output = T> + Send + 'static>,
) -> Vec<T> {
    let burst: JoinSet<_> = burst.collect();
    timeout(WATCHDOG, burst.join_all()).await.expect("a burst is served")
}

/// The end of a log, short enough to read.
fn tail(log: &str) -> String {
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
