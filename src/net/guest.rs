//! The first state of a connection: somebody who has not said who they are.

use std::{net::SocketAddr, sync::Arc};

use bytes::Bytes;
use chat_proto::{
    Answer, ClientPacket, Code, Credential, ErrorCode, Frame, Hello, HelloAnswer, Pong, Refusal, RequestId,
    ServerPacket, VERSION, kind,
    limits::{GUEST_PACKET_BYTES_MAX, GUEST_PACKETS_MAX, GUEST_REFUSALS_MAX},
};
use tokio::{
    io::AsyncWriteExt,
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::{
    End,
    farewell::{About, Farewell},
    member::Member,
    packet_reader::{Incoming, PacketReader},
    shared::Shared,
    transport::Transport,
};
use crate::{
    config::{Policy, Rate},
    metrics::{AuthAttempt, AuthMethod, AuthResult, RateScope, ResumeResult},
    room::Inbox,
    session::{Session, TokenBucket, refused_for},
};

/// Packets a guest may send: enough to greet, to log in, and to mistype twice.
const GUEST_RATE: Rate = Rate { per_second: 1, burst: GUEST_PACKETS_MAX as u32 };

/// A connection that is not logged in.
pub struct Guest<S> {
    reader: PacketReader<S>,
    shared: Arc<Shared>,
    /// What went when the peer came, and goes for it as long as it stays.
    policy: Arc<Policy>,
    about: About,
    rate: TokenBucket,
    refusals: u16,
    greeted: bool,
    /// The optional features that were granted.
    features: u64,
    /// Whether a packet is being written: stopped there, the stream ends inside it.
    writing: bool,
}

impl<S: Transport> Guest<S> {
    /// Somebody who has connected: the number of the connection, and from where. The time to log in counts from `since`.
    pub fn new(socket: S, (conn, peer): (u64, SocketAddr), since: Instant, shared: Arc<Shared>) -> Self {
        Self {
            reader: PacketReader::new(socket, GUEST_PACKET_BYTES_MAX),
            policy: shared.live.now(),
            shared,
            about: About { conn, peer, since, session: None, missed: 0 },
            rate: TokenBucket::new(GUEST_RATE, since),
            refusals: 0,
            greeted: false,
            features: 0,
            writing: false,
        }
    }

    /// Serves the guest until they have logged in, in the time there is for that.
    pub async fn log_in(
        mut self: Box<Self>,
        inbox: &Inbox,
        evicted: CancellationToken,
    ) -> Result<Box<Member<S>>, Box<Farewell<S>>> {
        let deadline = self.about.since + self.policy.timeouts.login;
        let stop = self.shared.stop.clone();
        let outcome = tokio::select! {
            // Each of them is the end of this.
            biased;
            outcome = timeout_at(deadline, self.serve(inbox)) => {
                outcome.unwrap_or(Err(End::Refused(ErrorCode::LoginTimeout)))
            }
            () = evicted.cancelled() => Err(End::Refused(ErrorCode::ServerFull)),
            () = stop.cancelled() => Err(End::Stopping),
        };
        let Self { reader, shared, policy, about, writing, .. } = *self;
        match outcome {
            Ok(session) => Ok(Box::new(Member::new(reader, session, shared, policy, about))),
            Err(end) if writing => Err(Box::new(Farewell::torn(reader.into_socket(), end, about))),
            Err(end) => Err(Box::new(Farewell::new(reader.into_socket(), end, about))),
        }
    }

    async fn serve(&mut self, inbox: &Inbox) -> Result<Session, End> {
        loop {
            let incoming = self.reader.next().await;
            self.shared.metrics.traffic.received(self.reader.take_received());
            let frame = match incoming {
                Ok(Incoming::Packet(frame)) => frame,
                Ok(Incoming::Begun) => continue,
                Ok(Incoming::Eof { torn }) => return Err(if torn { End::Torn } else { End::Eof }),
                Err(error) => {
                    if !self.greeted && is_another_protocol(self.reader.unread()) {
                        self.shared.metrics.misdirected.add(1);
                    }
                    return Err(End::of_framing(error));
                }
            };
            if let Some(session) = self.serve_packet(&frame, inbox).await? {
                return Ok(session);
            }
        }
    }

    async fn serve_packet(&mut self, frame: &Frame, inbox: &Inbox) -> Result<Option<Session>, End> {
        if let Err(wait) = self.rate.take(Instant::now()) {
            self.shared.metrics.rate_limited.add(RateScope::Guest);
            let refusal = refused_for(ErrorCode::RateLimited, wait);
            self.write(refusal.to_bytes(frame.kind, None)).await?;
            return Err(End::Refused(ErrorCode::RateLimited));
        }
        let kind = frame.kind;
        let (id, packet) = match ClientPacket::decode(kind, &frame.body) {
            Ok(packet) => (packet.request().1, Ok(packet)),
            Err(refused) => (refused.id, Err(refused.code)),
        };
        match (self.not_now(kind), packet) {
            (Some(code), _) | (None, Err(code)) => self.refuse(kind, id, Refusal::new(code)).await?,
            (None, Ok(ClientPacket::Hello(hello))) => self.greet(hello).await?,
            (None, Ok(ClientPacket::Login(login))) => {
                let (from, now) = (self.about.peer.ip(), (self.shared.clock)());
                let method = method(&login.credential);
                let outcome = self.shared.doorkeeper.log_in(login, self.features, from, inbox, now).await;
                self.count_attempt(method, &outcome);
                match outcome {
                    Ok(session) => return Ok(Some(session)),
                    Err(refusal) => self.refuse(kind, id, refusal).await?,
                }
            }
            (None, Ok(ClientPacket::Resume(request))) => {
                let (from, now) = (self.about.peer.ip(), (self.shared.clock)());
                let outcome = self.shared.doorkeeper.resume(request, self.features, from, inbox, now).await;
                self.count_attempt(AuthMethod::Resume, &outcome);
                self.shared.metrics.resume_attempts.add(resumed(&outcome));
                match outcome {
                    Ok(session) => return Ok(Some(session)),
                    Err(refusal) => self.refuse(kind, id, refusal).await?,
                }
            }
            (None, Ok(ClientPacket::Register(request))) => {
                let from = self.about.peer.ip();
                let outcome = self.shared.doorkeeper.register(&request, from).await;
                self.count_attempt(AuthMethod::Registration, &outcome);
                match outcome {
                    Ok(registered) => {
                        let answer = Answer { id: request.id, outcome: Ok(registered) };
                        self.write(ServerPacket::RegisterAnswer(answer).to_bytes()).await?;
                    }
                    Err(refusal) => self.refuse(kind, id, refusal).await?,
                }
            }
            (None, Ok(ClientPacket::Ping(ping))) => {
                self.write(ServerPacket::Pong(Pong { payload: ping.payload }).to_bytes()).await?;
            }
            // A pong, asked for or not.
            (None, Ok(_)) => {}
        }
        Ok(None)
    }

    /// Why a packet type has no place in this state, whatever its body says.
    fn not_now(&self, kind: u16) -> Option<ErrorCode> {
        match kind {
            kind::HELLO if !self.greeted => None,
            _ if !self.greeted => Some(ErrorCode::InvalidState),
            kind::HELLO => Some(ErrorCode::InvalidState),
            kind::REGISTER | kind::LOGIN | kind::RESUME => None,
            kind if ClientPacket::is_request(kind) => Some(ErrorCode::NotAuthenticated),
            _ => None,
        }
    }

    async fn greet(&mut self, hello: Hello) -> Result<(), End> {
        let spoken = hello.version == VERSION;
        self.features = self.shared.doorkeeper.grant(hello.features);
        let code = if spoken { Code::OK } else { ErrorCode::Version.into() };
        let answer = HelloAnswer {
            id: hello.id,
            code,
            version_min: VERSION,
            version_max: VERSION,
            features: self.features,
            durability: self.shared.durability,
            ways_in: self.shared.doorkeeper.ways_in(),
            time_ms: (self.shared.clock)(),
            limits: self.policy.announced(self.shared.limits),
        };
        self.write(ServerPacket::HelloAnswer(answer).to_bytes()).await?;
        self.greeted = true;
        if spoken { Ok(()) } else { Err(End::Refused(ErrorCode::Version)) }
    }

    /// Tells a refusal, and ends the connection if it is one that ends it, or one too many.
    async fn refuse(&mut self, kind: u16, id: Option<RequestId>, refusal: Refusal) -> Result<(), End> {
        self.refusals += 1;
        self.write(refusal.to_bytes(kind, id)).await?;
        let Some(code) = refusal.code.error() else { return Ok(()) };
        if forgives(code) && self.refusals < GUEST_REFUSALS_MAX {
            self.shared.metrics.reject(code);
            Ok(())
        } else {
            // Counted where the connection ends.
            Err(End::Refused(code))
        }
    }

    async fn write(&mut self, packet: Bytes) -> Result<(), End> {
        self.writing = true;
        let socket = self.reader.socket_mut();
        socket.write_all(&packet).await.map_err(End::Broken)?;
        // Over TLS, written is not sent.
        socket.flush().await.map_err(End::Broken)?;
        self.writing = false;
        self.shared.metrics.traffic.sent(0, packet.len() as u64);
        Ok(())
    }

    fn count_attempt<T>(&self, method: AuthMethod, outcome: &Result<T, Refusal>) {
        let result = match outcome {
            Ok(_) => AuthResult::Ok,
            Err(refusal) => refusal.code.error().map_or(AuthResult::Refused, AuthResult::of),
        };
        self.shared.metrics.auth_attempts.add(AuthAttempt(method, result));
    }
}

/// How somebody logs in who shows this.
fn method(credential: &Credential) -> AuthMethod {
    match credential {
        Credential::None => AuthMethod::Guest,
        Credential::Password(_) => AuthMethod::Password,
        Credential::Other(_) => AuthMethod::Other,
    }
}

/// What has come of a token.
fn resumed(outcome: &Result<Session, Refusal>) -> ResumeResult {
    match outcome {
        Ok(session) if session.subscriber().is_successor() => ResumeResult::Ok,
        Ok(_) => ResumeResult::Anew,
        Err(refusal) if refusal.code == ErrorCode::ResumeInvalid.into() => ResumeResult::Denied,
        Err(_) => ResumeResult::Refused,
    }
}

/// Whether bytes that are no packet are how another protocol begins: with a record of TLS, or as text, which all the old
/// ones do (HTTP, SSH, IRC, SMTP, and the lines of proxies).
fn is_another_protocol(first: &[u8]) -> bool {
    match first {
        [0x16, 3, ..] => true,
        _ => first.len() >= 4 && first[..4].iter().all(|byte| matches!(byte, b'\r' | b'\n' | b' '..=b'~')),
    }
}

/// Whether a guest may try again after this: what was asked for was wrong, but asked for in our protocol.
fn forgives(code: ErrorCode) -> bool {
    match code {
        ErrorCode::UnknownType | ErrorCode::NotAuthenticated => true,
        ErrorCode::ShuttingDown | ErrorCode::Banned => false,
        code => code as u16 >= 1200,
    }
}
