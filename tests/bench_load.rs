//! `chat-client bench` against the real server, which passes its checks, and against broken ones, which do not.

mod common;
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
use chat_proto::{Answer, ClientPacket, LOBBY, Line, LineHead, Receipt, ServerPacket};
use iocp_chat::client::bench::{Plan, Report, Scenario, page, run, table};
use peer::Peer;
use process::ServerProcess;

const UNLIMITED: [&str; 2] = ["--set", "rates.chat.per_second=0"];

fn small(scenario: Scenario, server: SocketAddr) -> Plan {
    // So that on a busy machine, too, somebody comes in, or pairs are heard before the crowd is there.
    let is_long = matches!(scenario, Scenario::Churn | Scenario::Crowded);
    Plan {
        clients: 8,
        talkers: if scenario == Scenario::Churn { 0 } else { 2 },
        rooms: if matches!(scenario, Scenario::Rooms | Scenario::Crowded) { 2 } else { 0 },
        rate: if matches!(
            scenario,
            Scenario::Steady | Scenario::Idle | Scenario::Crowded | Scenario::Reconnect
        ) {
            100.0
        } else {
            0.0
        },
        window: 4,
        warm_up: Duration::from_millis(50),
        duration: if is_long { Duration::from_secs(2) } else { Duration::from_millis(500) },
        patience: Duration::from_secs(20),
        ..Plan::new(scenario, server)
    }
}

#[test]
fn every_scenario_finds_the_server_right() {
    for notices in ["limits.notice_members=0", "limits.notice_members=200"] {
        let server = ServerProcess::start(&[UNLIMITED[0], UNLIMITED[1], "--set", notices]);
        for (name, scenario) in Scenario::ALL {
            let mut plan = small(scenario, server.address);
            plan.server_pids = vec![server.pid()];
            let report = run(&plan, &mut |_| {}).expect(name);
            assert_eq!(report.failures, [""; 0], "{name}");
            if scenario == Scenario::Churn {
                assert!(report.log_ins.count > 0, "nobody came");
                assert_eq!(report.log_ins.latency.count, report.log_ins.count, "the measured time alone");
                continue;
            }
            let check = &report.check;
            assert!(check.accepted > 0, "{name}: nothing was said");
            assert_eq!(check.sent, check.accepted, "{name}");
            assert_eq!(check.delivered, check.accepted * plan.receivers() as u64, "{name}");
            assert_eq!(report.delivery.count, report.deliveries, "{name}: every delivery has a time");
            assert_eq!(report.pairs.is_some(), scenario == Scenario::Crowded, "{name}");
            if let Some(pairs) = &report.pairs {
                assert!(pairs.alone.count > 0 && pairs.crowded.count > 0, "{pairs:?}");
                assert_eq!(pairs.check.delivered, pairs.check.accepted, "one hears each line");
            }
            if cfg!(target_os = "linux") {
                assert!(report.memory.logged_in.is_some() && report.cpu.server.is_some(), "{name}");
                assert_eq!(report.subject.server.len(), 1, "{name}");
            }
        }
    }
}

#[test]
fn a_member_that_never_reads_is_told_what_it_missed_and_costs_the_others_nothing() {
    let lobby = ["--set", "lobby.lines=64", "--set", "lobby.bytes=65536"];
    let server = ServerProcess::start(&[&UNLIMITED[..], &lobby].concat());
    let plan =
        Plan { size: 1_000, duration: Duration::from_secs(2), ..small(Scenario::Stalled, server.address) };
    let report = run(&plan, &mut |_| {}).expect("a report");
    assert_eq!(report.failures, [""; 0]);
    let stalled = report.stalled.expect("one stalled");
    assert_eq!(stalled.members, 1);
    assert!(stalled.lines + stalled.missed > 0, "{stalled:?}");
    assert_eq!(report.check.delivered, report.check.accepted * plan.receivers() as u64);
}

#[test]
fn the_program_writes_one_json_document_and_one_page() {
    let server = ServerProcess::start(&UNLIMITED);
    let html = std::env::temp_dir().join(format!("iocp-chat-bench-{}.html", std::process::id()));
    let output = Command::new(env!("CARGO_BIN_EXE_chat-client"))
        .args(["dummy", "broadcast", &server.address.to_string(), "--json", "--clients=8", "--duration=0.2"])
        .args(["--warm-up=0", "--html"])
        .arg(&html)
        .output()
        .expect("the executable starts");
    assert!(output.status.success(), "{output:?}");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
    assert_eq!(report["plan"]["scenario"], "broadcast");
    assert_eq!(report["check"]["expected"], report["check"]["delivered"]);
    assert!(output.stderr.is_empty(), "no terminal, no progress");
    let page = std::fs::read_to_string(&html).expect("the page");
    std::fs::remove_file(&html).expect("our own file");
    assert!(page.contains("<svg") && page.ends_with("</html>\n"), "{page}");
    for outside in ["http:", "https:", "src=", "href=", "@import", "url("] {
        assert!(!page.contains(outside), "the page needs {outside}");
    }
}

#[test]
fn a_server_that_limits_speed_is_not_measured() {
    let server = ServerProcess::start(&[]);
    let plan = small(Scenario::Broadcast, server.address);
    let error = run(&plan, &mut |_| {}).expect_err("five lines a second are no load");
    assert!(error.to_string().contains("rates.chat.per_second=0"), "{error}");
}

#[test]
fn a_server_that_is_right_in_small_passes() {
    let report = judge(Fault::None);
    assert_eq!(report.failures, [""; 0]);
    assert!(table(&report).contains("once and in order"));
}

#[test]
fn a_server_that_doubles_a_line_is_found_out() {
    let report = judge(Fault::Doubles);
    assert_eq!((report.check.doubled, report.check.lost), (1, 0), "{:?}", report.check);
    assert!(table(&report).contains("FAILED: 1 lines doubled"), "{}", table(&report));
    assert!(page(&report).contains("FAILED"));
}

#[test]
fn a_server_that_drops_a_line_is_found_out() {
    let report = judge(Fault::Drops);
    assert_eq!((report.check.lost, report.check.doubled), (1, 0), "{:?}", report.check);
    assert!(!report.failures.is_empty());
}

#[test]
fn a_server_that_swaps_two_lines_is_found_out() {
    let report = judge(Fault::Swaps);
    assert_eq!((report.check.reordered, report.check.lost), (1, 0), "{:?}", report.check);
    assert!(!report.failures.is_empty());
}

#[test]
fn a_server_that_sends_a_line_back_to_who_said_it_is_found_out() {
    let report = judge(Fault::Echoes);
    assert_eq!(report.check.echoed, 1, "{:?}", report.check);
    assert!(!report.failures.is_empty());
}

/// The line that a broken server does something to: one of the first that are said at once, however slow it is.
const BROKEN: u64 = 2;
const AFTER: u64 = BROKEN + 1;

/// What a broken server does to that line, once.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    Doubles,
    Drops,
    Swaps,
    Echoes,
}

/// One talker and two listeners at a server with that fault.
fn judge(fault: Fault) -> Report {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    let server = broken_server(listener, fault);
    // What is lost is waited for that long; all else comes before.
    let patience = Duration::from_secs(if fault == Fault::Drops { 5 } else { 60 });
    let plan = Plan { clients: 3, talkers: 1, patience, ..small(Scenario::Broadcast, address) };
    let report = run(&plan, &mut |_| {}).expect("a report, whatever it says");
    server.join().expect("the server ends when its clients do");
    report
}

/// Serves three guests, the first of whom talks.
fn broken_server(listener: TcpListener, fault: Fault) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut peers: Vec<_> = (0..3).map(|_| Peer::greet(listener.accept().expect("a guest").0)).collect();
        peers.sort_by(|one, other| one.name.cmp(&other.name));
        let (talker, others) = peers.split_at_mut(1);
        let mut seq = 0;
        while let Some(packet) = talker[0].receive() {
            let ClientPacket::Broadcast(said) = packet else { panic!("it only talks: {packet:?}") };
            seq += 1;
            let line = |seq: u64| {
                let head = LineHead { conversation: LOBBY, epoch: 9, seq, time_ms: 0 };
                let mut bytes = BytesMut::new();
                Line { head, sender: "x", text: said.text.as_str() }.encode_broadcast(&mut bytes);
                bytes
            };
            for (number, other) in others.iter_mut().enumerate() {
                let lines = match (fault, seq, number) {
                    (Fault::Doubles, BROKEN, 0) => [line(seq), line(seq)].concat(),
                    (Fault::Drops | Fault::Swaps, BROKEN, 0) => Vec::new(),
                    (Fault::Swaps, AFTER, 0) => [line(seq), line(BROKEN)].concat(),
                    _ => line(seq).to_vec(),
                };
                other.send(&lines);
            }
            if fault == Fault::Echoes && seq == BROKEN {
                talker[0].send(&line(seq));
            }
            let receipt = Receipt { epoch: 9, seq, time_ms: 0 };
            let answer = ServerPacket::BroadcastAnswer(Answer { id: said.id, outcome: Ok(receipt) });
            talker[0].send(&answer.to_bytes());
        }
    })
}
