//! The rooms that people make: their names, who comes in, and who may speak.

use std::{collections::HashMap, sync::Arc};

use chat_proto::{
    ErrorCode, LOBBY, NameKey, Presence, Receipt, Refusal, Relation, Remark, Role, RoomEntered, RoomName,
    RoomSettings, Text, room_flag,
};

use super::{
    Attachment, Charter, Hub, LOBBY_BIT, Lock, Log, Pace, Record, Room, SessionId, Standing, Subscriber,
    charter::until,
};
use crate::config::RoomsConfig;

/// The first number of a room that people make.
const FIRST_ROOM: u64 = LOBBY + 1;
/// Seconds that slow mode may make a member wait.
pub const SLOW_S_MAX: u32 = 3_600;

/// The lobby, the rooms, and who is in which. Times are milliseconds since 1970 UTC.
pub struct Directory {
    pub(super) hub: Hub,
    pub(super) config: RoomsConfig,
    /// Which past the numbers of the lines of every room belong to that is made: a room's number is not used twice in it.
    epoch: u64,
    /// What a room is told by that it need not wait any longer.
    told: Arc<dyn Fn() + Send + Sync>,
    names: HashMap<NameKey, u64>,
    looks: HashMap<Box<str>, u64>,
    /// Who is in other rooms than the lobby.
    pub(super) stays: HashMap<SessionId, Stay>,
    next: u64,
    /// What has to outlive the process, since it was last taken.
    pub(super) records: Vec<Record>,
    /// Whom is told in which rooms a session is that may be resumed.
    note_rooms: NoteRooms,
    /// The last change that it was told, where it has to be stored before it is answered.
    noted: u64,
}

/// What is told in which rooms a session is now. Returns the number of that change, if it has to be stored before it is
/// answered, else 0. Numbers grow.
pub type NoteRooms = Box<dyn Fn(SessionId, Vec<u64>) -> u64 + Send>;

/// Where somebody is beside the lobby.
pub(super) struct Stay {
    pub subscriber: Arc<Subscriber>,
    pub key: NameKey,
    /// Each with its bit.
    pub rooms: Vec<(u64, u32)>,
}

/// A room to be made.
pub struct NewRoom {
    /// As it is shown.
    pub name: RoomName,
    /// What a name that looks like it has in common with it.
    pub look: Box<str>,
    /// How it is.
    pub settings: RoomSettings,
    /// What it is about.
    pub topic: Remark,
    /// What a password has to open.
    pub lock: Option<Lock>,
}

impl Directory {
    /// A lobby, and no rooms. `told` is called when a member has passed the line its room waits for.
    #[must_use]
    pub fn new(
        notice_members: u32,
        lobby: Log,
        config: RoomsConfig,
        told: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        let told: Arc<dyn Fn() + Send + Sync> = Arc::new(told);
        let mut hub = Hub::new(notice_members);
        let epoch = lobby.epoch();
        hub.open(lobby, pace(&told), Charter::lobby());
        Self {
            hub,
            config,
            epoch,
            told,
            names: HashMap::new(),
            looks: HashMap::new(),
            stays: HashMap::new(),
            next: FIRST_ROOM,
            records: Vec::new(),
            note_rooms: Box::new(|_, _| 0),
            noted: 0,
        }
    }

    /// The conversations.
    #[must_use]
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// The conversations, to be published and paced.
    pub fn hub_mut(&mut self) -> &mut Hub {
        &mut self.hub
    }

    /// What has to outlive the process, since this was last asked.
    #[must_use]
    pub fn take_records(&mut self) -> Vec<Record> {
        std::mem::take(&mut self.records)
    }

    /// Tells this in which rooms a session is that may be resumed, whenever that changes.
    pub fn set_note_rooms(&mut self, note_rooms: NoteRooms) {
        self.note_rooms = note_rooms;
    }

    /// The last change of where sessions are that has to be stored before it is answered; 0: none.
    pub(super) fn noted(&self) -> u64 {
        self.noted
    }

    /// Gives lines of rooms that are opened from now on a past of their own. The lobby may go on with one that began in
    /// another process, where the numbers of rooms were others'.
    pub fn begin_epoch(&mut self, epoch: u64) {
        self.epoch = epoch;
    }

    /// Opens a room that has outlived a process, and goes on with its past, after the line named, if it is to.
    pub fn restore(&mut self, conversation: u64, charter: Charter, past: Option<(u64, u64)>) {
        self.skip_numbers(conversation);
        let (epoch, head) = past.unwrap_or((self.epoch, 0));
        self.open(Log::continued(conversation, epoch, head, self.config.log), charter);
    }

    /// Gives no room that is made later a number as low as this.
    pub fn skip_numbers(&mut self, last: u64) {
        self.next = self.next.max(last + 1);
    }

    /// Somebody has logged in.
    pub fn enter_lobby(&mut self, subscriber: &Arc<Subscriber>, now: u64) -> (Presence, Attachment) {
        let joined = self.hub.join(LOBBY, subscriber, LOBBY_BIT, now);
        joined.expect("there is a lobby, and who comes into it is not in it")
    }

    /// Makes a room, which its maker has still to come into, and returns its number.
    pub fn create(&mut self, maker: &Arc<Subscriber>, new: NewRoom) -> Result<u64, ErrorCode> {
        let NewRoom { name, look, settings, topic, lock } = new;
        self.check_here(maker)?;
        self.check_settings(settings)?;
        let persistent = settings.flags & room_flag::PERSISTENT != 0;
        if persistent && maker.role() == Role::Guest {
            return Err(ErrorCode::PermissionDenied);
        }
        let (key, owner) = (name.key(), maker.name().key());
        if self.names.contains_key(&key) || self.looks.contains_key(&look) {
            return Err(ErrorCode::NameTaken);
        }
        if self.hub.len() > self.config.max
            || self.owned_by(&owner) >= self.config.owned.into()
            || self.is_everywhere(maker)
        {
            return Err(ErrorCode::RoomLimit);
        }
        let mut charter = Charter::new(Some(name), look, settings, topic);
        charter.set_lock(lock);
        charter.set_role(&owner, &[], Relation::Owner);
        let conversation = self.next;
        self.next += 1;
        self.open(Log::new(conversation, self.epoch, self.config.log), charter);
        self.record_room(conversation, true);
        self.record(conversation, Record::Role { key: owner, relation: Relation::Owner });
        Ok(conversation)
    }

    /// Lets somebody into a room, by its name.
    pub fn join(
        &mut self,
        subscriber: &Arc<Subscriber>,
        name: &RoomName,
        password: &str,
        now: u64,
    ) -> Result<(RoomEntered, Attachment), ErrorCode> {
        self.check_here(subscriber)?;
        let conversation = *self.names.get(&name.key()).ok_or(ErrorCode::RoomNotFound)?;
        let room = self.hub.room(conversation)?;
        if room.has(subscriber.id()) {
            return Err(ErrorCode::AlreadyInRoom);
        }
        let key = subscriber.name().key();
        let standing = Standing { role: subscriber.role(), relation: room.role(subscriber) };
        room.charter.admit(&key, standing, password, now)?;
        // Nobody comes in between this and coming in: whoever owns this value does both.
        if room.count() >= room.charter.settings.capacity {
            return Err(ErrorCode::RoomFull);
        }
        self.come_in(subscriber, conversation, now)
    }

    /// Lets somebody in whom the room does not keep out: they are here, and not in too many rooms.
    pub fn come_in(
        &mut self,
        subscriber: &Arc<Subscriber>,
        conversation: u64,
        now: u64,
    ) -> Result<(RoomEntered, Attachment), ErrorCode> {
        self.check_here(subscriber)?;
        if self.is_everywhere(subscriber) {
            return Err(ErrorCode::RoomLimit);
        }
        self.hub.room(conversation)?;
        if self.config.exclusive {
            self.move_out(subscriber, now);
        }
        let id = subscriber.id();
        let stay = self.stays.entry(id).or_insert_with(|| Stay {
            subscriber: Arc::clone(subscriber),
            key: subscriber.name().key(),
            rooms: Vec::new(),
        });
        let used = stay.rooms.iter().fold(0_u64, |used, (_, bit)| used | 1 << bit);
        // The writer takes what it is told in order: a bit whose end it has been told of is free for what comes after.
        let bit = (!used >> (LOBBY_BIT + 1)).trailing_zeros() + LOBBY_BIT + 1;
        stay.rooms.push((conversation, bit));
        let key = stay.key.clone();
        let room = self.hub.room_mut(conversation)?;
        // A room that does not persist is empty only when it has just been made, by whoever comes in.
        let made = room.is_empty() && !room.charter.is(room_flag::PERSISTENT);
        let relation = if made { Some(Relation::Owner) } else { room.role(subscriber) };
        room.charter.enter(id, &key, relation.unwrap_or_default());
        let (place, attachment) = self.hub.join(conversation, subscriber, bit, now)?;
        let room = self.hub.room(conversation)?;
        let entered = RoomEntered {
            place,
            name: room.charter.shown().into(),
            relation: room.charter.relation(id) as u16,
            members: room.count(),
            settings: room.charter.settings,
            topic: room.charter.topic.as_str().into(),
        };
        self.tell_rooms(subscriber);
        Ok((entered, attachment))
    }

    /// Tells in which rooms somebody is now.
    pub(super) fn tell_rooms(&mut self, one: &Subscriber) {
        if one.is_resumable() {
            let rooms = self.stays.get(&one.id()).into_iter().flat_map(|stay| &stay.rooms);
            self.noted = (self.note_rooms)(one.id(), rooms.map(|(room, _)| *room).collect());
        }
    }

    /// Opens a room of a number that is free.
    fn open(&mut self, log: Log, charter: Charter) {
        let conversation = log.conversation();
        let name = charter.name.as_ref().expect("only the lobby has no name");
        self.names.insert(name.key(), conversation);
        self.looks.insert(charter.look.clone(), conversation);
        self.hub.open(log, pace(&self.told), charter);
    }

    /// Ends a room that nobody is in.
    pub(super) fn close(&mut self, conversation: u64) {
        let room = self.hub.room(conversation).expect("there is one");
        let name = room.charter.name.as_ref().expect("the lobby is never closed");
        self.names.remove(&name.key());
        self.looks.remove(&room.charter.look);
        self.hub.close(conversation);
    }

    /// Adds a member's line, by the member's own number of it, or 0.
    pub fn say(
        &mut self,
        conversation: u64,
        speaker: &Subscriber,
        line: (&Text, u64),
        now: u64,
    ) -> Result<Receipt, Refusal> {
        let muted_until = speaker.muted_until();
        if muted_until > now {
            return Err(until(ErrorCode::Muted, muted_until, now));
        }
        let mut denied = None;
        let said = self.hub.touching(conversation, |room| {
            if room.charter.is_strict() {
                if !room.has(speaker.id()) {
                    return Err(ErrorCode::NotInRoom);
                }
                let relation = Some(room.charter.relation(speaker.id()));
                let standing = Standing { role: speaker.role(), relation };
                if let Err(refusal) = room.charter.speak(speaker.id(), standing, now) {
                    denied = Some(refusal);
                    return Err(ErrorCode::Muted);
                }
            }
            room.say(speaker.id(), line, now)
        });
        said.map_err(|code| {
            let hidden = code == ErrorCode::NotInRoom
                && self.hub.room(conversation).is_ok_and(|room| !room.is_seen_by(speaker));
            denied.unwrap_or_else(|| Refusal::new(if hidden { ErrorCode::RoomNotFound } else { code }))
        })
    }

    /// Whether a session is in a conversation.
    #[must_use]
    pub fn is_in(&self, session: SessionId, conversation: u64) -> bool {
        self.hub.room(conversation).is_ok_and(|room| room.has(session))
    }

    pub(super) fn check_settings(&self, settings: RoomSettings) -> Result<(), ErrorCode> {
        let RoomSettings { capacity, flags, slow_s } = settings;
        let possible = (1..=self.config.members).contains(&capacity)
            && flags & !room_flag::SETTABLE == 0
            && slow_s <= SLOW_S_MAX;
        if possible { Ok(()) } else { Err(ErrorCode::RangeInvalid) }
    }

    /// Who was put out of the server asks in vain, in the moment before their connection ends.
    fn check_here(&self, one: &Subscriber) -> Result<(), ErrorCode> {
        let here = self.is_in(one.id(), LOBBY) || self.stays.contains_key(&one.id());
        if here { Ok(()) } else { Err(ErrorCode::PermissionDenied) }
    }

    /// Whether somebody is in as many rooms as one may be in. Where it is one at a time, nobody ever is.
    fn is_everywhere(&self, one: &Subscriber) -> bool {
        let joined = self.stays.get(&one.id()).map_or(0, |stay| stay.rooms.len());
        !self.config.exclusive && joined >= self.config.joined.into()
    }

    /// How many rooms are theirs.
    pub(super) fn owned_by(&self, key: &NameKey) -> usize {
        self.rooms().filter(|room| room.charter.role(key) == Some(Relation::Owner)).count()
    }

    fn rooms(&self) -> impl Iterator<Item = &Room> {
        self.hub.after(LOBBY).map(|(_, room)| room)
    }

    /// Notes what has to outlive the process, if the room does.
    pub(super) fn record(&mut self, conversation: u64, record: Record) {
        let persists = self.hub.room(conversation).is_ok_and(|room| room.charter.is(room_flag::PERSISTENT));
        if persists {
            self.records.push(record);
        }
    }
}

fn pace(told: &Arc<dyn Fn() + Send + Sync>) -> Pace {
    let told = Arc::clone(told);
    Pace::new(move || told())
}
