//! What the tests share: a server in this process, and people in it.
#![allow(dead_code, reason = "each test target uses its own part of it")]

pub mod stage;

use std::time::Duration;

use bytes::BytesMut;
use chat_proto::{
    Broadcast, ClientPacket, Credential, Hello, Login, PacketCodec, RequestId, ServerPacket, Text, Username,
    VERSION, limits::SERVER_PACKET_BYTES_MAX,
};
use iocp_chat::{
    client::{Client, Event, Events, Session, Timeouts},
    config::{Config, Durability, Rate},
    server::Server,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::timeout,
};
use tokio_util::codec::Decoder;

/// For a machine that is slow: what is tested is not how fast somebody comes in.
pub fn unhurried() -> Timeouts {
    let long = Duration::from_mins(5);
    Timeouts { connect: long, login: long, ..Timeouts::default() }
}

/// The defaults, without limits to speed.
pub fn unthrottled() -> Config {
    let mut config = Config::default();
    let free = Rate { per_second: 0, burst: 1 };
    config.rates.chat = free;
    config.rates.other = free;
    config
}

/// As [`unthrottled`], and nobody is told who comes and goes.
pub fn quiet() -> Config {
    let mut config = unthrottled();
    config.limits.notice_members = 0;
    config
}

/// As [`quiet`], and lines are stored before they are answered.
pub fn full() -> Config {
    let mut config = quiet();
    config.history.durability = Durability::Full;
    config
}

/// A server that only memory leads to.
pub fn serve(config: &Config) -> Server {
    Server::start(config, Vec::new(), None).expect("a server without sockets starts")
}

/// Somebody signed in over a pipe that holds `pipe_bytes` each way.
pub async fn guest_over(server: &Server, name: &str, pipe_bytes: usize) -> (Session, Events) {
    let greeted = Client::over_within(server.connect_in_memory(pipe_bytes), unhurried()).await;
    let client = greeted.expect("the server greets");
    client.log_in(name, Credential::None).await.expect("the name is free")
}

/// Somebody signed in.
pub async fn guest(server: &Server, name: &str) -> (Session, Events) {
    guest_over(server, name, 64 * 1024).await
}

/// The next event, which must come.
pub async fn next(events: &mut Events) -> Event {
    timeout(Duration::from_secs(60), events.next())
        .await
        .expect("something is heard")
        .expect("the stream goes on")
}

/// What the next event says, if it is a line.
pub async fn heard(events: &mut Events) -> String {
    match next(events).await {
        Event::Broadcast(line) | Event::Whisper(line) => line.text,
        other => panic!("not a line: {other:?}"),
    }
}

/// Bytes on the wire, without the library's help.
pub struct Raw<S> {
    pub socket: S,
    codec: PacketCodec,
    buffer: BytesMut,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Raw<S> {
    pub fn new(socket: S) -> Self {
        Self { socket, codec: PacketCodec::new(SERVER_PACKET_BYTES_MAX), buffer: BytesMut::new() }
    }

    pub async fn send(&mut self, packets: &[ClientPacket]) {
        let mut out = BytesMut::new();
        for packet in packets {
            packet.encode(&mut out);
        }
        self.socket.write_all(&out).await.expect("the server reads");
    }

    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).await.expect("the server reads");
    }

    /// The next packet; `None` when the server has closed.
    pub async fn receive(&mut self) -> Option<ServerPacket> {
        loop {
            if let Some(frame) = self.codec.decode(&mut self.buffer).expect("the server sends packets") {
                return Some(
                    ServerPacket::decode(frame.kind, &frame.body).expect("the server's packets decode"),
                );
            }
            let read = timeout(Duration::from_secs(200), self.socket.read_buf(&mut self.buffer)).await;
            if !matches!(read.expect("the server says something"), Ok(1..)) {
                assert!(self.buffer.is_empty(), "the stream ends inside a packet");
                return None;
            }
        }
    }

    /// Greets and logs in, and reads up to the welcome.
    pub async fn log_in(&mut self, name: &str) {
        self.send(&[hello(1), login(2, name)]).await;
        assert!(matches!(self.receive().await, Some(ServerPacket::HelloAnswer(_))));
        let welcome = self.receive().await;
        assert!(
            matches!(&welcome, Some(ServerPacket::LoginAnswer(answer)) if answer.outcome.is_ok()),
            "{welcome:?}"
        );
    }
}

pub fn id(number: u32) -> RequestId {
    RequestId::new(number).expect("not zero")
}

pub fn hello(number: u32) -> ClientPacket {
    ClientPacket::Hello(Hello { id: id(number), version: VERSION, features: 0 })
}

pub fn login(number: u32, name: &str) -> ClientPacket {
    let name = Username::parse(name).expect("a name");
    ClientPacket::Login(Login { id: id(number), name, credential: Credential::None })
}

pub fn broadcast(number: u32, text: &str) -> ClientPacket {
    ClientPacket::Broadcast(Broadcast {
        id: id(number),
        message_id: 0,
        text: Text::parse(text).expect("a text"),
    })
}
