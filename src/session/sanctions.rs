//! What is done on the whole server, written down: so that it holds after a restart, and who did it is known.

use chat_proto::{ErrorCode, Remark, Role, Username};

use super::{
    Actor, Doorkeeper,
    bans::{Bans, Subject, Terms},
    ledger::person,
    unavailable,
};
use crate::{
    room::FOR_GOOD,
    store::{self, AuditEntry, Sanction, ServerSanction, StoreError},
};

/// An act as it is written down.
pub(super) struct Written<'a> {
    /// Who did it, and what they are on the server.
    pub by: (&'a str, Role),
    /// A stable word for it.
    pub act: &'static str,
    /// To whom, if to anybody.
    pub target: Option<String>,
    /// Of what lasts, for how many seconds; 0: for good.
    pub seconds: Option<u32>,
    /// Why.
    pub reason: &'a str,
}

impl Written<'_> {
    pub(super) fn entry(&self, now: u64) -> AuditEntry {
        AuditEntry {
            time_ms: now,
            actor: self.by.0.into(),
            actor_role: self.by.1 as u16,
            action: self.act.into(),
            conversation: None,
            room: None,
            target: self.target.clone(),
            seconds: self.seconds.map(|seconds| if seconds == 0 { FOR_GOOD } else { seconds.into() }),
            reason: self.reason.into(),
        }
    }
}

impl Doorkeeper {
    /// Writes an act down, with what is held against its subject now. Without a database there is nowhere to.
    pub(super) async fn write_down(
        &self,
        subject: Option<&Subject>,
        written: &Written<'_>,
        now: u64,
    ) -> Result<(), ErrorCode> {
        let Some(store) = self.accounts().map(super::AccountDesk::store) else { return Ok(()) };
        let entry = written.entry(now);
        let done = match subject {
            Some(subject) => {
                let sanction = held(self.bans(), subject, written, now);
                store.sanctions().set(&ServerSanction { subject: stored(subject), sanction }, &entry).await
            }
            None => Err(StoreError::NotFound),
        };
        let done = match done {
            // Nothing was held, and nothing is: it was done all the same.
            Err(StoreError::NotFound) => store.audit().append(&entry).await,
            done => done,
        };
        done.map_err(|error| unavailable(&error).code.error().unwrap_or(ErrorCode::Internal))
    }

    /// Writes down what an operator did to nobody in particular.
    pub async fn write_down_operators(&self, act: &'static str, now: u64) -> Result<(), ErrorCode> {
        let by = (Actor::OPERATOR, Role::Admin);
        self.write_down(None, &Written { by, act, target: None, seconds: None, reason: "" }, now).await
    }

    /// Holds again what was held before the server started.
    pub fn recall_sanctions(&self, sanctions: &[ServerSanction], now: u64) {
        for ServerSanction { subject, sanction } in sanctions {
            let terms = |until_ms| Terms {
                until_ms,
                by: sanction.by.as_str().into(),
                reason: Remark::parse(&sanction.reason).unwrap_or_default(),
                since_ms: sanction.since_ms,
            };
            let known = match subject {
                store::Subject::Name(person) => Username::parse(&person.shown).ok().map(Subject::Name),
                store::Subject::Network(network) => network.parse().ok().map(Subject::Network),
            };
            let Some(known) = known else { continue };
            // There are at most as many as there were.
            if let (Some(until), Subject::Name(name)) = (sanction.muted_until_ms, &known) {
                let _ = self.bans().mute(name.clone(), terms(until), now);
            }
            if let Some(until) = sanction.banned_until_ms {
                let _ = self.bans().set(known, terms(until), now);
            }
        }
    }
}

fn held(bans: &Bans, subject: &Subject, written: &Written, now: u64) -> Sanction {
    let muted = match subject {
        Subject::Name(name) => bans.muted_until(&name.key(), now),
        Subject::Network(_) => 0,
    };
    let until = |end: u64| (end > 0).then_some(end);
    Sanction {
        banned_until_ms: until(bans.banned_until(subject, now)),
        muted_until_ms: until(muted),
        by: written.by.0.into(),
        reason: written.reason.into(),
        since_ms: now,
    }
}

fn stored(subject: &Subject) -> store::Subject {
    match subject {
        Subject::Name(name) => store::Subject::Name(person(name)),
        Subject::Network(network) => store::Subject::Network(network.to_string()),
    }
}
