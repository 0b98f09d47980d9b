//! The reading half of a signed-in connection: takes packets, bounds how fast and how silent the peer may be,
//! and gets its requests served.

use std::{pin::pin, sync::Arc, time::Duration};

use chat_proto::{
    Answer, ClientPacket, ErrorCode, Frame, Ping, PingPayload, Refusal, RequestId, ServerPacket, kind,
};
use tokio::{
    io::AsyncRead,
    time::{Instant, sleep_until},
};

use super::{
    End, TokenBucket,
    conduct::Conduct,
    packet_reader::{Incoming, PacketReader},
    shared::Shared,
};
use crate::{
    room::Inbox,
    session::{Next, Session},
};

/// Where one session's requests are taken.
pub struct Desk<R> {
    reader: PacketReader<R>,
    session: Session,
    shared: Arc<Shared>,
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
    pub fn new(reader: PacketReader<R>, session: Session, shared: Arc<Shared>) -> Self {
        let now = Instant::now();
        Self {
            chat: TokenBucket::new(shared.rates.chat, now),
            other: TokenBucket::new(shared.rates.other, now),
            conduct: Conduct::new(now),
            heard: now,
            pinged: false,
            reader,
            session,
            shared,
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
    pub async fn serve(&mut self, inbox: &Inbox) -> End {
        let mut alarm = pin!(sleep_until(self.next_deadline()));
        loop {
            tokio::select! {
                incoming = self.reader.next() => {
                    let served = match incoming {
                        Ok(Incoming::Packet(frame)) => self.serve_packet(&frame, inbox).await,
                        Ok(Incoming::Begun) => Ok(()),
                        Ok(Incoming::Eof { torn }) => Err(if torn { End::Torn } else { End::Eof }),
                        Err(error) => Err(End::of_framing(error)),
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

    async fn serve_packet(&mut self, frame: &Frame, inbox: &Inbox) -> Result<(), End> {
        let now = Instant::now();
        self.heard = now;
        self.pinged = false;
        let kind = frame.kind;
        let decoded = ClientPacket::decode(kind, &frame.body);
        let id = match &decoded {
            Ok(packet) => packet.request().1,
            Err(refused) => refused.id,
        };
        let bucket =
            if matches!(kind, kind::BROADCAST | kind::WHISPER) { &mut self.chat } else { &mut self.other };
        if let Err(wait) = bucket.take(now) {
            // Rounded up: who waits this long is not refused again.
            let retry_ms = u32::try_from(wait.as_millis()).unwrap_or(u32::MAX).saturating_add(1);
            return self.refuse(kind, id, Refusal { code: ErrorCode::RateLimited.into(), retry_ms }).await;
        }
        match decoded {
            Ok(packet) => match self.session.dispatch(inbox, packet, (self.shared.clock)()).await {
                Next::Done => Ok(()),
                Next::Refused(code) => self.count(code),
                Next::NotNow(code) => self.refuse(kind, id, Refusal::new(code)).await,
                Next::LogOut(id) => self.log_out(id).await,
            },
            Err(refused) => self.refuse(kind, id, Refusal::new(refused.code)).await,
        }
    }

    async fn log_out(&mut self, id: RequestId) -> Result<(), End> {
        let subscriber = self.session.subscriber();
        // In order: what was asked before is answered before.
        subscriber.settled().await;
        subscriber.send(&ServerPacket::LogoutAnswer(Answer { id, outcome: Ok(()) }));
        Err(End::LoggedOut)
    }

    /// Tells a refusal, and ends the connection if it is one that ends it, or one too many.
    async fn refuse(&mut self, kind: u16, id: Option<RequestId>, refusal: Refusal) -> Result<(), End> {
        let slot = self.session.subscriber().slot().await;
        slot.refuse(kind, id, refusal);
        match refusal.code.error() {
            // Counted where the connection ends.
            Some(code @ (ErrorCode::WrongDirection | ErrorCode::InvalidState | ErrorCode::ShuttingDown)) => {
                Err(End::Refused(code))
            }
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
        let timeouts = &self.shared.timeouts;
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
        let timeouts = &self.shared.timeouts;
        let silence: Duration = if self.pinged { timeouts.idle } else { timeouts.ping_after };
        let silent = self.heard + silence;
        self.reader.started().map_or(silent, |started| silent.min(started + timeouts.packet))
    }
}
