//! The history on its way to the database: each write is timed, and what it stored counted.

use std::sync::Arc;

use tokio::time::Instant;

use crate::{
    metrics::Metrics,
    session::HistoryStore,
    store::{Batch, EpochEnd, History, StoreError},
};

/// The history, measured.
#[derive(Clone)]
pub(super) struct Measured {
    history: History,
    metrics: Arc<Metrics>,
}

impl Measured {
    pub fn new(history: History, metrics: Arc<Metrics>) -> Self {
        Self { history, metrics }
    }
}

impl HistoryStore for Measured {
    async fn write(&self, batches: &[Batch]) -> Result<u64, StoreError> {
        let began = Instant::now();
        let written = self.history.write(batches).await;
        self.metrics.history_write_seconds.observe(began.elapsed());
        if let Ok(lines) = written {
            self.metrics.history_lines.add(lines);
            let gaps = batches.iter().flat_map(|batch| &batch.gaps);
            self.metrics.history_gap_lines.add(gaps.map(|gap| gap.end() - gap.start() + 1).sum());
        }
        written
    }

    async fn close_epochs(&self, ends: &[EpochEnd]) -> Result<(), StoreError> {
        self.history.close_epochs(ends).await
    }
}
