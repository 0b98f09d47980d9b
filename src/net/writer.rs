//! The writing side of one connection: one vectored write for all that is pending, and a limit to waiting.

use std::{
    future::poll_fn,
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use chat_proto::{ErrorCode, LeaveReason};
use tokio::{io::AsyncWrite, time::timeout};

use super::{End, Outbound};
use crate::metrics::{Metrics, SlowAction};

/// Slices handed to one write.
const WRITE_SLICES: usize = 64;

/// Writes what a session's logs and its control queue hold. Cancel safe: what is not written lives in its
/// [`Outbound`].
pub struct Writer<W> {
    socket: W,
    outbound: Outbound,
    /// How long one write may take no byte.
    blocked_max: Duration,
    metrics: Arc<Metrics>,
    /// What of it has been counted, as [`Outbound::told`] has it.
    counted: (u64, u64),
}

impl<W: AsyncWrite + Unpin> Writer<W> {
    /// A writer for one session.
    pub fn new(socket: W, outbound: Outbound, blocked_max: Duration, metrics: Arc<Metrics>) -> Self {
        Self { socket, outbound, blocked_max, metrics, counted: (0, 0) }
    }

    /// Writes whatever has news, until the transport fails or the session is closed from outside.
    ///
    /// A block and no `async fn`, which would keep its argument twice for as long as somebody stays; so is
    /// [`flush`](Self::flush).
    #[expect(clippy::manual_async_fn, reason = "the async fn is larger")]
    pub fn run(&mut self) -> impl Future<Output = End> {
        async move {
            loop {
                let marked = if self.outbound.has_more() {
                    self.outbound.subscriber().take_ready()
                } else {
                    poll_fn(|cx| self.outbound.subscriber().poll_ready(cx)).await
                };
                self.outbound.gather(marked);
                if let Err(end) = self.flush().await {
                    return end;
                }
                if let Some((code, reason)) = self.outbound.closed() {
                    return End::Closed(code, reason);
                }
            }
        }
    }

    /// Writes all there is, and ends when there is nothing more.
    pub async fn drain(&mut self) -> Result<(), End> {
        loop {
            self.outbound.gather(self.outbound.subscriber().take_ready());
            if !self.outbound.has_pieces() && !self.outbound.has_more() {
                return Ok(());
            }
            self.flush().await?;
        }
    }

    /// Writes only what must be, so that the stream ends on a whole packet.
    pub async fn cut(&mut self) -> Result<(), End> {
        self.outbound.cut();
        self.flush().await
    }

    /// Why the session was closed from outside, if that has been read, though perhaps not been written.
    pub fn closed(&self) -> Option<LeaveReason> {
        self.outbound.closed().map(|(_, reason)| reason)
    }

    /// Lines the session was told it missed.
    pub fn missed(&self) -> u64 {
        self.outbound.told().1
    }

    /// The connection is lost: nobody waits for its reading any more.
    pub fn hold(&self) {
        self.outbound.hold();
    }

    /// The socket, and nothing of what was to be written.
    pub fn into_socket(self) -> W {
        self.socket
    }

    #[expect(clippy::manual_async_fn, reason = "the async fn is larger")]
    fn flush(&mut self) -> impl Future<Output = Result<(), End>> {
        async move {
            loop {
                let written = match poll_fn(|cx| Poll::Ready(self.poll_write(cx))).await {
                    Poll::Ready(written) => written,
                    // Few are ever blocked. Whoever is gets the memory for it then.
                    Poll::Pending => Box::pin(self.write_in_time()).await?,
                };
                match written {
                    Ok(None) => return Ok(()),
                    Ok(Some(0)) => return Err(End::Broken(io::ErrorKind::WriteZero.into())),
                    Ok(Some(count)) => {
                        self.outbound.advance(count);
                        self.count(count);
                    }
                    Err(error) => return Err(End::Broken(error)),
                }
            }
        }
    }

    /// Counts one write; with the last of what was gathered, the lines of all of it.
    fn count(&mut self, bytes: usize) {
        let (lines_before, missed_before) = self.counted;
        if !self.outbound.has_pieces() {
            self.counted = self.outbound.told();
        }
        let (lines, missed) = self.counted;
        self.metrics.traffic.sent(lines - lines_before, bytes as u64);
        if missed > missed_before {
            self.metrics.missed.add(missed - missed_before);
            self.metrics.slow_consumers.add(SlowAction::Missed);
        }
    }

    async fn write_in_time(&mut self) -> Result<io::Result<Option<usize>>, End> {
        let written = timeout(self.blocked_max, poll_fn(|cx| self.poll_write(cx))).await;
        written.map_err(|_| End::Refused(ErrorCode::SlowConsumer))
    }

    /// Writes some of what there is, and says how much; `None` when all has left: over TLS, written is not sent.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<usize>>> {
        if !self.outbound.has_pieces() {
            return Pin::new(&mut self.socket).poll_flush(cx).map_ok(|()| None);
        }
        // On the stack of the poll alone: an idle connection keeps no slices.
        let mut slices = [IoSlice::new(&[]); WRITE_SLICES];
        let filled = self.outbound.slices(&mut slices);
        Pin::new(&mut self.socket).poll_write_vectored(cx, &slices[..filled]).map_ok(Some)
    }
}
