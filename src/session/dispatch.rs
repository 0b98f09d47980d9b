//! What a signed-in person asks for, and who answers it.

use chat_proto::{
    Answer, Broadcast, ChangePassword, ClientPacket, Credential, ErrorCode, LOBBY, MAILBOX, Pong, Refusal,
    RequestId, ServerPacket, Text, Username, Whisper, WhisperReceipt, kind,
};

use super::Session;
use crate::room::{Command, Slot};

/// What a packet leads to.
pub enum Next {
    /// It is answered, or needs no answer.
    Done,
    /// The fan-out has to be asked this.
    Ask(Command),
    /// The doorkeeper has to be asked, which takes a while.
    ChangePassword(Slot, ChangePassword<Credential>),
    /// It is refused, and has been told so.
    Refused(ErrorCode),
    /// It is not for this state; nothing has been said yet.
    NotNow(Slot, ErrorCode),
    /// The person leaves.
    LogOut(RequestId),
}

impl Session {
    /// Serves one packet: answers it through its slot, or says who has to.
    #[must_use]
    pub fn dispatch(&self, slot: Slot, packet: ClientPacket, time_ms: u64) -> Next {
        match packet {
            ClientPacket::Pong(_) => Next::Done,
            ClientPacket::Logout(logout) => Next::LogOut(logout.id),
            ClientPacket::Register(_) | ClientPacket::Login(_) => {
                Next::NotNow(slot, ErrorCode::AlreadyAuthenticated)
            }
            ClientPacket::ChangePassword(request) => Next::ChangePassword(slot, request),
            ClientPacket::Hello(_) => Next::NotNow(slot, ErrorCode::InvalidState),
            ClientPacket::Broadcast(Broadcast { id: request, text, .. }) => {
                Next::Ask(Command::Say { slot, request, conversation: LOBBY, text })
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
        }
    }

    fn whisper(&self, slot: Slot, whisper: &Whisper<Username, Text>, time_ms: u64) -> Next {
        let outcome = self.hand_over(whisper, time_ms);
        let answer = Answer {
            id: whisper.id,
            outcome: outcome.map(|()| WhisperReceipt { time_ms }).map_err(Refusal::new),
        };
        slot.answer(&ServerPacket::WhisperAnswer(answer));
        outcome.map_or_else(Next::Refused, |()| Next::Done)
    }

    fn hand_over(&self, whisper: &Whisper<Username, Text>, time_ms: u64) -> Result<(), ErrorCode> {
        let recipient = self.registry().find(&whisper.to.key())?;
        if recipient.id() == self.id() {
            return Err(ErrorCode::SelfTarget);
        }
        let name = self.subscriber().name();
        recipient.whisper(self.id(), name, &whisper.text, time_ms).map_err(|_| ErrorCode::UserOffline)
    }
}
