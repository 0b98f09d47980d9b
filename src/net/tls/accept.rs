//! From an accepted socket to a connection over TLS, in time, or to a count of why not.

use std::{net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use chat_proto::ErrorCode;
use tokio::{
    io::AsyncWriteExt,
    time::{Instant, timeout, timeout_at},
};

use super::{Certificates, TlsStream, session::TlsError};
use crate::{
    metrics::{Disconnect, TlsFailure},
    net::{Shared, admission::Ticket, connection::serve_since, farewell::linger, transport::Transport},
    room::Inbox,
};

/// What whoever finds the server full or is banned hears, at no more cost than this: nothing is read of what they want. A
/// fatal alert, `internal_error` (RFC 8446, 6.2).
pub const TURNED_AWAY: [u8; 7] = [0x15, 3, 3, 0, 2, 2, 80];

/// What whoever does not speak TLS hears, so that a client of ours can say that it came to the wrong port. A fatal alert,
/// `unexpected_message`.
const NOT_TLS: [u8; 7] = [0x15, 3, 3, 0, 2, 2, 10];

/// How long the last alert may take.
const ALERT: Duration = Duration::from_millis(250);

/// What it takes to shake hands.
pub struct TlsAcceptor {
    certificates: Arc<Certificates>,
    /// From accept to the end of the handshake.
    handshake: Duration,
}

impl TlsAcceptor {
    /// Shows what `certificates` has at the moment of each handshake, and takes no more than `handshake` for it.
    #[must_use]
    pub fn new(certificates: Arc<Certificates>, handshake: Duration) -> Self {
        Self { certificates, handshake }
    }

    /// What it shows.
    #[must_use]
    pub fn certificates(&self) -> &Arc<Certificates> {
        &self.certificates
    }
}

/// Why there is no connection.
enum Refused {
    /// The peer's handshake came to nothing.
    Failed(TlsError),
    /// It took too long.
    Late,
    /// Its place was needed, or the server stops.
    Unwanted,
}

/// As [`serve`](super::super::serve), after a handshake. The peer's place comes back when this ends, in any way.
///
/// The handshake and what it holds are in a box of their own, gone when the connection begins.
pub fn serve_tls<S: Transport>(
    socket: S,
    peer: SocketAddr,
    ticket: Ticket,
    acceptor: Arc<TlsAcceptor>,
    shared: Arc<Shared>,
    inbox: Inbox,
) -> impl Future<Output = ()> + Send {
    let since = Instant::now();
    let greeting = Box::pin(async move {
        // Whoever may still hand something to the fan-out is waited for.
        let reading = shared.readers.token();
        let stream = match greet(socket, since, &ticket, &acceptor, &shared).await {
            Ok(stream) => stream,
            Err((refused, socket)) => {
                drop((inbox, reading));
                shared.metrics.disconnects.add(Disconnect::NoHandshake);
                tell(&refused, peer, &shared);
                match (refused, socket) {
                    (Refused::Failed(TlsError::Protocol(_)), Some(socket)) => close(socket, &[]).await,
                    (Refused::Failed(TlsError::NotTls), Some(socket)) => close(socket, &NOT_TLS).await,
                    // Nobody is there to hear anything, or it is not worth more time.
                    _ => {}
                }
                return None;
            }
        };
        shared.metrics.tls_handshakes.add(1);
        drop((acceptor, reading));
        Some(serve_since(since, stream, peer, ticket, shared, inbox))
    });
    async move {
        let connection = pin!(greeting.await);
        if let Some(connection) = connection.as_pin_mut() {
            connection.await;
        }
    }
}

async fn greet<S: Transport>(
    socket: S,
    since: Instant,
    ticket: &Ticket,
    acceptor: &TlsAcceptor,
    shared: &Shared,
) -> Result<TlsStream<S>, (Refused, Option<S>)> {
    let deadline = since + acceptor.handshake.min(shared.live.now().timeouts.login);
    let mut stream = TlsStream::new(socket, acceptor.certificates.server_config())
        .map_err(|error| (Refused::Failed(error), None))?;
    let evicted = ticket.evicted();
    let outcome = tokio::select! {
        // Each of them is the end of this.
        biased;
        shaken = timeout_at(deadline, stream.shake_hands()) => match shaken {
            Ok(Ok(())) => return Ok(stream),
            Ok(Err(error)) => Refused::Failed(error),
            Err(_) => Refused::Late,
        },
        () = evicted.cancelled() => {
            shared.metrics.reject(ErrorCode::ServerFull);
            Refused::Unwanted
        }
        () = shared.stop.cancelled() => Refused::Unwanted,
    };
    Err((outcome, Some(stream.into_refused().await)))
}

fn tell(refused: &Refused, peer: SocketAddr, shared: &Shared) {
    let failure = match refused {
        Refused::Failed(TlsError::NotTls) => TlsFailure::NotTls,
        Refused::Failed(TlsError::Protocol(_) | TlsError::TooLong) => TlsFailure::Protocol,
        Refused::Failed(TlsError::Truncated | TlsError::Io(_)) => TlsFailure::Io,
        Refused::Late => TlsFailure::Timeout,
        Refused::Unwanted => return,
    };
    let err = match refused {
        Refused::Failed(error) => Some(tracing::field::display(error)),
        Refused::Late | Refused::Unwanted => None,
    };
    shared.metrics.tls_failures.add(failure);
    if failure == TlsFailure::NotTls {
        shared.metrics.misdirected.add(1);
    }
    tracing::debug!(event = "tls_failed", %peer, reason = failure.word(), err, "no handshake");
}

/// Says this, and closes so that it arrives, and what was said before it.
async fn close<S: Transport>(mut socket: S, last: &[u8]) {
    let said = timeout(ALERT, async {
        socket.write_all(last).await?;
        socket.shutdown().await
    });
    if let Ok(Ok(())) = said.await {
        linger(&mut socket).await;
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::*;

    fn future_bytes<A, B, C, D, E, F, G>(_: fn(A, B, C, D, E, F) -> G) -> usize {
        size_of::<G>()
    }

    #[test]
    fn a_connection_over_tls_holds_no_memory_for_the_handshake_that_is_over() {
        let bytes = future_bytes(serve_tls::<TcpStream>);
        assert!(bytes <= 552, "the future of a connection has {bytes} bytes");
    }
}
