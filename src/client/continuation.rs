//! What a client keeps of its session from one connection to the next, without any of the connections.

use std::collections::{BTreeMap, VecDeque};

use chat_proto::{
    Broadcast, ClientPacket, Envelope, List, Presence, RequestId, ResumeToken, RoomChat, Text, Username,
    Welcome, Whisper,
};

use super::{
    Event, ProtocolError,
    places::{Places, Step},
};

/// The most bytes of a cursor on the wire: three numbers of 64 bits.
const CURSOR_BYTES_MAX: usize = 3 * 9;
/// The most bytes of an Attach beside its cursors: header, id, `last`, how many there are.
const ATTACH_BYTES_MAX: usize = 4 + 5 + 3 + 9;

/// Whom a line is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipient {
    /// Everyone in the lobby.
    Lobby,
    /// Everyone in a room, by its number.
    Room(u64),
    /// One person.
    Person(Username),
    /// One person, who alone can read it: in this envelope it is sent, however often.
    Sealed(Username, Envelope),
}

/// A line that has been said and whose answer has not come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unanswered {
    /// The session's own number of it, which it keeps however often it is sent.
    pub message_id: u64,
    /// Whom it is for.
    pub to: Recipient,
    /// What was said.
    pub text: Text,
}

impl Unanswered {
    /// The request that says it.
    #[must_use]
    pub fn packet(&self, id: RequestId) -> ClientPacket {
        let (message_id, text) = (self.message_id, self.text.clone());
        match &self.to {
            Recipient::Lobby => ClientPacket::Broadcast(Broadcast { id, message_id, text }),
            Recipient::Room(conversation) => {
                ClientPacket::RoomChat(RoomChat { id, message_id, conversation: *conversation, text })
            }
            Recipient::Person(to) => ClientPacket::Whisper(Whisper { id, message_id, to: to.clone(), text }),
            Recipient::Sealed(to, envelope) => {
                let (to, text) = (to.clone(), envelope.clone());
                ClientPacket::SealedWhisper(Whisper { id, message_id, to, text })
            }
        }
    }
}

/// How far a line has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    /// On no connection.
    Never,
    /// On one that is lost: nobody knows whether it arrived.
    Before,
    /// On this one.
    Now,
}

/// The session is the one it was: what has become of it meanwhile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resumed {
    /// Conversations one is not in any more. Nothing of them follows.
    pub lost: Vec<u64>,
    /// Conversations one is in by a request whose answer was lost. Their lines follow from these places on.
    pub entered: Vec<Presence>,
    /// How many numbers the conversations' lines have gone on by; `None` where that is not known. Not all of them need be
    /// lines that follow: one's own, and those of people coming and going, have numbers too.
    pub behind: Option<u64>,
}

/// The session is another one: the last one could not be resumed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restarted {
    /// The new one.
    pub welcome: Welcome,
    /// Lines that may or may not have been said in the old one. They are not sent again: a new session's repeats are not
    /// recognised.
    pub uncertain: Vec<Unanswered>,
    /// The rooms of the old one that this one is not in, with their names.
    pub rooms: Vec<(u64, String)>,
}

/// A session, as its client knows it.
///
/// ```text
///            connection_lost            resumed, then each of attach
/// connected ────────────────▶ between ───────────────────────────────▶ connected
///                                │      restarted (4001, or no token)
///                                └───────────────────────────────────▶ connected, as another session
/// ```
#[derive(Clone, Debug)]
pub struct Continuation {
    session: u64,
    name: String,
    /// `None` where the server gave none: this session ends with its connection.
    token: Option<ResumeToken>,
    places: Places,
    /// What rooms are called, as far as it was told.
    rooms: BTreeMap<u64, String>,
    /// In the order in which they were said.
    unanswered: VecDeque<(Unanswered, Sent)>,
    /// Above all that were used.
    next_message_id: u64,
    /// What a resume has brought and nobody has been told yet.
    news: Resumed,
}

impl Continuation {
    /// A session that has just logged in. Its lines are numbered from `first_message_id` on, or from 1 where that is 0.
    #[must_use]
    pub fn new(welcome: &Welcome, first_message_id: u64) -> Self {
        Self {
            session: welcome.session,
            name: welcome.name.clone(),
            token: welcome.resume_token,
            places: Places::of(&welcome.conversations.0),
            rooms: BTreeMap::new(),
            unanswered: VecDeque::new(),
            next_message_id: first_message_id.max(1),
            news: Resumed::default(),
        }
    }

    /// What [`Saved`](super::Saved) was made of.
    pub(super) fn restore(parts: Parts) -> Self {
        let Parts { session, name, token, places, rooms, unanswered, next_message_id } = parts;
        // Whether they were sent before the end of the program nobody knows.
        let unanswered = unanswered.into_iter().map(|line| (line, Sent::Before)).collect();
        let (token, news) = (Some(token), Resumed::default());
        Self { session, name, token, places, rooms, unanswered, next_message_id, news }
    }

    /// All that another program would need to go on, with the places up to which things were dealt with; `None` without
    /// a token.
    pub(super) fn parts(&self, places: Places) -> Option<Parts> {
        Some(Parts {
            session: self.session,
            name: self.name.clone(),
            token: self.token?,
            places,
            rooms: self.rooms.clone(),
            unanswered: self.unanswered.iter().map(|(line, _)| line.clone()).collect(),
            next_message_id: self.next_message_id,
        })
    }

    /// What to resume with.
    #[must_use]
    pub fn token(&self) -> Option<ResumeToken> {
        self.token
    }

    /// The last line heard of each conversation one is in.
    #[must_use]
    pub fn places(&self) -> &Places {
        &self.places
    }

    /// Takes what was heard. What was heard before is a fault of the server's.
    pub fn hear(&mut self, event: &Event) -> Result<(), ProtocolError> {
        if let Event::RoomEntered(entered) = event {
            self.rooms.insert(entered.place.conversation, entered.name.clone());
        }
        let Some(step) = Step::of(event) else { return Ok(()) };
        match self.places.make(&step) {
            // Without a token nothing is ever heard again, and no promise is broken.
            Err(fault) if self.token.is_some() => return Err(fault),
            _ => {}
        }
        if let Step::Moved { out_of, .. } = step {
            self.rooms.retain(|room, _| !out_of.contains(room));
        }
        Ok(())
    }

    /// Says a line, with a number of the caller's or, where that is 0, with the next. `None` where a line of this number
    /// is unanswered.
    #[must_use]
    pub fn say(&mut self, message_id: u64, to: Recipient, text: Text) -> Option<u64> {
        let message_id = if message_id == 0 { self.next_message_id } else { message_id };
        if self.unanswered.iter().any(|(line, _)| line.message_id == message_id) {
            return None;
        }
        self.next_message_id = self.next_message_id.max(message_id.saturating_add(1));
        self.unanswered.push_back((Unanswered { message_id, to, text }, Sent::Never));
        Some(message_id)
    }

    /// The oldest line that has not been sent on this connection.
    #[must_use]
    pub fn unsent(&self) -> Option<&Unanswered> {
        self.unanswered.iter().find(|(_, sent)| *sent != Sent::Now).map(|(line, _)| line)
    }

    /// Takes that line as sent.
    pub fn send(&mut self) -> Option<Unanswered> {
        let (line, sent) = self.unanswered.iter_mut().find(|(_, sent)| *sent != Sent::Now)?;
        *sent = Sent::Now;
        Some(line.clone())
    }

    /// A line has been answered, or nobody wants it said any more.
    pub fn conclude(&mut self, message_id: u64) -> Option<Unanswered> {
        let at = self.unanswered.iter().position(|(line, _)| line.message_id == message_id)?;
        self.unanswered.remove(at).map(|(line, _)| line)
    }

    /// The connection is lost. What was sent on it and not answered will be sent again, with the numbers it has.
    pub fn connection_lost(&mut self) {
        for (_, sent) in &mut self.unanswered {
            if *sent == Sent::Now {
                *sent = Sent::Before;
            }
        }
    }

    /// The server has the session, and says where each conversation stands. From here on only the new token counts: it
    /// has to be kept before anything is sent, which shows that one has it.
    pub fn resumed(&mut self, welcome: &Welcome) -> Result<(), ProtocolError> {
        if welcome.session != self.session {
            return Err(ProtocolError::AnotherSession(welcome.session));
        }
        self.token = welcome.resume_token;
        self.name.clone_from(&welcome.name);
        let heads = Places::of(&welcome.conversations.0);
        let lost: Vec<_> = self.in_rooms().filter(|room| heads.get(*room).is_none()).collect();
        let into: Vec<_> = heads.iter().filter(|head| self.places.get(head.conversation).is_none()).collect();
        let behind = heads.iter().map(|head| self.behind(head)).sum();
        self.out_of(&lost);
        self.news.entered.extend(&into);
        self.news.behind = behind;
        self.places.make(&Step::Moved { out_of: Vec::new(), into })
    }

    /// The conversations that a server has to name: all but one's own.
    fn in_rooms(&self) -> impl Iterator<Item = u64> {
        self.places.iter().map(|place| place.conversation).filter(|one| *one != chat_proto::MAILBOX)
    }

    /// How many numbers a conversation has gone on by. Nobody knows where it was between two epochs.
    fn behind(&self, head: Presence) -> Option<u64> {
        match self.places.get(head.conversation) {
            Some(at) if at.epoch == head.epoch => Some(head.seq.saturating_sub(at.seq)),
            Some(_) => None,
            None => Some(0),
        }
    }

    fn out_of(&mut self, lost: &[u64]) {
        for conversation in lost.iter().copied().filter(|one| self.places.get(*one).is_some()) {
            self.news.lost.push(conversation);
        }
        self.news.entered.retain(|place| !lost.contains(&place.conversation));
        let step = Step::Moved { out_of: lost.to_vec(), into: Vec::new() };
        self.places.make(&step).expect("leaving is never a fault");
        self.rooms.retain(|room, _| !lost.contains(room));
    }

    /// The cursors for Attach packets of at most `packet_bytes`: one list for each, the last of which is the last.
    #[must_use]
    pub fn attach(&self, packet_bytes: u16) -> Vec<List<Presence>> {
        let room = usize::from(packet_bytes).saturating_sub(ATTACH_BYTES_MAX);
        let all: Vec<_> = self.places.iter().collect();
        let lists: Vec<_> =
            all.chunks((room / CURSOR_BYTES_MAX).max(1)).map(|chunk| List(chunk.to_vec())).collect();
        if lists.is_empty() { vec![List::default()] } else { lists }
    }

    /// An Attach has been answered: one is not in these any more.
    pub fn attached(&mut self, lost: &[u64]) {
        self.out_of(lost);
    }

    /// All of it has been answered: what the resume has brought. It is told once, even where the connection was lost
    /// between the resume and this.
    #[must_use]
    pub fn take_news(&mut self) -> Resumed {
        std::mem::take(&mut self.news)
    }

    /// One has logged in anew: nothing of the old session holds, but what was never sent is still to be said.
    #[must_use]
    pub fn restarted(&mut self, welcome: Welcome) -> Restarted {
        let is_here = |room: &u64| welcome.conversations.0.iter().any(|one| one.conversation == *room);
        let anew = Self::new(&welcome, self.next_message_id);
        let old = std::mem::replace(self, anew);
        let (unsent, uncertain): (VecDeque<_>, VecDeque<_>) =
            old.unanswered.into_iter().partition(|(_, sent)| *sent == Sent::Never);
        self.unanswered = unsent;
        let uncertain = uncertain.into_iter().map(|(line, _)| line).collect();
        let rooms = old.rooms.into_iter().filter(|(room, _)| !is_here(room)).collect();
        Restarted { welcome, uncertain, rooms }
    }

    /// The token is of no use any more.
    pub fn forget_token(&mut self) {
        self.token = None;
    }

    /// Lines that are unanswered.
    #[must_use]
    pub fn unanswered(&self) -> usize {
        self.unanswered.len()
    }
}

/// What is kept of a session outside of the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parts {
    pub(super) session: u64,
    pub(super) name: String,
    pub(super) token: ResumeToken,
    pub(super) places: Places,
    pub(super) rooms: BTreeMap<u64, String>,
    pub(super) unanswered: Vec<Unanswered>,
    pub(super) next_message_id: u64,
}
