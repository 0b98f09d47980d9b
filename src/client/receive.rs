//! What a link does with each packet that the server sends.

use std::num::NonZeroU32;

use chat_proto::{Answer, Attached, ErrorNotice, Pong, Refusal, RoomEntered, RoomLeft, ServerPacket, kind};

use super::{
    Error, Event, ProtocolError,
    link::{Asked, Link, Waits},
    pending::Outcome,
};

impl Link {
    /// Takes what the server sent; an error ends the connection.
    pub(super) fn receive(&self, packet: ServerPacket, bytes: usize) -> Result<(), Error> {
        use Outcome::{Done, HistoryPage, Ignored, Keys, Receipt, RoomsPage, WhisperReceipt, WhoPage};
        self.is_heard_of();
        match packet {
            ServerPacket::BroadcastAnswer(answer) => self.answer(kind::BROADCAST, answer, Receipt),
            ServerPacket::RoomChatAnswer(answer) => self.answer(kind::ROOM_CHAT, answer, Receipt),
            ServerPacket::WhisperAnswer(answer) => self.answer(kind::WHISPER, answer, WhisperReceipt),
            ServerPacket::SealedWhisperAnswer(answer) => {
                self.answer(kind::SEALED_WHISPER, answer, WhisperReceipt)
            }
            ServerPacket::PublishKeyAnswer(answer) => self.answer(kind::PUBLISH_KEY, answer, |()| Done),
            ServerPacket::RemoveKeyAnswer(answer) => self.answer(kind::REMOVE_KEY, answer, |()| Done),
            ServerPacket::KeysOfAnswer(answer) => self.answer(kind::KEYS_OF, answer, Keys),
            ServerPacket::WhoAnswer(answer) => self.answer(kind::WHO, answer, WhoPage),
            ServerPacket::LogoutAnswer(answer) => self.answer(kind::LOGOUT, answer, |()| Done),
            ServerPacket::ChangePasswordAnswer(answer) => {
                self.answer(kind::CHANGE_PASSWORD, answer, |()| Done)
            }
            ServerPacket::AttachAnswer(answer) => self.attached(answer),
            ServerPacket::HistoryAnswer(answer) => self.answer(kind::HISTORY, answer, HistoryPage),
            ServerPacket::SetPresenceAnswer(answer) => self.answer(kind::SET_PRESENCE, answer, |()| Done),
            ServerPacket::IgnoreAnswer(answer) => self.answer(kind::IGNORE, answer, |()| Done),
            ServerPacket::IgnoredAnswer(answer) => self.answer(kind::IGNORED, answer, Ignored),
            ServerPacket::CreateRoomAnswer(answer) => self.entered(kind::CREATE_ROOM, answer, bytes),
            ServerPacket::JoinRoomAnswer(answer) => self.entered(kind::JOIN_ROOM, answer, bytes),
            ServerPacket::LeaveRoomAnswer(answer) => self.left(answer, bytes),
            ServerPacket::RoomsAnswer(answer) => self.answer(kind::ROOMS, answer, RoomsPage),
            ServerPacket::SetTopicAnswer(answer) => self.answer(kind::SET_TOPIC, answer, |()| Done),
            ServerPacket::SetRoomAnswer(answer) => self.answer(kind::SET_ROOM, answer, |()| Done),
            ServerPacket::ModerateAnswer(answer) => self.answer(kind::MODERATE, answer, |()| Done),
            ServerPacket::CloseRoomAnswer(answer) => self.answer(kind::CLOSE_ROOM, answer, |()| Done),
            ServerPacket::AnnounceAnswer(answer) => self.answer(kind::ANNOUNCE, answer, |()| Done),
            ServerPacket::FreezeRegistrationAnswer(answer) => {
                self.answer(kind::FREEZE_REGISTRATION, answer, |()| Done)
            }
            ServerPacket::HelloAnswer(_)
            | ServerPacket::RegisterAnswer(_)
            | ServerPacket::LoginAnswer(_)
            | ServerPacket::ResumeAnswer(_) => Err(ProtocolError::Unexpected(packet.kind()).into()),
            ServerPacket::Goodbye(goodbye) => Err(Error::Closed(goodbye)),
            ServerPacket::Ping(ping) => {
                self.pong(ping);
                Ok(())
            }
            ServerPacket::Pong(pong) => {
                self.ponged(pong);
                Ok(())
            }
            ServerPacket::Error(notice) => self.refused(notice, bytes),
            ServerPacket::BroadcastLine(line) => self.tell(Event::Broadcast(line), bytes),
            ServerPacket::WhisperLine(line) => self.tell(Event::Whisper(line), bytes),
            ServerPacket::SealedLine(line) => self.tell(Event::Sealed(line), bytes),
            ServerPacket::Missed(missed) => self.tell(Event::Missed(missed), bytes),
            ServerPacket::Joined(joined) => self.tell(Event::Joined(joined), bytes),
            ServerPacket::Left(left) => self.tell(Event::Left(left), bytes),
            ServerPacket::RoomChanged(changed) => self.tell(Event::RoomChanged(changed), bytes),
            ServerPacket::Removed(removed) => self.tell(Event::Removed(removed), bytes),
            ServerPacket::Moderated(moderated) => self.tell(Event::Moderated(moderated), bytes),
            ServerPacket::SystemText(text) => self.tell(Event::System(text), bytes),
        }
    }

    fn answer<T>(&self, kind: u16, answer: Answer<T>, pack: fn(T) -> Outcome) -> Result<(), Error> {
        let asked = self.state.lock().unanswered.remove(&answer.id);
        let Some(asked) = asked.filter(|asked| asked.kind == kind) else {
            return Err(ProtocolError::Unexpected(kind + 1).into());
        };
        self.conclude(asked, answer.outcome.map(pack))
    }

    fn entered(&self, kind: u16, answer: Answer<RoomEntered>, bytes: usize) -> Result<(), Error> {
        if let Ok(entered) = &answer.outcome {
            self.tell_own(Event::RoomEntered(entered.clone()), bytes)?;
        }
        self.answer(kind, answer, Outcome::RoomEntered)
    }

    fn left(&self, answer: Answer<RoomLeft>, bytes: usize) -> Result<(), Error> {
        let room = self.state.lock().unanswered.get(&answer.id).map(|asked| asked.room);
        if let (Ok(left), Some(conversation)) = (&answer.outcome, room) {
            self.tell_own(Event::RoomLeft { conversation, left: left.clone() }, bytes)?;
        }
        self.answer(kind::LEAVE_ROOM, answer, Outcome::RoomLeft)
    }

    /// Cursors have been taken. Those that a session sends by itself have no caller.
    fn attached(&self, answer: Answer<Attached>) -> Result<(), Error> {
        let mut state = self.state.lock();
        let is_own =
            state.unanswered.get(&answer.id).is_some_and(|asked| matches!(asked.waits, Waits::Attach));
        if !is_own {
            drop(state);
            return self.answer(kind::ATTACH, answer, Outcome::Attached);
        }
        state.unanswered.remove(&answer.id);
        let attached = answer.outcome.map_err(Error::Refused)?;
        let all = !state.unanswered.values().any(|asked| matches!(asked.waits, Waits::Attach));
        let continuation =
            &mut state.lasting.as_mut().expect("only what lasts attaches by itself").continuation;
        continuation.attached(&attached.lost.0);
        let news = all.then(|| continuation.take_news());
        drop(state);
        news.map_or(Ok(()), |news| self.tell(Event::Resumed(news), 0))
    }

    fn ponged(&self, pong: Pong) {
        let id = pong.payload.as_bytes().try_into().ok().map(u32::from_le_bytes).and_then(NonZeroU32::new);
        let asked = id.and_then(|id| self.state.lock().remove(id, kind::PING));
        if let Some(asked) = asked {
            // It was no line, and none of the connection's own.
            let _ = self.conclude(asked, Ok(Outcome::Done));
        }
    }

    /// A packet was not taken: told to whoever waits for its answer, or as an event where nobody does.
    fn refused(&self, notice: ErrorNotice, bytes: usize) -> Result<(), Error> {
        let refusal = Refusal { code: notice.code, retry_ms: notice.retry_ms };
        let mut state = self.state.lock();
        let asked = match NonZeroU32::new(notice.id) {
            Some(id) => state.unanswered.remove(&id),
            // A ping has no id on the wire, but they are answered in order.
            None if notice.kind == kind::PING => {
                state.oldest_ping().and_then(|id| state.remove(id, notice.kind))
            }
            None => None,
        };
        drop(state);
        match asked {
            Some(asked) => self.conclude(asked, Err(refusal)),
            None => self.tell(Event::Error(notice), bytes),
        }
    }

    /// A request has been answered. An error is one that ends the connection.
    fn conclude(
        &self,
        Asked { kind, waits, .. }: Asked,
        outcome: Result<Outcome, Refusal>,
    ) -> Result<(), Error> {
        let (reply, line) = match waits {
            Waits::Caller(reply) => (Some(reply), false),
            Waits::Line(message_id) => {
                let mut state = self.state.lock();
                let lasting = state.lasting.as_mut().expect("only what lasts numbers its lines");
                let reply = lasting.conclude(message_id).0;
                drop(state);
                self.turned.notify_waiters();
                (reply, true)
            }
            Waits::Nobody => return Ok(()),
            Waits::Attach => return outcome.map(drop).map_err(Error::Refused),
        };
        self.give_back();
        match (reply, outcome) {
            (Some(reply), outcome) => {
                // Its caller may have stopped waiting.
                let _ = reply.send(outcome.map_err(Error::Refused));
                Ok(())
            }
            // A line of an earlier program: nobody waits, and yet it was not said.
            (None, Err(Refusal { code, retry_ms })) if line => {
                self.tell(Event::Error(ErrorNotice { kind, id: 0, code, retry_ms }), 0)
            }
            (None, _) => Ok(()),
        }
    }
}
