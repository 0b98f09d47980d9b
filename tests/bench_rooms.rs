//! `chat-client bench rooms` and `crowded`: what stops them, what they write, and broken servers, which they find out.

#[path = "common/peer.rs"]
mod peer;
#[path = "common/process.rs"]
mod process;

use std::{
    net::{SocketAddr, TcpListener},
    process::Command,
    thread::JoinHandle,
    time::Duration,
};

use bytes::BytesMut;
use chat_proto::{
    Answer, ClientPacket, Line, LineHead, Presence, Receipt, Refusal, RequestId, RoomEntered, ServerPacket,
    kind,
};
use iocp_chat::client::bench::{Plan, Report, Scenario, page, run, stamp, table};
use peer::Peer;
use process::ServerProcess;

const UNLIMITED: [&str; 2] = ["--set", "rates.chat.per_second=0"];

/// The broken server's only room, and one that nobody is in.
const ROOM: u64 = 2;
const ELSEWHERE: u64 = 3;
const EPOCH: u64 = 9;

fn small(server: SocketAddr) -> Plan {
    Plan {
        clients: 8,
        rooms: 2,
        talkers: 1,
        window: 4,
        warm_up: Duration::from_millis(50),
        duration: Duration::from_millis(500),
        patience: Duration::from_secs(20),
        ..Plan::new(Scenario::Rooms, server)
    }
}

#[test]
fn a_limit_that_stops_the_run_is_named() {
    let limits = [
        ("rooms.members=3", "rooms.members=4"),
        ("rooms.owned=0", "rooms.owned=1"),
        ("rooms.created=0", "rooms.created=1"),
        ("rooms.max=1", "rooms.max"),
        ("rates.chat.per_second=5", "rates.chat.per_second=0"),
    ];
    for (limit, named) in limits {
        let server = ServerProcess::start(&[UNLIMITED[0], UNLIMITED[1], "--set", limit]);
        let error = run(&small(server.address), &mut |_| {}).expect_err(limit);
        assert!(error.to_string().contains(named), "{limit}: {error}");
    }
}

#[test]
fn the_default_limits_of_other_requests_stop_nobody() {
    let server = ServerProcess::start(&UNLIMITED);
    for _ in 0..2 {
        let report = run(&Plan { clients: 100, rooms: 50, ..small(server.address) }, &mut |_| {});
        let report = report.expect("a hundred come in, and then a hundred others");
        assert_eq!(report.failures, [""; 0]);
    }
}

#[test]
fn the_program_tells_the_pairs_times_by_themselves() {
    let server = ServerProcess::start(&UNLIMITED);
    let html = std::env::temp_dir().join(format!("iocp-chat-rooms-{}.html", std::process::id()));
    let output = Command::new(env!("CARGO_BIN_EXE_chat-client"))
        .args(["bench", "crowded", &server.address.to_string(), "--json", "--clients=8", "--duration=2"])
        .args(["--rooms=3", "--rate=50", "--warm-up=0", "--html"])
        .arg(&html)
        .output()
        .expect("the executable starts");
    assert!(output.status.success(), "{output:?}");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
    assert_eq!((&report["plan"]["scenario"], &report["plan"]["rooms"]), (&"crowded".into(), &3.into()));
    for when in ["alone", "crowded"] {
        assert!(report["pairs"][when]["p99_ms"].as_f64().is_some_and(|ms| ms > 0.0), "{when}: {report}");
    }
    assert_eq!(report["pairs"]["check"]["expected"], report["pairs"]["check"]["delivered"]);
    let page = std::fs::read_to_string(&html).expect("the page");
    std::fs::remove_file(&html).expect("our own file");
    assert!(page.contains("pairs alone ms") && page.contains("beside them 3 pairs"), "{page}");
}

#[test]
fn a_room_that_is_right_in_small_passes() {
    let report = judge(Fault::None);
    assert_eq!(report.failures, [""; 0]);
    assert!(table(&report).contains("3 members in 1 rooms"), "{}", table(&report));
}

#[test]
fn a_server_that_doubles_a_rooms_line_is_found_out() {
    let check = judge(Fault::Doubles).check;
    assert_eq!((check.doubled, check.lost, check.stray), (1, 0, 0), "{check:?}");
}

#[test]
fn a_server_that_drops_a_rooms_line_is_found_out() {
    let check = judge(Fault::Drops).check;
    assert_eq!((check.lost, check.doubled, check.stray), (1, 0, 0), "{check:?}");
}

#[test]
fn a_server_that_drops_a_rooms_last_line_for_all_but_one_is_found_out() {
    let check = judge(Fault::Ends).check;
    assert!(check.lost > 0 && check.doubled + check.stray == 0, "{check:?}");
}

#[test]
fn a_server_that_sends_a_line_to_who_is_not_in_its_room_is_found_out() {
    let report = judge(Fault::Strays);
    assert_eq!((report.check.stray, report.check.lost), (1, 0), "{:?}", report.check);
    assert!(table(&report).contains("FAILED: 1 lines in a room in which they were not said"));
    assert!(page(&report).contains("FAILED"));
}

#[test]
fn a_line_of_another_room_under_this_ones_number_is_found_out_by_its_text() {
    let check = judge(Fault::Swaps).check;
    assert_eq!((check.stray, check.lost), (1, 1), "another came in its place: {check:?}");
}

#[test]
fn a_server_that_refuses_a_room_is_not_measured() {
    let error = attempt(Fault::Refuses).expect_err("nobody comes in");
    assert!(error.to_string().contains("2002"), "{error}");
}

/// The line that a broken server does something to: one of the first that are said at once, however slow it is.
const BROKEN: u64 = 2;

/// What a broken server does to that line, once, for one listener; or to all from then on, or to who comes in.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    Doubles,
    Drops,
    /// Sends nothing from then on.
    Ends,
    /// Sends a line of another room too.
    Strays,
    /// Sends one of another room instead, under this one's number.
    Swaps,
    /// Lets nobody in who did not make the room.
    Refuses,
}

fn judge(fault: Fault) -> Report {
    attempt(fault).expect("a report, whatever it says")
}

/// One talker and two listeners in a room of a server with that fault.
fn attempt(fault: Fault) -> Result<Report, iocp_chat::client::bench::Error> {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    let server = broken_server(listener, fault);
    // What is lost is waited for that long; all else comes before.
    let loses = matches!(fault, Fault::Drops | Fault::Ends | Fault::Swaps);
    let patience = Duration::from_secs(if loses { 5 } else { 60 });
    let plan = Plan { clients: 3, rooms: 1, patience, ..small(address) };
    let report = run(&plan, &mut |_| {});
    server.join().expect("the server ends when its clients do");
    report
}

/// Serves three guests in one room, the first of whom talks.
fn broken_server(listener: TcpListener, fault: Fault) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut peers: Vec<_> = (0..3).map(|_| Peer::greet(listener.accept().expect("a guest").0)).collect();
        peers.sort_by(|one, other| one.name.cmp(&other.name));
        for peer in &mut peers {
            enter(peer, fault);
        }
        let (talker, others) = peers.split_at_mut(1);
        let mut seq = 0;
        while let Some(packet) = talker[0].receive() {
            let ClientPacket::RoomChat(said) = packet else { panic!("it only talks: {packet:?}") };
            assert_eq!(said.conversation, ROOM);
            seq += 1;
            let text = said.text.as_str();
            let written_for_another = text.replacen(&mark(ROOM), &mark(ELSEWHERE), 1);
            for (number, other) in others.iter_mut().enumerate() {
                let lines = match (fault, seq, number) {
                    (Fault::Doubles, BROKEN, 0) => [line(ROOM, seq, text), line(ROOM, seq, text)].concat(),
                    (Fault::Drops, BROKEN, 0) | (Fault::Ends, BROKEN.., 0) => Vec::new(),
                    (Fault::Strays, BROKEN, 0) => {
                        [line(ROOM, seq, text), line(ELSEWHERE, 1, &written_for_another)].concat()
                    }
                    (Fault::Swaps, BROKEN, 0) => line(ROOM, seq, &written_for_another),
                    _ => line(ROOM, seq, text),
                };
                other.send(&lines);
            }
            let receipt = Receipt { epoch: EPOCH, seq, time_ms: 0 };
            let answer = ServerPacket::RoomChatAnswer(Answer { id: said.id, outcome: Ok(receipt) });
            talker[0].send(&answer.to_bytes());
        }
    })
}

/// Lets one in, or not.
fn enter(peer: &mut Peer, fault: Fault) {
    match peer.receive() {
        Some(ClientPacket::CreateRoom(request)) => {
            let (id, name, settings) = (request.id, request.name.as_str(), request.settings);
            assert_eq!(settings.capacity, 3, "as many as shall come");
            peer.send(&ServerPacket::CreateRoomAnswer(entered(id, name, settings)).to_bytes());
        }
        Some(ClientPacket::JoinRoom(request)) if fault == Fault::Refuses => {
            let refusal = Refusal::new(chat_proto::ErrorCode::RoomFull);
            let mut bytes = BytesMut::new();
            refusal.encode(kind::JOIN_ROOM, Some(request.id), &mut bytes);
            peer.send(&bytes);
        }
        Some(ClientPacket::JoinRoom(request)) => {
            let settings = chat_proto::RoomSettings { capacity: 3, flags: 0, slow_s: 0 };
            let answer = entered(request.id, request.name.as_str(), settings);
            peer.send(&ServerPacket::JoinRoomAnswer(answer).to_bytes());
        }
        // The run has ended, as another was refused.
        None => assert_eq!(fault, Fault::Refuses),
        other => panic!("one comes in first: {other:?}"),
    }
}

fn entered(id: RequestId, name: &str, settings: chat_proto::RoomSettings) -> Answer<RoomEntered> {
    let place = Presence { conversation: ROOM, epoch: EPOCH, seq: 0 };
    let (name, topic) = (name.to_owned(), String::new());
    Answer { id, outcome: Ok(RoomEntered { place, name, relation: 0, members: 1, settings, topic }) }
}

fn line(conversation: u64, seq: u64, text: &str) -> Vec<u8> {
    let head = LineHead { conversation, epoch: EPOCH, seq, time_ms: 0 };
    let mut bytes = BytesMut::new();
    Line { head, sender: "x", text }.encode_broadcast(&mut bytes);
    bytes.to_vec()
}

/// What tells in a text for which room it was written.
fn mark(conversation: u64) -> String {
    String::from_utf8(stamp::write(conversation).to_vec()).expect("text")
}
