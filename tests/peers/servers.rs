//! Whole runs: our own server, which is found right, and small NATS servers that break one line.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread::JoinHandle,
    time::Duration,
};

use iocp_chat::client::bench::{Plan, Report, Scenario};

use crate::{
    dialect::{Chat, Nats},
    load::run,
    process::ServerProcess,
};

/// Members that come in at a time.
const AT_ONCE: usize = 4;

fn small(scenario: Scenario, server: SocketAddr) -> Plan {
    Plan {
        clients: 8,
        talkers: 2,
        rate: if matches!(scenario, Scenario::Steady | Scenario::Idle) { 100.0 } else { 0.0 },
        window: 4,
        warm_up: Duration::from_millis(50),
        // Long enough that a busy machine, too, lets somebody come in or speak in it.
        duration: Duration::from_millis(if scenario == Scenario::Churn { 2_000 } else { 500 }),
        patience: Duration::from_secs(20),
        ..Plan::new(scenario, server)
    }
}

#[test]
fn every_scenario_finds_our_server_right() {
    for (name, scenario) in Scenario::ALL {
        if matches!(scenario, Scenario::Stalled | Scenario::Rooms | Scenario::Crowded | Scenario::Reconnect) {
            continue;
        }
        let server = ServerProcess::start(&["--set", "rates.chat.per_second=0"]);
        let plan = Plan { server_pids: vec![server.pid()], ..small(scenario, server.address) };
        let report = run::<Chat>(&plan, AT_ONCE).expect(name);
        assert_eq!(report.failures, [""; 0], "{name}");
        assert_eq!(report.memory.logged_in.is_some(), cfg!(target_os = "linux"), "{name}");
        match scenario {
            Scenario::Idle => assert_eq!(report.log_ins.count, 8),
            Scenario::Churn => {
                assert!(report.log_ins.count > 0, "nobody came");
                assert_eq!(report.log_ins.latency.count, report.log_ins.count, "the measured time alone");
            }
            _ => {
                assert!(report.check.sent > 0, "{name}: nothing was said");
                assert_eq!(report.check.delivered, report.check.expected, "{name}");
                assert_eq!(report.delivery.count, report.deliveries, "{name}: every delivery has a time");
            }
        }
    }
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let plan = |scenario| small(scenario, ([127, 0, 0, 1], 1).into());
    let stalled = Plan { stalled: 1, ..plan(Scenario::Stalled) };
    let rooms = Plan { rooms: 2, ..plan(Scenario::Rooms) };
    let without_listeners = Plan { talkers: 8, ..plan(Scenario::Broadcast) };
    let too_short = Plan { size: 15, ..plan(Scenario::Broadcast) };
    let refused =
        [(stalled, "stalled"), (rooms, "rooms"), (without_listeners, "--talkers"), (too_short, "--size")];
    for (plan, about) in refused {
        let error = run::<Chat>(&plan, AT_ONCE).expect_err(about);
        assert!(error.to_string().contains(about), "{error}");
    }
}

#[test]
fn a_server_that_is_right_in_small_passes() {
    assert_eq!(judge(Fault::None).failures, [""; 0]);
}

#[test]
fn a_server_that_doubles_a_line_is_found_out() {
    let report = judge(Fault::Doubles);
    assert_eq!((report.check.doubled, report.check.lost), (1, 0), "{:?}", report.check);
    assert!(!report.failures.is_empty());
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
    let report = run::<Nats>(&plan, AT_ONCE).expect("a report, whatever it says");
    server.join().expect("the server ends when its clients do");
    report
}

/// Serves three clients, the first of whom talks.
fn broken_server(listener: TcpListener, fault: Fault) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut peers: Vec<_> = (0..3).map(|_| Peer::greet(listener.accept().expect("a client").0)).collect();
        peers.sort_by(|one, other| one.name.cmp(&other.name));
        let (talker, others) = peers.split_at_mut(1);
        let (mut number, mut last) = (0, Vec::new());
        while let Some(line) = talker[0].receive() {
            number += 1;
            for (at, other) in others.iter_mut().enumerate() {
                other.send(&match (fault, number, at) {
                    (Fault::Doubles, BROKEN, 0) => [&line[..], &line].concat(),
                    (Fault::Drops | Fault::Swaps, BROKEN, 0) => Vec::new(),
                    (Fault::Swaps, AFTER, 0) => [&line[..], &last].concat(),
                    _ => line.clone(),
                });
            }
            if fault == Fault::Echoes && number == BROKEN {
                talker[0].send(&line);
            }
            last = line;
        }
    })
}

/// The server's end of a connection.
struct Peer {
    reader: BufReader<TcpStream>,
    name: String,
}

impl Peer {
    /// Takes the client's greeting, and answers its ping.
    fn greet(socket: TcpStream) -> Self {
        let mut peer = Self { reader: BufReader::new(socket), name: String::new() };
        loop {
            let line = peer.line().expect("a greeting");
            match line.split(' ').collect::<Vec<_>>()[..] {
                ["SUB", subject, "2"] => subject.clone_into(&mut peer.name),
                ["PING"] => break,
                _ => {}
            }
        }
        peer.send(b"INFO {}\r\nPONG\r\n");
        peer
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let count = self.reader.read_line(&mut line).unwrap_or(0);
        (count > 0).then(|| line.trim_end().to_owned())
    }

    /// What is said next, as a listener hears it.
    fn receive(&mut self) -> Option<Vec<u8>> {
        let said = self.line()?;
        let size: usize = said.strip_prefix("PUB room ").and_then(|size| size.parse().ok()).expect("a line");
        let mut line = format!("MSG room 1 {size}\r\n").into_bytes();
        self.reader.by_ref().take(size as u64 + 2).read_to_end(&mut line).expect("the rest of it");
        Some(line)
    }

    fn send(&mut self, bytes: &[u8]) {
        // The run may be over.
        let _ = self.reader.get_mut().write_all(bytes);
    }
}
