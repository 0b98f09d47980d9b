//! A session whose connection was lost goes on by another: in the same places, from the lines it has.

use std::sync::Arc;

use chat_proto::{LOBBY, MAILBOX, Presence};

use super::{Control, Directory, LOBBY_BIT, SessionId, Standpoint, Subscriber, directory::Stay};

impl Directory {
    /// Gives a session's places to its new connection, which has still to say from where it reads on. Each comes with
    /// the last line there is. `None` if the session is in no conversation any more.
    pub fn succeed(&mut self, new: &Arc<Subscriber>) -> Option<Vec<Presence>> {
        let rooms = self.conversations_of(new.id());
        if let Some(stay) = self.stays.get_mut(&new.id()) {
            stay.subscriber = Arc::clone(new);
        }
        let place = |room| self.hub.room_mut(room).ok()?.succeed(new);
        let places: Vec<_> = rooms.into_iter().filter_map(place).collect();
        (!places.is_empty()).then_some(places)
    }

    /// Puts a session back that has outlived a process: into the rooms it was in that there are, else into the lobby where
    /// one is in one conversation at a time. Nobody is told, as they did not see it leave. It waits for its owner.
    pub fn restore_session(&mut self, one: &Arc<Subscriber>, rooms: &[u64]) {
        let (id, key) = (one.id(), one.name().key());
        let most = if self.config.exclusive { 1 } else { self.config.joined.into() };
        let mut stay = Stay { subscriber: Arc::clone(one), key: key.clone(), rooms: Vec::new() };
        for (conversation, bit) in rooms.iter().take(most).zip(LOBBY_BIT + 1..) {
            let Ok(room) = self.hub.room_mut(*conversation) else { continue };
            let relation = room.role(one).unwrap_or_default();
            room.charter.enter(id, &key, relation);
            if room.restore(one, bit) {
                stay.rooms.push((*conversation, bit));
            }
        }
        if !self.config.exclusive || stay.rooms.is_empty() {
            let lobby = self.hub.room_mut(LOBBY).expect("there is a lobby");
            lobby.restore(one, LOBBY_BIT);
        }
        if !stay.rooms.is_empty() {
            self.stays.insert(id, stay);
        }
    }

    /// Whether a session is by this connection where it is, and not by one that came after.
    #[must_use]
    pub fn is_current(&self, one: &Arc<Subscriber>) -> bool {
        let mut rooms = self.conversations_of(one.id()).into_iter();
        rooms.all(|room| self.hub.room(room).is_ok_and(|room| room.holds(one)))
    }

    /// The connection by which a session is where it is now, if that is another than this one.
    pub(super) fn current(&self, one: &Arc<Subscriber>) -> Arc<Subscriber> {
        let mut rooms = self.conversations_of(one.id()).into_iter();
        let found = rooms.find_map(|room| self.hub.room(room).ok()?.member(one.id()));
        found.unwrap_or_else(|| Arc::clone(one))
    }

    /// Where a session stands in all its conversations.
    #[must_use]
    pub fn standpoints(&self, one: &Arc<Subscriber>) -> Vec<Standpoint> {
        let rooms = self.conversations_of(one.id()).into_iter();
        let rooms = rooms.filter_map(|room| self.hub.room(room).ok()).filter(|room| room.holds(one));
        rooms.filter_map(|room| room.standpoint(one.id())).collect()
    }

    /// Whether a session is in a conversation, and has still to read on there.
    pub(super) fn is_waiting(&self, one: &Arc<Subscriber>, conversation: u64) -> bool {
        let room = self.hub.room(conversation).ok().filter(|room| room.holds(one));
        room.and_then(|room| room.standpoint(one.id())).is_some_and(|standpoint| standpoint.held)
    }

    /// Lets a session read a conversation on after a line, if it is still in it and waits for that.
    pub fn attach(&mut self, one: &Arc<Subscriber>, conversation: u64, after: Option<u64>) {
        if conversation == MAILBOX {
            one.tell(Control::OpenMailbox { after });
            return;
        }
        let Ok(room) = self.hub.room_mut(conversation) else { return };
        if let Some(attachment) = room.attach(one, after) {
            one.tell(Control::Attach(attachment));
        }
    }

    /// The conversations that a session is in: the lobby, and rooms.
    fn conversations_of(&self, session: SessionId) -> Vec<u64> {
        let lobby = self.is_in(session, LOBBY).then_some(LOBBY);
        let rooms = self.stays.get(&session).into_iter().flat_map(|stay| &stay.rooms);
        lobby.into_iter().chain(rooms.map(|(room, _)| *room)).collect()
    }
}
