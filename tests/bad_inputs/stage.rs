//! A server with two people in it who talk, and whatever has to be as before when the hostile one is gone.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    io::{self, Write},
    net::Ipv4Addr,
    sync::Once,
    time::Duration,
};

use chat_proto::{ErrorCode, ServerPacket};
use iocp_chat::{
    config::Config,
    net,
    server::{Listeners, Server},
    stop::StopReason,
};
use tokio::{
    net::TcpStream,
    task::yield_now,
    time::{Instant, sleep, timeout},
};
use tracing_subscriber::filter::LevelFilter;

use super::{
    packets,
    peer::{Event, Patience, Peer, Stream},
    table::{Made, Moderation, Row},
    tls,
};

/// What a test's pipe holds each way, in bytes.
pub const PIPE_BYTES: usize = 64 * 1024;

/// The name that is nobody's but the second canary's.
const FRIEND: &str = "wilma";

/// A password of the table. It must never be in the log.
pub const SECRET: &str = "correct-horse-planted";

thread_local! {
    /// Panics on this thread; a server's tasks run on the thread of their test.
    static PANICS: Cell<u32> = const { Cell::new(0) };
    /// What the server logged on this thread.
    static LOG: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Over what a client connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    Memory,
    /// TLS, in memory.
    Tls,
    /// Loopback, in real time.
    Sockets,
}

impl Link {
    /// Whether time waits for everyone.
    pub fn is_in_memory(self) -> bool {
        self != Self::Sockets
    }
}

/// The server, its two canaries, and the counters before anything happened.
pub struct Stage {
    pub server: Server,
    pub link: Link,
    witness: Peer,
    friend: Peer,
    /// The counts while only the canaries are there.
    baseline: [usize; 4],
    /// Rooms that the witness sees, and how many are in each, while only the canaries are there.
    rooms: Vec<(u64, u32)>,
    rejects: Vec<u64>,
    lines: u32,
}

/// What the canaries heard of the hostile one.
#[derive(Default)]
pub struct Heard {
    pub texts: Vec<String>,
}

impl Stage {
    /// A server as a row wants it, and two people in it.
    pub async fn set(link: Link, row: &Row) -> Result<Self, String> {
        let config = Config::load(None, [].into_iter(), &row.config).map_err(|error| error.to_string())?;
        let listeners = match link {
            Link::Memory => Listeners::default(),
            Link::Tls => Listeners { acceptor: Some(tls::acceptor()), ..Listeners::default() },
            Link::Sockets => {
                vec![net::bind((Ipv4Addr::LOCALHOST, 0).into()).map_err(|error| error.to_string())?].into()
            }
        };
        let server = Server::start(&config, listeners, None).map_err(|error| error.to_string())?;
        let mut people = Vec::new();
        for name in [&row.witness, FRIEND] {
            let mut peer = Peer::new(connect(&server, link, PIPE_BYTES, false).await, patience(), true);
            peer.greet().await?;
            peer.log_in(name).await?;
            people.push(peer);
        }
        let (Some(friend), Some(witness)) = (people.pop(), people.pop()) else {
            unreachable!("two were pushed")
        };
        let mut stage = Self {
            server,
            link,
            witness,
            friend,
            baseline: [0; 4],
            rooms: Vec::new(),
            rejects: Vec::new(),
            lines: 0,
        };
        stage.baseline = stage.counts();
        if stage.baseline[..3] != [2; 3] {
            return Err(format!("two people are {:?}", stage.baseline));
        }
        stage.furnish(row).await?;
        stage.count_from_here();
        Ok(stage)
    }

    /// The witness makes what the row wants to be there.
    async fn furnish(&mut self, row: &Row) -> Result<(), String> {
        for (number, room) in (2..).zip(&row.made) {
            let Made { name, password, capacity, flags, slow_s, banned, muted, invited } = room;
            let how = (*capacity, *flags, *slow_s);
            let mut requests = vec![packets::create_room(1, name, password, how, "")];
            let known = [(Moderation::Ban, banned), (Moderation::Mute, muted), (Moderation::Invite, invited)];
            requests.extend(known.into_iter().filter_map(|(act, name)| {
                Some(packets::moderate(1, number, act as u16, name.as_ref()?, 0, ""))
            }));
            for request in requests {
                match self.witness.ask(&request).await? {
                    ServerPacket::CreateRoomAnswer(answer) if answer.outcome.is_ok() => {}
                    ServerPacket::ModerateAnswer(answer) if answer.outcome.is_ok() => {}
                    other => return Err(format!("{name} is not as it should be: {other:?}")),
                }
            }
        }
        for name in &row.ignored {
            match self.witness.ask(&packets::ignore(1, name, 1)).await? {
                ServerPacket::IgnoreAnswer(answer) if answer.outcome.is_ok() => {}
                other => return Err(format!("{name} is not ignored: {other:?}")),
            }
        }
        self.rooms = self.seen_rooms().await?;
        Ok(())
    }

    /// The rooms that the witness sees, and how many are in each: one page of them.
    async fn seen_rooms(&mut self) -> Result<Vec<(u64, u32)>, String> {
        match self.witness.ask(&packets::rooms(1, 0, 200)).await? {
            ServerPacket::RoomsAnswer(answer) => {
                let page = answer.outcome.map_err(|refusal| format!("no rooms: {refusal:?}"))?;
                Ok(page.entries.0.iter().map(|room| (room.conversation, room.members)).collect())
            }
            other => Err(format!("no rooms: {other:?}")),
        }
    }

    /// Nothing has become of the rooms that were there, and there are no others.
    pub async fn check_rooms(&mut self) -> Result<(), String> {
        let rooms = self.seen_rooms().await?;
        if rooms == self.rooms { Ok(()) } else { Err(format!("rooms {rooms:?}, not {:?}", self.rooms)) }
    }

    /// A new connection that answers nothing by itself.
    pub async fn connect(&self, reset: bool) -> Peer {
        Peer::new(connect(&self.server, self.link, PIPE_BYTES, reset).await, patience(), false)
    }

    /// Somebody comes and goes.
    pub async fn pass_through(&mut self, name: &str) -> Result<(), String> {
        let mut peer = self.connect(false).await;
        peer.greet().await?;
        peer.log_in(name).await?;
        drop(peer);
        self.all_gone(Duration::from_secs(1)).await
    }

    /// From here on rejects are counted.
    pub fn count_from_here(&mut self) {
        self.rejects = self.all_rejects();
    }

    /// Refusals since then, by code.
    pub fn rejects(&self) -> Vec<(u16, u64)> {
        let now = self.all_rejects().into_iter().zip(&self.rejects).map(|(now, before)| now - before);
        let codes = ErrorCode::ALL.iter().map(|code| *code as u16);
        codes.zip(now).filter(|(_, count)| *count > 0).collect()
    }

    fn all_rejects(&self) -> Vec<u64> {
        ErrorCode::ALL.iter().map(|code| self.server.metrics().rejects(*code)).collect()
    }

    /// Waits until only the canaries are there, at most so long.
    pub async fn all_gone(&self, limit: Duration) -> Result<(), String> {
        let gone = async {
            while self.counts() != self.baseline {
                match self.link {
                    Link::Memory | Link::Tls => sleep(Duration::from_millis(10)).await,
                    Link::Sockets => yield_now().await,
                }
            }
        };
        // A real second may pass without a turn for this process.
        let limit = if self.link == Link::Sockets { patience().0 } else { limit };
        let left = || format!("left behind: connections, tasks, sessions, addresses {:?}", self.counts());
        timeout(limit, gone).await.map_err(|_| left())
    }

    /// Connections admitted, their tasks, sessions, and addresses with connections.
    fn counts(&self) -> [usize; 4] {
        let admission = self.server.admission();
        [admission.connections(), self.server.connections(), self.server.sessions(), admission.addresses().0]
    }

    /// Both canaries speak and hear each other. Returns what else the witness heard said.
    pub async fn talk(&mut self) -> Result<Heard, String> {
        self.lines += 1;
        let text = format!("line {}", self.lines);
        let mut heard = Heard::default();
        self.friend.send(&packets::broadcast(self.lines, &text)).await;
        listen(&mut self.witness, &text, &mut heard)
            .await
            .map_err(|error| format!("the witness: {error}"))?;
        self.witness.send(&packets::broadcast(self.lines, &text)).await;
        listen(&mut self.friend, &text, &mut Heard::default())
            .await
            .map_err(|error| format!("the friend: {error}"))?;
        Ok(heard)
    }

    /// The canaries go, and nobody is left; then the server stops, and nobody had to be cut.
    pub async fn strike(self) -> Result<(), String> {
        let Self { server, link, witness, friend, .. } = self;
        drop((witness, friend));
        let gone = async {
            while server.connections() + server.sessions() + server.admission().connections() > 0 {
                match link {
                    Link::Memory | Link::Tls => sleep(Duration::from_millis(10)).await,
                    Link::Sockets => yield_now().await,
                }
            }
        };
        timeout(patience().0, gone).await.map_err(|_| "the canaries are left behind")?;
        let stopped = server.stop(StopReason::Terminate).await;
        if stopped.cut == 0 { Ok(()) } else { Err(format!("{} had to be cut", stopped.cut)) }
    }
}

/// Waits for a line, and notes what is said before it.
async fn listen(peer: &mut Peer, awaited: &str, heard: &mut Heard) -> Result<(), String> {
    let mut last = BTreeMap::new();
    loop {
        match peer.next().await {
            Some(Event::Packet(ServerPacket::BroadcastLine(line))) => {
                let last = last.entry(line.head.conversation).or_insert(0);
                if line.head.seq <= *last {
                    return Err(format!("line {} after {last}", line.head.seq));
                }
                *last = line.head.seq;
                if line.text == awaited {
                    return Ok(());
                }
                heard.texts.push(line.text);
            }
            Some(Event::Packet(ServerPacket::WhisperLine(line))) => heard.texts.push(line.text),
            Some(Event::Packet(ServerPacket::Missed(missed))) => {
                return Err(format!("it missed lines: {missed:?}"));
            }
            Some(Event::Packet(_)) => {}
            other => return Err(format!("{awaited:?} is not heard: {other:?}")),
        }
    }
}

/// A connection to the server; `reset` has it reset when it is dropped.
pub async fn connect(server: &Server, link: Link, pipe_bytes: usize, reset: bool) -> Box<dyn Stream> {
    match link {
        Link::Memory => return Box::new(server.connect_in_memory(pipe_bytes)),
        Link::Tls => return Box::new(tls::connect(server.connect_in_memory_tls(pipe_bytes)).await),
        Link::Sockets => {}
    }
    let socket = TcpStream::connect(server.addresses()[0]).await.expect("the server listens");
    socket.set_nodelay(true).expect("an open socket");
    if reset {
        socket.set_zero_linger().expect("an open socket");
    }
    Box::new(socket)
}

/// How long what must come may take: nothing in memory, where time waits for everyone, and over sockets as long as a busy
/// machine likes.
pub fn patience() -> Patience {
    Patience(Duration::from_secs(200))
}

/// Notes every panic and every line of the log from here on.
pub fn observe() -> tracing::subscriber::DefaultGuard {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let show = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            PANICS.set(PANICS.get() + 1);
            show(info);
        }));
    });
    let log = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_ansi(false)
        .with_writer(|| LogWriter);
    tracing::subscriber::set_default(log.finish())
}

struct LogWriter;

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOG.with_borrow_mut(|log| log.extend_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Puts something into the log as it is.
pub fn log_raw(text: &str) {
    LOG.with_borrow_mut(|log| log.extend_from_slice(text.as_bytes()));
}

/// Since the last time: nothing panicked, and the log has no byte that acts on a terminal, no secret and nothing
/// of what was said.
pub fn check_panics_and_log(said: &[String]) -> Result<(), String> {
    if PANICS.replace(0) > 0 {
        return Err("a panic".into());
    }
    let log = LOG.with_borrow_mut(std::mem::take);
    let log = String::from_utf8(log).map_err(|_| "the log is not UTF-8")?;
    if log.is_empty() {
        return Err("nothing was logged: the log is not seen".into());
    }
    let acts = |c: char| {
        (c.is_control() && c != '\n') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if let Some(line) = log.lines().find(|line| line.contains(acts)) {
        return Err(format!("unescaped in the log: {line:?}"));
    }
    // Shorter ones may be part of anything.
    let private = said.iter().map(String::as_str).filter(|text| text.len() >= 8).chain([SECRET]);
    match private.into_iter().find(|text| log.contains(text)) {
        Some(text) => Err(format!("in the log: {text:?}")),
        None => Ok(()),
    }
}

/// Time since then.
pub fn since(then: Instant) -> Duration {
    Instant::now() - then
}
