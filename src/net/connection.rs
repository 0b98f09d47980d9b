//! One connection's life, from accepted to closed: a task of its own.

use std::{net::SocketAddr, sync::Arc};

use super::{Shared, admission::Ticket, guest::Guest, transport::Transport};
use crate::room::Inbox;

/// Serves one peer until it is gone. The peer's place comes back when this ends, in any way.
///
/// Coming and going are short, and staying is long: in boxes of their own they cost whoever stays no memory.
pub async fn serve<S: Transport>(
    socket: S,
    peer: SocketAddr,
    mut ticket: Ticket,
    shared: Arc<Shared>,
    inbox: Inbox,
) {
    let reading = shared.readers.token();
    let guest = Box::new(Guest::new(socket, peer, Arc::clone(&shared)));
    let farewell = match Box::pin(guest.log_in(&inbox, ticket.evicted())).await {
        Ok(mut member) => {
            ticket.logged_in();
            let end = member.serve(inbox, reading).await;
            Box::pin(member.leave(end)).await
        }
        Err(farewell) => {
            drop((inbox, reading));
            farewell
        }
    };
    Box::pin(farewell.say(&shared.metrics)).await;
}
