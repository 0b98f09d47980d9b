//! One connection's life, from accepted to closed: a task of its own.

use std::{net::SocketAddr, sync::Arc};

use tokio::time::Instant;

use super::{Absent, Shared, admission::Ticket, guest::Guest, transport::Transport};
use crate::room::Inbox;

/// Serves one peer until it is gone. The peer's place comes back when this ends, in any way.
///
/// Coming and going are short, and staying is long: in boxes of their own they cost whoever stays no memory. For the
/// same reason this is a block and no `async fn`, which would keep its arguments beside what becomes of them.
pub fn serve<S: Transport>(
    socket: S,
    peer: SocketAddr,
    ticket: Ticket,
    shared: Arc<Shared>,
    inbox: Inbox,
) -> impl Future<Output = ()> + Send {
    serve_since(Instant::now(), socket, peer, ticket, shared, inbox)
}

/// As [`serve`], of a connection that was made then.
pub fn serve_since<S: Transport>(
    since: Instant,
    socket: S,
    peer: SocketAddr,
    mut ticket: Ticket,
    shared: Arc<Shared>,
    inbox: Inbox,
) -> impl Future<Output = ()> + Send {
    let reading = shared.readers.token();
    let guest = Box::new(Guest::new(socket, (ticket.number(), peer), since, Arc::clone(&shared)));
    async move {
        let (farewell, kept) = 'here: {
            let mut member = match Box::pin(guest.log_in(&inbox, ticket.evicted())).await {
                Ok(member) => member,
                Err(farewell) => {
                    drop((inbox, reading));
                    break 'here (farewell, None);
                }
            };
            ticket.logged_in();
            let end = member.serve(inbox, reading).await;
            Box::pin(member.leave(end)).await
        };
        let absent = kept.map(|session| Box::pin(Absent::new(session, &shared).wait(&shared)));
        Box::pin(farewell.say(&shared.metrics)).await;
        drop(ticket);
        if let Some(absent) = absent {
            absent.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::*;

    /// What the future of a function takes, without calling it.
    fn future_bytes<A, B, C, D, E, F>(_: fn(A, B, C, D, E) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn whoever_stays_holds_no_memory_for_coming_going_or_waiting() {
        let bytes = future_bytes(serve::<TcpStream>);
        assert!(bytes <= 528, "the future of a connection has {bytes} bytes");
    }
}
