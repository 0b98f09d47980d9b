//! The reading half of a signed-in connection: takes packets, bounds how fast and how silent the peer may be,
//! and gets its requests served.

use std::{
    future::poll_fn,
    pin::pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use chat_proto::{
    Answer, Attach, ClientPacket, ErrorCode, Frame, FrameError, Ping, PingPayload, Refusal, RequestId,
    ServerPacket, kind,
};
use tokio::{
    io::AsyncRead,
    sync::mpsc::error::TrySendError,
    time::{Instant, sleep_until},
};

use super::{
    End,
    conduct::Conduct,
    packet_reader::{Incoming, PacketReader},
    replay,
    shared::Shared,
};
use crate::{
    config::Policy,
    metrics::{Message, RateScope},
    room::{Command, Inbox, Slot},
    session::{Next, Session, Slow, TokenBucket, refused_for},
};

/// The fan-out outlives every reader; if it does not, the server is coming down around us.
const INBOX_CLOSED: End = End::Refused(ErrorCode::ShuttingDown);

/// A packet that has been taken and not been served.
enum Asked {
    Request(ClientPacket),
    Refusal { kind: u16, id: Option<RequestId>, refusal: Refusal },
}

/// How far serving a packet has come.
enum Step {
    /// To its end, which may be the connection's.
    Served(Result<(), End>),
    /// Few ever wait. Whoever does gets the memory for it then.
    Waiting(Box<Waiting>),
}

impl Step {
    fn waiting(waiting: Waiting) -> Self {
        Self::Waiting(Box::new(waiting))
    }
}

/// What serving a packet waits for.
enum Waiting {
    /// A slot, to serve this.
    Slot(Asked),
    /// Room in the inbox, for this.
    Inbox(Command),
    /// A hash, or the database.
    Slow(Slot, Slow),
    /// All that was asked before to be answered, and then to answer this logout.
    Settled(RequestId),
    /// The end, which the writer brings: nothing more is done.
    Gone,
}

/// Where one session's requests are taken.
pub struct Desk<R> {
    reader: PacketReader<R>,
    session: Session,
    shared: Arc<Shared>,
    /// What Hello told the peer.
    policy: Arc<Policy>,
    chat: TokenBucket,
    other: TokenBucket,
    conduct: Conduct,
    /// When the last whole packet came.
    heard: Instant,
    /// Whether the peer has been asked since whether it is there.
    pinged: bool,
}

impl<R: AsyncRead + Unpin> Desk<R> {
    /// A desk for one session.
    pub fn new(reader: PacketReader<R>, session: Session, shared: Arc<Shared>, policy: Arc<Policy>) -> Self {
        let now = Instant::now();
        Self {
            chat: TokenBucket::new(policy.rates.chat, now),
            other: TokenBucket::new(policy.rates.other, now),
            conduct: Conduct::new(now),
            heard: now,
            pinged: false,
            reader,
            session,
            shared,
            policy,
        }
    }

    /// What all connections share.
    pub fn shared(&self) -> &Shared {
        &self.shared
    }

    /// The session served.
    pub fn session_mut(&mut self) -> &mut Session {
        &mut self.session
    }

    /// Takes nothing any more.
    pub fn close(self) -> (R, Session) {
        (self.reader.into_socket(), self.session)
    }

    /// Serves one packet after the other, in the order they come, until the peer or the server has had enough.
    /// Dropped while it waits, it has either handed a request over or not begun it.
    ///
    /// A block and no `async fn`, which would keep its arguments twice for as long as somebody stays.
    #[expect(clippy::manual_async_fn, reason = "the async fn is larger")]
    pub fn serve(&mut self, inbox: &Inbox) -> impl Future<Output = End> {
        async move {
            let mut alarm = pin!(sleep_until(self.next_deadline()));
            loop {
                tokio::select! {
                    // Whoever sends is not silent, and what is half a packet is waited for within `poll_step`.
                    biased;
                    step = poll_fn(|cx| self.poll_step(cx, inbox)) => {
                        let served = match step {
                            Step::Served(served) => served,
                            Step::Waiting(waiting) => Box::pin(self.wait(*waiting, inbox)).await,
                        };
                        if let Err(end) = served {
                            return end;
                        }
                        // Later deadlines are found out about when the alarm goes off: that is cheaper than moving
                        // it with every packet.
                        let deadline = self.next_deadline();
                        if deadline < alarm.deadline() {
                            alarm.as_mut().reset(deadline);
                        }
                    }
                    () = alarm.as_mut() => {
                        if let Err(end) = self.check_time(Instant::now()) {
                            return end;
                        }
                        alarm.as_mut().reset(self.next_deadline());
                    }
                }
            }
        }
    }

    /// Takes what comes next. Here and not in `serve`, which would keep room for it while nothing comes.
    fn poll_step(&mut self, cx: &mut Context<'_>, inbox: &Inbox) -> Poll<Step> {
        self.reader.poll_next(cx).map(|incoming| self.take(incoming, inbox))
    }

    fn take(&mut self, incoming: Result<Incoming, FrameError>, inbox: &Inbox) -> Step {
        // Many packets come in one read, which is counted once.
        match self.reader.take_received() {
            0 => {}
            bytes => self.shared.metrics.traffic.received(bytes),
        }
        match incoming {
            Ok(Incoming::Packet(frame)) => self.take_packet(&frame, inbox),
            Ok(Incoming::Begun) => Step::Served(Ok(())),
            Ok(Incoming::Eof { torn }) => Step::Served(Err(if torn { End::Torn } else { End::Eof })),
            Err(error) => Step::Served(Err(End::of_framing(error))),
        }
    }

    fn take_packet(&mut self, frame: &Frame, inbox: &Inbox) -> Step {
        let now = Instant::now();
        self.heard = now;
        self.pinged = false;
        if self.session.subscriber().is_gone() {
            return Step::waiting(Waiting::Gone);
        }
        self.session.confirm();
        let asked = self.judge(frame, now);
        match self.session.subscriber().try_slot() {
            Some(slot) => self.serve_asked(slot, asked, inbox),
            None => Step::waiting(Waiting::Slot(asked)),
        }
    }

    /// Whether a packet comes at its time and is one.
    fn judge(&mut self, frame: &Frame, now: Instant) -> Asked {
        let kind = frame.kind;
        let decoded = ClientPacket::decode(kind, &frame.body);
        let id = match &decoded {
            Ok(packet) => packet.request().1,
            Err(refused) => refused.id,
        };
        let message = message(kind);
        self.shared.metrics.traffic.message(message);
        let (bucket, scope) = match message {
            Message::Broadcast | Message::Room | Message::Whisper => (&mut self.chat, RateScope::Chat),
            Message::Other => (&mut self.other, RateScope::Other),
        };
        if let Err(wait) = bucket.take(now) {
            self.shared.metrics.rate_limited.add(scope);
            return Asked::Refusal { kind, id, refusal: refused_for(ErrorCode::RateLimited, wait) };
        }
        match decoded {
            Ok(packet) => Asked::Request(packet),
            Err(refused) => Asked::Refusal { kind, id, refusal: Refusal::new(refused.code) },
        }
    }

    fn serve_asked(&mut self, slot: Slot, asked: Asked, inbox: &Inbox) -> Step {
        let packet = match asked {
            Asked::Request(packet) => packet,
            Asked::Refusal { kind, id, refusal } => {
                return Step::Served(self.refuse(slot, kind, id, refusal));
            }
        };
        let (kind, id) = packet.request();
        match self.session.dispatch(slot, packet, &self.shared.doorkeeper, (self.shared.clock)()) {
            Next::Done => Step::Served(Ok(())),
            Next::Ask(command) => match inbox.try_send(command) {
                Ok(()) => Step::Served(Ok(())),
                Err(TrySendError::Full(command)) => Step::waiting(Waiting::Inbox(command)),
                Err(TrySendError::Closed(_)) => Step::Served(Err(INBOX_CLOSED)),
            },
            Next::Wait(slot, request) => Step::waiting(Waiting::Slow(slot, request)),
            Next::Refused(code) => Step::Served(self.count(code)),
            Next::Excused(code) => {
                self.shared.metrics.reject(code);
                Step::Served(Ok(()))
            }
            Next::NotNow(slot, code) => Step::Served(self.refuse(slot, kind, id, Refusal::new(code))),
            Next::LogOut(id) => Step::waiting(Waiting::Settled(id)),
        }
    }

    /// Serves on, waiting for whatever it takes. Dropped, it has either handed the request over or not begun it.
    async fn wait(&mut self, mut waiting: Waiting, inbox: &Inbox) -> Result<(), End> {
        loop {
            let step = match waiting {
                Waiting::Gone => return std::future::pending().await,
                Waiting::Slot(asked) => {
                    let slot = self.session.subscriber().slot().await;
                    self.serve_asked(slot, asked, inbox)
                }
                Waiting::Inbox(command) => {
                    return inbox.send(command).await.map_err(|_| INBOX_CLOSED);
                }
                Waiting::Slow(slot, request) => return self.serve_slow(slot, request, inbox).await,
                Waiting::Settled(id) => {
                    let subscriber = self.session.subscriber();
                    // In order: what was asked before is answered before.
                    subscriber.settled().await;
                    subscriber.send(&ServerPacket::LogoutAnswer(Answer { id, outcome: Ok(()) }));
                    return Err(End::LoggedOut);
                }
            };
            match step {
                Step::Served(served) => return served,
                Step::Waiting(next) => waiting = *next,
            }
        }
    }

    async fn serve_slow(&mut self, slot: Slot, request: Slow, inbox: &Inbox) -> Result<(), End> {
        let (doorkeeper, subscriber) = (&self.shared.doorkeeper, self.session.subscriber());
        // Only guessing, at a password or at who there is, is held against anybody.
        let guesses = matches!(request, Slow::ChangePassword(_) | Slow::Keep(_));
        let keeps = matches!(request, Slow::Keep(_));
        let (packet, refusal) = match request {
            Slow::History(request) => {
                let outcome = self.shared.history.page(subscriber, &request, inbox).await;
                let refusal = outcome.as_ref().err().copied();
                (ServerPacket::HistoryAnswer(Answer { id: request.id, outcome }), refusal)
            }
            Slow::ChangePassword(request) => {
                let outcome = doorkeeper.change_password(&self.session, &request).await;
                (ServerPacket::ChangePasswordAnswer(Answer { id: request.id, outcome }), outcome.err())
            }
            Slow::Moderate(request) => {
                let outcome = doorkeeper.moderate(subscriber, &request, inbox, (self.shared.clock)()).await;
                (ServerPacket::ModerateAnswer(Answer { id: request.id, outcome }), outcome.err())
            }
            Slow::Ignore(account, request) => {
                let outcome = doorkeeper.ignore(account, &request).await;
                (ServerPacket::IgnoreAnswer(Answer { id: request.id, outcome }), outcome.err())
            }
            Slow::Attach(request) => return self.attach(slot, request, inbox).await,
            Slow::Keep(whisper) => {
                let outcome = doorkeeper.keep_whisper(subscriber, &whisper, (self.shared.clock)()).await;
                if let Ok(receipt) = outcome {
                    self.session.note_whisper(&whisper, receipt);
                }
                (whisper.text.answer(Answer { id: whisper.id, outcome }), outcome.err())
            }
            Slow::PublishKey(account, request) => {
                let now = (self.shared.clock)();
                let outcome = doorkeeper.publish_key(account, subscriber, &request.key, now).await;
                (ServerPacket::PublishKeyAnswer(Answer { id: request.id, outcome }), outcome.err())
            }
            Slow::RemoveKey(account, request) => {
                let now = (self.shared.clock)();
                let outcome = doorkeeper.remove_key(account, subscriber, &request.key, now).await;
                (ServerPacket::RemoveKeyAnswer(Answer { id: request.id, outcome }), outcome.err())
            }
            Slow::KeysOf(request) => {
                let outcome = doorkeeper.keys_of(&request.name).await;
                let refusal = outcome.as_ref().err().copied();
                (ServerPacket::KeysOfAnswer(Answer { id: request.id, outcome }), refusal)
            }
            Slow::Freeze(request) => {
                let by = (subscriber.name().as_str(), subscriber.role());
                let outcome = doorkeeper.freeze(request.on == 1, by, (self.shared.clock)()).await;
                (ServerPacket::FreezeRegistrationAnswer(Answer { id: request.id, outcome }), outcome.err())
            }
        };
        slot.answer(&packet);
        match refusal.and_then(|refusal| refusal.code.error()) {
            Some(code) if guesses && !(keeps && code == ErrorCode::StorageUnavailable) => self.count(code),
            Some(code) => {
                self.shared.metrics.reject(code);
                Ok(())
            }
            None => Ok(()),
        }
    }

    async fn attach(&mut self, slot: Slot, request: Attach, inbox: &Inbox) -> Result<(), End> {
        match replay::attach(slot, request, &self.shared.history, &self.shared.metrics, inbox).await {
            Ok(None) => Ok(()),
            Ok(Some(code)) => self.count(code),
            Err(replay::Closed) => Err(INBOX_CLOSED),
        }
    }

    /// Tells a refusal, and ends the connection if it is one that ends it, or one too many.
    fn refuse(&mut self, slot: Slot, kind: u16, id: Option<RequestId>, refusal: Refusal) -> Result<(), End> {
        slot.refuse(kind, id, refusal);
        match refusal.code.error() {
            // Counted where the connection ends.
            Some(code @ (ErrorCode::WrongDirection | ErrorCode::InvalidState)) => Err(End::Refused(code)),
            Some(code) => self.count(code),
            None => Ok(()),
        }
    }

    fn count(&mut self, code: ErrorCode) -> Result<(), End> {
        self.shared.metrics.reject(code);
        if self.conduct.refused(code, Instant::now()) {
            return Err(End::Refused(ErrorCode::RateLimited));
        }
        Ok(())
    }

    fn check_time(&mut self, now: Instant) -> Result<(), End> {
        let timeouts = &self.policy.timeouts;
        if self.reader.started().is_some_and(|started| now >= started + timeouts.packet) {
            return Err(End::Refused(ErrorCode::PacketTimeout));
        }
        if now >= self.heard + timeouts.idle {
            return Err(End::Refused(ErrorCode::IdleTimeout));
        }
        if !self.pinged && now >= self.heard + timeouts.ping_after {
            self.pinged = true;
            let ping = Ping { payload: PingPayload::new(&[]).expect("an empty payload is short") };
            self.session.subscriber().send(&ServerPacket::Ping(ping));
        }
        Ok(())
    }

    fn next_deadline(&self) -> Instant {
        let timeouts = &self.policy.timeouts;
        let silence: Duration = if self.pinged { timeouts.idle } else { timeouts.ping_after };
        let silent = self.heard + silence;
        self.reader.started().map_or(silent, |started| silent.min(started + timeouts.packet))
    }
}

/// What a packet of this type is counted as.
fn message(kind: u16) -> Message {
    match kind {
        kind::BROADCAST => Message::Broadcast,
        kind::ROOM_CHAT => Message::Room,
        kind::WHISPER | kind::SEALED_WHISPER => Message::Whisper,
        _ => Message::Other,
    }
}
