//! One connection's life, from accepted to closed: a task of its own.

use std::{net::SocketAddr, sync::Arc};

use chat_proto::Limits;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{admission::Ticket, guest::Guest, transport::Transport};
use crate::{
    config::{RateConfig, TimeoutConfig},
    metrics::Metrics,
    room::Inbox,
    session::Doorkeeper,
};

/// What all connections share.
pub struct Shared {
    /// Who decides about logins.
    pub doorkeeper: Doorkeeper,
    /// What Hello announces.
    pub limits: Limits,
    /// How long a connection may take over things.
    pub timeouts: TimeoutConfig,
    /// How fast one session may be.
    pub rates: RateConfig,
    /// The counters.
    pub metrics: Arc<Metrics>,
    /// Milliseconds since 1970 UTC.
    pub clock: fn() -> u64,
    /// Cancelled when no more may be read.
    pub stop: CancellationToken,
    /// Cancelled when everything that was read has been answered and is in its log.
    pub quiet: CancellationToken,
    /// Everyone who may still hand something to the fan-out.
    pub readers: TaskTracker,
}

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
