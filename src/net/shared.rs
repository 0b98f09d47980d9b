//! What all connections of one server share.

use std::sync::Arc;

use chat_proto::Limits;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    config::{RateConfig, TimeoutConfig},
    metrics::Metrics,
    session::Doorkeeper,
};

/// What all connections share: nothing in it changes but counters and tokens.
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
