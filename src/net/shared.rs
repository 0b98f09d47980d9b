//! What all connections of one server share.

use std::{sync::Arc, time::Duration};

use chat_proto::Limits;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    config::Live,
    metrics::Metrics,
    session::{Absences, Doorkeeper, HistorySource},
};

/// What all connections share: nothing in it changes but counters, tokens and the policy.
pub struct Shared {
    /// Who decides about logins.
    pub doorkeeper: Doorkeeper,
    /// What was said before.
    pub history: HistorySource,
    /// What Hello announces that cannot change; the rest is [`live`](Self::live)'s.
    pub limits: Limits,
    /// What Hello announces of an answer to a line: see [`Durability`](crate::config::Durability).
    pub durability: u16,
    /// What may change: how fast a session may be, how long a connection may take over things. Each keeps what goes when
    /// it comes.
    pub live: Live,
    /// The counters.
    pub metrics: Arc<Metrics>,
    /// Sessions without a connection.
    pub absences: Arc<Absences>,
    /// How long each of them is kept.
    pub grace: Duration,
    /// Milliseconds since 1970 UTC.
    pub clock: fn() -> u64,
    /// Cancelled when no more may be read.
    pub stop: CancellationToken,
    /// Cancelled when everything that was read has been answered and is in its log.
    pub quiet: CancellationToken,
    /// Everyone who may still hand something to the fan-out.
    pub readers: TaskTracker,
}
