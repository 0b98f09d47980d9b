//! Rounds of people who talk and listen while their server is killed and stopped, and what came of it.

use std::collections::{BTreeMap, BTreeSet};

use chat_proto::{HistoryEntry, LOBBY, RoomSettings, room_flag};
use iocp_chat::client::{HistoryFrom, Session};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    house::{ACCOUNTS, Door, House},
    person::{self, END, Heard, Person, Place, Said, Whispered},
    wanderer::wander,
};

/// Who talks; some have accounts.
const TALKERS: [&str; 4] = ["kim", "lee", "pat", "손님"];
/// Who only listens.
const LISTENERS: [&str; 4] = ["ann", "bob", "sam", "손님둘"];
/// The room that somebody comes into and leaves again and again.
const PASSAGE: &str = "passage";
/// Answers between two restarts, at most.
const ANSWERS_MAX: usize = 300;
/// Answers after the last restart of a round.
const ANSWERS_LAST: usize = 50;

/// How a server ends.
#[derive(Clone, Copy, Debug)]
pub enum End {
    /// At once, as by kill -9.
    Kill,
    /// In good order.
    Stop,
}

/// What has been said and heard so far.
pub struct Story {
    rng: StdRng,
    room: u64,
    passage: u64,
    rounds: usize,
    saved: Vec<String>,
    /// Lines that were answered.
    pub said: Vec<Said>,
    /// How often somebody was told that they have come into a room, or left it.
    pub moves: usize,
    /// Whispers that were answered, each one's in their order.
    pub whispered: Vec<Whispered>,
    /// Lines and whispers that could not be stored in time.
    pub unstored: BTreeSet<String>,
    /// What each has heard.
    pub heard: BTreeMap<String, Vec<Heard>>,
    /// What the history has of each conversation.
    pub pages: BTreeMap<u64, Vec<Said>>,
}

impl Story {
    /// Nothing yet.
    pub fn new(seed: u64) -> Self {
        Self {
            rng: StdRng::seed_from_u64(seed),
            room: 0,
            passage: 0,
            rounds: 0,
            saved: Vec::new(),
            said: Vec::new(),
            moves: 0,
            whispered: Vec::new(),
            unstored: BTreeSet::new(),
            heard: BTreeMap::new(),
            pages: BTreeMap::new(),
        }
    }

    /// Everybody comes, or comes back as another program; the server ends as often as told; then what has been said is
    /// answered and heard.
    pub async fn round(&mut self, house: &mut House, ends: &[End]) {
        let door = house.door();
        self.rounds += 1;
        let end = format!("{END} {}", self.rounds);
        // Whoever comes as another program is told so, as after a restart.
        let mut resumes = self.saved.len();
        let people = self.people(house, &door).await;
        let (back, mut returned) = watch::channel(0);
        let (enough, (answered, mut count)) = (CancellationToken::new(), watch::channel(0));
        let (mut talking, mut listening) = (JoinSet::new(), JoinSet::new());
        let others = |name: &str| -> Vec<String> {
            let all = TALKERS.iter().chain(&LISTENERS);
            all.filter(|other| **other != name).map(|other| (*other).to_owned()).collect()
        };
        for person in &people[..TALKERS.len()] {
            let talker = (person.session.clone(), person.name.clone());
            talking.spawn(person::talk(
                talker,
                (self.room, others(&person.name)),
                self.rng.random(),
                (enough.clone(), answered.clone()),
            ));
        }
        // Before anything ends: only who has been let in comes back by themselves.
        let name = format!("wanderer{}", self.rounds);
        let wanderer = Person::log_in(&door, &name, false, self.rng.random()).await;
        let (passage, seed) = ((PASSAGE, self.passage), self.rng.random());
        let wandering = tokio::spawn(wander(wanderer, passage, (seed, house.is_full()), enough.clone()));
        let sessions: Vec<_> = people.iter().map(|person| person.session.clone()).collect();
        for mut person in people {
            let (room, end, back) = (self.room, end.clone(), back.clone());
            listening.spawn(async move { (person.listen(room, &end, &back).await, person) });
        }
        for one in ends {
            let goal = *count.borrow() + self.rng.random_range(0..=ANSWERS_MAX);
            count.wait_for(|count| *count >= goal).await.expect("people talk");
            if !house.is_full() {
                // Else a token that nobody has stored may have been given to somebody.
                returned.wait_for(|back| *back >= resumes).await.expect("people listen");
                house.stored(&sessions, self.room).await;
            }
            match one {
                End::Kill => house.kill(),
                End::Stop => house.stop(),
            };
            house.start();
            resumes += sessions.len();
        }
        let goal = *count.borrow() + ANSWERS_LAST;
        count.wait_for(|count| *count >= goal).await.expect("people talk");
        enough.cancel();
        for talk in talking.join_all().await {
            self.said.extend(talk.said);
            self.whispered.extend(talk.whispered);
            self.unstored.extend(talk.unstored);
        }
        self.moves += wandering.await.expect("they are where they were told that they are");
        // Nobody hears what they say themselves.
        person::say_the_end(&sessions[0], self.room, &others(TALKERS[0]), &end).await;
        person::say_the_end(&sessions[1], self.room, &[TALKERS[0].to_owned()], &end).await;
        let pages = [LOBBY, self.room].map(|conversation| (conversation, read(&sessions[0], conversation)));
        for (conversation, reading) in pages {
            self.pages.insert(conversation, reading.await);
        }
        drop(sessions);
        let mut people = listening.join_all().await;
        let all = || TALKERS.iter().chain(&LISTENERS);
        let place = |name: &str| all().position(|one| *one == name);
        people.sort_by_key(|(_, person)| place(&person.name));
        for (heard, person) in people {
            self.heard.entry(person.name.clone()).or_default().extend(heard);
            self.saved.push(person.save());
        }
    }

    /// Everybody, in the room too.
    async fn people(&mut self, house: &House, door: &Door) -> Vec<Person> {
        let mut people = Vec::new();
        for saved in std::mem::take(&mut self.saved) {
            people.push(Person::resume(door, &saved, self.rng.random()).await);
        }
        if !people.is_empty() {
            return people;
        }
        for name in TALKERS.iter().chain(&LISTENERS) {
            people.push(Person::log_in(door, name, ACCOUNTS.contains(name), self.rng.random()).await);
        }
        let settings = RoomSettings { capacity: 99, flags: room_flag::PERSISTENT, slow_s: 0 };
        let made = people[0].session.create_room("work", "", settings, "").await.expect("made");
        self.room = made.place.conversation;
        let made = people[0].session.create_room(PASSAGE, "", settings, "").await.expect("made");
        self.passage = made.place.conversation;
        // Nothing is said there: who heard only people come and go would be told that an epoch has ended.
        people[0].session.leave_room(self.passage).await.expect("left");
        for person in &people[1..] {
            person.session.join_room("work", "").await.expect("open to all");
        }
        let sessions: Vec<_> = people.iter().map(|person| person.session.clone()).collect();
        house.stored(&sessions, self.room).await;
        people
    }
}

/// All that the history has of a conversation.
async fn read(session: &Session, conversation: u64) -> Vec<Said> {
    let (mut from, mut lines) = (Some(HistoryFrom::Beginning), Vec::new());
    while let Some(place) = from {
        let page = session.history(conversation, place, u16::MAX).await.expect("it is read");
        from = place.next(&page);
        lines.extend(page.entries.0.into_iter().map(|HistoryEntry { epoch, seq, sender, text, .. }| Said {
            place: Place { conversation, epoch, seq },
            sender,
            text,
        }));
    }
    lines
}
