//! What a signed-in person asks for, and who answers it.

use std::sync::Arc;

use chat_proto::{
    Answer, Attach, Broadcast, ChangePassword, ClientPacket, Credential, ErrorCode, FreezeRegistration,
    History, Ignore, KeysOf, LOBBY, MAILBOX, Moderate, Pong, PublishKey, Receipt, Refusal, Remark, RemoveKey,
    RequestId, Role, RoomChat, ServerPacket, Username, Whisper, WhisperReceipt, Words, kind,
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
    Keep(Whisper<Username, Words>),
    /// What was said in a conversation.
    History(History),
    /// A key for the devices of an account.
    PublishKey(AccountId, PublishKey),
    /// A key less.
    RemoveKey(AccountId, RemoveKey),
    /// The keys of somebody.
    KeysOf(KeysOf<Username>),
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
            ClientPacket::Whisper(Whisper { id, message_id, to, text }) => {
                let text = Words::Plain(text);
                self.whisper(slot, Whisper { id, message_id, to, text }, doorkeeper, time_ms)
            }
            ClientPacket::SealedWhisper(Whisper { id, message_id, to, text }) => {
                let text = Words::Sealed(text);
                self.whisper(slot, Whisper { id, message_id, to, text }, doorkeeper, time_ms)
            }
            ClientPacket::KeysOf(request) => Next::Wait(slot, Slow::KeysOf(request)),
            ClientPacket::Ping(ping) => {
                slot.answer(&ServerPacket::Pong(Pong { payload: ping.payload }));
                Next::Done
            }
            ClientPacket::Moderate(request) if request.conversation == LOBBY => {
                Next::Wait(slot, Slow::Moderate(request))
            }
            packet @ (ClientPacket::PublishKey(_) | ClientPacket::RemoveKey(_)) => {
                self.change_keys(slot, &packet)
            }
            packet => self.dispatch_room(slot, packet, doorkeeper),
        }
    }

    /// Keys are an account's, and of clients that have said what they want them for.
    fn change_keys(&self, slot: Slot, packet: &ClientPacket) -> Next {
        let account = self.account().filter(|_| self.subscriber().reads_sealed());
        match (packet, account) {
            (ClientPacket::PublishKey(request), Some(account)) => {
                Next::Wait(slot, Slow::PublishKey(account, *request))
            }
            (ClientPacket::RemoveKey(request), Some(account)) => {
                Next::Wait(slot, Slow::RemoveKey(account, *request))
            }
            (packet, _) => {
                let (kind, id) = packet.request();
                slot.refuse(kind, id, Refusal::new(ErrorCode::PermissionDenied));
                Next::Excused(ErrorCode::PermissionDenied)
            }
        }
    }

    fn whisper(
        &self,
        slot: Slot,
        whisper: Whisper<Username, Words>,
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
        slot.answer(&whisper.text.answer(Answer { id: whisper.id, outcome }));
        match outcome.err().and_then(|refusal| refusal.code.error()) {
            Some(code) => Next::Refused(code),
            None => Next::Done,
        }
    }

    /// What a whisper was answered with that was said before by its number.
    fn whispered_before(
        &self,
        whisper: &Whisper<Username, Words>,
    ) -> Option<Result<WhisperReceipt, ErrorCode>> {
        let found = self.subscriber().message_ids().find(whisper.message_id, || line_of(whisper))?;
        Some(found.map(|Receipt { seq, time_ms, .. }| WhisperReceipt { time_ms, kept: u16::from(seq > 0) }))
    }

    /// A whisper has been handed over, or is kept.
    pub fn note_whisper(&self, whisper: &Whisper<Username, Words>, receipt: WhisperReceipt) {
        let WhisperReceipt { time_ms, kept } = receipt;
        // It has no place in an order; whether it is kept stands there instead.
        let receipt = Receipt { epoch: 0, seq: kept.into(), time_ms };
        self.subscriber().message_ids().note(whisper.message_id, || line_of(whisper), receipt);
    }

    /// Whom a whisper is for, if this session may whisper to them and they are here.
    fn recipient(
        &self,
        whisper: &Whisper<Username, Words>,
        time_ms: u64,
    ) -> Result<Arc<Subscriber>, Refusal> {
        let muted_until = self.subscriber().muted_until();
        if muted_until > time_ms {
            return Err(until(ErrorCode::Muted, muted_until, time_ms));
        }
        if whisper.text.are_sealed() && !self.subscriber().reads_sealed() {
            return Err(Refusal::new(ErrorCode::PermissionDenied));
        }
        let recipient = self.registry().find(&whisper.to.key()).map_err(Refusal::new)?;
        if recipient.id() == self.id() {
            return Err(Refusal::new(ErrorCode::SelfTarget));
        }
        if let Words::Sealed(envelope) = &whisper.text
            && !recipient.opens(envelope)
        {
            // Whoever is here with none of the devices that it is for is away for it: it waits for one of them.
            let guest = recipient.role() == Role::Guest;
            return Err(Refusal::new(if guest { ErrorCode::NoKeys } else { ErrorCode::UserOffline }));
        }
        if recipient.mailbox().is_stored_first() && recipient.mailbox().is_closed() {
            return Err(Refusal::new(ErrorCode::UserOffline));
        }
        Ok(recipient)
    }

    fn hand_over(
        &self,
        to: &Subscriber,
        whisper: &Whisper<Username, Words>,
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
pub(super) fn line_of(whisper: &Whisper<Username, Words>) -> u64 {
    fingerprint(whisper.to.key(), whisper.text.as_bytes())
}

fn is_away(refusal: Refusal) -> bool {
    matches!(refusal.code.error(), Some(ErrorCode::UserOffline | ErrorCode::UserNotFound))
}
