//! Pages of what there is: rooms, and the members of one.

use chat_proto::{ErrorCode, LOBBY, List, RoomEntry, RoomsPage, WhoPage};

use super::{Directory, Past, Right, Room, Standing, Subscriber, hub::check_limit};

/// Bytes that the entries of one page of rooms may have: what is left of a packet has room for the longest one more.
const PAGE_BYTES: usize = 60_000;
/// Rooms looked at for one page: where most are hidden, a page may be short and have a next.
const PAGE_ROOMS_MAX: usize = 2_000;

impl Directory {
    /// One page of a conversation's members.
    pub fn who(
        &self,
        conversation: u64,
        asker: &Subscriber,
        after: u64,
        limit: u16,
    ) -> Result<WhoPage, ErrorCode> {
        check_limit(limit)?;
        Ok(self.room_open_to(conversation, asker)?.who(after, limit))
    }

    /// What was said in a conversation, for one of its members.
    pub(super) fn past(&self, conversation: u64, asker: &Subscriber) -> Result<Past, ErrorCode> {
        let (log, head) = self.room_open_to(conversation, asker)?.past();
        Ok(Past { log, head })
    }

    /// A room that somebody is in, or may come into whatever its rules are.
    fn room_open_to(&self, conversation: u64, asker: &Subscriber) -> Result<&Room, ErrorCode> {
        let room = self.hub.room(conversation)?;
        if room.has(asker.id()) || Standing::on_server(asker.role()).may_do(Right::Enter) {
            return Ok(room);
        }
        Err(if room.is_seen_by(asker) { ErrorCode::NotInRoom } else { ErrorCode::RoomNotFound })
    }

    /// One page of the rooms that somebody may know of, by number.
    pub fn list(&self, asker: &Subscriber, after: u64, limit: u16) -> Result<RoomsPage, ErrorCode> {
        check_limit(limit)?;
        let (mut entries, mut bytes, mut last) = (Vec::new(), 0, after.max(LOBBY));
        let mut rooms = self.hub.after(last).map(|(_, room)| room);
        for room in rooms.by_ref().take(PAGE_ROOMS_MAX) {
            last = room.conversation();
            if room.is_seen_by(asker) {
                let entry = entry(room);
                bytes += entry.name.len() + entry.topic.len() + 64;
                entries.push(entry);
                if entries.len() == usize::from(limit) || bytes >= PAGE_BYTES {
                    break;
                }
            }
        }
        let next = if rooms.next().is_some() { last } else { 0 };
        Ok(RoomsPage { next, entries: List(entries) })
    }
}

pub(super) fn entry(room: &Room) -> RoomEntry {
    RoomEntry {
        conversation: room.conversation(),
        name: room.charter.shown().into(),
        members: room.count(),
        settings: room.charter.settings,
        topic: room.charter.topic.as_str().into(),
    }
}
