//! What a signed-in person asks for, and who answers it.

use chat_proto::{
    Answer, Broadcast, ClientPacket, ErrorCode, LOBBY, MAILBOX, Pong, Refusal, RequestId, ServerPacket, Text,
    Username, Whisper, WhisperReceipt, kind,
};

use super::Session;
use crate::room::{Command, Inbox, Slot};

/// What a packet leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It is answered, or will be.
    Done,
    /// It is refused, and has been told so.
    Refused(ErrorCode),
    /// It is not for this state; nothing has been said yet.
    NotNow(ErrorCode),
    /// The person leaves.
    LogOut(RequestId),
}

impl Session {
    /// Serves one packet. Waits for a slot when too many requests are unanswered, and for the fan-out's inbox;
    /// dropped while it waits, the request has had no effect.
    pub async fn dispatch(&self, inbox: &Inbox, packet: ClientPacket, time_ms: u64) -> Next {
        match packet {
            ClientPacket::Pong(_) => return Next::Done,
            ClientPacket::Logout(logout) => return Next::LogOut(logout.id),
            ClientPacket::Login(_) => return Next::NotNow(ErrorCode::AlreadyAuthenticated),
            ClientPacket::Hello(_) => return Next::NotNow(ErrorCode::InvalidState),
            _ => {}
        }
        let slot = self.subscriber().slot().await;
        let command = match self.serve(slot, packet, time_ms) {
            Ok(command) => command,
            Err(next) => return next,
        };
        match inbox.send(command).await {
            Ok(()) => Next::Done,
            // The fan-out outlives every reader; if it does not, the server is coming down around us.
            Err(_) => Next::NotNow(ErrorCode::ShuttingDown),
        }
    }

    /// Answers a request, or says what to ask the fan-out.
    fn serve(&self, slot: Slot, packet: ClientPacket, time_ms: u64) -> Result<Command, Next> {
        match packet {
            ClientPacket::Broadcast(Broadcast { id: request, text, .. }) => {
                Ok(Command::Say { slot, request, conversation: LOBBY, text })
            }
            ClientPacket::Who(request) if request.conversation == MAILBOX => {
                slot.refuse(kind::WHO, Some(request.id), Refusal::new(ErrorCode::RoomNotFound));
                Err(Next::Refused(ErrorCode::RoomNotFound))
            }
            ClientPacket::Who(request) => Ok(Command::Who { slot, request }),
            ClientPacket::Whisper(whisper) => Err(self.whisper(slot, &whisper, time_ms)),
            ClientPacket::Ping(ping) => {
                slot.answer(&ServerPacket::Pong(Pong { payload: ping.payload }));
                Err(Next::Done)
            }
            ClientPacket::Pong(_)
            | ClientPacket::Logout(_)
            | ClientPacket::Login(_)
            | ClientPacket::Hello(_) => unreachable!("these need no slot"),
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
