//! A directory of rooms, whose every act is done to a plain model as well.

use std::collections::{BTreeMap, BTreeSet};

use chat_proto::{
    Act, ErrorCode, LOBBY, LeaveReason, Moderate, Remark, Role, RoomName, RoomSettings, Username, room_flag,
};
use iocp_chat::{
    config::{Bounds, RoomsConfig},
    room::{Control, Directory, Log, NewRoom, SessionId, Target},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::person::{Coming, Person, request, text};

const NAMES: [&str; 4] = ["alpha", "beta", "gamma", "delta"];
/// A time so long that no history sees its end.
const HOUR: u32 = 3_600;

#[derive(Debug, Default)]
pub struct Told {
    pub lines: u64,
    pub full: u64,
    pub put_out: u64,
    pub banned: u64,
    pub closed: u64,
    pub handed_on: u64,
}

/// A room as plain as can be.
struct Plain {
    number: u64,
    capacity: u32,
    hidden: bool,
    members: BTreeSet<SessionId>,
    /// 2 the owner, 1 a moderator; of accounts also while they are away.
    ranks: BTreeMap<SessionId, u16>,
    banned: BTreeSet<SessionId>,
    muted: BTreeSet<SessionId>,
}

pub struct House {
    rng: StdRng,
    directory: Directory,
    config: RoomsConfig,
    people: BTreeMap<SessionId, Person>,
    rooms: BTreeMap<&'static str, Plain>,
    next_person: u64,
    last_room: u64,
    line: u64,
    now: u64,
    told: Told,
}

impl House {
    pub fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let config = RoomsConfig {
            joined: rng.random_range(1..4),
            owned: rng.random_range(1..3),
            max: rng.random_range(2..5),
            // Nobody is lapped: what is lost would be told, and the other model looks at that.
            log: Bounds { lines: 10_000, bytes: 10_000_000 },
            ..RoomsConfig::default()
        };
        let lobby = Log::new(LOBBY, 7, config.log);
        Self {
            rng,
            directory: Directory::new(0, lobby, config.clone(), || {}),
            config,
            people: BTreeMap::new(),
            rooms: BTreeMap::new(),
            next_person: 1,
            last_room: LOBBY,
            line: 0,
            now: 1_000,
            told: Told::default(),
        }
    }

    pub fn live(&mut self) {
        for _ in 0..self.rng.random_range(50..400) {
            self.now += self.rng.random_range(0..5);
            match self.rng.random_range(0..100) {
                0..8 => self.log_in(),
                8..10 => self.depart(),
                10..20 => self.create(),
                20..40 => self.join(),
                40..46 => self.leave(),
                46..65 => self.say(),
                65..80 => self.moderate(),
                80..83 => self.resize(),
                83..84 => self.close(),
                84..92 => _ = self.directory.hub_mut().publish(),
                _ => self.read(),
            }
        }
    }

    /// Everybody takes everything, and everybody leaves: no room stays.
    pub fn settle(mut self) -> Told {
        let _ = self.directory.hub_mut().publish();
        for person in self.people.values_mut() {
            person.settle();
            self.told.lines += person.lines;
        }
        while !self.people.is_empty() {
            self.depart();
        }
        assert_eq!(self.directory.hub().len(), 1, "only the lobby is left");
        self.told
    }

    fn anyone(&mut self) -> Option<SessionId> {
        let ids: Vec<_> = self.people.keys().copied().collect();
        (!ids.is_empty()).then(|| ids[self.rng.random_range(0..ids.len())])
    }

    fn name(&mut self) -> &'static str {
        NAMES[self.rng.random_range(0..NAMES.len())]
    }

    fn role(&self, id: SessionId) -> Role {
        self.people[&id].subscriber.role()
    }

    fn joined(&self, id: SessionId) -> usize {
        self.rooms.values().filter(|room| room.members.contains(&id)).count()
    }

    fn log_in(&mut self) {
        if self.people.len() >= 7 {
            return;
        }
        let role = [Role::Guest, Role::User, Role::User, Role::Moderator][self.rng.random_range(0..4)];
        let person = Person::new(self.next_person, role);
        self.next_person += 1;
        let (_, attachment) = self.directory.enter_lobby(&person.subscriber, self.now);
        person.subscriber.tell(Control::Attach(attachment));
        self.people.insert(person.id(), person);
    }

    fn depart(&mut self) {
        let Some(id) = self.anyone() else { return };
        self.directory.depart(id, LeaveReason::Lost, self.now);
        let role = self.role(id);
        for name in NAMES {
            if self.rooms.get(name).is_some_and(|room| room.members.contains(&id)) {
                self.go(name, id, role);
            }
        }
        let mut gone = self.people.remove(&id).expect("it is there");
        self.told.lines += gone.lines;
        gone.lines = 0;
    }

    fn create(&mut self) {
        let (Some(id), name) = (self.anyone(), self.name()) else { return };
        let settings = RoomSettings {
            capacity: self.rng.random_range(0..5),
            flags: if self.rng.random_bool(0.2) { room_flag::HIDDEN } else { 0 },
            slow_s: 0,
        };
        let new = NewRoom {
            name: RoomName::parse(name).expect("a name"),
            look: name.into(),
            settings,
            topic: Remark::default(),
            lock: None,
        };
        let subscriber = std::sync::Arc::clone(&self.people[&id].subscriber);
        let made = self.directory.create(&subscriber, new);
        let made = made.and_then(|number| self.directory.come_in(&subscriber, number, self.now));
        let owned = self.rooms.values().filter(|room| room.ranks.get(&id) == Some(&2)).count();
        let expected = if settings.capacity == 0 {
            Err(ErrorCode::RangeInvalid)
        } else if self.rooms.contains_key(name) {
            Err(ErrorCode::NameTaken)
        } else if self.rooms.len() >= self.config.max
            || owned >= self.config.owned.into()
            || self.joined(id) >= self.config.joined.into()
        {
            Err(ErrorCode::RoomLimit)
        } else {
            Ok(())
        };
        let made = made.map(|(entered, attachment)| {
            self.people[&id].subscriber.tell(Control::Attach(attachment));
            assert_eq!((entered.members, entered.relation), (1, 2));
            entered.place.conversation
        });
        assert_eq!(made.map(drop), expected);
        if let Ok(number) = made {
            assert!(number > self.last_room, "numbers grow");
            self.last_room = number;
            let room = Plain {
                number,
                capacity: settings.capacity,
                hidden: settings.flags != 0,
                members: BTreeSet::from([id]),
                ranks: BTreeMap::from([(id, 2)]),
                banned: BTreeSet::new(),
                muted: BTreeSet::new(),
            };
            self.rooms.insert(name, room);
        }
    }

    fn join(&mut self) {
        let (Some(id), name) = (self.anyone(), self.name()) else { return };
        let joined = self.directory.join(
            &self.people[&id].subscriber,
            &RoomName::parse(name).expect("a name"),
            "",
            self.now,
        );
        let everywhere = self.joined(id) >= self.config.joined.into();
        let moderates = self.role(id) >= Role::Moderator;
        let expected = match self.rooms.get_mut(name) {
            None => Err(ErrorCode::RoomNotFound),
            Some(room) if room.members.contains(&id) => Err(ErrorCode::AlreadyInRoom),
            Some(room) => {
                let known = moderates || room.ranks.contains_key(&id);
                if !known && room.hidden {
                    Err(ErrorCode::RoomNotFound)
                } else if !known && room.banned.contains(&id) {
                    self.told.banned += 1;
                    Err(ErrorCode::PermissionDenied)
                } else if room.members.len() >= room.capacity as usize {
                    self.told.full += 1;
                    Err(ErrorCode::RoomFull)
                } else if everywhere {
                    Err(ErrorCode::RoomLimit)
                } else {
                    room.members.insert(id);
                    Ok(())
                }
            }
        };
        let joined = joined.map(|(entered, attachment)| {
            self.people[&id].subscriber.tell(Control::Attach(attachment));
            let room = &self.rooms[name];
            assert_eq!(entered.members as usize, room.members.len());
            assert_eq!(entered.relation, room.ranks.get(&id).copied().unwrap_or(0));
            assert!(room.members.len() <= room.capacity as usize || expected.is_err(), "over its capacity");
        });
        assert_eq!(joined, expected, "{id} into {name}");
    }

    fn leave(&mut self) {
        let (Some(id), name) = (self.anyone(), self.name()) else { return };
        let number = self.rooms.get(name).map_or(99, |room| room.number);
        let subscriber = std::sync::Arc::clone(&self.people[&id].subscriber);
        let left = self.directory.leave(&subscriber, number, self.now);
        if !self.rooms.get(name).is_some_and(|room| room.members.contains(&id)) {
            assert_eq!(left.map(drop), Err(ErrorCode::NotInRoom));
            return;
        }
        left.expect("a member");
        self.go(name, id, self.role(id));
    }

    /// The model's part of somebody's going: a room that is empty is gone, one without an owner gets one.
    fn go(&mut self, name: &'static str, id: SessionId, role: Role) {
        let room = self.rooms.get_mut(name).expect("it is left");
        room.members.remove(&id);
        let rank = if role == Role::Guest { room.ranks.remove(&id) } else { room.ranks.get(&id).copied() };
        if room.members.is_empty() {
            self.rooms.remove(name);
            return;
        }
        if rank == Some(2) {
            if role != Role::Guest {
                room.ranks.insert(id, 1);
            }
            let first = *room.members.first().expect("somebody");
            let moderator = room.members.iter().find(|one| room.ranks.get(one) == Some(&1));
            let heir = *moderator.unwrap_or(&first);
            room.ranks.insert(heir, 2);
            self.told.handed_on += 1;
        }
    }

    fn say(&mut self) {
        let (Some(id), name) = (self.anyone(), self.name()) else { return };
        self.line += 1;
        let number = self.rooms.get(name).map_or(99, |room| room.number);
        let said = self.directory.say(number, &self.people[&id].subscriber, (&text(self.line), 0), self.now);
        let said = said.map(drop).map_err(|refusal| refusal.code.error().expect("known"));
        let moderates = self.role(id) >= Role::Moderator;
        let expected = match self.rooms.get(name) {
            None => Err(ErrorCode::RoomNotFound),
            Some(room) if !room.members.contains(&id) && room.hidden && !moderates => {
                Err(ErrorCode::RoomNotFound)
            }
            Some(room) if !room.members.contains(&id) => Err(ErrorCode::NotInRoom),
            Some(room) if room.muted.contains(&id) && !moderates => Err(ErrorCode::Muted),
            Some(_) => Ok(()),
        };
        assert_eq!(said, expected);
        if said.is_ok() {
            for one in self.rooms[name].members.iter().filter(|one| **one != id) {
                let line = Coming::Line(self.line.to_string());
                self.people.get_mut(one).expect("a member is here").expect(number, line);
            }
        }
    }

    fn moderate(&mut self) {
        let (Some(by), Some(whom), name) = (self.anyone(), self.anyone(), self.name()) else { return };
        let acts = [Act::Kick, Act::Ban, Act::Unban, Act::Mute, Act::Unmute, Act::Appoint, Act::Dismiss];
        let act = acts[self.rng.random_range(0..acts.len())];
        let seconds = if act.lasts() { HOUR } else { 0 };
        let number = self.rooms.get(name).map_or(99, |room| room.number);
        let target = std::sync::Arc::clone(&self.people[&whom].subscriber);
        let request = Moderate {
            id: request(),
            conversation: number,
            act: act as u16,
            name: target.name().clone(),
            seconds,
            reason: Remark::default(),
        };
        let name_of = |one: &Username| one.clone();
        let target = Target { name: name_of(target.name()), session: Ok(target) };
        let actor = std::sync::Arc::clone(&self.people[&by].subscriber);
        let done = self.directory.moderate(&actor, &request, &target, self.now).map(drop);
        let expected = self.expect_act(by, whom, act, name);
        assert_eq!(done, expected, "{by} {act:?} {whom} in {name}");
        if done.is_ok() {
            self.do_act(whom, act, name);
        }
    }

    /// How far somebody's word goes: 3 keeps order on the server, 2 owns, 1 moderates.
    fn word(&self, id: SessionId, name: &str) -> u16 {
        if self.role(id) >= Role::Moderator {
            3
        } else {
            self.rooms[name].ranks.get(&id).copied().unwrap_or(0)
        }
    }

    fn expect_act(&self, by: SessionId, whom: SessionId, act: Act, name: &str) -> Result<(), ErrorCode> {
        let room = self.rooms.get(name).ok_or(ErrorCode::RoomNotFound)?;
        let inside = room.members.contains(&by);
        let moderates = self.role(by) >= Role::Moderator;
        if room.hidden && !inside && !moderates {
            return Err(ErrorCode::RoomNotFound);
        }
        if by == whom {
            return Err(ErrorCode::SelfTarget);
        }
        if !inside && !moderates {
            return Err(ErrorCode::NotInRoom);
        }
        let least = if matches!(act, Act::Appoint | Act::Dismiss) { 2 } else { 1 };
        if self.word(by, name) < least || self.word(by, name) <= self.word(whom, name) {
            return Err(ErrorCode::PermissionDenied);
        }
        if act == Act::Dismiss && room.ranks.get(&whom) == Some(&2) {
            return Err(ErrorCode::PermissionDenied);
        }
        let needs_presence = matches!(act, Act::Kick | Act::Appoint);
        if needs_presence && !room.members.contains(&whom) {
            return Err(ErrorCode::UserOffline);
        }
        Ok(())
    }

    fn do_act(&mut self, whom: SessionId, act: Act, name: &'static str) {
        let role = self.role(whom);
        let room = self.rooms.get_mut(name).expect("it is there");
        match act {
            Act::Kick => self.put_out(name, whom, LeaveReason::Kicked),
            Act::Ban => {
                room.banned.insert(whom);
                if room.members.contains(&whom) {
                    self.put_out(name, whom, LeaveReason::Banned);
                }
                if let Some(room) = self.rooms.get_mut(name) {
                    room.ranks.remove(&whom);
                }
            }
            Act::Unban => _ = room.banned.remove(&whom),
            Act::Mute => _ = room.muted.insert(whom),
            Act::Unmute => _ = room.muted.remove(&whom),
            Act::Appoint if room.ranks.get(&whom) == Some(&2) => {}
            Act::Appoint => _ = room.ranks.insert(whom, 1),
            Act::Dismiss => _ = room.ranks.remove(&whom),
            _ => unreachable!("it is not tried, by {role}"),
        }
    }

    fn put_out(&mut self, name: &'static str, whom: SessionId, reason: LeaveReason) {
        let number = self.rooms[name].number;
        let person = self.people.get_mut(&whom).expect("a member is here");
        person.expect(number, Coming::Removed(reason as u16));
        self.told.put_out += 1;
        self.go(name, whom, self.role(whom));
    }

    fn resize(&mut self) {
        let (Some(by), name) = (self.anyone(), self.name()) else { return };
        let Some(room) = self.rooms.get(name) else { return };
        let capacity = self.rng.random_range(1..6);
        let flags = if room.hidden { room_flag::HIDDEN } else { 0 };
        let settings = RoomSettings { capacity, flags, slow_s: 0 };
        let conversation = room.number;
        let request = chat_proto::SetRoom { id: request(), conversation, settings, password: None };
        let actor = std::sync::Arc::clone(&self.people[&by].subscriber);
        let done = self.directory.set_room(&actor, &request, None, self.now);
        if done.is_ok() {
            assert!(self.word(by, name) >= 2, "{by} changed {name}");
            self.rooms.get_mut(name).expect("it is there").capacity = capacity;
        } else {
            assert!(self.word(by, name) < 2 || !self.rooms[name].members.contains(&by), "{by} could not");
        }
    }

    fn close(&mut self) {
        let (Some(by), name) = (self.anyone(), self.name()) else { return };
        let Some(room) = self.rooms.get(name) else { return };
        let (number, members) = (room.number, room.members.clone());
        let actor = std::sync::Arc::clone(&self.people[&by].subscriber);
        if self.directory.close_room(&actor, number, self.now).is_ok() {
            assert!(self.word(by, name) >= 2, "{by} closed {name}");
            for one in members {
                let person = self.people.get_mut(&one).expect("a member is here");
                person.expect(number, Coming::Removed(LeaveReason::Closed as u16));
            }
            self.rooms.remove(name);
            self.told.closed += 1;
        }
    }

    fn read(&mut self) {
        for person in self.people.values_mut() {
            if self.rng.random_bool(0.5) {
                person.read();
            }
        }
    }
}
