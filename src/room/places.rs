//! What becomes of answers about where a session is, which wait until that is stored: they are told, or are refused.

use std::{collections::VecDeque, sync::Arc};

use chat_proto::{
    Answer, ErrorCode, LeaveReason, Refusal, Remark, Removed, RequestId, RoomEntered, RoomLeft, ServerPacket,
    kind,
};

use super::{
    Attachment, Control, FanOut, Grant, RoomRequest, Slot, Subscriber, settling::STORE_RETRY_MS,
    slot::Promise,
};

/// What waits until it is stored where sessions are. Each holds a slot of its session, which bounds them.
#[derive(Default)]
pub(super) struct Places {
    /// Changes up to this one are stored, or need not be.
    stored: u64,
    /// They cannot be stored for now.
    fail: bool,
    /// Each with the change that it waits for, which only grow.
    waiting: VecDeque<(u64, Waiting)>,
}

enum Waiting {
    /// Somebody has come into a room, and reads there when they have been told.
    Entered { promise: Promise, kind: u16, answer: Answer<RoomEntered>, attachment: Attachment },
    /// Somebody has left a room, and reads the lobby then where one is in one conversation at a time.
    Left { promise: Promise, conversation: u64, answer: Answer<RoomLeft>, attachment: Option<Attachment> },
    /// Somebody comes back, and is told where they are.
    Resume { slot: Slot, request: RequestId, grant: Box<Grant> },
}

impl Places {
    /// Whether answers wait. Whoever comes back when the server ends can do so when it has started again.
    pub fn has_answers(&self) -> bool {
        self.waiting.iter().any(|(_, waiting)| !matches!(waiting, Waiting::Resume { .. }))
    }

    /// Whether a request is refused because what it changes could not be stored.
    pub fn refuse(&self, request: &RoomRequest, by: &Subscriber) -> bool {
        let moves =
            || matches!(request, RoomRequest::Create { .. } | RoomRequest::Join(_) | RoomRequest::Leave(_));
        self.fail && by.is_resumable() && moves()
    }
}

impl FanOut {
    /// Tells somebody who has come into a room so, as soon as that is stored where it has to be.
    pub(super) fn answer_entered(
        &mut self,
        slot: Slot,
        (kind, id): (u16, RequestId),
        entered: Result<(RoomEntered, Attachment), ErrorCode>,
    ) {
        let (entered, attachment) = match entered {
            Ok((entered, attachment)) => (Ok(entered), Some(attachment)),
            Err(code) => (Err(code), None),
        };
        let answer = self.outcome(id, entered);
        match (attachment, self.unstored(slot.subscriber())) {
            (Some(attachment), Some(change)) => {
                let waiting = Waiting::Entered { promise: slot.promise(), kind, answer, attachment };
                self.places.waiting.push_back((change, waiting));
            }
            (attachment, _) => answer_then(slot, &told_entered(kind, answer), attachment),
        }
    }

    /// Tells somebody who has left a room so, as soon as that is stored where it has to be.
    pub(super) fn answer_left(
        &mut self,
        slot: Slot,
        (id, conversation): (RequestId, u64),
        left: Result<(RoomLeft, Option<Attachment>), ErrorCode>,
    ) {
        let (left, attachment) = match left {
            Ok((left, attachment)) => (Ok(left), attachment),
            Err(code) => (Err(code), None),
        };
        let answer = self.outcome(id, left);
        match self.unstored(slot.subscriber()).filter(|_| answer.outcome.is_ok()) {
            Some(change) => {
                let waiting = Waiting::Left { promise: slot.promise(), conversation, answer, attachment };
                self.places.waiting.push_back((change, waiting));
            }
            None => answer_then(slot, &ServerPacket::LeaveRoomAnswer(answer), attachment),
        }
    }

    /// Tells somebody who comes back where they are, as soon as that is stored where it has to be.
    pub(super) fn answer_resume(&mut self, slot: Slot, request: RequestId, grant: Box<Grant>, now: u64) {
        match self.unstored(slot.subscriber()) {
            Some(change) => {
                self.places.waiting.push_back((change, Waiting::Resume { slot, request, grant }));
            }
            None => self.resume_session(slot, request, &grant, now),
        }
    }

    /// The last change that has to be stored before this session is told where it is, if it is not stored yet.
    fn unstored(&self, one: &Subscriber) -> Option<u64> {
        let change = self.directory.noted();
        (change > self.places.stored && one.is_resumable()).then_some(change)
    }

    pub(super) fn settle_places(&mut self, change: u64) {
        (self.places.stored, self.places.fail) = (change, false);
        let now = (self.clock)();
        while let Some((_, waiting)) = self.places.waiting.pop_front_if(|(waits_for, _)| *waits_for <= change)
        {
            match waiting {
                Waiting::Entered { promise, kind, answer, attachment } => {
                    promise.keep(Some(attachment), |out| told_entered(kind, answer).encode(out));
                }
                Waiting::Left { promise, answer, attachment, .. } => {
                    promise.keep(attachment, |out| ServerPacket::LeaveRoomAnswer(answer).encode(out));
                }
                Waiting::Resume { slot, request, grant } => self.resume_session(slot, request, &grant, now),
            }
        }
    }

    /// Whoever came in is out again. Whoever has left cannot be put back unseen, and is told that they are out.
    pub(super) fn refuse_places(&mut self) {
        self.places.fail = true;
        let refusal = Refusal { code: ErrorCode::StorageUnavailable.into(), retry_ms: STORE_RETRY_MS };
        let now = (self.clock)();
        for (_, waiting) in std::mem::take(&mut self.places.waiting) {
            match waiting {
                Waiting::Entered { promise, kind, answer, attachment } => {
                    self.metrics.reject(ErrorCode::StorageUnavailable);
                    let (one, room) = (Arc::clone(promise.subscriber()), attachment.log.conversation());
                    promise.keep(None, |out| refusal.encode(kind, Some(answer.id), out));
                    // Else they have left since, or were put out.
                    if !attachment.member.has_ended() {
                        let by_nobody = ("", &Remark::default());
                        self.directory.put_out(&one, room, LeaveReason::Quit, by_nobody, now);
                    }
                }
                Waiting::Left { promise, conversation, answer, attachment } => {
                    self.metrics.reject(ErrorCode::StorageUnavailable);
                    let Answer { id, outcome } = answer;
                    let entered = outcome.map(|left| left.entered).unwrap_or_default();
                    promise.keep(attachment, |out| {
                        refusal.encode(kind::LEAVE_ROOM, Some(id), out);
                        let (reason, by, text) = (LeaveReason::Quit as u16, String::new(), String::new());
                        let removed = Removed { conversation, reason, by, text, entered };
                        ServerPacket::Removed(removed).encode(out);
                    });
                }
                // As long as it takes: who has a token can always come back.
                resume @ Waiting::Resume { .. } => {
                    self.places.waiting.push_back((self.directory.noted(), resume));
                }
            }
        }
    }
}

fn answer_then(slot: Slot, packet: &ServerPacket, attachment: Option<Attachment>) {
    let subscriber = Arc::clone(slot.subscriber());
    slot.answer(packet);
    if let Some(attachment) = attachment {
        subscriber.tell(Control::Attach(attachment));
    }
}

/// The answer to somebody who comes into a room, by the type of the request.
fn told_entered(kind: u16, answer: Answer<RoomEntered>) -> ServerPacket {
    match kind {
        kind::CREATE_ROOM => ServerPacket::CreateRoomAnswer(answer),
        _ => ServerPacket::JoinRoomAnswer(answer),
    }
}
