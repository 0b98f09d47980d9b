//! A scripted server at the other end of an in-memory pipe, for tests.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::BytesMut;
use chat_proto::{
    Answer, Attached, Broadcast, ClientPacket, Code, Credential, ErrorCode, Goodbye, HelloAnswer, Limits,
    Line, LineHead, List, PacketCodec, Presence, Receipt, Refusal, RequestId, ResumeToken, ServerPacket,
    Welcome, feature,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    sync::mpsc,
};
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

    /// As [`send`](Self::send), where the client may be gone.
    pub(super) async fn try_send(&mut self, packet: &ServerPacket) -> io::Result<()> {
        self.stream.write_all(&packet.to_bytes()).await
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

    /// The next packet; `None` at the end of the stream, clean or not.
    pub(super) async fn try_recv(&mut self) -> Option<ClientPacket> {
        loop {
            if let Some(frame) = self.codec.decode(&mut self.buffer).expect("a client frames rightly") {
                let packet = ClientPacket::decode(frame.kind, &frame.body);
                return Some(packet.expect("a client encodes rightly"));
            }
            if self.stream.read_buf(&mut self.buffer).await.expect("a pipe does not fail") == 0 {
                return None;
            }
        }
    }

    /// Greets a client that asks for its session to last, and grants these features.
    pub(super) async fn greet(&mut self, features: u64) {
        let ClientPacket::Hello(hello) = self.recv().await else { panic!("a Hello is first") };
        assert_eq!(hello.features, feature::RESUME);
        self.send(&hello_answer_with(hello.id, features)).await;
    }

    /// Takes a login, with a token to come back with.
    pub(super) async fn let_in(&mut self, welcome: Welcome) {
        let ClientPacket::Login(login) = self.recv().await else { panic!("a Login is next") };
        self.send(&ServerPacket::LoginAnswer(Answer { id: login.id, outcome: Ok(welcome) })).await;
    }

    /// Takes a resume; returns its id.
    pub(super) async fn recv_resume(&mut self, token: u8) -> RequestId {
        let ClientPacket::Resume(resume) = self.recv().await else { panic!("a Resume is next") };
        assert_eq!(resume.token, ResumeToken([token; 32]));
        resume.id
    }

    /// Takes a resume by one token, and gives the next.
    pub(super) async fn let_back_in(&mut self, token: u8, welcome: Welcome) {
        let id = self.recv_resume(token).await;
        self.send(&ServerPacket::ResumeAnswer(Answer { id, outcome: Ok(welcome) })).await;
    }

    pub(super) async fn refuse_resume(&mut self, token: u8, code: ErrorCode) {
        let id = self.recv_resume(token).await;
        self.send(&ServerPacket::ResumeAnswer(Answer { id, outcome: Err(refusal(code, 0)) })).await;
    }

    /// Takes the cursors, all in one packet.
    pub(super) async fn attach(&mut self, lost: &[u64]) -> Vec<Presence> {
        let ClientPacket::Attach(attach) = self.recv().await else { panic!("an Attach is next") };
        assert_eq!(attach.last, 1);
        let outcome = Ok(Attached { lost: List(lost.to_vec()) });
        self.send(&ServerPacket::AttachAnswer(Answer { id: attach.id, outcome })).await;
        attach.cursors.0
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

/// As a server that grants these features.
pub(super) fn hello_answer_with(id: RequestId, features: u64) -> ServerPacket {
    let ServerPacket::HelloAnswer(answer) = hello_answer(id, Code::OK) else { unreachable!("it is one") };
    ServerPacket::HelloAnswer(HelloAnswer { features, ..answer })
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

pub(super) fn at(conversation: u64, epoch: u64, seq: u64) -> Presence {
    Presence { conversation, epoch, seq }
}

/// A welcome to session 7, with a token.
pub(super) fn a_lasting_welcome(token: u8, conversations: &[Presence]) -> Welcome {
    Welcome {
        resume_token: Some(ResumeToken([token; 32])),
        grace_ms: 120_000,
        conversations: List(conversations.to_vec()),
        ..a_welcome("kim")
    }
}

/// Where a client connects to, again and again.
pub(super) struct Door {
    peers: mpsc::Receiver<Peer>,
    closed: Arc<AtomicBool>,
}

impl Door {
    /// The server's end of the next connection.
    pub(super) async fn next(&mut self) -> Peer {
        self.peers.recv().await.expect("the client lasts")
    }

    /// Whether anybody has connected meanwhile.
    pub(super) fn is_knocked_at(&mut self) -> bool {
        self.peers.try_recv().is_ok()
    }

    /// From now on there is no connection to be had, or there is again.
    pub(super) fn close(&self, closed: bool) {
        self.closed.store(closed, Ordering::Relaxed);
    }
}

/// A way to connect, and where that leads.
pub(super) fn door()
-> (impl Fn() -> std::future::Ready<io::Result<DuplexStream>> + Send + Sync + 'static, Door) {
    let (sender, peers) = mpsc::channel(64);
    let closed = Arc::new(AtomicBool::new(false));
    let shut = Arc::clone(&closed);
    let connect = move || {
        if shut.load(Ordering::Relaxed) {
            return std::future::ready(Err(io::ErrorKind::ConnectionRefused.into()));
        }
        let (near, peer) = pipe(4_096);
        let taken = sender.try_send(peer);
        std::future::ready(taken.map(|()| near).map_err(io::Error::other))
    };
    (connect, Door { peers, closed })
}

pub(super) fn goodbye(code: impl Into<Code>, retry_ms: u32) -> ServerPacket {
    ServerPacket::Goodbye(Goodbye { code: code.into(), retry_ms, text: String::new() })
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
