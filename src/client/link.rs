//! What a session's connection and its handles share: bytes to send, requests unanswered, events not taken.

use std::{collections::BTreeMap, mem::take};

use bytes::BytesMut;
use chat_proto::{ClientPacket, ErrorCode, Limits, MAILBOX, Ping, PingPayload, Pong, RequestId, Text, kind};
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, Semaphore, oneshot},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{
    Error, Event, Pace,
    continuation::{Recipient, Unanswered},
    inbox::Inbox,
    lasting::Lasting,
    pending::Outcome,
};

/// Requests unanswered, however many the server would allow. Full: the next request waits to be sent.
const REQUESTS_MAX: u16 = 1_024;
/// Requests unanswered of a session that lasts: a server knows as many of its lines again.
const LASTING_MAX: u16 = 128;
/// Unsent bytes beyond which a ping is not answered: a server that takes nothing cannot ask for more.
const UNSENT_BYTES_MAX: usize = 64 * 1024;

pub(super) type Reply = oneshot::Sender<Result<Outcome, Error>>;
pub(super) type Answering = oneshot::Receiver<Result<Outcome, Error>>;

pub(super) struct Link {
    pub(super) state: Mutex<State>,
    /// Requests that may still be sent before one is answered.
    free: Semaphore,
    /// Something is to be written.
    pub(super) unsent: Notify,
    /// A line is to be sent, now or when its time has come.
    pub(super) due: Notify,
    /// There may be room for events again.
    room: Notify,
    /// An event, or the end, can be taken.
    pub(super) news: Notify,
    /// Something has changed that is waited for: whether there is a connection, or whether that is in doubt; whether lines
    /// wait to be sent, or to be answered.
    pub(super) turned: Notify,
    /// Cancelled when the user wants to be gone.
    pub(super) leaving: CancellationToken,
    /// Cancelled when all is over and everyone has been told.
    pub(super) over: CancellationToken,
}

/// Whether a session has a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It has had this one since then.
    Connected(Instant),
    /// It waits for the next.
    Between,
    /// It will never have one again.
    Over,
}

pub(super) struct State {
    pub(super) standing: Standing,
    pub(super) outbox: BytesMut,
    next_id: RequestId,
    pub(super) unanswered: BTreeMap<RequestId, Asked>,
    inbox: Inbox,
    /// A logout is under way: its goodbye is waited for as an answer is.
    leaving: bool,
    pub(super) end: Option<Error>,
    /// The server has been asked whether it is there, and nothing was heard since.
    pub(super) in_doubt: bool,
    /// What the user has said last of being away; 0: nothing.
    pub(super) presence: u16,
    /// Bytes a packet may have.
    pub(super) packet_bytes: u16,
    /// What outlives the connection; `None`: nothing does.
    pub(super) lasting: Option<Lasting>,
    /// When lines may be sent, and when the next one that waits may; of what lasts only.
    pub(super) pace: Pace,
    pub(super) due: Option<Instant>,
}

pub(super) struct Asked {
    /// The request's type number.
    pub(super) kind: u16,
    /// The room that is to be left; of other requests nothing.
    pub(super) room: u64,
    pub(super) waits: Waits,
}

/// Who waits for an answer.
pub(super) enum Waits {
    /// Whoever asked, as long as this connection lasts.
    Caller(Reply),
    /// Whoever said the line of this number, over all connections.
    Line(u64),
    /// The session itself: it has sent its cursors.
    Attach,
    /// Nobody: the session has said again that its user is away.
    Nobody,
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
    pub(super) fn new(limits: &Limits, next_id: RequestId, lasting: Option<Lasting>) -> Self {
        let most = if lasting.is_some() { LASTING_MAX } else { REQUESTS_MAX };
        let free = Semaphore::new(limits.requests_outstanding.clamp(1, most).into());
        // Lines of an earlier program are unanswered as well.
        free.forget_permits(lasting.as_ref().map_or(0, |lasting| lasting.continuation.unanswered()));
        let now = Instant::now();
        let state = State {
            standing: Standing::Connected(now),
            outbox: BytesMut::new(),
            next_id,
            unanswered: BTreeMap::new(),
            inbox: Inbox::new(),
            leaving: false,
            end: None,
            in_doubt: false,
            presence: 0,
            packet_bytes: limits.client_packet_bytes,
            lasting,
            pace: Pace::new(limits.chat_per_second, limits.chat_burst, now),
            due: None,
        };
        Self {
            state: Mutex::new(state),
            free,
            unsent: Notify::new(),
            due: Notify::new(),
            room: Notify::new(),
            news: Notify::new(),
            turned: Notify::new(),
            leaving: CancellationToken::new(),
            over: CancellationToken::new(),
        }
    }

    /// Puts a request on its way; requests are sent in the order of these calls. Waits while too many are
    /// unanswered, and while there is no connection.
    pub(super) async fn ask(
        &self,
        request: impl FnOnce(RequestId) -> ClientPacket,
    ) -> Result<Answering, Error> {
        let Ok(permit) = self.free.acquire().await else { return Err(self.end_error()) };
        let (reply, answer) = oneshot::channel();
        self.connected().await;
        self.state.lock().ask(request, reply)?;
        // It returns with the answer, whether or not anybody still waits for that.
        permit.forget();
        self.unsent.notify_one();
        self.room.notify_one();
        Ok(answer)
    }

    /// Says a line. Where the session lasts the line is sent in its turn, and again where its answer is lost.
    pub(super) async fn say(&self, to: Recipient, message_id: u64, text: Text) -> Result<Answering, Error> {
        let Ok(permit) = self.free.acquire().await else { return Err(self.end_error()) };
        let (reply, answer) = oneshot::channel();
        let refused = self.state.lock().say(Unanswered { message_id, to, text }, reply)?;
        permit.forget();
        self.free.add_permits(refused);
        self.unsent.notify_one();
        self.due.notify_one();
        self.room.notify_one();
        Ok(answer)
    }

    /// A request has been answered: another may be sent.
    pub(super) fn give_back(&self) {
        self.free.add_permits(1);
    }

    /// Tells whoever listens, and keeps in mind how far the server has told.
    pub(super) fn tell(&self, event: Event, bytes: usize) -> Result<(), Error> {
        self.tell_where(|_| true, event, bytes)
    }

    /// As [`tell`](Self::tell), of what is no event to those who did not ask for it.
    pub(super) fn tell_own(&self, event: Event, bytes: usize) -> Result<(), Error> {
        self.tell_where(|inbox| inbox.own_rooms, event, bytes)
    }

    fn tell_where(&self, is_told: fn(&Inbox) -> bool, event: Event, bytes: usize) -> Result<(), Error> {
        let mut state = self.state.lock();
        let State { inbox, lasting, .. } = &mut *state;
        let told = is_told(inbox);
        if let Some(lasting) = lasting {
            lasting.hear(&event, !told)?;
        }
        if told && inbox.push(event, bytes) {
            self.news.notify_one();
        }
        Ok(())
    }

    pub(super) fn tell_own_rooms(&self) {
        self.state.lock().inbox.own_rooms = true;
    }

    /// Answers a ping.
    pub(super) fn pong(&self, ping: Ping) {
        let mut state = self.state.lock();
        if state.outbox.len() < UNSENT_BYTES_MAX {
            ClientPacket::Pong(Pong { payload: ping.payload }).encode(&mut state.outbox);
        }
        drop(state);
        self.unsent.notify_one();
    }

    /// Asks a silent server whether it is there. Any word of it is an answer.
    pub(super) fn ping(&self) {
        let payload = PingPayload::new(&[]).expect("nothing is at most 64 bytes");
        let mut state = self.state.lock();
        ClientPacket::Ping(Ping { payload }).encode(&mut state.outbox);
        state.in_doubt = true;
        drop(state);
        self.unsent.notify_one();
    }

    pub(super) async fn wait_for_room(&self) {
        while !self.state.lock().has_room() {
            self.room.notified().await;
        }
    }

    pub(super) fn take_event(&self) -> Taken {
        let mut state = self.state.lock();
        let was_full = !state.has_room();
        let event = state.inbox.pop();
        if let Some(lasting) = &mut state.lasting {
            lasting.hand_over(event.as_ref());
        }
        let Some(event) = event else {
            return state.end.clone().map_or(Taken::Empty, Taken::End);
        };
        let wake = was_full && state.has_room();
        drop(state);
        if wake {
            self.room.notify_one();
        }
        Taken::Event(event)
    }

    /// The event that was taken last is dealt with.
    pub(super) fn settle(&self) {
        if let Some(lasting) = &mut self.state.lock().lasting {
            lasting.hand_over(None);
        }
    }

    /// Nobody will take events any more.
    pub(super) fn stop_listening(&self) {
        let unread = self.state.lock().inbox.close();
        drop(unread);
        self.room.notify_one();
    }

    pub(super) fn leave(&self) {
        self.state.lock().leaving = true;
        self.leaving.cancel();
        self.room.notify_one();
    }

    /// What is to be written now.
    pub(super) fn take_unsent(&self) -> BytesMut {
        self.state.lock().outbox.split()
    }

    /// All is over: whoever waits is told why.
    pub(super) fn end(&self, why: &Error) {
        let mut state = self.state.lock();
        state.standing = Standing::Over;
        state.end = Some(why.clone());
        let unanswered = take(&mut state.unanswered);
        let lines: Vec<_> = state.lasting.as_mut().into_iter().flat_map(Lasting::give_up).collect();
        drop(state);
        // After the reason is there: who waits for a place looks for it.
        self.free.close();
        let callers = unanswered.into_values().filter_map(|asked| asked.waits.caller());
        for reply in callers.chain(lines) {
            let _ = reply.send(Err(why.clone()));
        }
        self.news.notify_one();
        self.over.cancel();
        self.turned.notify_waiters();
    }

    pub(super) fn standing(&self) -> Standing {
        self.state.lock().standing
    }

    fn end_error(&self) -> Error {
        self.state.lock().end.clone().unwrap_or(Error::Disconnected)
    }
}

impl State {
    pub(super) fn ask(
        &mut self,
        request: impl FnOnce(RequestId) -> ClientPacket,
        reply: Reply,
    ) -> Result<(), Error> {
        if let Some(end) = &self.end {
            return Err(end.clone());
        }
        let id = self.free_id();
        self.put(&request(id), id, Waits::Caller(reply)).map_err(|_| Error::refused(ErrorCode::FrameTooLarge))
    }

    /// Encodes a request; gives back who waits where it is too large.
    pub(super) fn put(&mut self, request: &ClientPacket, id: RequestId, waits: Waits) -> Result<(), Waits> {
        let start = self.outbox.len();
        request.encode(&mut self.outbox);
        if self.outbox.len() - start > self.packet_bytes.into() {
            self.outbox.truncate(start);
            return Err(waits);
        }
        let room = match request {
            ClientPacket::LeaveRoom(leave) => leave.conversation,
            _ => MAILBOX,
        };
        if let ClientPacket::SetPresence(presence) = request {
            self.presence = presence.state;
        }
        self.unanswered.insert(id, Asked { kind: request.request().0, room, waits });
        Ok(())
    }

    pub(super) fn free_id(&mut self) -> RequestId {
        loop {
            let id = self.next_id;
            self.next_id = id.checked_add(1).unwrap_or(RequestId::MIN);
            // After four thousand million requests one of the first may still be unanswered.
            if !self.unanswered.contains_key(&id) {
                return id;
            }
        }
    }

    pub(super) fn remove(&mut self, id: RequestId, kind: u16) -> Option<Asked> {
        let fits = self.unanswered.get(&id).is_some_and(|asked| asked.kind == kind);
        if fits { self.unanswered.remove(&id) } else { None }
    }

    pub(super) fn oldest_ping(&self) -> Option<RequestId> {
        self.unanswered.iter().filter(|(_, asked)| asked.kind == kind::PING).map(|(id, _)| *id).min()
    }

    fn has_room(&self) -> bool {
        self.inbox.has_room(self.leaving || !self.unanswered.is_empty())
    }
}

impl Waits {
    pub(super) fn caller(self) -> Option<Reply> {
        match self {
            Self::Caller(reply) => Some(reply),
            Self::Line(_) | Self::Attach | Self::Nobody => None,
        }
    }
}

/// The payload by which a pong is matched to its request.
pub(super) fn ping(id: RequestId) -> ClientPacket {
    let payload = PingPayload::new(&id.get().to_le_bytes()).expect("four bytes are at most 64");
    ClientPacket::Ping(Ping { payload })
}
