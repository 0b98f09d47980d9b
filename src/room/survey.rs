//! What an operator asks of all conversations together, and how much of it is told at once.

use std::{cmp::Reverse, sync::Arc};

use chat_proto::{LOBBY, RoomEntry};
use tokio::sync::oneshot;

use super::{Directory, Room, SessionId, Subscriber, listing};

/// Sessions or rooms that are told at once. Whoever asks goes on after the last of a full page.
pub const SURVEY_PAGE: usize = 500;
/// Readers that are told at once, the slowest first.
pub const SLOW_MAX: usize = 100;

/// A question, with where its answer goes. An asker who is gone does not matter.
pub enum Survey {
    /// Whether anybody answers.
    Probe(oneshot::Sender<()>),
    /// How much there is.
    Totals(oneshot::Sender<Totals>),
    /// How many are in each room, the lobby first.
    Sizes(oneshot::Sender<Vec<u32>>),
    /// Who is here: those after this number, by number, at most [`SURVEY_PAGE`].
    Sessions(SessionId, oneshot::Sender<Vec<Whereabouts>>),
    /// Which rooms there are, hidden ones too, the lobby first: those after this number, by number, at most
    /// [`SURVEY_PAGE`].
    Rooms(u64, oneshot::Sender<Vec<RoomEntry>>),
    /// Who reads slowest: at most [`SLOW_MAX`] who are behind.
    Slow(oneshot::Sender<Vec<Behind>>),
}

/// How much there is.
#[derive(Clone)]
pub struct Totals {
    /// Rooms, beside the lobby.
    pub rooms: usize,
    /// Who is furthest behind, if anybody is.
    pub slowest: Option<Behind>,
}

/// A session, and where it is.
#[derive(Clone)]
pub struct Whereabouts {
    /// The session.
    pub subscriber: Arc<Subscriber>,
    /// The numbers of its conversations; the lobby's first, then in the order it came in.
    pub conversations: Vec<u64>,
}

/// Somebody who has not yet taken all lines of a conversation.
#[derive(Clone)]
pub struct Behind {
    /// Who.
    pub subscriber: Arc<Subscriber>,
    /// The conversation's number.
    pub conversation: u64,
    /// The room's name; empty: the lobby.
    pub room: Box<str>,
    /// How many of its lines are still to be taken, or were missed.
    pub lines: u64,
}

impl Directory {
    /// Answers a question about all conversations.
    pub fn survey(&self, survey: Survey) {
        // Nobody waits for an answer that cannot be sent.
        match survey {
            Survey::Probe(answer) => drop(answer.send(())),
            Survey::Sizes(answer) => {
                drop(answer.send(self.hub().after(0).map(|(_, room)| room.count()).collect()));
            }
            Survey::Totals(answer) => drop(answer.send(self.totals())),
            Survey::Sessions(after, answer) => drop(answer.send(self.sessions(after))),
            Survey::Rooms(after, answer) => {
                let rooms = self.hub().after(after).map(|(_, room)| listing::entry(room));
                drop(answer.send(rooms.take(SURVEY_PAGE).collect()));
            }
            Survey::Slow(answer) => drop(answer.send(self.slowest(SLOW_MAX))),
        }
    }

    fn totals(&self) -> Totals {
        Totals { rooms: self.hub().len().saturating_sub(1), slowest: self.slowest(1).pop() }
    }

    fn sessions(&self, after: SessionId) -> Vec<Whereabouts> {
        let lobby = self.hub().room(LOBBY).expect("there is a lobby");
        let mut found: Vec<_> = lobby.members().filter(|one| one.id() > after).take(SURVEY_PAGE).collect();
        if self.config.exclusive {
            // Who is in a room is not in the lobby, and stays are in no order.
            let elsewhere = self.stays.values().map(|stay| &stay.subscriber);
            found.extend(elsewhere.filter(|one| one.id() > after && !lobby.has(one.id())));
            found.sort_unstable_by_key(|one| one.id());
            found.truncate(SURVEY_PAGE);
        }
        found.into_iter().map(|one| self.whereabouts(one, lobby)).collect()
    }

    fn whereabouts(&self, subscriber: &Arc<Subscriber>, lobby: &Room) -> Whereabouts {
        let id = subscriber.id();
        let rooms = self.stays.get(&id).into_iter().flat_map(|stay| stay.rooms.iter().map(|(room, _)| *room));
        let conversations = lobby.has(id).then_some(LOBBY).into_iter().chain(rooms).collect();
        Whereabouts { subscriber: Arc::clone(subscriber), conversations }
    }

    /// Those who are furthest behind, the slowest first; where two are alike, the one who came first.
    fn slowest(&self, most: usize) -> Vec<Behind> {
        let mut slowest = Vec::with_capacity(2 * most);
        for (_, room) in self.hub().after(0) {
            for (subscriber, lines) in room.lags().filter(|(_, lines)| *lines > 0) {
                slowest.push((lines, subscriber, room));
                // So nothing is copied of a whole lobby that is behind.
                if slowest.len() == 2 * most {
                    keep_slowest(&mut slowest, most);
                }
            }
        }
        keep_slowest(&mut slowest, most);
        let behind = |(lines, subscriber, room): (u64, &Arc<Subscriber>, &Room)| Behind {
            subscriber: Arc::clone(subscriber),
            conversation: room.conversation(),
            room: room.charter.shown().into(),
            lines,
        };
        slowest.into_iter().map(behind).collect()
    }
}

fn keep_slowest(slowest: &mut Vec<(u64, &Arc<Subscriber>, &Room)>, most: usize) {
    slowest.sort_unstable_by_key(|(lines, subscriber, room)| {
        (Reverse(*lines), subscriber.id(), room.conversation())
    });
    slowest.truncate(most);
}

#[cfg(test)]
mod tests {
    use chat_proto::{Remark, Role, RoomName, RoomSettings, Text, Username};

    use super::*;
    use crate::{
        config::{Bounds, RoomsConfig},
        room::{Log, Mailbox, NewRoom},
    };

    const BOUNDS: Bounds = Bounds { lines: 64, bytes: 1 << 16 };

    fn directory(exclusive: bool) -> Directory {
        let config = RoomsConfig { exclusive, ..RoomsConfig::default() };
        Directory::new(0, Log::new(LOBBY, 1, BOUNDS), config, || {})
    }

    fn enter(directory: &mut Directory, number: u64) -> Arc<Subscriber> {
        let name = Username::parse(&format!("guest{number}")).expect("a name");
        let mailbox = Mailbox::new(1, BOUNDS);
        let subscriber = Arc::new(Subscriber::new(SessionId(number), name, Role::Guest, mailbox));
        directory.enter_lobby(&subscriber, 7);
        subscriber
    }

    fn make_room(directory: &mut Directory, maker: &Arc<Subscriber>, name: &str) -> u64 {
        let new = NewRoom {
            name: RoomName::parse(name).expect("a name"),
            look: name.into(),
            settings: RoomSettings { capacity: 10, flags: 0, slow_s: 0 },
            topic: Remark::default(),
            lock: None,
        };
        let room = directory.create(maker, new).expect("free");
        directory.come_in(maker, room, 7).expect("let in");
        room
    }

    fn numbers(found: &[Whereabouts]) -> Vec<u64> {
        found.iter().map(|one| one.subscriber.id().0).collect()
    }

    #[test]
    fn pages_of_sessions_pass_over_nobody_and_repeat_nobody() {
        for exclusive in [false, true] {
            let mut directory = directory(exclusive);
            let people: Vec<_> = (1..=1_100).map(|number| enter(&mut directory, number)).collect();
            let room = make_room(&mut directory, &people[4], "room");
            let (mut seen, mut after) = (Vec::new(), SessionId(0));
            loop {
                let page = directory.sessions(after);
                assert!(page.len() <= SURVEY_PAGE);
                seen.extend(numbers(&page));
                let Some(last) = page.last() else { break };
                after = last.subscriber.id();
            }
            assert_eq!(seen, (1..=1_100).collect::<Vec<_>>());
            let fifth = &directory.sessions(SessionId(4))[0];
            let expected = if exclusive { vec![room] } else { vec![LOBBY, room] };
            assert_eq!(fifth.conversations, expected);
        }
    }

    #[test]
    fn the_slowest_come_first_and_who_is_not_behind_does_not_come() {
        let mut directory = directory(false);
        assert!(directory.totals().slowest.is_none());
        let people: Vec<_> = (1..=300).map(|number| enter(&mut directory, number)).collect();
        let room = make_room(&mut directory, &people[9], "room");
        let text = Text::parse("hello").expect("a text");
        directory.say(LOBBY, &people[0], (&text, 0), 7).expect("a member");
        for _ in 0..3 {
            directory.say(room, &people[9], (&text, 0), 7).expect("a member");
        }
        directory.hub_mut().publish();
        let slowest = directory.slowest(SLOW_MAX);
        assert_eq!(slowest.len(), SLOW_MAX);
        assert_eq!((slowest[0].subscriber.id().0, &*slowest[0].room, slowest[0].lines), (10, "room", 3));
        let rest: Vec<_> = slowest[1..].iter().map(|one| (one.subscriber.id().0, one.lines)).collect();
        assert_eq!(rest, (1..100).map(|number| (number, 1)).collect::<Vec<_>>());
        let totals = directory.totals();
        assert_eq!((totals.rooms, totals.slowest.map(|one| one.lines)), (1, Some(3)));
    }
}
