//! A client that sends what it is told to, and notes what comes and when.

use std::{sync::Arc, time::Duration};

use bytes::BytesMut;
use chat_proto::{PacketCodec, ServerPacket, limits::SERVER_PACKET_BYTES_MAX};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf, split},
    sync::{Mutex, mpsc},
    task::{JoinHandle, yield_now},
    time::{Instant, sleep, timeout},
};
use tokio_util::codec::Decoder;

use super::packets;

/// A pipe or a socket.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

type Writer = Arc<Mutex<WriteHalf<Box<dyn Stream>>>>;

/// What comes.
#[derive(Debug)]
pub enum Event {
    Packet(ServerPacket),
    /// The end of the stream.
    End(Instant),
}

/// How long to wait for what must come.
#[derive(Clone, Copy)]
pub struct Patience(pub Duration);

/// One client. Everything that comes is read at once.
pub struct Peer {
    writer: Writer,
    events: mpsc::UnboundedReceiver<Event>,
    reader: JoinHandle<()>,
    patience: Patience,
    /// Bytes that were taken of what it sent.
    pub written: usize,
}

impl Peer {
    /// A client that answers Pings if it is `polite`.
    pub fn new(stream: Box<dyn Stream>, patience: Patience, polite: bool) -> Self {
        let (read, write) = split(stream);
        let writer = Arc::new(Mutex::new(write));
        let (sender, events) = mpsc::unbounded_channel();
        let answering = polite.then(|| Arc::clone(&writer));
        let reader = tokio::spawn(read_on(read, sender, answering));
        Self { writer, events, reader, patience, written: 0 }
    }

    /// Sends; false when the server takes no more.
    pub async fn send(&mut self, mut bytes: &[u8]) -> bool {
        let mut writer = self.writer.lock().await;
        while !bytes.is_empty() {
            let Ok(taken @ 1..) = writer.write(bytes).await else { return false };
            self.written += taken;
            bytes = &bytes[taken..];
        }
        true
    }

    /// Sends byte by byte, each of them read before the next follows.
    pub async fn send_slowly(&mut self, bytes: &[u8], pace: Duration) {
        for byte in bytes {
            if !self.send(&[*byte]).await {
                return;
            }
            if pace.is_zero() { yield_now().await } else { sleep(pace).await }
        }
    }

    /// Sends no more.
    pub async fn half_close(&mut self) {
        // Fails if the server has closed already.
        let _ = self.writer.lock().await.shutdown().await;
    }

    /// What comes next; `None` when nothing does for too long.
    pub async fn next(&mut self) -> Option<Event> {
        timeout(self.patience.0, self.events.recv()).await.ok().flatten()
    }

    /// What comes next that is no line, no answer to one's own in the lobby, and no notice of what others do.
    pub async fn answer(&mut self) -> Result<ServerPacket, String> {
        loop {
            match self.next().await {
                Some(Event::Packet(
                    ServerPacket::BroadcastAnswer(_)
                    | ServerPacket::BroadcastLine(_)
                    | ServerPacket::Joined(_)
                    | ServerPacket::Left(_)
                    | ServerPacket::RoomChanged(_)
                    | ServerPacket::Removed(_)
                    | ServerPacket::Moderated(_)
                    | ServerPacket::Ping(_),
                )) => {}
                Some(Event::Packet(packet)) => return Ok(packet),
                other => return Err(format!("no answer, but {other:?}")),
            }
        }
    }

    /// Asks, and takes the answer.
    pub async fn ask(&mut self, request: &[u8]) -> Result<ServerPacket, String> {
        self.send(request).await;
        self.answer().await
    }

    /// Hears this said next, whatever else is told before it.
    pub async fn hear(&mut self, text: &str) -> Result<(), String> {
        loop {
            match self.next().await {
                Some(Event::Packet(ServerPacket::BroadcastLine(line))) if line.text == text => return Ok(()),
                Some(Event::Packet(ServerPacket::Joined(_) | ServerPacket::Left(_))) => {}
                other => return Err(format!("{text:?} is not heard, but {other:?}")),
            }
        }
    }

    /// What has come already.
    pub fn come(&mut self) -> Option<Event> {
        self.events.try_recv().ok()
    }

    /// Greets; the answer must be the next packet.
    pub async fn greet(&mut self) -> Result<(), String> {
        self.send(&packets::hello(1, 1)).await;
        match self.next().await {
            Some(Event::Packet(ServerPacket::HelloAnswer(answer))) if answer.code.error().is_none() => Ok(()),
            other => Err(format!("not greeted: {other:?}")),
        }
    }

    /// Logs in; the answer must be the next packet.
    pub async fn log_in(&mut self, name: &str) -> Result<(), String> {
        self.send(&packets::login(2, name, None)).await;
        match self.next().await {
            Some(Event::Packet(ServerPacket::LoginAnswer(answer))) if answer.outcome.is_ok() => Ok(()),
            other => Err(format!("not logged in: {other:?}")),
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

async fn read_on(
    mut read: ReadHalf<Box<dyn Stream>>,
    events: mpsc::UnboundedSender<Event>,
    answering: Option<Writer>,
) {
    let mut codec = PacketCodec::new(SERVER_PACKET_BYTES_MAX);
    let mut buffer = BytesMut::new();
    loop {
        while let Some(frame) = codec.decode(&mut buffer).expect("the server sends packets") {
            let packet = ServerPacket::decode(frame.kind, &frame.body).expect("the server's packets decode");
            if let (ServerPacket::Ping(ping), Some(writer)) = (&packet, &answering) {
                // Fails if the server has closed already.
                let _ = writer.lock().await.write_all(&packets::pong(ping.payload.as_bytes())).await;
            }
            if events.send(Event::Packet(packet)).is_err() {
                return;
            }
        }
        if !matches!(read.read_buf(&mut buffer).await, Ok(1..)) {
            assert!(buffer.is_empty(), "the stream ends inside a packet");
            let _ = events.send(Event::End(Instant::now()));
            return;
        }
    }
}
