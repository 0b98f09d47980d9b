//! One connection's life, from accepted to closed: a task of its own.

use std::{net::SocketAddr, sync::Arc};

use super::{Shared, admission::Ticket, guest::Guest, transport::Transport};
use crate::room::Inbox;

/// Serves one peer until it is gone. The peer's place comes back when this ends, in any way.
pub async fn serve<S: Transport>(
    socket: S,
    peer: SocketAddr,
    mut ticket: Ticket,
    shared: Arc<Shared>,
    inbox: Inbox,
) {
    let reading = shared.readers.token();
    let evicted = ticket.evicted().clone();
    let guest = Guest::new(socket, peer, Arc::clone(&shared));
    let farewell = match guest.log_in(&inbox, &evicted).await {
        Ok(member) => {
            ticket.logged_in();
            member.serve(inbox, reading).await
        }
        Err(farewell) => {
            drop((inbox, reading));
            farewell
        }
    };
    farewell.say(&shared.metrics).await;
}
