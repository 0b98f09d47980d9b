//! Seeded histories of people who come into rooms and leave them over a store in all its moods: what was answered is stored.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    time::Duration,
};

use chat_proto::{Answer, Code, ErrorCode, RequestId, ServerPacket};
use iocp_chat::config::{Bounds, Failing, RoomsConfig};
use tokio::time::sleep;

use crate::{
    house::House,
    lobby::Guest,
    model::{Named, Random},
    shelf::{Mood, Shelf},
};

/// Histories of servers whose people are in many conversations, and of those where they are in one at a time.
const HISTORIES: u64 = 150;
/// What is done in each.
const STEPS: u32 = 120;
const PEOPLE: u64 = 4;
/// The rooms, each with its maker, who stays.
const ROOMS: [(u64, &str); 3] = [(2, "one"), (3, "two"), (4, "three")];
const MOODS: [Mood; 6] =
    [Mood::Well, Mood::Well, Mood::Slow(Duration::from_millis(20)), Mood::Hangs, Mood::Fails, Mood::Lies];

/// What somebody knows of where they are.
struct Person {
    guest: Guest,
    number: u64,
    /// The rooms that they are in, as they were told.
    rooms: BTreeSet<u64>,
    /// Rooms of which a server that starts again may say something else: they have been told of no change since one that
    /// could not be stored.
    doubtful: BTreeSet<u64>,
    /// Requests that are not answered yet, and of which rooms.
    asked: BTreeMap<u32, u64>,
}

impl Person {
    fn of(guest: Guest, number: u64) -> Self {
        Self { guest, number, rooms: BTreeSet::new(), doubtful: BTreeSet::new(), asked: BTreeMap::new() }
    }

    /// Takes what they were sent. Returns how many requests were done, and how many refused since nothing could be stored.
    fn take(&mut self) -> (usize, usize) {
        self.guest.take_all();
        let (mut done, mut refused) = (0, 0);
        for packet in std::mem::take(&mut self.guest.packets) {
            match packet {
                ServerPacket::JoinRoomAnswer(Answer { id, outcome: Ok(entered) }) => {
                    let room = self.answered(id);
                    assert_eq!(entered.place.conversation, room);
                    assert!(self.rooms.insert(room), "let in once");
                    self.doubtful.remove(&room);
                    done += 1;
                }
                ServerPacket::LeaveRoomAnswer(Answer { id, outcome: Ok(_) }) => {
                    let room = self.answered(id);
                    assert!(self.rooms.remove(&room), "out once");
                    self.doubtful.remove(&room);
                    done += 1;
                }
                ServerPacket::JoinRoomAnswer(Answer { id, outcome: Err(refusal) })
                | ServerPacket::LeaveRoomAnswer(Answer { id, outcome: Err(refusal) }) => {
                    self.answered(id);
                    refused += usize::from(refusal.code == Code::from(ErrorCode::StorageUnavailable));
                }
                ServerPacket::Removed(removed) => {
                    self.rooms.remove(&removed.conversation);
                    self.doubtful.insert(removed.conversation);
                }
                ServerPacket::BroadcastLine(line) => {
                    let room = line.head.conversation;
                    assert!(self.rooms.contains(&room), "{} hears room {room} and is not in it", self.number);
                }
                _ => {}
            }
        }
        (done, refused)
    }

    fn answered(&mut self, id: RequestId) -> u64 {
        self.asked.remove(&id.get()).expect("asked, and answered once")
    }

    /// What a server would find that starts now is what they were told, of the rooms of which they have been told all.
    fn check(&self, exclusive: bool, places: &Shelf) {
        let stored = places.rooms(self.number);
        for (room, _) in ROOMS {
            let awaited = self.asked.values().any(|asked| exclusive || *asked == room);
            if !awaited && !self.doubtful.contains(&room) {
                let (told, stored) = (self.rooms.contains(&room), stored.contains(&room));
                assert_eq!(
                    stored, told,
                    "{} in room {room}: whether it is stored, and was told",
                    self.number
                );
            }
        }
    }
}

fn run(exclusive: bool, seed: u64) -> (usize, usize) {
    let _named = Named(seed);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(history(exclusive, seed))
}

async fn history(exclusive: bool, seed: u64) -> (usize, usize) {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let places = Shelf::new();
    let log = Bounds { lines: 64, bytes: 1 << 20 };
    let rooms = RoomsConfig { log, exclusive, ..RoomsConfig::default() };
    let house = House::open_keeping(rooms, Failing::Refuse, &Shelf::new(), &places);
    let mut makers = Vec::new();
    for (number, name) in ROOMS {
        let maker = house.enter(100 + number).await;
        house.make_room(&maker, 1, name).await;
        makers.push(maker);
    }
    let mut people = Vec::new();
    for number in 1..=PEOPLE {
        people.push(Person::of(house.enter_resumable(number).await, number));
    }
    let (mut request, mut told) = (0, (0, 0));
    for _ in 0..STEPS {
        let one = random.below(PEOPLE);
        let (room, name) = ROOMS[random.below(3)];
        match random.below(12) {
            0 => places.be(MOODS[random.below(6)]),
            1 | 2 => sleep(Duration::from_millis(random.below(30) as u64)).await,
            3 => sleep(Duration::from_millis(random.below(9_000) as u64)).await,
            4 => house.say_in(room, &makers[usize::try_from(room).expect("small") - 2], 1, "words").await,
            _ if people[one].asked.len() > 8 => house.settle().await,
            5..=8 => {
                request += 1;
                people[one].asked.insert(request, room);
                house.join_room(&people[one].guest, request, name).await;
            }
            _ => {
                request += 1;
                people[one].asked.insert(request, room);
                house.leave_room(&people[one].guest, request, room).await;
            }
        }
        if random.below(3) > 0 {
            house.settle().await;
        }
        for person in &mut people {
            let (done, refused) = person.take();
            told = (told.0 + done, told.1 + refused);
            person.check(exclusive, &places);
        }
        for maker in &mut makers {
            maker.take_all();
        }
    }
    places.be(Mood::Well);
    sleep(Duration::from_secs(30)).await;
    for person in &mut people {
        person.take();
        assert!(person.asked.is_empty(), "all is answered");
        person.doubtful.clear();
        person.check(exclusive, &places);
        house.depart(&person.guest).await;
    }
    assert!(house.close().await);
    told
}

#[test]
fn whoever_was_told_where_they_are_is_there_after_any_kill() {
    for exclusive in [false, true] {
        if let Ok(seed) = env::var("MODEL_SEED") {
            run(exclusive, seed.parse().expect("MODEL_SEED is a number"));
            continue;
        }
        let (mut done, mut refused) = (0, 0);
        for seed in 0..HISTORIES {
            let told = run(exclusive, seed);
            (done, refused) = (done + told.0, refused + told.1);
        }
        // Histories in which nothing happens would hold as well.
        assert!(done > 1_000 && refused > 1_000, "{done} {refused}");
    }
}
