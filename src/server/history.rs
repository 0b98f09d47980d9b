//! The history while a server runs: who writes it, who deletes what is too old, and that it is whole when the server ends.

use std::{collections::HashMap, io, sync::Arc};

use chat_proto::LOBBY;
use tokio::{sync::mpsc, task::JoinHandle};

use super::measured::Measured;
use crate::{
    config::{Config, Durability, Live},
    metrics::Metrics,
    room::{FanOut, Feed, Log, Verdict},
    session::{HistorySource, HistoryWriter, Upkeep, VERDICTS},
    store::{LastEpoch, Store},
};

/// The tasks that keep the history.
pub(super) struct Keeping {
    writer: JoinHandle<bool>,
    upkeep: JoinHandle<()>,
}

impl Keeping {
    /// Has what is said written to a database. Returns where it can be read back, and how else the fan-out is told that
    /// something is stored.
    pub fn start(
        config: &Config,
        live: Live,
        store: &Store,
        fan_out: &mut FanOut,
        metrics: &Arc<Metrics>,
        clock: fn() -> u64,
    ) -> (HistorySource, mpsc::Sender<Verdict>, Self) {
        let (history, feed) = (store.history().clone(), Arc::new(Feed::new(config.history.durability)));
        let (verdicts, taken) = mpsc::channel(VERDICTS);
        fan_out.set_history(Arc::clone(&feed), taken);
        let upkeep = Arc::new(Upkeep::default());
        let (store, failing) = (Measured::new(history.clone(), Arc::clone(metrics)), config.history.failing);
        let told = verdicts.clone();
        let writer = HistoryWriter::new(store, Arc::clone(&feed), told, failing, Arc::clone(&upkeep));
        let keeping = Self {
            writer: tokio::spawn(writer.run()),
            upkeep: tokio::spawn(upkeep.run(history.clone(), live, clock)),
        };
        (HistorySource::new(history, feed), verdicts, keeping)
    }

    /// Waits until everything said is written, once nothing more is said. May be dropped and called again.
    pub async fn written(&mut self) {
        self.upkeep.abort();
        if let Err(error) = (&mut self.writer).await {
            tracing::error!(event = "history_failed", err = %error, "the history failed");
        }
    }

    /// Waits no longer.
    pub fn abandon(&self) {
        self.upkeep.abort();
        if !self.writer.is_finished() {
            self.writer.abort();
            tracing::error!(
                event = "history_incomplete",
                "there was no time to write what was said last to the history: its numbers begin anew"
            );
        }
    }
}

/// Where the lines of conversations go on that have outlived a process.
pub(super) struct Pasts {
    /// Epochs and last lines, by conversation.
    ends: HashMap<u64, (u64, u64)>,
    /// Whether they are kept.
    pub are_kept: bool,
    /// The epoch of those that begin anew.
    pub epoch: u64,
}

impl Pasts {
    /// As they were found. An error where lines have to be stored before they are answered, and nothing is kept.
    pub fn of(config: &Config, last: Option<&[LastEpoch]>) -> io::Result<Self> {
        if last.is_none() && config.history.durability == Durability::Full {
            return Err(io::Error::other("`history.durability` \"full\" needs a history that is kept"));
        }
        let ends = last.unwrap_or_default().iter();
        let ends = ends.filter_map(|last| Some((last.conversation, (last.epoch, last.head?)))).collect();
        // 0 is no epoch: with it clients ask for the beginning.
        Ok(Self { ends, are_kept: last.is_some(), epoch: rand::random::<u64>().max(1) })
    }

    /// The epoch that a conversation goes on with, and its last line there, if it does.
    pub fn end(&self, conversation: u64) -> Option<(u64, u64)> {
        self.ends.get(&conversation).copied()
    }

    /// The lobby's lines.
    pub fn lobby(&self, config: &Config) -> Log {
        let (epoch, head) = self.end(LOBBY).unwrap_or((self.epoch, 0));
        Log::continued(LOBBY, epoch, head, config.lobby)
    }
}
