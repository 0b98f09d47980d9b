//! The whole server in a process of its own, over loopback sockets, every line checked at every receiver.
//!
//! `CHAT_TEST_SERVER` names another server to measure: chat-server.exe under Wine, where what `WINESERVER_PID` uses
//! is counted too, for it does the kernel's work there.

use std::{
    cell::{Cell, RefCell},
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};

use bytes::{Buf, BytesMut};
use chat_proto::{
    Broadcast, ClientPacket, Credential, Hello, LOBBY, Login, PacketCodec, RequestId, ServerPacket, Text,
    Username, VERSION, kind, limits::SERVER_PACKET_BYTES_MAX,
};
use tokio::{io::AsyncWriteExt, net::TcpStream, task::LocalSet};
use tokio_util::codec::Decoder;

use crate::process::ServerProcess;

/// How long each room is measured.
const MEASURED: Duration = Duration::from_secs(4);

/// The process that does for programs under Wine what the kernel does for others.
const WINESERVER_VARIABLE: &str = "WINESERVER_PID";

/// A room to measure.
#[derive(Clone, Copy)]
pub struct Room {
    pub members: usize,
    pub talkers: usize,
    /// Lines that each talker keeps unanswered.
    pub outstanding: usize,
    pub text_bytes: usize,
    /// What a delivery may cost, in microseconds of CPU.
    pub limit_us: f64,
}

/// Measures each room with a server of its own, without limits to speed.
pub fn run(rooms: &[Room]) {
    println!(
        "{:>8} {:>8} {:>12} {:>6} {:>14} {:>12} {:>6}",
        "members", "talkers", "outstanding", "bytes", "deliveries/s", "CPU us each", "lost"
    );
    for room in rooms {
        let server = ServerProcess::start(&[
            "--set",
            "rates.chat.per_second=0",
            "--set",
            "limits.notice_members=0",
            // Whoever listens says nothing, and on a slow machine a thousand take a while to come.
            "--set",
            "timeouts.idle=1h",
        ]);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let measured = LocalSet::new().block_on(&runtime, measure(&server, *room));
        let each_us = measured.cpu_us / measured.deliveries;
        println!(
            "{:>8} {:>8} {:>12} {:>6} {:>14.0} {each_us:>12.4} {:>6}",
            room.members,
            room.talkers,
            room.outstanding,
            room.text_bytes,
            measured.deliveries / measured.seconds,
            measured.lost,
        );
        assert_eq!(measured.lost, 0, "a receiver lost, doubled or reordered lines");
        assert!(each_us <= room.limit_us, "a delivery may cost {} us of CPU", room.limit_us);
    }
}

struct Measured {
    deliveries: f64,
    seconds: f64,
    cpu_us: f64,
    lost: u64,
}

/// What all receivers count.
#[derive(Default)]
struct Tally {
    deliveries: Cell<u64>,
    lost: Cell<u64>,
    talking: Cell<bool>,
}

async fn measure(server: &ServerProcess, room: Room) -> Measured {
    let tally = Rc::new(Tally::default());
    tally.talking.set(true);
    let mut talkers = Vec::new();
    for number in 0..room.members {
        let member = Member::log_in(server.address, number).await;
        if number < room.talkers {
            talkers.push(member);
        } else {
            tokio::task::spawn_local(member.listen(Rc::clone(&tally)));
        }
    }
    for talker in talkers {
        tokio::task::spawn_local(talker.talk(Rc::clone(&tally), room));
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (before, cpu_before, started) = (tally.deliveries.get(), cpu_us(server), Instant::now());
    tokio::time::sleep(MEASURED).await;
    let (after, cpu_after, seconds) =
        (tally.deliveries.get(), cpu_us(server), started.elapsed().as_secs_f64());
    tally.talking.set(false);
    let deliveries = f64::from(u32::try_from(after - before).expect("a few seconds' worth"));
    Measured { deliveries, seconds, cpu_us: cpu_after - cpu_before, lost: tally.lost.get() }
}

/// One client, as cheap as it can be: the server is what is measured.
struct Member {
    socket: TcpStream,
    codec: PacketCodec,
    partial: BytesMut,
    epoch: u64,
    seq: u64,
}

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; 256 * 1024]);
}

impl Member {
    async fn log_in(address: SocketAddr, number: usize) -> Self {
        let mut socket = TcpStream::connect(address).await.expect("the server listens");
        socket.set_nodelay(true).expect("a TCP option");
        let name = Username::parse(&format!("member{number}")).expect("valid");
        let mut out = BytesMut::new();
        ClientPacket::Hello(Hello { id: id(1), version: VERSION, features: 0 }).encode(&mut out);
        ClientPacket::Login(Login { id: id(2), name, credential: Credential::None }).encode(&mut out);
        socket.write_all(&out).await.expect("the server reads");
        let codec = PacketCodec::new(SERVER_PACKET_BYTES_MAX);
        let mut member = Self { socket, codec, partial: BytesMut::new(), epoch: 0, seq: 0 };
        while member.epoch == 0 {
            member.read().await;
            while let Some(frame) = member.codec.decode(&mut member.partial).expect("packets") {
                if let ServerPacket::LoginAnswer(answer) =
                    ServerPacket::decode(frame.kind, &frame.body).expect("valid")
                {
                    let places = answer.outcome.expect("welcome").conversations.0;
                    let lobby = places.iter().find(|place| place.conversation == LOBBY).expect("it is in it");
                    (member.epoch, member.seq) = (lobby.epoch, lobby.seq);
                }
            }
        }
        member
    }

    async fn read(&mut self) {
        loop {
            self.socket.readable().await.expect("the server is there");
            let count = SCRATCH.with_borrow_mut(|scratch| {
                let count = self.socket.try_read(scratch);
                if let Ok(count) = count {
                    self.partial.extend_from_slice(&scratch[..count]);
                }
                count
            });
            match count {
                Ok(0) => panic!("the server hung up"),
                Ok(_) => return,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Takes every line; each must follow the one before.
    async fn listen(mut self, tally: Rc<Tally>) {
        loop {
            self.read().await;
            let (mut lines, mut lost) = (0, 0);
            while let Some((kind, mut body)) = next_packet(&mut self.partial) {
                match kind {
                    kind::BROADCAST_LINE => {
                        let (_, epoch, seq) = (varint(&mut body), varint(&mut body), varint(&mut body));
                        lost += u64::from(epoch != self.epoch || seq != self.seq + 1);
                        self.seq = seq;
                        lines += 1;
                    }
                    kind::MISSED => lost += 1,
                    kind::PING => {}
                    other => panic!("a packet of type {other}"),
                }
            }
            tally.deliveries.set(tally.deliveries.get() + lines);
            tally.lost.set(tally.lost.get() + lost);
        }
    }

    /// Keeps the room's number of lines unanswered.
    async fn talk(mut self, tally: Rc<Tally>, room: Room) {
        let text = Text::parse(&"x".repeat(room.text_bytes)).expect("valid");
        let mut unanswered = 0;
        let mut out = BytesMut::new();
        while tally.talking.get() {
            while unanswered < room.outstanding {
                let line = Broadcast { id: id(3), message_id: 0, text: text.clone() };
                ClientPacket::Broadcast(line).encode(&mut out);
                unanswered += 1;
            }
            self.socket.write_all_buf(&mut out).await.expect("the server reads");
            self.read().await;
            let mut lines = 0;
            while let Some((kind, mut body)) = next_packet(&mut self.partial) {
                match kind {
                    kind::BROADCAST_ANSWER => {
                        assert_eq!((varint(&mut body), varint(&mut body)), (3, 0), "a line is accepted");
                        unanswered -= 1;
                    }
                    kind::BROADCAST_LINE => {
                        let (_, _, seq) = (varint(&mut body), varint(&mut body), varint(&mut body));
                        // One's own lines are holes.
                        tally.lost.set(tally.lost.get() + u64::from(seq <= self.seq));
                        self.seq = seq;
                        lines += 1;
                    }
                    kind::MISSED => tally.lost.set(tally.lost.get() + 1),
                    _ => {}
                }
            }
            tally.deliveries.set(tally.deliveries.get() + lines);
        }
    }
}

/// Cuts one packet off, without the cost of the real codec.
fn next_packet(buffer: &mut BytesMut) -> Option<(u16, BytesMut)> {
    let &[low, high, kind_low, kind_high] = buffer.first_chunk()?;
    let size = usize::from(u16::from_le_bytes([low, high]));
    if buffer.len() < size {
        return None;
    }
    let mut packet = buffer.split_to(size);
    packet.advance(4);
    Some((u16::from_le_bytes([kind_low, kind_high]), packet))
}

fn varint(body: &mut BytesMut) -> u64 {
    match body.get_u8() {
        251 => body.get_u16_le().into(),
        252 => body.get_u32_le().into(),
        253 => body.get_u64_le(),
        small => small.into(),
    }
}

fn id(number: u32) -> RequestId {
    RequestId::new(number).expect("not zero")
}

/// User and system time of the server so far, Wine's share of it included, in microseconds.
fn cpu_us(server: &ServerProcess) -> f64 {
    let wineserver = std::env::var(WINESERVER_VARIABLE).map(|pid| pid.parse().expect("a process's number"));
    [Some(server.pid()), wineserver.ok()].into_iter().flatten().map(process_cpu_us).sum()
}

fn process_cpu_us(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("Linux");
    let after_name = stat.rsplit(')').next().expect("a name in parentheses");
    let ticks = |field: usize| -> f64 {
        after_name.split_whitespace().nth(field).and_then(|ticks| ticks.parse().ok()).expect("a number")
    };
    // 100 ticks a second, on every Linux that Rust runs on.
    (ticks(11) + ticks(12)) * 10_000.0
}
