//! What a signed-in person asks for, and who answers it.

use chat_proto::{
    Answer, Broadcast, ChangePassword, ClientPacket, Credential, ErrorCode, FreezeRegistration, Ignore,
    LOBBY, MAILBOX, Moderate, Pong, Refusal, Remark, RequestId, RoomChat, ServerPacket, Text, Username,
    Whisper, WhisperReceipt, kind,
};

use super::{Doorkeeper, Session};
use crate::{
    room::{Command, Slot, until},
    store::AccountId,
};

/// What a packet leads to.
pub enum Next {
    /// It is answered, or needs no answer.
    Done,
    /// The fan-out has to be asked this.
    Ask(Command),
    /// The doorkeeper has to be asked, which takes a while.
    Wait(Slot, Slow),
    /// It is refused, and has been told so.
    Refused(ErrorCode),
    /// The same, and nobody holds it against them: rooms and people are as they are.
    Excused(ErrorCode),
    /// It is not for this state; nothing has been said yet.
    NotNow(Slot, ErrorCode),
    /// The person leaves.
    LogOut(RequestId),
}

/// What takes a while: a hash, or the database.
pub enum Slow {
    /// Another password.
    ChangePassword(ChangePassword<Credential>),
    /// Something done to a person on the whole server.
    Moderate(Moderate<Username, Remark>),
    /// Somebody ignored by the owner of an account: that is done, and has to be stored.
    Ignore(AccountId, Ignore<Username>),
    /// Nobody may register, or everybody again.
    Freeze(FreezeRegistration),
}

impl Session {
    /// Serves one packet: answers it through its slot, or says who has to.
    #[must_use]
    pub fn dispatch(
        &mut self,
        slot: Slot,
        packet: ClientPacket,
        doorkeeper: &Doorkeeper,
        time_ms: u64,
    ) -> Next {
        match packet {
            ClientPacket::Pong(_) => Next::Done,
            ClientPacket::Logout(logout) => Next::LogOut(logout.id),
            ClientPacket::Register(_) | ClientPacket::Login(_) => {
                Next::NotNow(slot, ErrorCode::AlreadyAuthenticated)
            }
            ClientPacket::ChangePassword(request) => Next::Wait(slot, Slow::ChangePassword(request)),
            ClientPacket::Hello(_) => Next::NotNow(slot, ErrorCode::InvalidState),
            ClientPacket::Broadcast(Broadcast { id: request, text, .. }) => {
                Next::Ask(Command::Say { slot, kind: kind::BROADCAST, request, conversation: LOBBY, text })
            }
            ClientPacket::RoomChat(RoomChat { id: request, conversation, text, .. }) => {
                Next::Ask(Command::Say { slot, kind: kind::ROOM_CHAT, request, conversation, text })
            }
            ClientPacket::Who(request) if request.conversation == MAILBOX => {
                slot.refuse(kind::WHO, Some(request.id), Refusal::new(ErrorCode::RoomNotFound));
                Next::Refused(ErrorCode::RoomNotFound)
            }
            ClientPacket::Who(request) => Next::Ask(Command::Who { slot, request }),
            ClientPacket::Whisper(whisper) => self.whisper(slot, &whisper, time_ms),
            ClientPacket::Ping(ping) => {
                slot.answer(&ServerPacket::Pong(Pong { payload: ping.payload }));
                Next::Done
            }
            ClientPacket::Moderate(request) if request.conversation == LOBBY => {
                Next::Wait(slot, Slow::Moderate(request))
            }
            packet => self.dispatch_room(slot, packet, doorkeeper),
        }
    }

    fn whisper(&self, slot: Slot, whisper: &Whisper<Username, Text>, time_ms: u64) -> Next {
        let outcome = self.hand_over(whisper, time_ms);
        let answer = Answer { id: whisper.id, outcome: outcome.map(|()| WhisperReceipt { time_ms }) };
        slot.answer(&ServerPacket::WhisperAnswer(answer));
        match outcome.err().and_then(|refusal| refusal.code.error()) {
            Some(code) => Next::Refused(code),
            None => Next::Done,
        }
    }

    fn hand_over(&self, whisper: &Whisper<Username, Text>, time_ms: u64) -> Result<(), Refusal> {
        let muted_until = self.subscriber().muted_until();
        if muted_until > time_ms {
            return Err(until(ErrorCode::Muted, muted_until, time_ms));
        }
        let recipient = self.registry().find(&whisper.to.key()).map_err(Refusal::new)?;
        if recipient.id() == self.id() {
            return Err(Refusal::new(ErrorCode::SelfTarget));
        }
        let name = self.subscriber().name();
        let handed = recipient.whisper(self.id(), name, &whisper.text, time_ms);
        handed.map_err(|_| Refusal::new(ErrorCode::UserOffline))
    }
}
