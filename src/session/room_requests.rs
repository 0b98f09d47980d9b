//! What a signed-in person asks of rooms and of people in them: limits that are the person's own, then the fan-out.

use chat_proto::{
    Answer, ClientPacket, CreateRoom, ErrorCode, FreezeRegistration, Ignore, Ignored, IgnoredEntry,
    IgnoredPage, JoinRoom, List, Refusal, Remark, RequestId, RoomName, RoomPassword, ServerPacket,
    SetPresence, Username, kind,
};
use tokio::time::{Duration, Instant};

use super::{Doorkeeper, NameForms, Next, Session, Slow, TokenBucket, refused_for};
use crate::{
    config::RoomsConfig,
    room::{Command, Lock, Right, RoomCommand, RoomRequest, Slot, Standing},
};

/// Passwords of rooms, right or wrong, that one session may give at once; one more every [`PASSWORD_EVERY`].
const PASSWORDS_MAX: u32 = 6;
/// So six a minute.
const PASSWORD_EVERY: Duration = Duration::from_secs(10);

/// What a session has left of what is slow to come back. Most never need it.
pub(super) struct RoomBudget {
    creations: TokenBucket,
    passwords: TokenBucket,
}

impl RoomBudget {
    fn new(config: &RoomsConfig) -> Self {
        let now = Instant::now();
        Self {
            creations: TokenBucket::slow(RoomsConfig::CREATE_EVERY, config.created.into(), now),
            passwords: TokenBucket::slow(PASSWORD_EVERY, PASSWORDS_MAX, now),
        }
    }
}

impl Session {
    pub(super) fn dispatch_room(
        &mut self,
        slot: Slot,
        packet: ClientPacket,
        doorkeeper: &Doorkeeper,
    ) -> Next {
        let (kind, id) = packet.request();
        let Some(id) = id else { return Next::Done };
        let served = match packet {
            ClientPacket::CreateRoom(request) => self.create(request, doorkeeper),
            ClientPacket::JoinRoom(request) => self.join(request, doorkeeper),
            ClientPacket::LeaveRoom(request) => Ok(RoomRequest::Leave(request)),
            ClientPacket::Rooms(request) => Ok(RoomRequest::List(request)),
            ClientPacket::SetTopic(request) => Ok(RoomRequest::SetTopic(request)),
            ClientPacket::SetRoom(request) => {
                let lock = request.password.as_ref().map(|password| Lock::new(password, rand::random()));
                Ok(RoomRequest::SetRoom { request, lock })
            }
            ClientPacket::Moderate(request) => Ok(RoomRequest::Moderate(request)),
            ClientPacket::CloseRoom(request) => Ok(RoomRequest::Close(request)),
            ClientPacket::Announce(request) => Ok(RoomRequest::Announce(request)),
            ClientPacket::SetPresence(request) => return self.set_presence(slot, request),
            ClientPacket::Ignore(request) => return self.ignore(slot, request, doorkeeper.rooms().ignored),
            ClientPacket::Ignored(Ignored { id }) => return self.tell_ignored(slot, id),
            ClientPacket::FreezeRegistration(request) => return self.freeze(slot, request),
            _ => return Next::NotNow(slot, ErrorCode::InvalidState),
        };
        match served {
            Ok(request) => Next::Ask(Command::Room(Box::new(RoomCommand { slot, request }))),
            Err(refusal) => {
                slot.refuse(kind, Some(id), refusal);
                match refusal.code.error().unwrap_or(ErrorCode::Internal) {
                    ErrorCode::RateLimited => Next::Refused(ErrorCode::RateLimited),
                    code => Next::Excused(code),
                }
            }
        }
    }

    fn create(
        &mut self,
        request: CreateRoom<RoomName, RoomPassword, Remark>,
        doorkeeper: &Doorkeeper,
    ) -> Result<RoomRequest, Refusal> {
        // A room's name has the form of a person's.
        let name = Username::parse(request.name.as_str());
        let forms = name.and_then(|name| doorkeeper.rules().judge(&name));
        let NameForms { skeleton, .. } = forms.map_err(|_| Refusal::new(ErrorCode::RoomNameInvalid))?;
        let budget = self.rooms.get_or_insert_with(|| Box::new(RoomBudget::new(doorkeeper.rooms())));
        budget.creations.take(Instant::now()).map_err(too_fast)?;
        let lock = Lock::new(&request.password, rand::random());
        Ok(RoomRequest::Create { request, look: skeleton.as_str().into(), lock })
    }

    fn join(
        &mut self,
        request: JoinRoom<RoomName, RoomPassword>,
        doorkeeper: &Doorkeeper,
    ) -> Result<RoomRequest, Refusal> {
        if !request.password.as_str().is_empty() {
            // Taken before it is known whether it is right: whoever has a list of them is stopped all the same.
            let budget = self.rooms.get_or_insert_with(|| Box::new(RoomBudget::new(doorkeeper.rooms())));
            budget.passwords.take(Instant::now()).map_err(too_fast)?;
        }
        Ok(RoomRequest::Join(request))
    }

    fn set_presence(&self, slot: Slot, SetPresence { id, state }: SetPresence) -> Next {
        let outcome = match state {
            0 | 1 => {
                self.subscriber().set_away(state == 1);
                Ok(())
            }
            _ => Err(ErrorCode::RangeInvalid),
        };
        answered(slot, kind::SET_PRESENCE, id, outcome, ServerPacket::SetPresenceAnswer)
    }

    fn ignore(&self, slot: Slot, request: Ignore<Username>, names_max: u16) -> Next {
        let mut names = (*self.subscriber().ignored()).clone();
        let (id, key) = (request.id, request.name.key());
        let outcome = match request.on {
            _ if key == self.subscriber().name().key() => Err(ErrorCode::SelfTarget),
            1 if names.len() >= names_max.into() && !names.contains_key(&key) => Err(ErrorCode::RoomLimit),
            0 | 1 => Ok(()),
            _ => Err(ErrorCode::RangeInvalid),
        };
        if outcome.is_ok() {
            if request.on == 1 {
                names.insert(key, request.name.clone());
            } else {
                names.remove(&key);
            }
            self.subscriber().ignore(names);
            if let Some(account) = self.account() {
                return Next::Wait(slot, Slow::Ignore(account, request));
            }
        }
        answered(slot, kind::IGNORE, id, outcome, ServerPacket::IgnoreAnswer)
    }

    fn tell_ignored(&self, slot: Slot, id: RequestId) -> Next {
        let ignored = self.subscriber().ignored();
        let mut names: Vec<_> = ignored.values().map(|name| name.as_str().to_owned()).collect();
        names.sort_unstable();
        let entries = List(names.into_iter().map(|name| IgnoredEntry { name }).collect());
        slot.answer(&ServerPacket::IgnoredAnswer(Answer { id, outcome: Ok(IgnoredPage { entries }) }));
        Next::Done
    }

    fn freeze(&self, slot: Slot, request: FreezeRegistration) -> Next {
        let may = Standing::on_server(self.subscriber().role()).may_do(Right::FreezeRegistration);
        let code = match request.on {
            _ if !may => ErrorCode::PermissionDenied,
            0 | 1 => return Next::Wait(slot, Slow::Freeze(request)),
            _ => ErrorCode::RangeInvalid,
        };
        slot.refuse(kind::FREEZE_REGISTRATION, Some(request.id), Refusal::new(code));
        Next::Excused(code)
    }
}

fn answered(
    slot: Slot,
    kind: u16,
    id: RequestId,
    outcome: Result<(), ErrorCode>,
    packet: impl FnOnce(Answer<()>) -> ServerPacket,
) -> Next {
    match outcome {
        Ok(()) => {
            slot.answer(&packet(Answer { id, outcome: Ok(()) }));
            Next::Done
        }
        Err(code) => {
            slot.refuse(kind, Some(id), Refusal::new(code));
            Next::Excused(code)
        }
    }
}

fn too_fast(wait: Duration) -> Refusal {
    refused_for(ErrorCode::RateLimited, wait)
}
