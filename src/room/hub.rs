//! All conversations but the mailboxes: one value with one owner, no sockets, clocks, tasks or randomness in it.

use std::{
    collections::{BTreeMap, VecDeque, btree_map::Range},
    sync::Arc,
};

use chat_proto::{ErrorCode, LeaveReason, Presence, Receipt, Text, WhoPage, limits::PAGE_ENTRIES_MAX};

use super::{Attachment, Charter, Feed, Log, Pace, Room, SessionId, Subscriber};

/// Every conversation but the mailboxes, and who is in it. Times are milliseconds since 1970 UTC.
pub struct Hub {
    /// By number, so that they are listed in an order that lasts.
    pub(super) rooms: BTreeMap<u64, Room>,
    /// Rooms with something to publish.
    touched: Vec<u64>,
    /// Rooms where something was published of which not everybody has been told; each once.
    pub(super) telling: VecDeque<u64>,
    notice_members: usize,
    /// By what the history hears of new lines, if there is one.
    pub(super) feed: Option<Arc<Feed>>,
    /// Whether lines wait to be stored.
    pub(super) holds: bool,
    /// Rooms that are no more, but for what waits for their last lines to be stored.
    pub(super) ending: Vec<Room>,
}

impl Hub {
    /// A hub without rooms, whose rooms tell of people coming and leaving while they have at most
    /// `notice_members` members.
    #[must_use]
    pub fn new(notice_members: u32) -> Self {
        Self {
            rooms: BTreeMap::new(),
            touched: Vec::new(),
            telling: VecDeque::new(),
            notice_members: notice_members as usize,
            feed: None,
            holds: false,
            ending: Vec::new(),
        }
    }

    /// Opens a room.
    pub fn open(&mut self, log: Log, pace: Pace, charter: Charter) {
        let mut room = Room::new(log, pace, charter);
        if let Some(feed) = &self.feed {
            room.keep(feed, self.holds);
        }
        self.rooms.insert(room.conversation(), room);
    }

    /// Ends a room that nobody is in.
    pub fn close(&mut self, conversation: u64) {
        if let Some(mut room) = self.rooms.remove(&conversation)
            && room.end()
        {
            self.ending.push(room);
        }
    }

    /// Makes `subscriber` a member, and tells the others. Its place is after the last line there is.
    pub fn join(
        &mut self,
        conversation: u64,
        subscriber: &Arc<Subscriber>,
        bit: u32,
        time_ms: u64,
    ) -> Result<(Presence, Attachment), ErrorCode> {
        let notice_members = self.notice_members;
        self.touching(conversation, |room| room.join(subscriber, bit, notice_members, time_ms))
    }

    /// Ends a membership: its last line is the last one said before this. Returns its bit.
    pub fn part(
        &mut self,
        conversation: u64,
        session: SessionId,
        reason: LeaveReason,
        time_ms: u64,
    ) -> Result<u32, ErrorCode> {
        let notice_members = self.notice_members;
        self.touching(conversation, |room| room.part(session, reason, notice_members, time_ms))
    }

    /// Adds a member's line, which its own reads will pass over, by the member's own number of it, or 0.
    pub fn say(
        &mut self,
        conversation: u64,
        speaker: SessionId,
        line: (&Text, u64),
        time_ms: u64,
    ) -> Result<Receipt, ErrorCode> {
        self.touching(conversation, |room| room.say(speaker, line, time_ms))
    }

    /// Adds a line from the operator.
    pub fn announce(&mut self, conversation: u64, text: &Text, time_ms: u64) -> Result<(), ErrorCode> {
        self.touching(conversation, |room| {
            room.announce(text, time_ms);
            Ok(())
        })
    }

    /// One page of a room's members, for one of them. A page after another repeats nobody and passes over
    /// nobody who stays, whoever else comes and goes.
    pub fn who(
        &self,
        conversation: u64,
        asker: SessionId,
        after: u64,
        limit: u16,
    ) -> Result<WhoPage, ErrorCode> {
        check_limit(limit)?;
        let room = self.room(conversation)?;
        if room.has(asker) { Ok(room.who(after, limit)) } else { Err(ErrorCode::NotInRoom) }
    }

    /// Makes everything said readable, wakes those who have not heard it, and returns the rooms it was said in.
    pub fn publish(&mut self) -> Vec<u64> {
        let touched = self.append();
        self.tell(usize::MAX);
        touched
    }

    /// Makes everything said readable, and returns the rooms it was said in. Their members are yet to be told.
    pub fn append(&mut self) -> Vec<u64> {
        let touched = std::mem::take(&mut self.touched);
        for conversation in &touched {
            if let Some(room) = self.rooms.get_mut(conversation) {
                let was_telling = room.is_telling();
                room.append();
                if room.is_telling() && !was_telling {
                    self.telling.push_back(*conversation);
                }
            }
        }
        touched
    }

    /// Wakes up to `most` of those who have not heard what was published. The rooms take turns.
    pub fn tell(&mut self, mut most: usize) {
        while most > 0
            && let Some(conversation) = self.telling.pop_front()
        {
            let Some(room) = self.rooms.get_mut(&conversation) else { continue };
            most -= room.tell(most);
            if room.is_telling() {
                self.telling.push_back(conversation);
            }
        }
    }

    /// Whether somebody has not been told.
    #[must_use]
    pub fn is_telling(&self) -> bool {
        !self.telling.is_empty()
    }

    /// Whether so much was said in a room since the last publishing that it has to be published now: more at
    /// once could lap a reader that is not even half behind.
    #[must_use]
    pub fn has_much(&self, conversation: u64) -> bool {
        self.rooms.get(&conversation).is_some_and(Room::is_batch)
    }

    /// Whether a room should hear no more for now: a member that is waited for stands more than half of what
    /// the log keeps behind. Its passing that half is then told through the room's [`Pace`].
    pub fn is_ahead(&mut self, conversation: u64) -> bool {
        self.rooms.get_mut(&conversation).is_some_and(Room::is_ahead)
    }

    /// Waits no longer for those a room is ahead of, until they have caught up.
    pub fn leave_behind(&mut self, conversation: u64) {
        if let Some(room) = self.rooms.get_mut(&conversation) {
            room.leave_behind();
        }
    }

    /// A room; else [`ErrorCode::RoomNotFound`].
    pub fn room(&self, conversation: u64) -> Result<&Room, ErrorCode> {
        self.rooms.get(&conversation).ok_or(ErrorCode::RoomNotFound)
    }

    /// The rooms after a number, in order.
    pub fn after(&self, conversation: u64) -> Range<'_, u64, Room> {
        use std::ops::Bound::{Excluded, Unbounded};
        self.rooms.range((Excluded(conversation), Unbounded))
    }

    /// How many rooms there are, the lobby among them.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rooms.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rooms.is_empty()
    }

    /// A room to be changed without anything being said in it.
    pub(super) fn room_mut(&mut self, conversation: u64) -> Result<&mut Room, ErrorCode> {
        self.rooms.get_mut(&conversation).ok_or(ErrorCode::RoomNotFound)
    }

    /// Does what may add a line to a room; if it does, the room is among those to publish.
    pub(super) fn touching<T>(
        &mut self,
        conversation: u64,
        act: impl FnOnce(&mut Room) -> Result<T, ErrorCode>,
    ) -> Result<T, ErrorCode> {
        let room = self.rooms.get_mut(&conversation).ok_or(ErrorCode::RoomNotFound)?;
        let had_news = room.has_news;
        let done = act(room);
        if room.has_news && !had_news {
            self.touched.push(conversation);
        }
        done
    }
}

/// Whether a page may have so many entries.
pub(super) fn check_limit(limit: u16) -> Result<(), ErrorCode> {
    if (1..=PAGE_ENTRIES_MAX).contains(&limit) { Ok(()) } else { Err(ErrorCode::RangeInvalid) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use chat_proto::{LOBBY, Role, Username};

    use super::*;
    use crate::{
        config::Bounds,
        room::{LOBBY_BIT, Mailbox},
    };

    const BOUNDS: Bounds = Bounds { lines: 64, bytes: 1 << 16 };

    fn lobby() -> Hub {
        let mut hub = Hub::new(0);
        hub.open(Log::new(LOBBY, 1, BOUNDS), Pace::new(|| {}), Charter::lobby());
        hub
    }

    fn come(hub: &mut Hub, number: u64) -> Arc<Subscriber> {
        let name = Username::parse(&format!("member{number}")).expect("valid");
        let mailbox = Mailbox::new(1, BOUNDS);
        let subscriber = Arc::new(Subscriber::new(SessionId(number), name, Role::Guest, mailbox));
        hub.join(LOBBY, &subscriber, LOBBY_BIT, 0).expect("a new member");
        subscriber
    }

    fn say(hub: &mut Hub, speaker: u64) {
        let text = Text::parse("hi").expect("valid");
        hub.say(LOBBY, SessionId(speaker), (&text, 0), 0).expect("a member speaks");
    }

    #[test]
    fn a_few_are_told_at_a_time_and_in_the_end_all() {
        let mut hub = lobby();
        let members: Vec<_> = (1..=10).map(|number| come(&mut hub, number)).collect();
        say(&mut hub, 1);
        assert_eq!(hub.append(), [LOBBY]);
        for (turn, told) in [4, 4, 2, 0].into_iter().enumerate() {
            assert_eq!(hub.is_telling(), told > 0, "turn {turn}");
            hub.tell(4);
            assert_eq!(members.iter().filter(|member| member.take_ready() > 0).count(), told, "turn {turn}");
        }
    }

    #[test]
    fn a_small_room_does_not_wait_until_a_large_one_is_told() {
        let mut hub = lobby();
        hub.open(Log::new(2, 1, BOUNDS), Pace::new(|| {}), Charter::lobby());
        let members: Vec<_> = (1..=100).map(|number| come(&mut hub, number)).collect();
        hub.join(2, &members[99], 7, 0).expect("a new member");
        say(&mut hub, 1);
        hub.append();
        hub.tell(10);
        hub.say(2, SessionId(100), (&Text::parse("hi").expect("valid"), 0), 0).expect("a member speaks");
        hub.append();
        hub.tell(10);
        hub.tell(10);
        assert_eq!(members[99].take_ready(), 1 << 7);
    }

    #[test]
    fn everybody_is_told_of_the_last_line_whoever_comes_and_goes_meanwhile() {
        for seed in 1..=200_u64 {
            let mut random = seed;
            let mut hub = lobby();
            // Those who are there, by number; of the last line `true` those who were there when it was said.
            let mut members: BTreeMap<u64, (Arc<Subscriber>, bool)> = BTreeMap::new();
            for _ in 0..200 {
                // xorshift64
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                let number = random >> 8 & 31;
                match (random & 7, members.contains_key(&number)) {
                    (0..=2, false) => {
                        let member = come(&mut hub, number);
                        members.insert(number, (member, false));
                    }
                    (0, true) => {
                        hub.part(LOBBY, SessionId(number), LeaveReason::Quit, 0).expect("a member");
                        members.remove(&number);
                    }
                    (1, true) => {
                        say(&mut hub, number);
                        hub.append();
                        for (member, was_there) in members.values_mut() {
                            let _ = member.take_ready();
                            *was_there = true;
                        }
                    }
                    _ => hub.tell(usize::try_from(random >> 16 & 7).expect("small")),
                }
            }
            hub.tell(usize::MAX);
            assert!(!hub.is_telling());
            for (number, (member, was_there)) in members {
                assert!(!was_there || member.take_ready() > 0, "seed {seed}: member {number} waits for ever");
            }
        }
    }
}
