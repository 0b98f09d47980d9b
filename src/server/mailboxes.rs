//! The writer of mailboxes while a server runs, where whispers are stored before they are heard.

use std::sync::Arc;

use tokio::{sync::mpsc, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    config::{Config, Durability},
    metrics::Metrics,
    session::{Families, MAILBOX_REQUESTS, MailboxRequest, MailboxWriter, SessionRegistry},
    store::Store,
};

/// The task that stores whispers.
pub(super) struct Storing {
    task: JoinHandle<()>,
    done: CancellationToken,
}

impl Storing {
    /// Has whispers stored before they are heard, if that is wanted and there is where to. Returns how the writer is asked.
    pub fn start(
        config: &Config,
        store: Option<&Store>,
        families: &Arc<Families>,
        registry: &Arc<SessionRegistry>,
        metrics: &Arc<Metrics>,
    ) -> Option<(mpsc::Sender<MailboxRequest>, Self)> {
        let store = store.filter(|_| config.history.durability == Durability::Full)?;
        let (requests, asked) = mpsc::channel(MAILBOX_REQUESTS);
        let done = CancellationToken::new();
        let (families, registry, metrics) = (Arc::clone(families), Arc::clone(registry), Arc::clone(metrics));
        let writer =
            MailboxWriter::new(store.whispers().clone(), asked, families, registry, metrics, done.clone());
        Some((requests, Self { task: tokio::spawn(writer.run()), done }))
    }

    /// Waits until every whisper is stored, or refused, once nobody whispers any more.
    pub async fn settled(self) {
        self.done.cancel();
        if let Err(error) = self.task.await {
            tracing::error!(event = "mailboxes_failed", err = %error, "the writer of mailboxes failed");
        }
    }
}
