//! The state of a session whose connection is lost: its places are kept for a while, for whoever shows its token.

use std::{future::poll_fn, sync::Arc};

use chat_proto::LeaveReason;
use tokio::time::{Instant, sleep_until};

use super::shared::Shared;
use crate::{
    room::{Control, Subscriber},
    session::{Absence, Session},
};

/// A session without a connection.
pub struct Absent {
    session: Session,
    absence: Absence,
    until: Instant,
}

impl Absent {
    /// A session whose connection has just been lost, or that has outlived a server.
    #[must_use]
    pub fn new(session: Session, shared: &Shared) -> Self {
        session.subscriber().set_absent();
        let absence = shared.absences.begin(session.subscriber());
        Self { session, absence, until: Instant::now() + shared.grace }
    }

    /// Keeps its places until another connection has them, its time is over, or somebody ends it.
    pub async fn wait(mut self, shared: &Shared) {
        let subscriber = Arc::clone(self.session.subscriber());
        let (session, user) = (subscriber.id().0, subscriber.name());
        tracing::info!(event = "session_absent", session, %user, "its connection is lost");
        tokio::select! {
            biased;
            reason = closed(&subscriber) => self.session.leave(reason),
            () = shared.stop.cancelled() => {
                self.session.forgo_departure();
                // What others have asked before the stop is still done, whispers to this one too.
                shared.quiet.cancelled().await;
            }
            () = sleep_until(self.until) => {
                tracing::info!(event = "session_lapsed", session, %user, "nobody came back to it in time");
                self.session.lapse();
            }
        }
        drop(self.absence);
    }
}

/// Waits until the session is ended from outside. Nothing else that it is told is of use.
async fn closed(subscriber: &Subscriber) -> LeaveReason {
    loop {
        while let Some(control) = subscriber.next_control() {
            if let Control::Close(_, reason) = control {
                return reason;
            }
        }
        poll_fn(|cx| subscriber.poll_ready(cx)).await;
    }
}
