//! What a signed-in person asks for, and who answers it.

use chat_proto::{
    Answer, Broadcast, ClientPacket, ErrorCode, LOBBY, MAILBOX, Pong, Refusal, RequestId, ServerPacket, Text,
    Username, Whisper, WhisperReceipt, kind,
};

use super::Session;
use crate::room::{Command, Inbox};

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
            ClientPacket::Broadcast(Broadcast { id: request, text, .. }) => {
                let slot = self.subscriber().slot().await;
                self.ask(inbox, Command::Say { slot, request, conversation: LOBBY, text }).await
            }
            ClientPacket::Who(request) if request.conversation == MAILBOX => {
                let slot = self.subscriber().slot().await;
                slot.answer(Refusal::new(ErrorCode::RoomNotFound).to_bytes(kind::WHO, Some(request.id)));
                Next::Refused(ErrorCode::RoomNotFound)
            }
            ClientPacket::Who(request) => {
                let slot = self.subscriber().slot().await;
                self.ask(inbox, Command::Who { slot, request }).await
            }
            ClientPacket::Whisper(whisper) => self.whisper(whisper, time_ms).await,
            ClientPacket::Ping(ping) => {
                let slot = self.subscriber().slot().await;
                slot.answer(ServerPacket::Pong(Pong { payload: ping.payload }).to_bytes());
                Next::Done
            }
            ClientPacket::Pong(_) => Next::Done,
            ClientPacket::Logout(logout) => Next::LogOut(logout.id),
            ClientPacket::Login(_) => Next::NotNow(ErrorCode::AlreadyAuthenticated),
            ClientPacket::Hello(_) => Next::NotNow(ErrorCode::InvalidState),
        }
    }

    async fn ask(&self, inbox: &Inbox, command: Command) -> Next {
        match inbox.send(command).await {
            Ok(()) => Next::Done,
            // The fan-out outlives every reader; if it does not, the server is coming down around us.
            Err(_) => Next::NotNow(ErrorCode::ShuttingDown),
        }
    }

    async fn whisper(&self, whisper: Whisper<Username, Text>, time_ms: u64) -> Next {
        let slot = self.subscriber().slot().await;
        let outcome = self.hand_over(&whisper, time_ms);
        let answer = Answer {
            id: whisper.id,
            outcome: outcome.map(|()| WhisperReceipt { time_ms }).map_err(Refusal::new),
        };
        slot.answer(ServerPacket::WhisperAnswer(answer).to_bytes());
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
