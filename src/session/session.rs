//! A person signed in on one connection, and the tidying up when that ends in any way.

use std::sync::Arc;

use chat_proto::LeaveReason;
use tokio::sync::mpsc::OwnedPermit;

use super::{NameForms, SessionRegistry, room_requests::RoomBudget};
use crate::{
    room::{Command, SessionId, Subscriber},
    store::AccountId,
};

/// A signed-in session. Dropping it, for whatever reason, frees its name, closes its mailbox and takes it out of
/// every room.
pub struct Session {
    pub(super) forms: NameForms,
    subscriber: Arc<Subscriber>,
    registry: Arc<SessionRegistry>,
    /// Room in the inbox for the departure, reserved at login: a full inbox leaves no ghost in a room.
    departure: Option<OwnedPermit<Command>>,
    leave_reason: LeaveReason,
    /// Whose account it is, if anybody's.
    account: Option<AccountId>,
    /// What is left of what is slow to come back, once it was needed.
    pub(super) rooms: Option<Box<RoomBudget>>,
}

impl Session {
    pub(super) fn new(
        forms: NameForms,
        subscriber: Arc<Subscriber>,
        registry: Arc<SessionRegistry>,
        departure: OwnedPermit<Command>,
        account: Option<AccountId>,
    ) -> Self {
        let departure = Some(departure);
        Self { forms, subscriber, registry, departure, leave_reason: LeaveReason::Lost, account, rooms: None }
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

    /// Ends it, telling the others why.
    pub fn leave(mut self, reason: LeaveReason) {
        self.leave_reason = reason;
    }

    /// Lets the fan-out end: when the server stops, nobody is told of the departures.
    pub fn forgo_departure(&mut self) {
        self.departure = None;
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.registry.release(&self.forms, self.id());
        self.subscriber.mailbox().close();
        if let Some(departure) = self.departure.take() {
            departure.send(Command::Depart { session: self.id(), reason: self.leave_reason });
        }
    }
}
