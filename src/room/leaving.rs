//! Out of a room and out of all of them, and what becomes of a room that is left.

use std::sync::Arc;

use chat_proto::{
    ErrorCode, LOBBY, LeaveReason, List, NameKey, Presence, Relation, Remark, Removed, Role, RoomLeft,
    ServerPacket, room_flag,
};

use super::{Attachment, Control, Directory, SessionId, Subscriber, directory::Stay};

impl Directory {
    /// Takes somebody out of a room, at their wish. The attachment is for after the answer.
    pub fn leave(
        &mut self,
        subscriber: &Arc<Subscriber>,
        conversation: u64,
        now: u64,
    ) -> Result<(RoomLeft, Option<Attachment>), ErrorCode> {
        if conversation == LOBBY {
            return Err(ErrorCode::PermissionDenied);
        }
        if !self.is_in(subscriber.id(), conversation) {
            return Err(ErrorCode::NotInRoom);
        }
        self.take_out(subscriber.id(), conversation, LeaveReason::Quit, now);
        let (entered, attachment) = self.come_back(subscriber, now);
        Ok((RoomLeft { entered }, attachment))
    }

    /// Puts somebody out of a room, and tells them.
    pub(super) fn put_out(
        &mut self,
        subscriber: &Arc<Subscriber>,
        conversation: u64,
        reason: LeaveReason,
        (by, words): (&str, &Remark),
        now: u64,
    ) {
        self.take_out(subscriber.id(), conversation, reason, now);
        let (entered, attachment) = self.come_back(subscriber, now);
        subscriber.send(&ServerPacket::Removed(Removed {
            conversation,
            reason: reason as u16,
            by: by.into(),
            text: words.as_str().into(),
            entered,
        }));
        if let Some(attachment) = attachment {
            subscriber.tell(Control::Attach(attachment));
        }
    }

    /// Into the lobby again, where one is in one conversation at a time.
    fn come_back(&mut self, subscriber: &Arc<Subscriber>, now: u64) -> (List<Presence>, Option<Attachment>) {
        if !self.config.exclusive {
            return (List::default(), None);
        }
        let (place, attachment) = self.enter_lobby(subscriber, now);
        (List(vec![place]), Some(attachment))
    }

    /// Out of the one conversation, on the way into another.
    pub(super) fn move_out(&mut self, subscriber: &Arc<Subscriber>, now: u64) {
        let id = subscriber.id();
        let room = self.stays.get(&id).and_then(|stay| stay.rooms.first()).map(|(room, _)| *room);
        let left = room.unwrap_or(LOBBY);
        if room.is_some() {
            self.take_out(id, left, LeaveReason::Moved, now);
        } else {
            let bit = self.hub.part(LOBBY, id, LeaveReason::Moved, now);
            subscriber.tell(Control::Detach { bit: bit.expect("who is nowhere else is in the lobby") });
        }
        subscriber.send(&ServerPacket::Removed(Removed {
            conversation: left,
            reason: LeaveReason::Moved as u16,
            by: String::new(),
            text: String::new(),
            entered: List::default(),
        }));
    }

    /// Ends a membership in a room, tells the writer, and sees to the room.
    fn take_out(&mut self, session: SessionId, conversation: u64, reason: LeaveReason, now: u64) {
        let stay = self.stays.get_mut(&session).expect("who is in a room is kept");
        stay.rooms.retain(|(room, _)| *room != conversation);
        let (subscriber, key) = (Arc::clone(&stay.subscriber), stay.key.clone());
        if stay.rooms.is_empty() {
            self.stays.remove(&session);
        }
        self.tell_rooms(&subscriber);
        let bit = self.hub.part(conversation, session, reason, now).expect("a member");
        subscriber.tell(Control::Detach { bit });
        self.see_to(conversation, &subscriber, &key);
    }

    /// A session has ended: it leaves every conversation.
    pub fn depart(&mut self, session: SessionId, reason: LeaveReason, now: u64) {
        self.take_out_of_all(session, reason, now);
    }

    /// Ends all memberships of a session, and returns their bits.
    pub(super) fn take_out_of_all(&mut self, session: SessionId, reason: LeaveReason, now: u64) -> Vec<u32> {
        let mut bits = Vec::new();
        if let Some(Stay { subscriber, key, rooms }) = self.stays.remove(&session) {
            self.tell_rooms(&subscriber);
            for (conversation, bit) in rooms {
                self.hub.part(conversation, session, reason, now).expect("a member");
                self.see_to(conversation, &subscriber, &key);
                bits.push(bit);
            }
        }
        // Who was put out of the server before, or is in a room of an exclusive one, is not in the lobby.
        bits.extend(self.hub.part(LOBBY, session, reason, now));
        bits
    }

    /// What becomes of a room that somebody has left.
    fn see_to(&mut self, conversation: u64, gone: &Subscriber, key: &NameKey) {
        let room = self.hub.room_mut(conversation).expect("it has just been left");
        let charter = &mut room.charter;
        let owned = charter.role(key) == Some(Relation::Owner);
        if gone.role() == Role::Guest {
            // Whoever takes the name next is somebody else.
            charter.roles.remove(key);
        }
        if charter.is(room_flag::PERSISTENT) {
            return;
        }
        if room.is_empty() {
            self.close(conversation);
        } else if owned && !room.members().any(|one| one.name() == gone.name()) {
            self.hand_on(conversation, gone, key);
        }
    }

    /// A room whose owner has left goes to the moderator, else to the member, who has been logged in longest.
    fn hand_on(&mut self, conversation: u64, gone: &Subscriber, key: &NameKey) {
        let room = self.hub.room_mut(conversation).expect("it has members");
        let moderates = |one: &&Arc<Subscriber>| room.charter.relation(one.id()) == Relation::Moderator;
        let heir = room.members().find(moderates).or_else(|| room.members().next());
        let heir = Arc::clone(heir.expect("it has members"));
        if gone.role() != Role::Guest {
            room.charter.set_role(key, &[], Relation::Moderator);
        }
        let sessions = room.sessions_of(heir.name());
        room.charter.set_role(&heir.name().key(), &sessions, Relation::Owner);
        let shown = room.charter.shown().to_owned();
        super::moderation::tell_act(&heir, conversation, &shown, chat_proto::Act::HandOver, ("", 0, ""));
    }
}
