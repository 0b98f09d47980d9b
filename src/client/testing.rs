//! A scripted server at the other end of an in-memory pipe, for tests.

use bytes::BytesMut;
use chat_proto::{
    Answer, Broadcast, ClientPacket, Code, Credential, HelloAnswer, Limits, Line, LineHead, List,
    PacketCodec, Receipt, Refusal, RequestId, ServerPacket, Welcome, limits,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio_util::codec::Decoder;

use super::{Client, Error, Events, Session};

pub(super) const LIMITS: Limits = Limits {
    guest_packet_bytes: limits::GUEST_PACKET_BYTES_MAX,
    client_packet_bytes: limits::CLIENT_PACKET_BYTES_MAX,
    server_packet_bytes: limits::SERVER_PACKET_BYTES_MAX,
    text_chars: limits::TEXT_CHARS_MAX,
    text_bytes: limits::TEXT_BYTES_MAX,
    name_chars: limits::NAME_CHARS_MAX,
    name_bytes: limits::NAME_BYTES_MAX,
    ping_bytes: limits::PING_BYTES_MAX,
    page_entries: limits::PAGE_ENTRIES_MAX,
    requests_outstanding: 4,
    notice_members: 200,
    chat_per_second: 5,
    chat_burst: 10,
    other_per_second: 10,
    other_burst: 20,
    login_ms: 10_000,
    packet_ms: 10_000,
    ping_after_ms: 30_000,
    idle_ms: 75_000,
    write_ms: 10_000,
    guest_packets: limits::GUEST_PACKETS_MAX,
    guest_refusals: limits::GUEST_REFUSALS_MAX,
    refusal_score: limits::REFUSAL_SCORE_MAX,
    credential_bytes: limits::CREDENTIAL_BYTES_MAX,
};

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
    let codec = PacketCodec::new(limits::CLIENT_PACKET_BYTES_MAX);
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
        time_ms: 0,
        limits: LIMITS,
    })
}

pub(super) fn a_welcome(name: &str) -> Welcome {
    Welcome {
        session: 7,
        name: name.to_owned(),
        time_ms: 0,
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
