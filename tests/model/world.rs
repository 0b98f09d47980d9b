//! A hub with its rooms and people, whose every act is done to the model as well.

mod questions;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    iter::Sum,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use chat_proto::{
    ErrorCode, Joined, LeaveReason, Left, Line, Presence, Receipt, ServerPacket, SystemText, Text, Words,
};
use iocp_chat::{
    config::Bounds,
    room::{Charter, Control, Hub, Log, Pace, Room, SessionId, Subscriber},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::{
    person::{Marker, Person},
    plain::{PlainLog, Stay},
};

const ROOMS: u64 = 3;
/// A room that nobody opened.
const NOWHERE: u64 = 99;

/// What happened in a history.
#[derive(Debug, Default)]
pub struct Told {
    pub lines: u64,
    pub missed: u64,
    pub ends: u64,
    pub pages: u64,
    /// Times a room waited and was told that it need not any more.
    pub waits: u64,
    /// Times a room was found with nobody to wait for.
    pub goes_on: u64,
}

pub struct World {
    rng: StdRng,
    hub: Hub,
    bounds: Bounds,
    notice_members: usize,
    time_ms: u64,
    text_chars: usize,
    rooms: HashMap<u64, PlainLog>,
    members: BTreeMap<u64, BTreeSet<SessionId>>,
    touched: BTreeSet<u64>,
    people: Vec<Person>,
    next: u64,
    /// How often each room's readers have told that they passed a line.
    passed: HashMap<u64, Arc<AtomicU64>>,
    /// Who was left behind in the room once: it may not be waited for.
    left_behind: BTreeSet<(u64, SessionId)>,
    subscribers: Vec<Weak<Subscriber>>,
    logs: HashMap<u64, Weak<Log>>,
    told: Told,
}

impl World {
    pub fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        // Mostly tiny logs, which lap everybody; sometimes such that one write does not hold what there is.
        let large = rng.random_bool(0.05);
        let bounds = if large {
            Bounds { lines: rng.random_range(64..400), bytes: rng.random_range(50_000..400_000) }
        } else {
            Bounds { lines: rng.random_range(4..=16), bytes: rng.random_range(200..=2_000) }
        };
        let notice_members = rng.random_range(0..6);
        let mut world = Self {
            hub: Hub::new(notice_members),
            notice_members: notice_members as usize,
            text_chars: if large { 1_000 } else { rng.random_range(1..=80) },
            time_ms: 1_000,
            rooms: HashMap::new(),
            members: BTreeMap::new(),
            touched: BTreeSet::new(),
            people: Vec::new(),
            next: 1,
            passed: HashMap::new(),
            left_behind: BTreeSet::new(),
            subscribers: Vec::new(),
            logs: HashMap::new(),
            told: Told::default(),
            rng,
            bounds,
        };
        for room in 1..=ROOMS {
            world.open(room);
        }
        world
    }

    fn open(&mut self, room: u64) {
        let passed = Arc::new(AtomicU64::new(0));
        let told = Arc::clone(&passed);
        let pace = Pace::new(move || _ = told.fetch_add(1, Ordering::Relaxed));
        self.hub.open(Log::new(room, 7, self.bounds), pace, Charter::lobby());
        self.rooms.insert(room, PlainLog::new(room, 7, self.bounds));
        self.members.insert(room, BTreeSet::new());
        self.passed.insert(room, passed);
    }

    /// Does a random number of random things.
    pub fn live(&mut self) {
        for _ in 0..self.rng.random_range(20..200) {
            self.time_ms += self.rng.random_range(0..3);
            match self.rng.random_range(0..100) {
                0..8 => self.log_in(),
                8..18 => self.join(),
                18..22 => self.part(LeaveReason::Quit),
                22..24 => self.part(LeaveReason::Kicked),
                24..25 => self.depart(),
                25..48 => self.say(),
                48..55 => self.whisper(),
                55..58 => self.announce(),
                58..72 => self.publish(),
                72..76 => self.who(),
                76..82 => self.pace(),
                82..98 => self.read(),
                _ => self.drain(),
            }
        }
    }

    /// Everybody takes everything.
    pub fn settle(&mut self) {
        self.publish();
        for person in &mut self.people {
            person.drain(&self.rooms);
            person.assert_settled(&self.rooms);
        }
    }

    /// Everybody leaves, and nothing of them stays.
    pub fn empty(mut self) -> Told {
        while !self.people.is_empty() {
            self.depart();
        }
        self.publish();
        for room in 1..=ROOMS {
            assert!(self.hub.room(room).is_ok_and(Room::is_empty));
        }
        assert!(self.hub.room(NOWHERE).is_err());
        assert!(
            self.subscribers.iter().all(|subscriber| subscriber.strong_count() == 0),
            "a session is held"
        );
        assert!(
            self.logs.values().all(|log| log.strong_count() == 1),
            "a log has another owner than the hub"
        );
        self.told
    }

    fn anyone(&mut self) -> Option<usize> {
        (!self.people.is_empty()).then(|| self.rng.random_range(0..self.people.len()))
    }

    /// A random person and a random room, rarely one that is not there.
    fn anyone_anywhere(&mut self) -> Option<(usize, u64)> {
        let room = if self.rng.random_bool(0.01) { NOWHERE } else { self.rng.random_range(1..=ROOMS) };
        Some((self.anyone()?, room))
    }

    fn text(&mut self) -> Text {
        let chars = self.rng.random_range(1..=self.text_chars);
        let alphabet = ['a', 'b', '가', 'ü'];
        let text: String = (0..chars).map(|_| alphabet[self.rng.random_range(0..alphabet.len())]).collect();
        Text::parse(&text).expect("a valid text")
    }

    fn is_member(&self, room: u64, id: SessionId) -> Result<(), ErrorCode> {
        let members = self.members.get(&room).ok_or(ErrorCode::RoomNotFound)?;
        if members.contains(&id) { Ok(()) } else { Err(ErrorCode::NotInRoom) }
    }

    fn log_in(&mut self) {
        if self.people.len() < 8 {
            // One in three is a laggard.
            let diligence = if self.rng.random_range(0..3) == 0 { 5 } else { 90 };
            let person = Person::new(self.next, self.bounds, diligence);
            self.subscribers.push(Arc::downgrade(&person.subscriber));
            self.people.push(person);
            self.next += 1;
        }
    }

    fn join(&mut self) {
        let Some((index, room)) = self.anyone_anywhere() else { return };
        let person = &mut self.people[index];
        let bit = u32::try_from(room).expect("a small number").min(62);
        let joined = self.hub.join(room, &person.subscriber, bit, self.time_ms);
        let Some(log) = self.rooms.get_mut(&room) else {
            assert_eq!(joined.err(), Some(ErrorCode::RoomNotFound));
            return;
        };
        let members = self.members.get_mut(&room).expect("every room has members");
        if !members.insert(person.id) {
            assert_eq!(joined.err(), Some(ErrorCode::AlreadyInRoom));
            return;
        }
        let (presence, attachment) = joined.expect("a new member");
        assert_eq!(presence, Presence { conversation: room, epoch: log.epoch, seq: log.head() });
        person.stays.push(Stay::new(room, log.head(), Some(Arc::downgrade(&attachment.member))));
        self.logs.insert(room, Arc::downgrade(&attachment.log));
        person.subscriber.send(&Marker::Joined.packet(room));
        person.subscriber.tell(Control::Attach(attachment));
        if members.len() <= self.notice_members {
            let name = person.name();
            log.say(self.time_ms, Some(person.id), |head| ServerPacket::Joined(Joined { head, name }));
            self.touched.insert(room);
        }
        self.left_behind.remove(&(room, person.id));
    }

    fn part(&mut self, reason: LeaveReason) {
        let Some((index, room)) = self.anyone_anywhere() else { return };
        let id = self.people[index].id;
        let bit = self.hub.part(room, id, reason, self.time_ms);
        if let Err(code) = self.is_member(room, id) {
            assert_eq!(bit, Err(code));
            return;
        }
        self.end_stay(index, room, reason);
        let person = &self.people[index];
        person.subscriber.tell(Control::Detach { bit: bit.expect("a member") });
        // Who is thrown out may hear nothing before they come in again.
        if reason == LeaveReason::Quit {
            person.subscriber.send(&Marker::Parted.packet(room));
        }
    }

    /// The model's part: what was said is readable, the end is there, and then the notice.
    fn end_stay(&mut self, index: usize, room: u64, reason: LeaveReason) {
        let person = &mut self.people[index];
        let log = self.rooms.get_mut(&room).expect("a member's room");
        let members = self.members.get_mut(&room).expect("a member's room");
        log.publish();
        let stay = person.stays.iter_mut().rfind(|stay| stay.conversation == room).expect("a member stays");
        stay.end = Some(log.head());
        if members.len() <= self.notice_members {
            let (name, reason) = (person.name(), reason as u16);
            log.say(self.time_ms, Some(person.id), |head| ServerPacket::Left(Left { head, name, reason }));
        }
        members.remove(&person.id);
        self.touched.insert(room);
        self.told.ends += 1;
    }

    /// The session ends, whatever it has still coming.
    fn depart(&mut self) {
        let Some(index) = self.anyone() else { return };
        let id = self.people[index].id;
        for room in 1..=ROOMS {
            if self.is_member(room, id).is_ok() {
                self.hub.part(room, id, LeaveReason::Lost, self.time_ms).expect("a member");
                self.end_stay(index, room, LeaveReason::Lost);
            }
        }
        let person = self.people.swap_remove(index);
        person.subscriber.mailbox().close();
        let name = person.subscriber.name();
        let words = Words::Plain(self.text());
        assert!(person.subscriber.whisper((SessionId(0), name), 0, &words, self.time_ms).is_err());
        self.told.lines += person.lines;
        self.told.missed += person.missed;
    }

    fn say(&mut self) {
        let Some((index, room)) = self.anyone_anywhere() else { return };
        for _ in 0..self.rng.random_range(1..6) {
            let text = self.text();
            let person = &self.people[index];
            let said = self.hub.say(room, person.id, (&text, 0), self.time_ms);
            if let Err(code) = self.is_member(room, person.id) {
                assert_eq!(said, Err(code));
                return;
            }
            let log = self.rooms.get_mut(&room).expect("a member's room");
            let (sender, text) = (person.name(), text.as_str().to_owned());
            log.say(self.time_ms, Some(person.id), |head| {
                ServerPacket::BroadcastLine(Line { head, sender, text })
            });
            assert_eq!(said, Ok(Receipt { epoch: log.epoch, seq: log.head(), time_ms: self.time_ms }));
            self.touched.insert(room);
        }
    }

    fn whisper(&mut self) {
        let (Some(from), Some(to)) = (self.anyone(), self.anyone()) else { return };
        for _ in 0..self.rng.random_range(1..8) {
            let text = self.text();
            let (id, name) = (self.people[from].id, self.people[from].subscriber.name().clone());
            let recipient = &mut self.people[to];
            let words = Words::Plain(text.clone());
            recipient.subscriber.whisper((id, &name), 0, &words, self.time_ms).expect("an open mailbox");
            let (sender, text) = (name.to_string(), text.as_str().to_owned());
            let line = |head| ServerPacket::WhisperLine(Line { head, sender, text });
            recipient.mailbox.say(self.time_ms, Some(id), line);
            recipient.mailbox.publish();
        }
    }

    fn announce(&mut self) {
        let Some((_, room)) = self.anyone_anywhere() else { return };
        let text = self.text();
        let announced = self.hub.announce(room, &text, self.time_ms);
        let Some(log) = self.rooms.get_mut(&room) else {
            assert_eq!(announced, Err(ErrorCode::RoomNotFound));
            return;
        };
        let text = text.as_str().to_owned();
        log.say(self.time_ms, None, |head| ServerPacket::SystemText(SystemText { head, text }));
        self.touched.insert(room);
    }

    fn publish(&mut self) {
        let touched: BTreeSet<u64> = self.hub.publish().into_iter().collect();
        assert_eq!(touched, std::mem::take(&mut self.touched));
        for room in &touched {
            self.rooms.get_mut(room).expect("a room").publish();
        }
    }

    fn read(&mut self) {
        for person in &mut self.people {
            if self.rng.random_range(0..100) < person.diligence {
                person.gather(&self.rooms);
                person.advance(&mut self.rng);
            }
        }
    }

    fn drain(&mut self) {
        if let Some(index) = self.anyone() {
            self.people[index].drain(&self.rooms);
        }
    }
}

impl Sum for Told {
    fn sum<I: Iterator<Item = Self>>(told: I) -> Self {
        told.fold(Self::default(), |sum, one| Self {
            lines: sum.lines + one.lines,
            missed: sum.missed + one.missed,
            ends: sum.ends + one.ends,
            pages: sum.pages + one.pages,
            waits: sum.waits + one.waits,
            goes_on: sum.goes_on + one.goes_on,
        })
    }
}
