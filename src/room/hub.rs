//! Rooms and their members: one value with one owner, no sockets, clocks, tasks or randomness in it.

use std::{collections::HashMap, sync::Arc};

use chat_proto::{
    ErrorCode, Joined, LeaveReason, Left, Line, List, Presence, Receipt, SystemText, Text, WhoEntry, WhoPage,
    limits::PAGE_ENTRIES_MAX,
};

use super::{Attachment, Draft, Log, Membership, Pace, SessionId, Subscriber};

/// Every conversation but the mailboxes, and who is in it. Times are milliseconds since 1970 UTC.
pub struct Hub {
    rooms: HashMap<u64, Room>,
    /// Rooms with something to publish.
    touched: Vec<u64>,
    notice_members: usize,
}

struct Room {
    log: Arc<Log>,
    /// Lines said since the last publishing.
    draft: Draft,
    /// In the order of their numbers, which is nearly the order they came in.
    members: Vec<Member>,
    pace: Arc<Pace>,
    /// No member that is waited for stands before this line. It may stand still while they move.
    slowest: u64,
    touched: bool,
}

struct Member {
    subscriber: Arc<Subscriber>,
    bit: u32,
    place: Arc<Membership>,
    /// The room has waited for it long enough: not again before it has caught up.
    left_behind: bool,
}

impl Hub {
    /// A hub without rooms, whose rooms tell of people coming and leaving while they have at most
    /// `notice_members` members.
    #[must_use]
    pub fn new(notice_members: u32) -> Self {
        Self { rooms: HashMap::new(), touched: Vec::new(), notice_members: notice_members as usize }
    }

    /// Opens a room.
    pub fn open(&mut self, log: Log, pace: Pace) {
        let room = Room {
            draft: log.draft(),
            slowest: log.head(),
            members: Vec::new(),
            pace: Arc::new(pace),
            touched: false,
            log: Arc::new(log),
        };
        self.rooms.insert(room.log.conversation(), room);
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
        let room = self.room(conversation)?;
        let Err(index) = room.find(subscriber.id()) else { return Err(ErrorCode::AlreadyInRoom) };
        let seq = room.draft.head();
        let place = Arc::new(Membership::new(seq, Arc::clone(&room.pace)));
        let attachment = Attachment { bit, log: Arc::clone(&room.log), member: Arc::clone(&place) };
        let member = Member { subscriber: Arc::clone(subscriber), bit, place, left_behind: false };
        room.members.insert(index, member);
        if room.members.len() <= notice_members {
            room.draft.line(time_ms, Some(subscriber.id()), |head, out| {
                Joined { head, name: subscriber.name().as_str() }.encode(out);
            });
            self.touch(conversation);
        }
        Ok((Presence { conversation, epoch: attachment.log.epoch(), seq }, attachment))
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
        let room = self.room(conversation)?;
        let index = room.find(session).map_err(|_| ErrorCode::NotInRoom)?;
        // What was said before is readable before the writer is told to read to the end.
        room.log.append(&mut room.draft);
        let told = room.members.len() <= notice_members;
        let Member { subscriber, bit, place, .. } = room.members.remove(index);
        place.end_after(room.draft.head());
        if told {
            room.draft.line(time_ms, Some(session), |head, out| {
                Left { head, name: subscriber.name().as_str(), reason: reason as u16 }.encode(out);
            });
        }
        self.touch(conversation);
        Ok(bit)
    }

    /// Ends all of a session's memberships.
    pub fn depart(&mut self, session: SessionId, reason: LeaveReason, time_ms: u64) {
        let rooms =
            self.rooms.iter().filter(|(_, room)| room.find(session).is_ok()).map(|(number, _)| *number);
        for conversation in rooms.collect::<Vec<_>>() {
            self.part(conversation, session, reason, time_ms).expect("it is a member");
        }
    }

    /// Adds a member's line, which its own reads will pass over.
    pub fn say(
        &mut self,
        conversation: u64,
        speaker: SessionId,
        text: &Text,
        time_ms: u64,
    ) -> Result<Receipt, ErrorCode> {
        let room = self.room(conversation)?;
        let index = room.find(speaker).map_err(|_| ErrorCode::NotInRoom)?;
        let sender = room.members[index].subscriber.name().as_str();
        let head = room.draft.line(time_ms, Some(speaker), |head, out| {
            Line { head, sender, text: text.as_str() }.encode_broadcast(out);
        });
        self.touch(conversation);
        Ok(Receipt { epoch: head.epoch, seq: head.seq, time_ms })
    }

    /// Adds a line from the operator.
    pub fn announce(&mut self, conversation: u64, text: &Text, time_ms: u64) -> Result<(), ErrorCode> {
        let room = self.room(conversation)?;
        room.draft.line(time_ms, None, |head, out| SystemText { head, text: text.as_str() }.encode(out));
        self.touch(conversation);
        Ok(())
    }

    /// One page of a room's members, for one of them. A page after another repeats nobody and passes over
    /// nobody who stays, whoever else comes and goes.
    pub fn who(
        &mut self,
        conversation: u64,
        asker: SessionId,
        after: u64,
        limit: u16,
    ) -> Result<WhoPage, ErrorCode> {
        if limit == 0 || limit > PAGE_ENTRIES_MAX {
            return Err(ErrorCode::RangeInvalid);
        }
        let room = self.room(conversation)?;
        room.find(asker).map_err(|_| ErrorCode::NotInRoom)?;
        let rest = &room.members[room.members.partition_point(|member| member.id().0 <= after)..];
        let page = &rest[..rest.len().min(limit.into())];
        let next = if page.len() < rest.len() { page.last().map_or(0, |member| member.id().0) } else { 0 };
        let entry = |member: &Member| WhoEntry { name: member.subscriber.name().as_str().into(), state: 0 };
        Ok(WhoPage {
            members: u32::try_from(room.members.len()).unwrap_or(u32::MAX),
            next,
            entries: List(page.iter().map(entry).collect()),
        })
    }

    /// Makes everything said readable, wakes those who have not heard it, and returns the rooms it was said in.
    pub fn publish(&mut self) -> Vec<u64> {
        let touched = std::mem::take(&mut self.touched);
        for conversation in &touched {
            let Some(room) = self.rooms.get_mut(conversation) else { continue };
            room.touched = false;
            room.log.append(&mut room.draft);
            for member in &room.members {
                member.subscriber.mark(member.bit);
            }
        }
        touched
    }

    /// Whether so much was said in a room since the last publishing that it has to be published now: more at
    /// once could lap a reader that is not even half behind.
    #[must_use]
    pub fn has_much(&self, conversation: u64) -> bool {
        self.rooms.get(&conversation).is_some_and(|room| room.log.is_batch(&room.draft))
    }

    /// Whether a room should hear no more for now: a member that is waited for stands more than half of what
    /// the log keeps behind. Its passing that half is then told through the room's [`Pace`].
    pub fn is_ahead(&mut self, conversation: u64) -> bool {
        self.rooms.get_mut(&conversation).is_some_and(Room::is_ahead)
    }

    /// Waits no longer for those a room is ahead of, until they have caught up.
    pub fn leave_behind(&mut self, conversation: u64) {
        let Some(room) = self.rooms.get_mut(&conversation) else { return };
        let half = room.log.half();
        room.pace.await_line(0);
        for member in room.members.iter_mut().filter(|member| member.place.position() < half) {
            member.left_behind = true;
        }
    }

    /// Members of a room; `None` when there is no such room.
    #[must_use]
    pub fn members(&self, conversation: u64) -> Option<usize> {
        self.rooms.get(&conversation).map(|room| room.members.len())
    }

    fn room(&mut self, conversation: u64) -> Result<&mut Room, ErrorCode> {
        self.rooms.get_mut(&conversation).ok_or(ErrorCode::RoomNotFound)
    }

    fn touch(&mut self, conversation: u64) {
        if let Some(room) = self.rooms.get_mut(&conversation).filter(|room| !room.touched) {
            room.touched = true;
            self.touched.push(conversation);
        }
    }
}

impl Room {
    fn find(&self, session: SessionId) -> Result<usize, usize> {
        self.members.binary_search_by_key(&session, Member::id)
    }

    fn is_ahead(&mut self) -> bool {
        let half = self.log.half();
        if self.slowest >= half {
            return false;
        }
        // Asked before looking, so that whoever passes the line meanwhile is either seen or tells.
        self.pace.await_line(half);
        self.slowest = u64::MAX;
        for member in &mut self.members {
            let position = member.place.position();
            member.left_behind &= position < half;
            if !member.left_behind {
                self.slowest = self.slowest.min(position);
            }
        }
        // Whoever joins from here on stands at the end.
        self.slowest = self.slowest.min(self.draft.head());
        let ahead = self.slowest < half;
        if !ahead {
            self.pace.await_line(0);
        }
        ahead
    }
}

impl Member {
    fn id(&self) -> SessionId {
        self.subscriber.id()
    }
}
