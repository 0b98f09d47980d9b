//! A person signed in, and the tidying up when that ends in any way.

use std::sync::Arc;

use chat_proto::{LeaveReason, ResumeToken};
use tokio::sync::mpsc::OwnedPermit;

use super::{
    Ending, Families, FamilyId, NameForms, SessionRegistry, TokenHash, families::hash,
    room_requests::RoomBudget,
};
use crate::{
    room::{Command, SessionId, Subscriber},
    store::AccountId,
};

/// A signed-in session, as one connection has it. Dropping it, for whatever reason, frees its name, closes its mailbox
/// and takes it out of every room; unless another connection goes on with it.
pub struct Session {
    subscriber: Arc<Subscriber>,
    registry: Arc<SessionRegistry>,
    /// Room in the inbox for the departure, reserved at login: a full inbox leaves no ghost in a room.
    departure: Option<OwnedPermit<Command>>,
    leave_reason: LeaveReason,
    /// Whose account it is, if anybody's.
    account: Option<AccountId>,
    /// What is left of what is slow to come back, once it was needed.
    pub(super) rooms: Option<Box<RoomBudget>>,
    /// What brings it back, if its client can.
    resumable: Option<Box<Resumable>>,
}

/// What brings a session back when its connection is lost.
struct Resumable {
    family: FamilyId,
    families: Arc<Families>,
    /// The token that the client was given, as long as it has not shown that it holds it.
    unconfirmed: Option<TokenHash>,
    ending: Ending,
}

impl Session {
    pub(super) fn new(
        subscriber: Arc<Subscriber>,
        registry: Arc<SessionRegistry>,
        departure: OwnedPermit<Command>,
        account: Option<AccountId>,
    ) -> Self {
        Self {
            subscriber,
            registry,
            departure: Some(departure),
            leave_reason: LeaveReason::Lost,
            account,
            rooms: None,
            resumable: None,
        }
    }

    /// The same, to be brought back by the tokens of this family, of which its client is given this one.
    pub(super) fn resumable_by(self, family: FamilyId, next: &ResumeToken, families: &Arc<Families>) -> Self {
        let mut session = self.resumable_from(family, families);
        if let Some(resumable) = &mut session.resumable {
            resumable.unconfirmed = Some(hash(next));
        }
        session
    }

    /// The same, where its client was given the last of them before.
    pub(super) fn resumable_from(mut self, family: FamilyId, families: &Arc<Families>) -> Self {
        let families = Arc::clone(families);
        let resumable = Resumable { family, families, unconfirmed: None, ending: Ending::Lapse };
        self.subscriber.set_resumable();
        self.resumable = Some(Box::new(resumable));
        self
    }

    /// Its number.
    #[must_use]
    pub fn id(&self) -> SessionId {
        self.subscriber.id()
    }

    /// Whose account it is, if anybody's.
    #[must_use]
    pub fn account(&self) -> Option<AccountId> {
        self.account
    }

    /// What the others reach it by.
    #[must_use]
    pub fn subscriber(&self) -> &Arc<Subscriber> {
        &self.subscriber
    }

    pub(super) fn registry(&self) -> &SessionRegistry {
        &self.registry
    }

    /// Which tokens bring it back, if any do.
    #[must_use]
    pub fn family(&self) -> Option<FamilyId> {
        self.resumable.as_ref().map(|resumable| resumable.family)
    }

    /// A packet has come: whoever sent it holds the token that it was answered with.
    pub fn confirm(&mut self) {
        if let Some(resumable) = self.resumable.as_deref_mut()
            && let Some(held) = resumable.unconfirmed.take()
        {
            resumable.families.confirm(resumable.family, &held);
        }
    }

    /// Ends it for good, telling the others why.
    pub fn leave(mut self, reason: LeaveReason) {
        self.leave_reason = reason;
        if let Some(resumable) = &mut self.resumable {
            resumable.ending = Ending::Void;
        }
    }

    /// Ends it because nobody has come back to it in time. Its token may still let somebody in.
    pub fn lapse(self) {
        drop(self);
    }

    /// Lets the fan-out end: when the server stops, nobody is told of the departures, and who can comes back when it
    /// starts again.
    pub fn forgo_departure(&mut self) {
        self.departure = None;
        if let Some(resumable) = &mut self.resumable {
            resumable.ending = Ending::Stop;
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.subscriber.is_succeeded() {
            return;
        }
        // Made again from the name, which takes a microsecond: kept, they would be two more strings of each session.
        let forms = NameForms::of(self.subscriber.name());
        let ours = self.registry.release(&forms, &self.subscriber);
        if !ours && self.subscriber.is_succeeded() {
            // Another connection took it over just now.
            return;
        }
        self.subscriber.mailbox().close();
        if let Some(Resumable { families, ending: Ending::Lapse, .. }) = self.resumable.as_deref()
            && families.is_stopping()
        {
            // Nobody has served it yet, who would have said so.
            self.forgo_departure();
        }
        if let Some(Resumable { family, families, ending, .. }) = self.resumable.as_deref() {
            // Put out just as the server stops, it does not go on with the next.
            let ending = if self.subscriber.is_over() { Ending::Void } else { *ending };
            families.end(*family, ending);
            if ending == Ending::Stop {
                families.keep_mailbox(self.id(), self.subscriber.mailbox());
            }
        }
        if let Some(departure) = self.departure.take() {
            let session = Arc::clone(&self.subscriber);
            departure.send(Command::Depart { session, reason: self.leave_reason });
        }
    }
}
