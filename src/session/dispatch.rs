//! What a signed-in person asks for, and who answers it.

use std::sync::Arc;

use chat_proto::{
    Answer, Attach, Broadcast, ChangePassword, ClientPacket, Credential, ErrorCode, FreezeRegistration,
    History, Ignore, LOBBY, MAILBOX, Moderate, Pong, Receipt, Refusal, Remark, RequestId, RoomChat,
    ServerPacket, Text, Username, Whisper, WhisperReceipt, kind,
};

use super::{Doorkeeper, Session, WaitingWhisper};
use crate::{
    room::{Command, Slot, Subscriber, fingerprint, until},
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
    /// Lines from before, sent again.
    Attach(Attach),
    /// A whisper to somebody who is away.
    Keep(Whisper<Username, Text>),
    /// What was said in a conversation.
    History(History),
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
            ClientPacket::Register(_) | ClientPacket::Login(_) | ClientPacket::Resume(_) => {
                Next::NotNow(slot, ErrorCode::AlreadyAuthenticated)
            }
            ClientPacket::ChangePassword(request) => Next::Wait(slot, Slow::ChangePassword(request)),
            ClientPacket::Hello(_) => Next::NotNow(slot, ErrorCode::InvalidState),
            ClientPacket::Attach(request) => Next::Wait(slot, Slow::Attach(request)),
            ClientPacket::Broadcast(Broadcast { id: request, message_id, text }) => {
                let (kind, conversation) = (kind::BROADCAST, LOBBY);
                Next::Ask(Command::Say { slot, kind, request, conversation, message_id, text })
            }
            ClientPacket::RoomChat(RoomChat { id: request, message_id, conversation, text }) => {
                let kind = kind::ROOM_CHAT;
                Next::Ask(Command::Say { slot, kind, request, conversation, message_id, text })
            }
            ClientPacket::History(request) => Next::Wait(slot, Slow::History(request)),
            ClientPacket::Who(request) if request.conversation == MAILBOX => {
                slot.refuse(kind::WHO, Some(request.id), Refusal::new(ErrorCode::RoomNotFound));
                Next::Refused(ErrorCode::RoomNotFound)
            }
            ClientPacket::Who(request) => Next::Ask(Command::Who { slot, request }),
            ClientPacket::Whisper(whisper) => self.whisper(slot, whisper, doorkeeper, time_ms),
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

    fn whisper(
        &self,
        slot: Slot,
        whisper: Whisper<Username, Text>,
        doorkeeper: &Doorkeeper,
        time_ms: u64,
    ) -> Next {
        let outcome = match self.whispered_before(&whisper) {
            // The first may still wait to be stored.
            Some(Ok(WhisperReceipt { kept: 0, .. })) if doorkeeper.stores_whispers() => {
                return doorkeeper.store_whisper(WaitingWhisper { slot, whisper, to: None, time_ms });
            }
            Some(first) => first.map_err(Refusal::new),
            None => match self.recipient(&whisper, time_ms) {
                Ok(to) if to.mailbox().is_stored_first() => {
                    return doorkeeper.store_whisper(WaitingWhisper { slot, whisper, to: Some(to), time_ms });
                }
                found => match found.and_then(|to| self.hand_over(&to, &whisper, time_ms)) {
                    Err(refusal) if is_away(refusal) && doorkeeper.keeps_whispers() => {
                        return Next::Wait(slot, Slow::Keep(whisper));
                    }
                    handed => handed.map(|()| WhisperReceipt { time_ms, kept: 0 }),
                },
            },
        };
        if let Ok(receipt) = outcome {
            self.note_whisper(&whisper, receipt);
        }
        let answer = Answer { id: whisper.id, outcome };
        slot.answer(&ServerPacket::WhisperAnswer(answer));
        match outcome.err().and_then(|refusal| refusal.code.error()) {
            Some(code) => Next::Refused(code),
            None => Next::Done,
        }
    }

    /// What a whisper was answered with that was said before by its number.
    fn whispered_before(
        &self,
        whisper: &Whisper<Username, Text>,
    ) -> Option<Result<WhisperReceipt, ErrorCode>> {
        let found = self.subscriber().message_ids().find(whisper.message_id, || line_of(whisper))?;
        Some(found.map(|Receipt { seq, time_ms, .. }| WhisperReceipt { time_ms, kept: u16::from(seq > 0) }))
    }

    /// A whisper has been handed over, or is kept.
    pub fn note_whisper(&self, whisper: &Whisper<Username, Text>, receipt: WhisperReceipt) {
        let WhisperReceipt { time_ms, kept } = receipt;
        // It has no place in an order; whether it is kept stands there instead.
        let receipt = Receipt { epoch: 0, seq: kept.into(), time_ms };
        self.subscriber().message_ids().note(whisper.message_id, || line_of(whisper), receipt);
    }

    /// Whom a whisper is for, if this session may whisper to them and they are here.
    fn recipient(&self, whisper: &Whisper<Username, Text>, time_ms: u64) -> Result<Arc<Subscriber>, Refusal> {
        let muted_until = self.subscriber().muted_until();
        if muted_until > time_ms {
            return Err(until(ErrorCode::Muted, muted_until, time_ms));
        }
        let recipient = self.registry().find(&whisper.to.key()).map_err(Refusal::new)?;
        if recipient.id() == self.id() {
            return Err(Refusal::new(ErrorCode::SelfTarget));
        }
        if recipient.mailbox().is_stored_first() && recipient.mailbox().is_closed() {
            return Err(Refusal::new(ErrorCode::UserOffline));
        }
        Ok(recipient)
    }

    fn hand_over(
        &self,
        to: &Subscriber,
        whisper: &Whisper<Username, Text>,
        time_ms: u64,
    ) -> Result<(), Refusal> {
        let from = (self.id(), self.subscriber().name());
        let handed = to.whisper(from, whisper.message_id, &whisper.text, time_ms);
        handed.map_err(|_| Refusal::new(ErrorCode::UserOffline))?;
        self.registry().mark_successor(to);
        Ok(())
    }
}

/// What tells a whisper from another of the same session.
pub(super) fn line_of(whisper: &Whisper<Username, Text>) -> u64 {
    fingerprint(whisper.to.key(), whisper.text.as_str())
}

fn is_away(refusal: Refusal) -> bool {
    matches!(refusal.code.error(), Some(ErrorCode::UserOffline | ErrorCode::UserNotFound))
}
