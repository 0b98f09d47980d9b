//! What all connections of one server share.

use std::{sync::Arc, time::Duration};

use chat_proto::Limits;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    config::{RateConfig, TimeoutConfig},
    metrics::Metrics,
    session::{Absences, Doorkeeper, HistorySource},
};

/// What all connections share: nothing in it changes but counters and tokens.
pub struct Shared {
    /// Who decides about logins.
    pub doorkeeper: Doorkeeper,
    /// What was said before.
    pub history: HistorySource,
    /// What Hello announces.
    pub limits: Limits,
    /// What Hello announces of an answer to a line: see [`Durability`](crate::config::Durability).
    pub durability: u16,
    /// How long a connection may take over things.
    pub timeouts: TimeoutConfig,
    /// How fast one session may be.
    pub rates: RateConfig,
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
