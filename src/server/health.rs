//! Whether a running server is well: its parts are asked again and again, and what they last said is kept.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::Operator;
use crate::{metrics::StoreMetrics, room::Survey, session::AccountDesk};

/// How often the fan-out is asked.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// How long the fan-out may say nothing. Longer: the server is taken for dead.
pub const SILENT_MAX: Duration = Duration::from_secs(10);
/// How long after an error of `accept()` nobody is sent here: longer than the pause between two of them.
const ACCEPTING_AFTER: Duration = Duration::from_secs(3);
/// How often the database is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How often a database is asked for a change that takes changes and is asked for none by others.
const PROBE_EVERY: Duration = Duration::from_mins(1);

/// Why nobody should be sent to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotReady {
    /// It stops.
    Stopping,
    /// An operator lets nobody else come in.
    Draining,
    /// It cannot accept connections.
    NotAccepting,
    /// Its database takes no changes.
    StoreNotWritable,
    /// The fan-out does not answer.
    FanOutSilent,
}

impl NotReady {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Stopping => "stopping",
            Self::Draining => "draining",
            Self::NotAccepting => "not_accepting",
            Self::StoreNotWritable => "store_not_writable",
            Self::FanOutSilent => "fan_out_silent",
        }
    }
}

/// What was last heard.
pub(super) struct Health(Mutex<Heard>);

struct Heard {
    /// When the fan-out last answered.
    answered: Instant,
    /// How many errors of `accept()` there had been, and when the last was found.
    accept_errors: (u64, Option<Instant>),
}

impl Health {
    /// All was well just now.
    pub fn new() -> Self {
        Self(Mutex::new(Heard { answered: Instant::now(), accept_errors: (0, None) }))
    }

    fn is_silent(&self) -> bool {
        self.0.lock().answered.elapsed() >= SILENT_MAX
    }

    fn is_accepting(&self) -> bool {
        self.0.lock().accept_errors.1.is_none_or(|found| found.elapsed() >= ACCEPTING_AFTER)
    }

    fn note_answer(&self) {
        self.0.lock().answered = Instant::now();
    }

    fn note_accept_errors(&self, errors: u64) {
        let mut heard = self.0.lock();
        if errors > heard.accept_errors.0 {
            heard.accept_errors = (errors, Some(Instant::now()));
        }
    }
}

impl Operator {
    /// Asks the server's parts how they are, for as long as it is polled. Without it [`not_ready`](Self::not_ready) knows
    /// nothing new.
    pub async fn watch(&self) {
        tokio::join!(self.watch_fan_out(), self.watch_store());
    }

    /// Whether the server gets on with its work. One that stops does. What it depends on is no part of this: to start
    /// it anew would mend no database.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.is_stopping() || !self.health().is_silent()
    }

    /// Why nobody should be sent to this server now; empty: somebody may.
    #[must_use]
    pub fn not_ready(&self) -> Vec<NotReady> {
        let store_fails = self.store_metrics().is_some_and(|metrics| metrics.write_fails.get() > 0);
        let found = [
            (NotReady::Stopping, self.is_stopping()),
            (NotReady::Draining, self.doorkeeper().is_draining()),
            (NotReady::NotAccepting, !self.health().is_accepting()),
            (NotReady::StoreNotWritable, store_fails),
            (NotReady::FanOutSilent, !self.is_live()),
        ];
        found.into_iter().filter(|(_, is)| *is).map(|(reason, _)| reason).collect()
    }

    /// What is counted of the database, if there is one.
    pub(super) fn store_metrics(&self) -> Option<&Arc<StoreMetrics>> {
        self.doorkeeper().accounts().map(AccountDesk::store_metrics)
    }

    async fn watch_fan_out(&self) {
        let mut ticks = interval(ASK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.health().note_accept_errors(self.counters().accept_errors.get());
            // Silence is found by who asks how the server is; and a server that stops has no fan-out any more.
            if let Ok(Ok(())) = timeout(SILENT_MAX, self.ask(Survey::Probe)).await {
                self.health().note_answer();
            }
        }
    }

    async fn watch_store(&self) {
        let Some(accounts) = self.doorkeeper().accounts() else { return };
        let metrics = accounts.store_metrics();
        let (mut commits, mut fails, mut since) = (metrics.commits.get(), false, Instant::now());
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if self.is_stopping() {
                return;
            }
            if metrics.commits.get() != commits {
                (commits, since) = (metrics.commits.get(), Instant::now());
            }
            if metrics.write_fails.get() > 0 || since.elapsed() >= PROBE_EVERY {
                // What comes of it is noted where it is done.
                let _ = accounts.probe_store().await;
            }
            let failed = std::mem::replace(&mut fails, metrics.write_fails.get() > 0);
            match (failed, fails) {
                (false, true) => {
                    tracing::error!(event = "store_not_writable", "the database takes no changes");
                }
                (true, false) => tracing::info!(event = "store_writable", "the database takes changes again"),
                _ => {}
            }
        }
    }
}
