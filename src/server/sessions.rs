//! The sessions that outlive their connections: put back when the server starts, stored as they change and when it ends.

use std::sync::Arc;

use chat_proto::millis;
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    config::{Config, Durability},
    net::{Absent, Shared},
    room::{FanOut, Inbox, Verdict},
    session::{Doorkeeper, Families, FamilyChanges, Returning, Session, keep_families},
    store::Store,
};

/// The task that stores what brings sessions back.
pub(super) struct Keeper {
    task: JoinHandle<()>,
    done: CancellationToken,
}

impl Keeper {
    /// Stores what brings sessions back, if there is a database, and in which rooms they are: before anybody is told, where
    /// the fan-out waits for `verdicts`.
    pub fn start(
        config: &Config,
        store: Option<&Store>,
        fan_out: &mut FanOut,
        verdicts: Option<mpsc::Sender<Verdict>>,
        clock: fn() -> u64,
    ) -> (Arc<Families>, Option<Self>) {
        let Some(store) = store else { return (Arc::new(Families::new(None)), None) };
        let verdicts = verdicts.filter(|_| config.history.durability == Durability::Full);
        let verdicts = verdicts.map(|verdicts| (verdicts, config.history.failing));
        let changes = Arc::new(FamilyChanges::new(verdicts));
        let noted = Arc::clone(&changes);
        fan_out
            .directory_mut()
            .set_note_rooms(Box::new(move |session, rooms| noted.put_rooms(session, rooms)));
        let done = CancellationToken::new();
        let ttl_ms = millis(config.resume.ttl);
        let keeping = keep_families(store.clone(), Arc::clone(&changes), ttl_ms, clock, done.clone());
        let keeper = Self { task: tokio::spawn(keeping), done };
        (Arc::new(Families::new(Some(changes))), Some(keeper))
    }

    /// Waits until all is stored, once no session changes any more. May be dropped and called again.
    pub async fn stored(&mut self) {
        self.done.cancel();
        if let Err(error) = (&mut self.task).await {
            tracing::error!(event = "resume_failed", err = %error, "the keeper of sessions failed");
        }
    }

    /// Waits no longer.
    pub fn abandon(&self) {
        if !self.task.is_finished() {
            self.task.abort();
            tracing::error!(
                event = "resume_unstored",
                "there was no time to store which sessions may be resumed"
            );
        }
    }
}

/// Puts sessions back where they were. `now` is in milliseconds since 1970 UTC.
pub(super) fn restore(
    sessions: Vec<Returning>,
    doorkeeper: &Doorkeeper,
    fan_out: &mut FanOut,
    inbox: &Inbox,
    now: u64,
) -> Vec<Session> {
    let mut restored = Vec::new();
    for returning in sessions {
        let rooms = returning.rooms.clone();
        if let Some(session) = doorkeeper.restore(returning, inbox, now) {
            fan_out.directory_mut().restore_session(session.subscriber(), &rooms);
            restored.push(session);
        }
    }
    restored
}

/// Lets sessions wait for their owners.
pub(super) fn wait(sessions: Vec<Session>, connections: &TaskTracker, shared: &Arc<Shared>) {
    for session in sessions {
        let shared = Arc::clone(shared);
        let absent = Absent::new(session, &shared);
        connections.spawn(async move { absent.wait(&shared).await });
    }
}
