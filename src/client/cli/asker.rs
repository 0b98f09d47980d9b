//! Carries out what commands ask: one after the other, each to its answer.

use std::{collections::VecDeque, time::Duration};

use chat_proto::{
    ErrorCode, LOBBY, RoomEntered, RoomEntry, RoomName, RoomSettings, RoomsPage, WhoEntry, WhoPage,
};

use super::{
    chat::Chat,
    escape::escape,
    json,
    reconnect_words::said_then,
    request::{Changes, Moderation, Place, Request, RoomOptions, is_for_rooms},
    rooms::{Room, Target},
};
use crate::client::{Error, HistoryFrom, Requests};

/// How long the same is waited with, where the server says that it was too soon. Beyond that it is told.
const PATIENCE: Duration = Duration::from_secs(3);
/// Pages of a list that are told before the rest is only counted, or only said to be.
const PAGES_MAX: u32 = 5;

/// Pages that are asked for to tell the past. A server may give shorter ones than it has to.
const HISTORY_PAGES_MAX: u32 = 20;

/// Asks the server.
pub struct Asker<'a> {
    chat: &'a Chat<'a>,
    requests: Requests,
}

impl<'a> Asker<'a> {
    /// Has asked nothing yet.
    #[must_use]
    pub fn new(chat: &'a Chat<'a>) -> Self {
        Self { chat, requests: Requests::new(&chat.session.server().limits, PATIENCE) }
    }

    /// What it is a part of.
    #[must_use]
    pub fn chat(&self) -> &Chat<'a> {
        self.chat
    }

    /// Asks, and tells the answer where it is more than that it is done.
    pub async fn ask(&mut self, request: &Request<'_>) -> Result<(), Error> {
        let session = self.chat.session;
        match *request {
            Request::Who => self.list_members(&Room::lobby(), false).await,
            Request::History { place, lines } => self.tell_history(place, lines).await,
            Request::Rooms => self.list_rooms().await,
            Request::Create { name, password, ref options } => {
                let created = self.create(name, password, options).await;
                self.or_nowhere(name, created)
            }
            Request::Join { name, password } => {
                let joined = self.join(name, password).await;
                self.or_nowhere(name, joined)
            }
            Request::Leave(place) => self.leave(place).await,
            Request::Members(place) => {
                let room = self.room(place).await?;
                self.list_members(&room, self.chat.args.json).await
            }
            Request::Topic(place) => self.tell_topic(place).await,
            Request::SetTopic(place, topic) => {
                let room = self.room(place).await?.conversation;
                self.do_it(async || session.set_topic(room, topic).await).await
            }
            Request::Set(place, changes) => self.set(place, changes).await,
            Request::Close(place) => {
                let room = self.room(place).await?.conversation;
                self.do_it(async || session.close_room(room).await).await
            }
            Request::Moderate(ref moderation) => self.moderate(moderation).await,
            Request::Ignored => self.list_ignored().await,
            Request::Ignore(name, on) => self.do_it(async || session.ignore(name, on).await).await,
            Request::Keys(name) => self.tell_keys(name).await,
            Request::Verify(name) => self.verify(name).await,
            Request::Trust(name) => self.trust(name).await,
            Request::Revoke(id) => self.revoke(id).await,
            Request::Away(away) => self.do_it(async || session.set_away(away).await).await,
            Request::Announce(text) => self.do_it(async || session.announce(text).await).await,
            Request::Freeze(on) => self.do_it(async || session.freeze_registration(on).await).await,
        }
    }

    /// Goes into a room, and has lines go there. A room one is in already is not asked for.
    pub async fn join(&mut self, name: &str, password: &str) -> Result<(), Error> {
        if let Some(room) = self.chat.rooms.find(name) {
            self.chat.rooms.aim(Target::Room(room));
            return Ok(());
        }
        let session = self.chat.session;
        let entered = self.requests.ask(async || session.join_room(name, password).await).await?;
        self.come_in(entered).await;
        Ok(())
    }

    /// Makes a room, and has lines go there.
    pub async fn create(
        &mut self,
        name: &str,
        password: &str,
        options: &RoomOptions<'_>,
    ) -> Result<(), Error> {
        let session = self.chat.session;
        let capacity = options.capacity.unwrap_or(session.server().limits.room_members);
        let settings = RoomSettings { capacity, flags: options.flags, slow_s: 0 };
        let create = async || session.create_room(name, password, settings, options.topic).await;
        let entered = self.requests.ask(create).await?;
        self.come_in(entered).await;
        Ok(())
    }

    /// The lines that follow in a pipe are meant for the room, and for nobody else. Whoever types sees where they go.
    fn or_nowhere(&self, name: &str, outcome: Result<(), Error>) -> Result<(), Error> {
        let rooms = self.chat.rooms;
        if outcome.is_err() && !rooms.at_terminal {
            rooms.aim(Target::Lost(name.to_owned()));
        }
        outcome
    }

    async fn come_in(&self, entered: RoomEntered) {
        let rooms = self.chat.rooms;
        rooms.knows_entered(entered.place).await;
        let conversation = entered.place.conversation;
        // Somebody may have put us out again meanwhile.
        rooms.aim(match rooms.name_of(conversation) {
            Some(name) => Target::Room(Room { conversation, name }),
            None => Target::Lost(entered.name),
        });
    }

    async fn leave(&mut self, place: Place<'_>) -> Result<(), Error> {
        let room = match (place, self.chat.rooms.target()) {
            (Place::Room(name), _) => self.chat.rooms.find(name),
            (Place::Here, Target::Room(room)) => Some(room),
            (Place::Here, Target::Lobby | Target::Lost(_)) | (Place::Lobby, _) => None,
        };
        let room = room.ok_or(Error::refused(ErrorCode::NotInRoom))?;
        let session = self.chat.session;
        self.requests.ask(async || session.leave_room(room.conversation).await).await?;
        self.chat.rooms.knows_left(room.conversation).await;
        Ok(())
    }

    async fn do_it(&mut self, request: impl AsyncFnMut() -> Result<(), Error>) -> Result<(), Error> {
        self.requests.ask(request).await?;
        self.chat.output.notice(self.chat.lang.done().to_owned()).await;
        Ok(())
    }

    async fn moderate(&mut self, moderation: &Moderation<'_>) -> Result<(), Error> {
        let Moderation { act, name, place, seconds, reason } = *moderation;
        let room = self.room(place).await?;
        if room.conversation == LOBBY && is_for_rooms(act) {
            return Err(Error::refused(ErrorCode::RoomNotFound));
        }
        let session = self.chat.session;
        let moderate = async || session.moderate(room.conversation, act, name, seconds, reason).await;
        self.requests.ask(moderate).await?;
        let place = (room.conversation != LOBBY).then_some(room.name.as_str());
        self.chat.output.notice(self.chat.lang.moderated_by_me(act, name, place, seconds)).await;
        Ok(())
    }

    async fn set(&mut self, place: Place<'_>, changes: Changes<'_>) -> Result<(), Error> {
        let conversation = self.room(place).await?.conversation;
        let settings = if conversation == LOBBY {
            RoomSettings { capacity: 0, flags: 0, slow_s: 0 }
        } else {
            self.entry(conversation).await?.settings
        };
        let (settings, session) = (changes.apply(settings), self.chat.session);
        self.do_it(async || session.set_room(conversation, settings, changes.password).await).await
    }

    async fn tell_topic(&mut self, place: Place<'_>) -> Result<(), Error> {
        let conversation = self.room(place).await?.conversation;
        let entry = self.entry(conversation).await?;
        self.tell_rooms(&[entry], false).await;
        Ok(())
    }

    /// A room's entry in the list of rooms, as it is now.
    async fn entry(&mut self, conversation: u64) -> Result<RoomEntry, Error> {
        let session = self.chat.session;
        let page = self.requests.ask(async || session.rooms(conversation - 1).await).await?;
        let entry = page.entries.0.into_iter().next().filter(|entry| entry.conversation == conversation);
        entry.ok_or(Error::refused(ErrorCode::RoomNotFound))
    }

    /// Which conversation is meant. A room that one is not in is looked for in the list of rooms.
    async fn room(&mut self, place: Place<'_>) -> Result<Room, Error> {
        let name = match (place, self.chat.rooms.target()) {
            (Place::Lobby, _) | (Place::Here, Target::Lobby) => return Ok(Room::lobby()),
            (Place::Here, Target::Room(room)) => return Ok(room),
            (Place::Here, Target::Lost(_)) => return Err(Error::refused(ErrorCode::NotInRoom)),
            (Place::Room(name), _) => name,
        };
        if let Some(room) = self.chat.rooms.find(name) {
            return Ok(room);
        }
        let key = RoomName::parse(name).map_err(Error::refused)?.key();
        let is_it = |entry: &RoomEntry| RoomName::parse(&entry.name).is_ok_and(|name| name.key() == key);
        let mut walk = self.chat.session.all_rooms();
        while let Some(RoomsPage { entries, .. }) = walk.next_page().await? {
            if let Some(RoomEntry { conversation, name, .. }) = entries.0.into_iter().find(is_it) {
                return Ok(Room { conversation, name });
            }
        }
        Err(Error::refused(ErrorCode::RoomNotFound))
    }

    async fn tell_history(&mut self, place: Place<'_>, lines: u16) -> Result<(), Error> {
        let Chat { args, lang, output, session, .. } = *self.chat;
        let room = self.room(place).await?;
        let (mut said, mut from, mut pages) = (VecDeque::new(), Some(HistoryFrom::End), 0);
        while let Some(place) = from.filter(|_| said.len() < lines.into() && pages < HISTORY_PAGES_MAX) {
            let wanted = lines - u16::try_from(said.len()).unwrap_or(lines);
            let page = async || session.history(room.conversation, place, wanted).await;
            let page = self.requests.ask(page).await?;
            (from, pages) = (place.next(&page), pages + 1);
            for entry in page.entries.0.into_iter().rev() {
                said.push_front(entry);
            }
        }
        let said = said.make_contiguous();
        if args.json {
            output.message(json::history(&room, said, from.is_some())).await;
        } else if said.is_empty() {
            output.answer(lang.no_history().to_owned()).await;
        } else {
            for entry in said {
                output.answer(format!("  {}", said_then(entry))).await;
            }
        }
        Ok(())
    }

    async fn list_rooms(&self) -> Result<(), Error> {
        let (mut walk, mut all, mut more) = (self.chat.session.all_rooms(), Vec::new(), false);
        for page in 1..=PAGES_MAX {
            let Some(RoomsPage { next, entries }) = walk.next_page().await? else { break };
            all.extend(entries.0);
            more = page == PAGES_MAX && next != 0;
        }
        self.tell_rooms(&all, more).await;
        Ok(())
    }

    async fn tell_rooms(&self, rooms: &[RoomEntry], more: bool) {
        let Chat { args, lang, output, .. } = self.chat;
        if args.json {
            return output.message(json::rooms(rooms, more)).await;
        }
        if rooms.is_empty() {
            return output.answer(lang.no_rooms().to_owned()).await;
        }
        for entry in rooms {
            output.answer(format!("  {}", lang.room_entry(entry))).await;
        }
        if more {
            output.answer(lang.more_rooms().to_owned()).await;
        }
    }

    async fn list_members(&self, room: &Room, as_json: bool) -> Result<(), Error> {
        let Chat { lang, output, .. } = self.chat;
        let (mut walk, mut listed, mut members) =
            (self.chat.session.members(room.conversation), Vec::new(), 0);
        for page in 1..=PAGES_MAX {
            let Some(WhoPage { members: now, next, entries }) = walk.next_page().await? else { break };
            members = now;
            if page == 1 && !as_json {
                output.answer(lang.here(members)).await;
            }
            let shown = |entry: &WhoEntry| format!("{}{}", escape(&entry.name), lang.standing(entry));
            let names: Vec<_> = entries.0.iter().map(shown).collect();
            if !as_json {
                output.answer(format!("  {}", names.join(", "))).await;
            }
            listed.extend(entries.0);
            if page == PAGES_MAX && next != 0 && !as_json {
                let told = u32::try_from(listed.len()).unwrap_or(u32::MAX);
                output.answer(lang.and_more(members.saturating_sub(told))).await;
            }
        }
        if as_json {
            output.message(json::members(room, members, &listed)).await;
        }
        Ok(())
    }

    async fn list_ignored(&mut self) -> Result<(), Error> {
        let Chat { args, lang, output, session, .. } = *self.chat;
        let page = self.requests.ask(async || session.ignored().await).await?;
        let names: Vec<_> = page.entries.0.into_iter().map(|entry| entry.name).collect();
        if args.json {
            output.message(json::ignored(&names)).await;
        } else {
            let names: Vec<_> = names.iter().map(|name| escape(name)).collect();
            output.answer(lang.ignored(&names)).await;
        }
        Ok(())
    }
}

/// Whether a request does something, so that its answer is an acknowledgement as that of a line is.
#[must_use]
pub fn does_something(request: &Request<'_>) -> bool {
    !matches!(
        request,
        Request::Who
            | Request::History { .. }
            | Request::Rooms
            | Request::Members(_)
            | Request::Topic(_)
            | Request::Ignored
            | Request::Keys(_)
    )
}
