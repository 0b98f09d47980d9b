//! All conversations but the mailboxes: one value with one owner, no sockets, clocks, tasks or randomness in it.

use std::{
    collections::{BTreeMap, btree_map::Range},
    sync::Arc,
};

use chat_proto::{ErrorCode, LeaveReason, Presence, Receipt, Text, WhoPage, limits::PAGE_ENTRIES_MAX};

use super::{Attachment, Charter, Log, Pace, Room, SessionId, Subscriber};

/// Every conversation but the mailboxes, and who is in it. Times are milliseconds since 1970 UTC.
pub struct Hub {
    /// By number, so that they are listed in an order that lasts.
    rooms: BTreeMap<u64, Room>,
    /// Rooms with something to publish.
    touched: Vec<u64>,
    notice_members: usize,
}

impl Hub {
    /// A hub without rooms, whose rooms tell of people coming and leaving while they have at most
    /// `notice_members` members.
    #[must_use]
    pub fn new(notice_members: u32) -> Self {
        Self { rooms: BTreeMap::new(), touched: Vec::new(), notice_members: notice_members as usize }
    }

    /// Opens a room.
    pub fn open(&mut self, log: Log, pace: Pace, charter: Charter) {
        self.rooms.insert(log.conversation(), Room::new(log, pace, charter));
    }

    /// Ends a room that nobody is in.
    pub fn close(&mut self, conversation: u64) {
        self.rooms.remove(&conversation);
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

    /// Adds a member's line, which its own reads will pass over.
    pub fn say(
        &mut self,
        conversation: u64,
        speaker: SessionId,
        text: &Text,
        time_ms: u64,
    ) -> Result<Receipt, ErrorCode> {
        self.touching(conversation, |room| room.say(speaker, text, time_ms))
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
        let touched = std::mem::take(&mut self.touched);
        for conversation in &touched {
            if let Some(room) = self.rooms.get_mut(conversation) {
                room.publish();
            }
        }
        touched
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
