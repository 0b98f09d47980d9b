//! A scripted server at the other end of an in-memory pipe, for tests.

use bytes::BytesMut;
use chat_proto::{
    Answer, Broadcast, ClientPacket, Code, Credential, HelloAnswer, Limits, Line, LineHead, List,
    PacketCodec, Receipt, Refusal, RequestId, ServerPacket, Welcome,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio_util::codec::Decoder;

use super::{Client, Error, Events, Session};

pub(super) const LIMITS: Limits = Limits { requests_outstanding: 4, ..Limits::DEFAULT };

/// The server's end, used line by line as a script.
pub(super) struct Peer {
    stream: DuplexStream,
    codec: PacketCodec,
    buffer: BytesMut,
}

impl Peer {
    pub(super) async fn recv(&mut self) -> ClientPacket {
        loop {
            if let Some(frame) = self.codec.decode(&mut self.buffer).expect("a client frames rightly") {
                return ClientPacket::decode(frame.kind, &frame.body).expect("a client encodes rightly");
            }
            let bytes = self.stream.read_buf(&mut self.buffer).await.expect("a pipe does not fail");
            assert_ne!(bytes, 0, "the client hung up");
        }
    }

    pub(super) async fn send(&mut self, packet: &ServerPacket) {
        self.send_bytes(&packet.to_bytes()).await;
    }

    pub(super) async fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("the client is there");
    }

    /// Plays the greeting and the login.
    pub(super) async fn welcome(&mut self) {
        let ClientPacket::Hello(hello) = self.recv().await else { panic!("a Hello is first") };
        self.send(&hello_answer(hello.id, Code::OK)).await;
        let ClientPacket::Login(login) = self.recv().await else { panic!("a Login is second") };
        self.send(&ServerPacket::LoginAnswer(Answer { id: login.id, outcome: Ok(a_welcome("kim")) })).await;
    }

    pub(super) async fn recv_broadcast(&mut self) -> (RequestId, String) {
        match self.recv().await {
            ClientPacket::Broadcast(Broadcast { id, text, .. }) => (id, text.as_str().to_owned()),
            other => panic!("{other:?} is not a broadcast"),
        }
    }
}

pub(super) fn pipe(bytes: usize) -> (DuplexStream, Peer) {
    let (near, far) = duplex(bytes);
    let codec = PacketCodec::new(LIMITS.client_packet_bytes);
    (near, Peer { stream: far, codec, buffer: BytesMut::new() })
}

/// A session over a pipe that holds `bytes`, and its server.
pub(super) async fn session(bytes: usize) -> (Session, Events, Peer) {
    let (near, mut peer) = pipe(bytes);
    let (logged_in, ()) = tokio::join!(log_in(near), peer.welcome());
    let (session, events) = logged_in.expect("welcome");
    (session, events, peer)
}

pub(super) async fn log_in(near: DuplexStream) -> Result<(Session, Events), Error> {
    Client::over(near).await?.log_in("kim", Credential::None).await
}

pub(super) fn hello_answer(id: RequestId, code: Code) -> ServerPacket {
    ServerPacket::HelloAnswer(HelloAnswer {
        id,
        code,
        version_min: 1,
        version_max: 1,
        features: 0,
        durability: 0,
        ways_in: chat_proto::way_in::GUEST,
        time_ms: 0,
        limits: LIMITS,
    })
}

pub(super) fn a_welcome(name: &str) -> Welcome {
    Welcome {
        session: 7,
        name: name.to_owned(),
        time_ms: 0,
        role: chat_proto::Role::Guest as u16,
        resume_token: None,
        grace_ms: 0,
        conversations: List(Vec::new()),
    }
}

pub(super) fn receipt(id: RequestId, seq: u64) -> ServerPacket {
    ServerPacket::BroadcastAnswer(Answer { id, outcome: Ok(Receipt { epoch: 1, seq, time_ms: 0 }) })
}

pub(super) fn refusal(code: impl Into<Code>, retry_ms: u32) -> Refusal {
    Refusal { code: code.into(), retry_ms }
}

pub(super) fn line(seq: u64, text: &str) -> ServerPacket {
    let head = LineHead { conversation: 1, epoch: 1, seq, time_ms: 0 };
    ServerPacket::BroadcastLine(Line { head, sender: "lee".to_owned(), text: text.to_owned() })
}
