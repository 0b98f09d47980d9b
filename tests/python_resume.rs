//! The client in Python comes back to its session by the protocol's document alone, at a server that loses it.

#[path = "common/folder.rs"]
mod folder;

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use bytes::BytesMut;
use chat_proto::{
    Answer, Attach, Attached, Broadcast, ClientPacket, Code, ErrorCode, Goodbye, Hello, HelloAnswer, Limits,
    Line, LineHead, List, Missed, PacketCodec, Presence, Receipt, Refusal, RequestId, Resume, ResumeToken,
    ServerPacket, Text, UNKNOWN_END, Welcome, feature, limits, way_in,
};
use tokio_util::codec::Decoder as _;

use folder::Folder;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/chat.py");
const PYTHON: &str = if cfg!(windows) { "python" } else { "python3" };
/// How long anything may take before a test is given up.
const WATCHDOG: Duration = Duration::from_mins(5);
const EPOCH: u64 = 1_790_000_000_000;
const LOBBY: u64 = 1;

const fn token(number: u8) -> ResumeToken {
    ResumeToken([number; 32])
}

fn cursor(conversation: u64, seq: u64) -> Presence {
    Presence { conversation, epoch: EPOCH, seq }
}

/// A server that does as its test says.
struct Server(TcpListener);

impl Server {
    fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").expect("a free port"))
    }

    fn client(&self, options: &[&str]) -> Child {
        let address = self.0.local_addr().expect("it is bound").to_string();
        Command::new(PYTHON)
            .args(["-B", SCRIPT, &address, "-u", "alice"])
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("Python starts")
    }

    /// The next connection, greeted.
    fn accept(&self) -> Peer {
        let (stream, _) = self.0.accept().expect("the client connects");
        stream.set_read_timeout(Some(WATCHDOG)).expect("a duration");
        let codec = PacketCodec::new(limits::CLIENT_PACKET_BYTES_MAX);
        let mut peer = Peer { stream, codec, buffer: BytesMut::new() };
        let ClientPacket::Hello(Hello { id, features, .. }) = peer.recv() else { panic!("no Hello") };
        peer.send(&ServerPacket::HelloAnswer(HelloAnswer {
            id,
            code: Code::OK,
            version_min: 1,
            version_max: 1,
            features: features & feature::RESUME,
            durability: 0,
            ways_in: way_in::GUEST,
            time_ms: EPOCH,
            limits: Limits { chat_per_second: 0, other_per_second: 0, ..Limits::DEFAULT },
        }));
        peer
    }
}

/// The server's end of a connection; dropped, it is cut.
struct Peer {
    stream: TcpStream,
    codec: PacketCodec,
    buffer: BytesMut,
}

impl Peer {
    fn recv(&mut self) -> ClientPacket {
        loop {
            if let Some(frame) = self.codec.decode(&mut self.buffer).expect("well framed") {
                return ClientPacket::decode(frame.kind, &frame.body).expect("a packet");
            }
            let mut bytes = [0; 4_096];
            let length = self.stream.read(&mut bytes).expect("the client sends");
            assert!(length > 0, "the client hung up");
            self.buffer.extend_from_slice(&bytes[..length]);
        }
    }

    fn send(&mut self, packet: &ServerPacket) {
        self.stream.write_all(&packet.to_bytes()).expect("the client is there");
    }

    fn log_in(&mut self, next: ResumeToken) {
        let ClientPacket::Login(login) = self.recv() else { panic!("no Login") };
        let welcome = welcome(next, vec![cursor(0, 0), cursor(LOBBY, 41)]);
        self.send(&ServerPacket::LoginAnswer(Answer { id: login.id, outcome: Ok(welcome) }));
    }

    fn recv_resume(&mut self, expected: ResumeToken) -> RequestId {
        let ClientPacket::Resume(Resume { id, token }) = self.recv() else { panic!("no Resume") };
        assert_eq!(token.0, expected.0);
        id
    }

    /// Takes it back; returns from where it wants to go on.
    fn resume(&mut self, expected: ResumeToken, next: ResumeToken, places: Vec<Presence>) -> Vec<Presence> {
        let id = self.recv_resume(expected);
        self.send(&ServerPacket::ResumeAnswer(Answer { id, outcome: Ok(welcome(next, places)) }));
        let ClientPacket::Attach(Attach { id, last, cursors }) = self.recv() else { panic!("no Attach") };
        assert_eq!(last, 1);
        let outcome = Ok(Attached { lost: List(vec![]) });
        self.send(&ServerPacket::AttachAnswer(Answer { id, outcome }));
        cursors.0
    }

    fn recv_line(&mut self) -> Broadcast<Text> {
        let ClientPacket::Broadcast(line) = self.recv() else { panic!("no Broadcast") };
        line
    }

    fn receipt(&mut self, id: RequestId, seq: u64) {
        let outcome = Ok(Receipt { epoch: EPOCH, seq, time_ms: EPOCH });
        self.send(&ServerPacket::BroadcastAnswer(Answer { id, outcome }));
    }

    fn line(&mut self, seq: u64, text: &str) {
        let head = LineHead { conversation: LOBBY, epoch: EPOCH, seq, time_ms: EPOCH };
        let line = Line { head, sender: "bob".to_owned(), text: text.to_owned() };
        self.send(&ServerPacket::BroadcastLine(line));
    }

    fn goodbye(&mut self, code: Code, retry_ms: u32) {
        self.send(&ServerPacket::Goodbye(Goodbye { code, retry_ms, text: String::new() }));
    }

    fn log_out(mut self) {
        let ClientPacket::Logout(logout) = self.recv() else { panic!("no Logout") };
        self.send(&ServerPacket::LogoutAnswer(Answer { id: logout.id, outcome: Ok(()) }));
        self.goodbye(Code::OK, 0);
    }
}

fn welcome(next: ResumeToken, conversations: Vec<Presence>) -> Welcome {
    Welcome {
        session: 9,
        name: "alice".to_owned(),
        role: 0,
        time_ms: EPOCH,
        resume_token: Some(next),
        grace_ms: 120_000,
        conversations: List(conversations),
    }
}

fn say(client: &mut Child, line: &str) {
    let input = client.stdin.as_mut().expect("the input is open");
    input.write_all(format!("{line}\n").as_bytes()).expect("the client reads its input");
}

/// Waits for the end; its exit code, and what it wrote to either stream.
fn finish(client: Child) -> (Option<i32>, Vec<String>, String) {
    let end = client.wait_with_output().expect("a child can be waited for");
    let out = String::from_utf8(end.stdout).expect("UTF-8").lines().map(Into::into).collect();
    (end.status.code(), out, String::from_utf8(end.stderr).expect("UTF-8"))
}

#[test]
fn what_was_missed_is_heard_and_what_was_not_answered_is_said_once_more() {
    let server = Server::new();
    let mut client = server.client(&["--reconnect"]);
    let mut first = server.accept();
    first.log_in(token(1));
    first.line(43, "before");
    say(&mut client, "mine");
    let mine = first.recv_line();
    assert_ne!(mine.message_id, 0);
    drop(first);

    let mut second = server.accept();
    let cursors = second.resume(token(1), token(2), vec![cursor(0, 0), cursor(LOBBY, 50)]);
    assert_eq!(cursors, [cursor(0, 0), cursor(LOBBY, 43)]);
    let again = second.recv_line();
    assert_eq!((again.message_id, again.text.as_str()), (mine.message_id, "mine"));
    second.receipt(again.id, 44);
    second.line(45, "after");
    client.stdin = None;
    second.log_out();
    let (exit, out, err) = finish(client);
    assert_eq!((exit, out), (Some(0), vec!["bob: before".to_owned(), "bob: after".to_owned()]), "{err}");
}

#[test]
fn the_token_whose_answer_was_lost_is_sent_again_and_nothing_before_an_answer() {
    let server = Server::new();
    let mut client = server.client(&["--reconnect"]);
    let mut peer = server.accept();
    peer.log_in(token(1));
    drop(peer);
    let mut lost = server.accept();
    lost.recv_resume(token(1));
    lost.stream.set_read_timeout(Some(Duration::from_millis(300))).expect("a duration");
    assert!(lost.stream.read(&mut [0]).is_err(), "it waits for the answer");
    drop(lost);
    let mut peer = server.accept();
    peer.resume(token(1), token(3), vec![cursor(0, 0), cursor(LOBBY, 41)]);
    drop(peer);
    let mut peer = server.accept();
    peer.resume(token(3), token(4), vec![cursor(0, 0), cursor(LOBBY, 41)]);
    client.stdin = None;
    peer.log_out();
    let (exit, _, err) = finish(client);
    assert_eq!(exit, Some(0), "{err}");
}

#[test]
fn in_another_session_what_may_have_been_said_is_told_and_not_sent_again() {
    let server = Server::new();
    let mut client = server.client(&["--reconnect"]);
    let mut peer = server.accept();
    peer.log_in(token(1));
    say(&mut client, "doubtful");
    peer.recv_line();
    drop(peer);
    let mut peer = server.accept();
    // Not before: said into the connection that is lost, it would be as doubtful as the other.
    say(&mut client, "new");
    let id = peer.recv_resume(token(1));
    let outcome = Err(Refusal::new(ErrorCode::ResumeInvalid));
    peer.send(&ServerPacket::ResumeAnswer(Answer { id, outcome }));
    peer.log_in(token(2));
    let line = peer.recv_line();
    assert_eq!(line.text.as_str(), "new");
    peer.receipt(line.id, 42);
    client.stdin = None;
    peer.log_out();
    let (exit, _, err) = finish(client);
    assert_eq!(exit, Some(0), "{err}");
    assert!(err.contains("may or may not have been said: doubtful"), "{err}");
}

#[test]
fn a_server_that_restarts_is_waited_for_and_one_that_gave_the_session_away_is_not() {
    let server = Server::new();
    let client = server.client(&["--reconnect"]);
    let mut peer = server.accept();
    peer.log_in(token(1));
    // Before it is: later, some of that time might be over.
    let told = Instant::now();
    peer.goodbye(ErrorCode::ShuttingDown.into(), 500);
    drop(peer);
    let mut peer = server.accept();
    assert!(told.elapsed() >= Duration::from_millis(450));
    peer.resume(token(1), token(2), vec![cursor(0, 0), cursor(LOBBY, 41)]);
    peer.goodbye(ErrorCode::SessionReplaced.into(), 0);
    let (exit, _, err) = finish(client);
    assert_eq!(exit, Some(3), "{err}");
}

#[test]
fn a_client_that_is_killed_goes_on_from_its_file() {
    let folder = Folder::new("iocp-chat python resume");
    let file = folder.join("state");
    let state = ["--state", file.to_str().expect("a path in UTF-8")];
    let server = Server::new();
    let mut client = server.client(&state);
    let mut peer = server.accept();
    peer.log_in(token(1));
    let missed = Missed { conversation: LOBBY, epoch: EPOCH, from: 42, to: UNKNOWN_END };
    peer.send(&ServerPacket::Missed(missed));
    say(&mut client, "mine");
    let mine = peer.recv_line();
    let until = Instant::now() + WATCHDOG;
    while !std::fs::read_to_string(&file).is_ok_and(|text| text.contains(&UNKNOWN_END.to_string())) {
        assert!(Instant::now() < until, "the Missed is not kept");
        std::thread::yield_now();
    }
    client.kill().expect("it runs");
    let (_, _, err) = finish(client);
    assert!(err.contains("missed an unknown number of lines of the lobby"), "{err}");

    let mut client = server.client(&state);
    let mut peer = server.accept();
    let cursors = peer.resume(token(1), token(2), vec![cursor(0, 0), cursor(LOBBY, 1)]);
    assert_eq!(cursors, [cursor(0, 0), cursor(LOBBY, UNKNOWN_END)]);
    let again = peer.recv_line();
    assert_eq!((again.message_id, again.text), (mine.message_id, mine.text));
    peer.receipt(again.id, 1);
    client.stdin = None;
    peer.log_out();
    let (exit, _, err) = finish(client);
    assert_eq!(exit, Some(0), "{err}");
    assert!(!std::fs::read_to_string(&file).expect("it is there").contains(&"02".repeat(32)));
}

#[test]
fn a_line_that_comes_twice_is_the_servers_fault() {
    let server = Server::new();
    let client = server.client(&["--reconnect"]);
    let mut peer = server.accept();
    peer.log_in(token(1));
    peer.line(43, "once");
    peer.line(43, "once");
    let (exit, out, err) = finish(client);
    assert_eq!((exit, out), (Some(4), vec!["bob: once".to_owned()]), "{err}");
}
