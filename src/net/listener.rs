//! Listening: an address of one's own, and an accept loop that nothing ends but the server's stop.

use std::{
    io::{self, ErrorKind},
    net::{IpAddr, SocketAddr, SocketAddrV6},
    sync::Arc,
    time::Duration,
};

use chat_proto::ErrorCode;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    net::{TcpListener, TcpStream},
    time::{Instant, sleep},
};
use tokio_util::task::TaskTracker;

use super::{
    Admission, Refused, Ticket,
    connection::serve,
    farewell::goodbye,
    shared::Shared,
    tls::{TURNED_AWAY, TlsAcceptor, serve_tls},
};
use crate::{
    metrics::{Disconnect, RateScope, TransportKind},
    platform,
    room::Inbox,
};

/// Connections the kernel holds before they are accepted.
const BACKLOG: i32 = 1024;

/// The pause after a failed accept; doubled with each that follows.
const BACK_OFF_MIN: Duration = Duration::from_millis(10);
/// The longest pause after a failed accept.
const BACK_OFF_MAX: Duration = Duration::from_secs(1);

/// Binds one address, for this process alone. An IPv6 address is never also an IPv4 one, on any system.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if let SocketAddr::V6(SocketAddrV6 { .. }) = address {
        socket.set_only_v6(true)?;
    }
    platform::own_the_address(&socket)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    TcpListener::from_std(socket.into())
}

/// How connections to a listener begin.
#[derive(Clone)]
pub enum Door {
    /// With a packet.
    Plain,
    /// With a TLS handshake.
    Tls(Arc<TlsAcceptor>),
}

impl Door {
    fn transport(&self) -> TransportKind {
        match self {
            Self::Plain => TransportKind::Tcp,
            Self::Tls(_) => TransportKind::Tls,
        }
    }
}

/// Accepts until the server stops. `connections` tracks the tasks it starts.
pub async fn listen(
    listener: TcpListener,
    door: Door,
    admission: Arc<Admission>,
    shared: Arc<Shared>,
    inbox: Inbox,
    connections: TaskTracker,
) {
    let mut back_off = BACK_OFF_MIN;
    loop {
        let accepted = tokio::select! {
            () = shared.stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((socket, peer)) => {
                back_off = BACK_OFF_MIN;
                shared.metrics.accepted.add(door.transport());
                match admit(peer.ip(), &admission, &shared) {
                    Ok(ticket) => {
                        // What is written is written whole; waiting for more would only delay it.
                        let _ = socket.set_nodelay(true);
                        let (shared, inbox) = (Arc::clone(&shared), inbox.clone());
                        match &door {
                            Door::Plain => connections.spawn(serve(socket, peer, ticket, shared, inbox)),
                            Door::Tls(acceptor) => {
                                let acceptor = Arc::clone(acceptor);
                                connections.spawn(serve_tls(socket, peer, ticket, acceptor, shared, inbox))
                            }
                        };
                    }
                    Err(refused) => turn_away(&socket, &door, peer, refused, &shared),
                }
            }
            Err(error) if is_of_one_connection(&error) => {
                shared.metrics.accepted.add(door.transport());
                shared.metrics.disconnects.add(Disconnect::Broken);
                let transport = door.transport().word();
                tracing::debug!(event = "gone_before_accept", transport, err = %error, "a connection had ended before it was accepted");
            }
            Err(error) => {
                shared.metrics.accept_errors.add(1);
                tracing::warn!(event = "accept_failed", err = %error, retry_ms = back_off.as_millis(), "no connection could be accepted");
                tokio::select! {
                    () = shared.stop.cancelled() => return,
                    () = sleep(back_off) => back_off = (back_off * 2).min(BACK_OFF_MAX),
                }
            }
        }
    }
}

/// Whether an error of `accept()` is the news of one connection that had ended by then, and not that the system gives none.
/// For that nobody else waits: whoever connects and resets, again and again, would close the door to everybody.
///
/// Linux passes on what has come of the connection meanwhile (accept(2), under Errors); Windows says `WSAECONNRESET`, other
/// systems `ECONNABORTED`; Wine finds that the connection has no peer.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::NotConnected
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
    )
}

/// Lets a connection in, or says why not.
pub fn admit(from: IpAddr, admission: &Arc<Admission>, shared: &Shared) -> Result<Ticket, Refused> {
    shared.doorkeeper.admit(from, (shared.clock)()).map_err(|code| match code {
        ErrorCode::Banned => Refused::Banned,
        _ => Refused::Draining,
    })?;
    admission.admit(from, Instant::now())
}

/// Says why in one try, if an answer is worth it. The socket closes when the caller drops it.
fn turn_away(socket: &TcpStream, door: &Door, peer: SocketAddr, refused: Refused, shared: &Shared) {
    let code = match refused {
        Refused::Full => ErrorCode::ServerFull,
        Refused::Crowded | Refused::Flood => ErrorCode::TooManyFromAddress,
        Refused::Banned => ErrorCode::Banned,
        Refused::Draining => ErrorCode::ShuttingDown,
    };
    shared.metrics.reject(code);
    if refused == Refused::Flood {
        shared.metrics.rate_limited.add(RateScope::Connection);
    }
    let transport = door.transport().word();
    tracing::debug!(event = "turned_away", %peer, transport, code = code as u16, reason = %refused, "turned away");
    if refused != Refused::Flood {
        // Nobody waits for a peer that cannot take one packet at once.
        let _ = match door {
            Door::Plain => socket.try_write(&goodbye(code.into())),
            Door::Tls(_) => socket.try_write(&TURNED_AWAY),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_gone_before_they_are_accepted_stops_nobody_and_a_system_that_gives_nothing_is_told_apart() {
        // ECONNABORTED, EHOSTUNREACH, EMFILE, ENFILE, ENOMEM; WSAECONNRESET, WSAENOTCONN, WSAEMFILE, WSAENOBUFS, WSAENETDOWN.
        let (gone, short): (&[i32], &[i32]) = if cfg!(windows) {
            (&[10_054, 10_057], &[10_024, 10_055, 10_050])
        } else if cfg!(target_os = "linux") {
            (&[103, 113], &[24, 23, 12])
        } else {
            (&[], &[])
        };
        let is_of_one = |code: &i32| is_of_one_connection(&io::Error::from_raw_os_error(*code));
        assert!(gone.iter().all(is_of_one));
        assert!(!short.iter().any(is_of_one));
    }
}
