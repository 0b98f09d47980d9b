//! What a connection's task and its handles share: bytes to send, requests unanswered, events not taken.

use std::{collections::HashMap, mem::take, num::NonZeroU32};

use bytes::BytesMut;
use chat_proto::{
    Answer, ClientPacket, ErrorCode, Limits, MAILBOX, Ping, PingPayload, Pong, Refusal, RequestId,
    RoomEntered, RoomLeft, ServerPacket, kind,
};
use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore, oneshot};
use tokio_util::sync::CancellationToken;

use super::{Error, Event, ProtocolError, inbox::Inbox, pending::Outcome};

/// Requests unanswered, however many the server would allow. Full: the next request waits to be sent.
const REQUESTS_MAX: u16 = 1_024;
/// Unsent bytes beyond which a ping is not answered: a server that takes nothing cannot ask for more.
const UNSENT_BYTES_MAX: usize = 64 * 1024;

type Reply = oneshot::Sender<Result<Outcome, Error>>;

pub(super) struct Link {
    state: Mutex<State>,
    limits: Limits,
    /// Requests that may still be sent before one is answered.
    free: Semaphore,
    /// Something is to be written.
    pub(super) unsent: Notify,
    /// There may be room for events again.
    room: Notify,
    /// An event, or the end, can be taken.
    pub(super) news: Notify,
    /// Cancelled when the connection is over and everyone has been told.
    pub(super) over: CancellationToken,
}

struct State {
    outbox: BytesMut,
    next_id: RequestId,
    unanswered: HashMap<RequestId, Asked>,
    inbox: Inbox,
    /// A logout is under way: its goodbye is waited for as an answer is.
    leaving: bool,
    end: Option<Error>,
}

struct Asked {
    /// The request's type number.
    kind: u16,
    /// The room that is to be left; of other requests nothing.
    room: u64,
    reply: Reply,
}

/// What [`Link::take_event`] finds.
pub(super) enum Taken {
    Event(Event),
    /// Nothing yet.
    Empty,
    /// Nothing, ever again.
    End(Error),
}

impl Link {
    pub(super) fn new(limits: Limits, next_id: RequestId) -> Self {
        let state = State {
            outbox: BytesMut::new(),
            next_id,
            unanswered: HashMap::new(),
            inbox: Inbox::new(),
            leaving: false,
            end: None,
        };
        Self {
            state: Mutex::new(state),
            limits,
            free: Semaphore::new(limits.requests_outstanding.clamp(1, REQUESTS_MAX).into()),
            unsent: Notify::new(),
            room: Notify::new(),
            news: Notify::new(),
            over: CancellationToken::new(),
        }
    }

    /// Puts a request on its way; requests are sent in the order of these calls. Waits while too many are
    /// unanswered.
    pub(super) async fn ask(
        &self,
        request: impl FnOnce(RequestId) -> ClientPacket,
    ) -> Result<oneshot::Receiver<Result<Outcome, Error>>, Error> {
        let Ok(permit) = self.free.acquire().await else { return Err(self.end_error()) };
        let (reply, answer) = oneshot::channel();
        self.state.lock().ask(request, self.limits.client_packet_bytes, reply)?;
        // It returns with the answer, whether or not anybody still waits for that.
        permit.forget();
        self.unsent.notify_one();
        self.room.notify_one();
        Ok(answer)
    }

    /// Takes what the server sent; an error ends the connection.
    pub(super) fn receive(&self, packet: ServerPacket, bytes: usize) -> Result<(), Error> {
        use Outcome::{Done, Ignored, Receipt, RoomsPage, WhisperReceipt, WhoPage};
        match packet {
            ServerPacket::BroadcastAnswer(answer) => self.answer(kind::BROADCAST, answer, Receipt),
            ServerPacket::RoomChatAnswer(answer) => self.answer(kind::ROOM_CHAT, answer, Receipt),
            ServerPacket::WhisperAnswer(answer) => self.answer(kind::WHISPER, answer, WhisperReceipt),
            ServerPacket::WhoAnswer(answer) => self.answer(kind::WHO, answer, WhoPage),
            ServerPacket::LogoutAnswer(answer) => self.answer(kind::LOGOUT, answer, |()| Done),
            ServerPacket::ChangePasswordAnswer(answer) => {
                self.answer(kind::CHANGE_PASSWORD, answer, |()| Done)
            }
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
            ServerPacket::HelloAnswer(_) | ServerPacket::RegisterAnswer(_) | ServerPacket::LoginAnswer(_) => {
                Err(ProtocolError::Unexpected(packet.kind()).into())
            }
            ServerPacket::Goodbye(goodbye) => Err(Error::Closed(goodbye)),
            ServerPacket::Ping(ping) => {
                self.state.lock().pong(ping);
                self.unsent.notify_one();
                Ok(())
            }
            ServerPacket::Pong(pong) => {
                self.ponged(pong);
                Ok(())
            }
            ServerPacket::Error(notice) => {
                let refusal = Refusal { code: notice.code, retry_ms: notice.retry_ms };
                if !self.refused(notice.kind, notice.id, refusal) {
                    self.tell(Event::Error(notice), bytes);
                }
                Ok(())
            }
            ServerPacket::BroadcastLine(line) => self.told(Event::Broadcast(line), bytes),
            ServerPacket::WhisperLine(line) => self.told(Event::Whisper(line), bytes),
            ServerPacket::Missed(missed) => self.told(Event::Missed(missed), bytes),
            ServerPacket::Joined(joined) => self.told(Event::Joined(joined), bytes),
            ServerPacket::Left(left) => self.told(Event::Left(left), bytes),
            ServerPacket::RoomChanged(changed) => self.told(Event::RoomChanged(changed), bytes),
            ServerPacket::Removed(removed) => self.told(Event::Removed(removed), bytes),
            ServerPacket::Moderated(moderated) => self.told(Event::Moderated(moderated), bytes),
            ServerPacket::SystemText(text) => self.told(Event::System(text), bytes),
        }
    }

    fn answer<T>(&self, kind: u16, answer: Answer<T>, pack: fn(T) -> Outcome) -> Result<(), Error> {
        let asked = self.state.lock().unanswered.remove(&answer.id);
        let Some(asked) = asked.filter(|asked| asked.kind == kind) else {
            return Err(ProtocolError::Unexpected(kind + 1).into());
        };
        self.conclude(asked, answer.outcome.map(pack).map_err(Error::Refused));
        Ok(())
    }

    fn entered(&self, kind: u16, answer: Answer<RoomEntered>, bytes: usize) -> Result<(), Error> {
        if let Ok(entered) = &answer.outcome {
            self.tell_own(|| Event::RoomEntered(entered.clone()), bytes);
        }
        self.answer(kind, answer, Outcome::RoomEntered)
    }

    fn left(&self, answer: Answer<RoomLeft>, bytes: usize) -> Result<(), Error> {
        let room = self.state.lock().unanswered.get(&answer.id).map(|asked| asked.room);
        if let (Ok(left), Some(conversation)) = (&answer.outcome, room) {
            self.tell_own(|| Event::RoomLeft { conversation, left: left.clone() }, bytes);
        }
        self.answer(kind::LEAVE_ROOM, answer, Outcome::RoomLeft)
    }

    fn tell_own(&self, event: impl FnOnce() -> Event, bytes: usize) {
        let own_rooms = self.state.lock().inbox.own_rooms;
        if own_rooms {
            self.tell(event(), bytes);
        }
    }

    pub(super) fn tell_own_rooms(&self) {
        self.state.lock().inbox.own_rooms = true;
    }

    fn ponged(&self, pong: Pong) {
        let id = pong.payload.as_bytes().try_into().ok().map(u32::from_le_bytes).and_then(NonZeroU32::new);
        let asked = id.and_then(|id| self.state.lock().remove(id, kind::PING));
        if let Some(asked) = asked {
            self.conclude(asked, Ok(Outcome::Done));
        }
    }

    /// False when the refused packet is none that somebody waits on.
    fn refused(&self, kind: u16, id: u32, refusal: Refusal) -> bool {
        let mut state = self.state.lock();
        let asked = match NonZeroU32::new(id) {
            Some(id) => state.unanswered.remove(&id),
            // A ping has no id on the wire, but they are answered in order.
            None if kind == kind::PING => state.oldest_ping().and_then(|id| state.remove(id, kind)),
            None => None,
        };
        drop(state);
        let found = asked.is_some();
        if let Some(asked) = asked {
            self.conclude(asked, Err(Error::Refused(refusal)));
        }
        found
    }

    fn conclude(&self, asked: Asked, outcome: Result<Outcome, Error>) {
        // Its caller may have stopped waiting.
        let _ = asked.reply.send(outcome);
        self.free.add_permits(1);
    }

    #[expect(clippy::unnecessary_wraps, reason = "an arm of a match whose other arms may fail")]
    fn told(&self, event: Event, bytes: usize) -> Result<(), Error> {
        self.tell(event, bytes);
        Ok(())
    }

    fn tell(&self, event: Event, bytes: usize) {
        if self.state.lock().inbox.push(event, bytes) {
            self.news.notify_one();
        }
    }

    pub(super) async fn wait_for_room(&self) {
        while !self.state.lock().has_room() {
            self.room.notified().await;
        }
    }

    pub(super) fn take_event(&self) -> Taken {
        let mut state = self.state.lock();
        let was_full = !state.has_room();
        let Some(event) = state.inbox.pop() else {
            return state.end.clone().map_or(Taken::Empty, Taken::End);
        };
        let wake = was_full && state.has_room();
        drop(state);
        if wake {
            self.room.notify_one();
        }
        Taken::Event(event)
    }

    /// Nobody will take events any more.
    pub(super) fn stop_listening(&self) {
        let unread = self.state.lock().inbox.close();
        drop(unread);
        self.room.notify_one();
    }

    pub(super) fn leave(&self) {
        self.state.lock().leaving = true;
        self.room.notify_one();
    }

    /// What is to be written now.
    pub(super) fn take_unsent(&self) -> BytesMut {
        self.state.lock().outbox.split()
    }

    /// The connection is over: whoever waits is told why.
    pub(super) fn end(&self, why: &Error) {
        let mut state = self.state.lock();
        state.end = Some(why.clone());
        let unanswered = take(&mut state.unanswered);
        drop(state);
        // After the reason is there: who waits for a place looks for it.
        self.free.close();
        for (_, asked) in unanswered {
            let _ = asked.reply.send(Err(why.clone()));
        }
        self.news.notify_one();
        self.over.cancel();
    }

    fn end_error(&self) -> Error {
        self.state.lock().end.clone().unwrap_or(Error::Disconnected)
    }
}

impl State {
    fn ask(
        &mut self,
        request: impl FnOnce(RequestId) -> ClientPacket,
        bytes_max: u16,
        reply: Reply,
    ) -> Result<(), Error> {
        if let Some(end) = &self.end {
            return Err(end.clone());
        }
        let id = self.free_id();
        let (request, start) = (request(id), self.outbox.len());
        request.encode(&mut self.outbox);
        if self.outbox.len() - start > bytes_max.into() {
            self.outbox.truncate(start);
            return Err(Error::refused(ErrorCode::FrameTooLarge));
        }
        let room = match &request {
            ClientPacket::LeaveRoom(leave) => leave.conversation,
            _ => MAILBOX,
        };
        self.unanswered.insert(id, Asked { kind: request.request().0, room, reply });
        Ok(())
    }

    fn free_id(&mut self) -> RequestId {
        loop {
            let id = self.next_id;
            self.next_id = id.checked_add(1).unwrap_or(RequestId::MIN);
            // After four thousand million requests one of the first may still be unanswered.
            if !self.unanswered.contains_key(&id) {
                return id;
            }
        }
    }

    fn remove(&mut self, id: RequestId, kind: u16) -> Option<Asked> {
        let fits = self.unanswered.get(&id).is_some_and(|asked| asked.kind == kind);
        if fits { self.unanswered.remove(&id) } else { None }
    }

    fn oldest_ping(&self) -> Option<RequestId> {
        self.unanswered.iter().filter(|(_, asked)| asked.kind == kind::PING).map(|(id, _)| *id).min()
    }

    fn pong(&mut self, ping: Ping) {
        if self.outbox.len() < UNSENT_BYTES_MAX {
            ClientPacket::Pong(Pong { payload: ping.payload }).encode(&mut self.outbox);
        }
    }

    fn has_room(&self) -> bool {
        self.inbox.has_room(self.leaving || !self.unanswered.is_empty())
    }
}

/// The payload by which a pong is matched to its request.
pub(super) fn ping(id: RequestId) -> ClientPacket {
    let payload = PingPayload::new(&id.get().to_le_bytes()).expect("four bytes are at most 64");
    ClientPacket::Ping(Ping { payload })
}
