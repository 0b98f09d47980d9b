//! A standard error that nobody reads: the chat goes on, and what the log lost is counted.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use chat_proto::Credential;
use iocp_chat::client::{Client, Event, Events, Session};
use serde_json::Value;
use tokio::time::timeout;

use crate::{folder::Folder, process};

/// How long what comes at once is waited for: whoever waited for the log would wait for ever.
const AT_ONCE: Duration = Duration::from_secs(60);

/// Connections, each a line of the log: more than the queue and the pipe have room for.
const FLOOD: u64 = 10_000;

async fn guest(address: SocketAddr, name: &str) -> (Session, Events) {
    let client = Client::connect(address).await.expect("it listens");
    client.log_in(name, Credential::None).await.expect("the name is free")
}

#[tokio::test]
async fn nobody_waits_for_a_log_that_nobody_reads_and_its_lost_lines_are_counted() {
    let folder = Folder::new("chat slow log");
    let mut server = Command::new(process::program())
        .args([
            "--listen",
            "127.0.0.1:0",
            "--log",
            "debug",
            "--set",
            "log.format=json",
            "--set",
            "database.url=none",
            "--set",
            "admin.listen=none",
        ])
        .arg("--data")
        .arg(&*folder)
        .stderr(Stdio::piped())
        .spawn()
        .expect("the executable starts");
    let mut log = BufReader::new(server.stderr.take().expect("piped")).lines().map(|line| {
        let line = line.expect("text");
        serde_json::from_str::<Value>(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    });
    let started = log.find(|line| line["event"] == "started").expect("it starts");
    let listen = started["listen"].as_str().expect("it listens").trim_matches(['[', ']']);
    let address: SocketAddr = listen.parse().expect("an address");
    let (kim, _) = guest(address, "kim").await;
    let (_lee, mut to_lee) = guest(address, "lee").await;
    for number in 0..FLOOD {
        drop(TcpStream::connect(address).expect("it listens"));
        if number.is_multiple_of(1_000) {
            let said = format!("still here {number}");
            timeout(AT_ONCE, kim.broadcast(&said)).await.expect("at once").expect("said");
            let heard = async {
                while !matches!(to_lee.next().await, Some(Event::Broadcast(line)) if line.text == said) {}
            };
            timeout(AT_ONCE, heard).await.expect("at once");
        }
    }
    // Read only now.
    let (mut written, mut lost) = (0, 0);
    while written + lost < FLOOD {
        let line = log.next().expect("it runs");
        written += u64::from(line["event"] == "guest_end");
        if line["event"] == "log_lines_dropped" {
            assert_eq!((&line["level"], &line["log"]), (&"WARN".into(), &"stderr".into()));
            lost += line["lines"].as_u64().expect("a number");
        }
    }
    assert_eq!(written + lost, FLOOD, "every line is there or counted");
    assert!(written > 1_000 && lost > 1_000, "{written} written, {lost} lost");
    let stop = Command::new(process::program()).arg("--data").arg(&*folder).args(["ctl", "stop"]).output();
    assert!(stop.expect("it runs").status.success());
    assert_eq!(log.last().expect("it stopped")["event"], "stopped");
    assert!(server.wait().expect("a child").success());
}

/// A pipe that is full and that nobody reads, for as long as both are held.
fn full_pipe() -> (std::io::PipeReader, std::io::PipeWriter) {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let mut filling = writer.try_clone().expect("another end");
    let (progress, news) = mpsc::channel();
    // It ends with the reader.
    thread::spawn(move || while filling.write_all(&[b'.'; 512]).is_ok() && progress.send(()).is_ok() {});
    while news.recv_timeout(Duration::from_millis(500)).is_ok() {}
    (reader, writer)
}

#[test]
fn a_server_that_fails_ends_though_nobody_reads_why() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("free");
    let (reader, writer) = full_pipe();
    let listen = taken.local_addr().expect("bound").to_string();
    let mut server = Command::new(process::program())
        .args([
            "--listen",
            &listen,
            "--log",
            "debug",
            "--set",
            "database.url=none",
            "--set",
            "admin.listen=none",
        ])
        .stderr(writer)
        .spawn()
        .expect("it starts");
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = server.try_wait().expect("a child") {
            break status;
        }
        if begun.elapsed() > AT_ONCE {
            server.kill().expect("it is there");
            panic!("it waits for whoever reads its standard error");
        }
        thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(status.code(), Some(4));
    drop(reader);
}
