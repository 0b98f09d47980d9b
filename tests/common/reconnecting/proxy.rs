//! A proxy in memory that cuts connections: after so many bytes in one direction, in one of four ways.

use std::{
    io,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::BytesMut;
use chat_proto::{PacketCodec, kind, limits::SERVER_PACKET_BYTES_MAX};
use parking_lot::Mutex;
use rand::{RngExt as _, SeedableRng, rngs::StdRng};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, ReadHalf, WriteHalf},
    time::sleep,
};
use tokio_util::{codec::Decoder, sync::CancellationToken};

/// Of a packet: its length and its type.
const HEADER_BYTES: usize = 4;

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
}

/// How a connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Both sides read the end of the stream.
    End,
    /// The client's next read or write fails, and the server reads the end.
    Error,
    /// Nothing arrives any more, either way, and nobody is told.
    Silence,
    /// As that, one way only: in the other the connection goes on.
    OneWay,
}

impl How {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::End, Self::Error, Self::Silence, Self::OneWay];
}

/// What becomes of one connection.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Cut when so many bytes have gone this way. `None`: it is not.
    pub cut: Option<(Way, usize, How)>,
    /// The most bytes that go in one piece.
    pub piece: usize,
    /// The most milliseconds that a piece takes.
    pub delay_ms: u64,
    /// Decides how long each takes.
    pub seed: u64,
}

impl Plan {
    /// Nothing happens to it.
    pub const WHOLE: Self = Self { cut: None, piece: 64 * 1024, delay_ms: 0, seed: 0 };
}

/// What the proxy has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections cut, by the place of their way in [`How::ALL`].
    pub cuts: [u64; 4],
    /// Of these, when a resume was asked for, and no byte of its answer had come.
    pub answers_lost: u64,
    /// Of these, when some bytes of it had.
    pub answers_torn: u64,
    /// Resumes whose answers came through.
    pub resumes: u64,
}

impl Counts {
    /// Connections cut.
    pub fn all(&self) -> u64 {
        self.cuts.iter().sum()
    }
}

impl std::iter::Sum for Counts {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            cuts: std::array::from_fn(|at| sum.cuts[at] + one.cuts[at]),
            answers_lost: sum.answers_lost + one.answers_lost,
            answers_torn: sum.answers_torn + one.answers_torn,
            resumes: sum.resumes + one.resumes,
        })
    }
}

/// What all connections of one proxy share.
#[derive(Default)]
pub struct Proxy {
    counts: Mutex<Counts>,
    healed: AtomicBool,
    /// Ends the connections there are.
    sever: Mutex<CancellationToken>,
    /// Bytes that went up and down over each connection that has ended.
    bytes: Mutex<Vec<[usize; 2]>>,
}

impl Proxy {
    /// Cuts nothing any more. What has been cut stays so.
    pub fn heal(&self) {
        self.healed.store(true, Ordering::Relaxed);
    }

    /// Ends all connections there are.
    pub fn sever(&self) {
        std::mem::take(&mut *self.sever.lock()).cancel();
    }

    /// Bytes that went up and down over each connection that has ended, in the order of their ends.
    pub fn bytes(&self) -> Vec<[usize; 2]> {
        self.bytes.lock().clone()
    }

    /// What it has done.
    pub fn counts(&self) -> Counts {
        *self.counts.lock()
    }

    fn is_healed(&self) -> bool {
        self.healed.load(Ordering::Relaxed)
    }

    /// The client's end of a connection to this end of the server's.
    pub fn connect(self: &Arc<Self>, server: DuplexStream, plan: Plan) -> Cable {
        let (pipe, client) = tokio::io::duplex(64 * 1024);
        let broken = Arc::new(AtomicBool::new(false));
        let cut_now = self.sever.lock().clone();
        tokio::spawn(carry(Arc::clone(self), cut_now, server, client, plan, Arc::clone(&broken)));
        Cable { pipe, broken }
    }

    fn cut(&self, how: How, seen: &Seen) {
        let mut counts = self.counts.lock();
        counts.cuts[how as usize] += 1;
        match seen.answer() {
            Some(false) => counts.answers_lost += 1,
            Some(true) => counts.answers_torn += 1,
            None => {}
        }
    }
}

/// What has gone over one connection, as far as it concerns a resume.
struct Seen {
    streams: [Stream; 2],
    asked: bool,
    answered: bool,
}

struct Stream {
    codec: PacketCodec,
    buffer: BytesMut,
    /// All that went.
    bytes: usize,
    /// Of them, those of whole packets.
    whole: usize,
}

impl Stream {
    fn new() -> Self {
        let codec = PacketCodec::new(SERVER_PACKET_BYTES_MAX);
        Self { codec, buffer: BytesMut::new(), bytes: 0, whole: 0 }
    }
}

impl Seen {
    fn new() -> Self {
        Self { streams: [Stream::new(), Stream::new()], asked: false, answered: false }
    }

    fn pass(&mut self, way: Way, bytes: &[u8]) {
        let stream = &mut self.streams[way as usize];
        stream.bytes += bytes.len();
        stream.buffer.extend_from_slice(bytes);
        while let Some(frame) = stream.codec.decode(&mut stream.buffer).expect("both sides send packets") {
            stream.whole += HEADER_BYTES + frame.body.len();
            self.asked |= frame.kind == kind::RESUME;
            self.answered |= frame.kind == kind::RESUME_ANSWER;
        }
    }

    /// Whether an answer to a resume is waited for, and whether it has begun to come.
    fn answer(&self) -> Option<bool> {
        let down = &self.streams[Way::Down as usize];
        (self.asked && !self.answered).then_some(down.bytes > down.whole)
    }
}

/// Carries bytes both ways until both have ended, or the connection is cut.
async fn carry(
    proxy: Arc<Proxy>,
    cut_now: CancellationToken,
    server: DuplexStream,
    client: DuplexStream,
    plan: Plan,
    broken: Arc<AtomicBool>,
) {
    let seen = Mutex::new(Seen::new());
    let (from_server, to_server) = tokio::io::split(server);
    let (from_client, to_client) = tokio::io::split(client);
    let part = |way| Part { way, plan: &plan, proxy: &proxy, seen: &seen };
    let both = async {
        let mut up = pin!(part(Way::Up).carry(from_client, to_server));
        let mut down = pin!(part(Way::Down).carry(from_server, to_client));
        let (how, rest): (_, Pin<&mut (dyn Future<Output = Option<How>> + Send)>) = tokio::select! {
            biased;
            how = &mut up => (how, down),
            how = &mut down => (how, up),
        };
        match how {
            // The other way goes on: it has its own end.
            None | Some(How::OneWay) => how.or(rest.await),
            how => how,
        }
    };
    let how = tokio::select! {
        biased;
        () = cut_now.cancelled() => Some(How::End),
        how = both => how,
    };
    {
        let seen = seen.lock();
        proxy.counts.lock().resumes += u64::from(seen.answered);
        proxy.bytes.lock().push([Way::Up, Way::Down].map(|way| seen.streams[way as usize].bytes));
    }
    match how {
        // Both ends stay open, and what is written into them stays there.
        Some(How::Silence | How::OneWay) => std::future::pending().await,
        Some(How::Error) => broken.store(true, Ordering::Release),
        Some(How::End) | None => {}
    }
}

/// One way of one connection.
struct Part<'a> {
    way: Way,
    plan: &'a Plan,
    proxy: &'a Proxy,
    seen: &'a Mutex<Seen>,
}

impl Part<'_> {
    /// Carries bytes until they end, or so many have gone that this is where the connection is cut.
    async fn carry(self, mut from: ReadHalf<DuplexStream>, mut to: WriteHalf<DuplexStream>) -> Option<How> {
        let Self { way, plan, proxy, seen } = self;
        let cut = plan.cut.filter(|(cut, ..)| *cut == way).map(|(_, after, how)| (after, how));
        let mut rng = StdRng::seed_from_u64(plan.seed ^ way as u64);
        let (mut gone, mut piece) = (0, vec![0; plan.piece]);
        loop {
            let mut room = piece.len();
            if let Some((after, how)) = cut.filter(|_| !proxy.is_healed()) {
                if gone == after {
                    proxy.cut(how, &seen.lock());
                    return Some(how);
                }
                room = room.min(after - gone);
            }
            let Ok(count @ 1..) = from.read(&mut piece[..room]).await else {
                // The other side may have gone.
                let _ = to.shutdown().await;
                return None;
            };
            if plan.delay_ms > 0 {
                sleep(Duration::from_millis(rng.random_range(0..=plan.delay_ms))).await;
            }
            gone += count;
            seen.lock().pass(way, &piece[..count]);
            if to.write_all(&piece[..count]).await.is_err() {
                return None;
            }
        }
    }
}

/// The client's end of a connection.
pub struct Cable {
    pipe: DuplexStream,
    broken: Arc<AtomicBool>,
}

impl Cable {
    fn check(&self) -> io::Result<()> {
        if self.broken.load(Ordering::Acquire) { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(()) }
    }
}

impl AsyncRead for Cable {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.pipe).poll_read(cx, buf))?;
        Poll::Ready(if buf.filled().len() > before { Ok(()) } else { self.check() })
    }
}

impl AsyncWrite for Cable {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.pipe).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_shutdown(cx)
    }
}
