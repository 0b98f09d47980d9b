//! A session that comes, and one that comes back: into which conversations, and what it is answered.

use std::sync::Arc;

use chat_proto::{Answer, ErrorCode, LeaveReason, List, MAILBOX, Presence, RequestId, ServerPacket, Welcome};

use super::{Control, FanOut, Grant, Slot, Subscriber};

impl FanOut {
    pub(super) fn enter(&mut self, slot: Slot, request: RequestId, grant: Option<&Grant>, now: u64) {
        let subscriber = Arc::clone(slot.subscriber());
        if subscriber.is_gone() {
            // Put out before they were in.
            return;
        }
        let (lobby, attachment) = self.directory.enter_lobby(&subscriber, now);
        let welcome = welcome(&subscriber, grant, (vec![lobby], 0), now);
        // In this order: the welcome precedes the lobby's first line, and the first whisper.
        slot.answer(&ServerPacket::LoginAnswer(Answer { id: request, outcome: Ok(welcome) }));
        subscriber.tell(Control::Attach(attachment));
        subscriber.tell(Control::OpenMailbox { after: Some(0) });
    }

    /// A session goes on where it is; one that had left comes into the lobby again.
    pub(super) fn resume_session(&mut self, slot: Slot, request: RequestId, grant: &Grant, now: u64) {
        let subscriber = Arc::clone(slot.subscriber());
        if subscriber.is_gone() && !subscriber.is_succeeded() {
            // Another session has its name: it has its places only to leave them.
            self.directory.succeed(&subscriber);
        }
        if subscriber.is_gone() {
            // Or another connection has taken it over meanwhile.
            return;
        }
        if subscriber.is_over() {
            // Put out while it was on its way.
            subscriber.tell(Control::Close(ErrorCode::Kicked, LeaveReason::Kicked));
            return;
        }
        let (places, whispers) = if let Some(places) = self.directory.succeed(&subscriber) {
            (places, subscriber.mailbox().head())
        } else {
            let (place, attachment) = self.directory.enter_lobby(&subscriber, now);
            attachment.member.hold();
            // All that waits beyond has come since.
            (vec![place], subscriber.mailbox().begun_after())
        };
        let welcome = welcome(&subscriber, Some(grant), (places, whispers), now);
        subscriber.set_present();
        subscriber.tell(Control::HoldMailbox(whispers));
        slot.answer(&ServerPacket::ResumeAnswer(Answer { id: request, outcome: Ok(welcome) }));
    }
}

/// What a session is told when it comes, and when it comes back.
fn welcome(
    subscriber: &Subscriber,
    grant: Option<&Grant>,
    (places, whispers): (Vec<Presence>, u64),
    time_ms: u64,
) -> Welcome {
    let mailbox = subscriber.mailbox();
    // Only who may come back has a use for a place there.
    let whispers = Presence { conversation: MAILBOX, epoch: mailbox.epoch(), seq: whispers };
    let conversations = grant.map(|_| whispers).into_iter().chain(places).collect();
    Welcome {
        session: subscriber.id().0,
        name: subscriber.name().as_str().into(),
        time_ms,
        role: subscriber.role() as u16,
        resume_token: grant.map(|grant| grant.token),
        grace_ms: grant.map_or(0, |grant| grant.grace_ms),
        conversations: List(conversations),
    }
}
