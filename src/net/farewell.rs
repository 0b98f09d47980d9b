//! The last state of a connection: one goodbye, a closed door, and no waiting for whoever does not care.

use std::{net::SocketAddr, ops::RangeInclusive, sync::Arc, time::Duration};

use bytes::Bytes;
use chat_proto::{Code, ErrorCode, Goodbye, ServerPacket};
use rand::RngExt as _;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    time::{Instant, timeout},
};

use super::{End, transport::Transport};
use crate::{
    metrics::{Metrics, SlowAction},
    room::Subscriber,
};

/// How long the goodbye may take.
const GOODBYE: Duration = Duration::from_millis(250);
/// How long the peer has to close its side.
const LINGER: Duration = Duration::from_millis(500);
/// What is read and thrown away meanwhile, in bytes: closing on unread bytes would reset the connection, and
/// the goodbye with it.
const LINGER_BYTES_MAX: usize = 48 * 1024;
/// When a peer may come back that found the server full, in milliseconds.
const FULL_RETRY_MS: u32 = 5_000;
/// When a peer may come back that was served by a server that stops, in milliseconds: each at another moment, so that
/// the server that starts meanwhile is not asked by all of them at once.
const RESTART_RETRY_MS: RangeInclusive<u32> = 1_000..=6_000;

/// The last packet of a connection.
pub fn goodbye(code: Code) -> Bytes {
    let retry_ms = match code.error() {
        Some(ErrorCode::ServerFull | ErrorCode::TooManyFromAddress) => FULL_RETRY_MS,
        Some(ErrorCode::ShuttingDown) => rand::rng().random_range(RESTART_RETRY_MS),
        _ => 0,
    };
    ServerPacket::Goodbye(Goodbye { code, retry_ms, text: String::new() }).to_bytes()
}

/// A connection that is ending.
pub struct Farewell<S> {
    socket: S,
    end: End,
    /// Whether the stream stands between two packets, so that another can follow.
    whole: bool,
    about: About,
}

/// What the operator's log says of a connection.
pub struct About {
    /// The connection's number.
    pub conn: u64,
    /// The peer's address.
    pub peer: SocketAddr,
    /// When it connected.
    pub since: Instant,
    /// Its session, once it logged in.
    pub session: Option<Arc<Subscriber>>,
    /// Lines it was told it missed.
    pub missed: u64,
}

impl<S: Transport> Farewell<S> {
    /// The stream ends on a whole packet.
    pub fn new(socket: S, end: End, about: About) -> Self {
        Self { socket, end, whole: true, about }
    }

    /// The stream ends in the middle of a packet: nothing can be said any more.
    pub fn torn(socket: S, end: End, about: About) -> Self {
        Self { socket, end, whole: false, about }
    }

    /// Says goodbye and closes, within a second.
    pub async fn say(mut self: Box<Self>, metrics: &Metrics) {
        self.log();
        metrics.disconnects.add(self.end.disconnect());
        if matches!(self.end, End::Refused(ErrorCode::SlowConsumer)) {
            metrics.slow_consumers.add(SlowAction::Cut);
        }
        if let Some(code) = self.end.refusal() {
            metrics.reject(code);
        }
        match self.packet() {
            Some(packet) => {
                let said = timeout(GOODBYE, async {
                    self.socket.write_all(&packet).await?;
                    self.socket.shutdown().await
                });
                if let Ok(Ok(())) = said.await {
                    metrics.traffic.sent(0, packet.len() as u64);
                    linger(&mut self.socket).await;
                } else {
                    metrics.cut.add(1);
                    self.socket.abandon();
                }
            }
            None if matches!(self.end, End::Eof) => {
                let _ = timeout(GOODBYE, self.socket.shutdown()).await;
            }
            None => {
                metrics.cut.add(u64::from(self.end.goodbye().is_some()));
                self.socket.abandon();
            }
        }
    }

    fn packet(&self) -> Option<Bytes> {
        let code = self.end.goodbye().filter(|_| self.whole)?;
        Some(goodbye(code))
    }

    fn log(&self) {
        let About { conn, peer, since, session, missed } = &self.about;
        let transport = S::KIND.word();
        let (reason, dur_ms) = (self.end.name(), since.elapsed().as_millis());
        let code = self.end.goodbye().map(|code| code.0);
        let err = self.end.error().map(tracing::field::display);
        if let Some(subscriber) = session {
            let (session, user) = (subscriber.id().0, subscriber.name());
            tracing::info!(event = "session_end", conn, %peer, transport, session, %user, reason, code, err, missed, dur_ms, "left");
        } else {
            tracing::debug!(event = "guest_end", conn, %peer, transport, reason, code, err, dur_ms, "left before logging in");
        }
    }
}

/// Waits for the peer to close its side too, for a while.
pub async fn linger(socket: &mut (impl AsyncRead + Unpin)) {
    let drained = async {
        let mut unread = [0; 1024];
        for _ in 0..LINGER_BYTES_MAX / unread.len() {
            if !matches!(socket.read(&mut unread).await, Ok(1..)) {
                break;
            }
        }
    };
    let _ = timeout(LINGER, drained).await;
}
