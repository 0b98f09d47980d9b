//! Serving what sessions ask of rooms, and having stored what outlives the process before it is answered.

use std::sync::Arc;

use chat_proto::{
    Answer, CreateRoom, ErrorCode, Refusal, Remark, RequestId, Role, RoomName, RoomPassword, ServerPacket,
    kind, room_flag,
};
use tokio::sync::mpsc::error::TrySendError;

use super::{
    Deed, FanOut, Lock, NewRoom, Record, RoomCommand, RoomRequest, Slot, Subscriber, Target,
    settling::STORE_RETRY_MS,
};

/// When whoever was refused because too much waits to be stored may try again, in milliseconds.
const LEDGER_RETRY_MS: u32 = 1_000;

/// What an act comes to: what is stored of it, and then what is told.
pub struct Entry {
    /// Changes of rooms that persist.
    pub records: Vec<Record>,
    /// For the log that is never changed.
    pub deed: Deed,
    /// The last change of where sessions are that is stored before anything is told; 0: none.
    pub places: u64,
    /// What is told when it is stored.
    pub conclusion: Conclusion,
}

/// What waits until it is stored.
pub enum Conclusion {
    /// An answer.
    Answer {
        /// For it.
        slot: Slot,
        /// The type of the request.
        kind: u16,
        /// The request.
        id: RequestId,
        /// What was decided.
        packet: ServerPacket,
    },
    /// The maker of a room, who comes in then.
    Admit {
        /// For the answer.
        slot: Slot,
        /// The request.
        id: RequestId,
        /// The room.
        conversation: u64,
    },
}

impl FanOut {
    pub(super) fn serve_room(&mut self, command: RoomCommand, now: u64) {
        let RoomCommand { slot, request } = command;
        let by = Arc::clone(slot.subscriber());
        if by.is_gone() {
            // Asked by a connection that another has taken over, or of somebody who was put out.
            return;
        }
        let (kind, id) = request.asked();
        // Before anything is done: what is done has to be stored.
        let full = self.ledger.as_ref().is_some_and(|ledger| ledger.capacity() == 0);
        if full && self.may_be_stored(&request, &by) {
            self.metrics.reject(ErrorCode::Overloaded);
            let refusal = Refusal { code: ErrorCode::Overloaded.into(), retry_ms: LEDGER_RETRY_MS };
            return slot.refuse(kind, Some(id), refusal);
        }
        if self.places.refuse(&request, &by) {
            self.metrics.reject(ErrorCode::StorageUnavailable);
            let refusal = Refusal { code: ErrorCode::StorageUnavailable.into(), retry_ms: STORE_RETRY_MS };
            return slot.refuse(kind, Some(id), refusal);
        }
        match request {
            RoomRequest::Create { request, look, lock } => self.create(slot, request, (look, lock), now),
            RoomRequest::Join(request) => {
                let entered = self.directory.join(&by, &request.name, request.password.as_str(), now);
                self.answer_entered(slot, (kind, id), entered);
            }
            RoomRequest::Leave(request) => {
                let left = self.directory.leave(&by, request.conversation, now);
                self.answer_left(slot, (id, request.conversation), left);
            }
            RoomRequest::List(request) => {
                let page = self.directory.list(&by, request.after, request.limit);
                slot.answer(&ServerPacket::RoomsAnswer(self.outcome(id, page)));
            }
            RoomRequest::SetTopic(request) => {
                let done = self.directory.set_topic(&by, &request, now);
                self.conclude(slot, (kind, id), done, ServerPacket::SetTopicAnswer);
            }
            RoomRequest::SetRoom { request, lock } => {
                let done = self.directory.set_room(&by, &request, lock, now);
                self.conclude(slot, (kind, id), done, ServerPacket::SetRoomAnswer);
            }
            RoomRequest::Moderate(request) => {
                // Found now and not when it was asked: meanwhile they may have come.
                let found = (self.find)(&request.name.key());
                let session = found.map(|found| self.directory.current(&found));
                let target = Target { name: request.name.clone(), session };
                let done = self.directory.moderate(&by, &request, &target, now);
                self.conclude(slot, (kind, id), done, ServerPacket::ModerateAnswer);
            }
            RoomRequest::Close(request) => {
                let done = self.directory.close_room(&by, request.conversation, now);
                self.conclude(slot, (kind, id), done, ServerPacket::CloseRoomAnswer);
            }
            RoomRequest::Announce(request) => {
                let done = self.directory.announce_by(&by, &request.text, now);
                self.conclude(slot, (kind, id), done, ServerPacket::AnnounceAnswer);
            }
        }
    }

    /// Answers an act, when it has been stored if it is one that is.
    fn conclude(
        &mut self,
        slot: Slot,
        (kind, id): (u16, RequestId),
        done: Result<Deed, ErrorCode>,
        packet: fn(Answer<()>) -> ServerPacket,
    ) {
        let records = self.directory.take_records();
        let deed = match done {
            Ok(deed) => deed,
            Err(code) => return slot.answer(&packet(self.outcome(id, Err(code)))),
        };
        let Deed { by, role, act, room, target, seconds, .. } = &deed;
        let whom = target.as_ref().map(tracing::field::display);
        tracing::info!(event = "moderated", %by, %role, act, room = &**room, whom, seconds, "moderated");
        // What guests do in rooms that end with them is in the operator's log, and not in one that only grows.
        let kept = !records.is_empty() || deed.role >= Role::Moderator || self.persists(deed.conversation);
        let conclusion = Conclusion::Answer { slot, kind, id, packet: packet(self.outcome(id, Ok(()))) };
        match &self.ledger {
            Some(_) if kept => {
                let records = self.directory.with_what_was_not_stored(deed.conversation, records);
                let places = self.directory.noted();
                self.have_stored(Entry { records, deed, places, conclusion });
            }
            _ => conclusion.tell(),
        }
    }

    fn have_stored(&self, entry: Entry) {
        let Some(ledger) = &self.ledger else { return entry.conclusion.tell() };
        // There was room, and nobody else sends: only a ledger that has failed takes nothing.
        if let Err(error) = ledger.try_send(entry).map_err(TrySendError::into_inner) {
            error.conclusion.refuse(Refusal::new(ErrorCode::StorageUnavailable));
        }
    }

    fn create(
        &mut self,
        slot: Slot,
        request: CreateRoom<RoomName, RoomPassword, Remark>,
        (look, secret): (Box<str>, Option<Lock>),
        now: u64,
    ) {
        let CreateRoom { id, name, settings, topic, .. } = request;
        let by = Arc::clone(slot.subscriber());
        let conversation = match self
            .directory
            .create(&by, NewRoom { name, look, settings, topic, lock: secret })
        {
            Ok(conversation) => conversation,
            Err(code) => return slot.answer(&ServerPacket::CreateRoomAnswer(self.outcome(id, Err(code)))),
        };
        let records = self.directory.take_records();
        if self.ledger.is_none() || records.is_empty() {
            return self.admit(slot, id, conversation, now);
        }
        let deed = self.directory.deed(&by, "create", conversation, &Remark::default());
        let conclusion = Conclusion::Admit { slot, id, conversation };
        self.have_stored(Entry { records, deed, places: 0, conclusion });
    }

    /// Lets the maker of a room in.
    pub(super) fn admit(&mut self, slot: Slot, id: RequestId, conversation: u64, now: u64) {
        if slot.subscriber().is_gone() {
            // The room is made, and theirs; by the connection that they have now they can come in.
            return;
        }
        let entered = self.directory.come_in(slot.subscriber(), conversation, now);
        if matches!(entered, Err(ErrorCode::RoomLimit)) && self.persists(conversation) {
            return self.take_back(slot, id, conversation, now);
        }
        self.answer_entered(slot, (kind::CREATE_ROOM, id), entered);
    }

    /// The maker of a room went into too many others while it was being stored. Refused, it is as if it had not been made.
    fn take_back(&mut self, slot: Slot, id: RequestId, conversation: u64, now: u64) {
        let records = vec![Record::Gone];
        let deed = self.directory.deed(slot.subscriber(), "close", conversation, &Remark::default());
        self.directory.end_room(conversation, "", now);
        let packet = ServerPacket::CreateRoomAnswer(self.outcome(id, Err(ErrorCode::RoomLimit)));
        let conclusion = Conclusion::Answer { slot, kind: kind::CREATE_ROOM, id, packet };
        self.have_stored(Entry { records, deed, places: 0, conclusion });
    }

    fn persists(&self, conversation: u64) -> bool {
        let room = self.directory.hub().room(conversation);
        room.is_ok_and(|room| room.charter.is(room_flag::PERSISTENT))
    }

    /// Whether a request may come to something that is stored.
    fn may_be_stored(&self, request: &RoomRequest, by: &Subscriber) -> bool {
        let persists = |flags: u16| flags & room_flag::PERSISTENT != 0;
        match request {
            RoomRequest::Join(_) | RoomRequest::Leave(_) | RoomRequest::List(_) => false,
            RoomRequest::Create { request, .. } => persists(request.settings.flags),
            RoomRequest::SetRoom { request, .. } if persists(request.settings.flags) => true,
            request => {
                by.role() >= Role::Moderator || request.ordered_in().is_some_and(|room| self.persists(room))
            }
        }
    }

    pub(super) fn outcome<T>(&self, id: RequestId, outcome: Result<T, ErrorCode>) -> Answer<T> {
        self.answer(id, outcome.map_err(Refusal::new))
    }
}

impl Conclusion {
    /// Answers as was decided. Who has made a room is let in by the fan-out.
    pub fn tell(self) {
        if let Self::Answer { slot, packet, .. } = self {
            slot.answer(&packet);
        }
    }

    /// Refuses what could not be stored.
    pub fn refuse(self, refusal: Refusal) {
        match self {
            Self::Answer { slot, kind, id, .. } => slot.refuse(kind, Some(id), refusal),
            Self::Admit { slot, id, .. } => slot.refuse(kind::CREATE_ROOM, Some(id), refusal),
        }
    }
}

impl RoomRequest {
    /// Its type and its id.
    #[must_use]
    pub fn asked(&self) -> (u16, RequestId) {
        match self {
            Self::Create { request, .. } => (kind::CREATE_ROOM, request.id),
            Self::Join(request) => (kind::JOIN_ROOM, request.id),
            Self::Leave(request) => (kind::LEAVE_ROOM, request.id),
            Self::List(request) => (kind::ROOMS, request.id),
            Self::SetTopic(request) => (kind::SET_TOPIC, request.id),
            Self::SetRoom { request, .. } => (kind::SET_ROOM, request.id),
            Self::Moderate(request) => (kind::MODERATE, request.id),
            Self::Close(request) => (kind::CLOSE_ROOM, request.id),
            Self::Announce(request) => (kind::ANNOUNCE, request.id),
        }
    }
}
