//! Which rooms one is in, and where lines go.

use std::{
    cell::{Cell, RefCell},
    sync::Arc,
};

use chat_proto::{LOBBY, MAILBOX, Presence, RoomEntered, RoomName};
use tokio::sync::Notify;

use super::{room_words::LinesGo, terminal::PromptState};

/// Where a line without a command goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// To everyone.
    Lobby,
    /// To this room.
    Room(Room),
    /// To nobody: one is not in the room of this name that they were meant for, by no wish of one's own.
    Lost(String),
}

/// A room one is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// Its number.
    pub conversation: u64,
    /// Its name, as the server writes it.
    pub name: String,
}

impl Room {
    /// The lobby, which is in no list of rooms and has no name on the wire.
    #[must_use]
    pub fn lobby() -> Self {
        Self { conversation: LOBBY, name: String::new() }
    }
}

/// The rooms, as far as events have told: whoever listens says what happened, at its place among the rooms' lines, and
/// whoever talks waits until it is known here.
pub struct Rooms {
    here: RefCell<Vec<Room>>,
    target: RefCell<Target>,
    /// Where one came in last, until whoever asked for it knows.
    entered: Cell<Option<Presence>>,
    changed: Notify,
    /// What a terminal shows of it.
    pub prompt: Arc<PromptState>,
    /// Whether somebody sees where lines go. A pipe does not, and what was meant for a room one is not in is an error
    /// until the input itself says where to go on.
    pub at_terminal: bool,
}

impl Rooms {
    /// In no room.
    #[must_use]
    pub fn new(at_terminal: bool) -> Self {
        Self {
            here: RefCell::default(),
            target: RefCell::new(Target::Lobby),
            entered: Cell::new(None),
            changed: Notify::new(),
            prompt: Arc::default(),
            at_terminal,
        }
    }

    /// One has come into a room.
    pub fn enter(&self, entered: &RoomEntered) {
        let room = Room { conversation: entered.place.conversation, name: entered.name.clone() };
        let mut here = self.here.borrow_mut();
        here.retain(|one| one.conversation != room.conversation);
        here.push(room);
        self.entered.set(Some(entered.place));
        self.changed.notify_one();
    }

    /// One is in a room, and has been before this was known here.
    pub fn remember(&self, conversation: u64, name: &str) {
        let mut here = self.here.borrow_mut();
        here.retain(|one| one.conversation != conversation);
        here.push(Room { conversation, name: name.to_owned() });
        self.changed.notify_one();
    }

    /// One is in no room any more, by no wish of one's own.
    pub fn lose_all(&self) {
        let here: Vec<_> = self.here.borrow().iter().map(|room| room.conversation).collect();
        for conversation in here {
            self.lose(conversation);
        }
    }

    /// One has left a room, as one wished: lines that went there go to the lobby.
    pub fn leave(&self, conversation: u64) {
        if self.forget(conversation).is_some() && self.is_target(conversation) {
            self.aim(Target::Lobby);
        }
    }

    /// One is out of a room by no wish of one's own: lines that went there go nowhere.
    pub fn lose(&self, conversation: u64) {
        if let Some(name) = self.forget(conversation)
            && self.is_target(conversation)
        {
            self.aim(Target::Lost(name));
        }
    }

    fn forget(&self, conversation: u64) -> Option<String> {
        let mut here = self.here.borrow_mut();
        let at = here.iter().position(|room| room.conversation == conversation)?;
        self.changed.notify_one();
        Some(here.remove(at).name)
    }

    /// The number of a room one is in.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Room> {
        let key = RoomName::parse(name).ok()?.key();
        let is_it = |room: &&Room| RoomName::parse(&room.name).is_ok_and(|name| name.key() == key);
        self.here.borrow().iter().find(is_it).cloned()
    }

    /// The name of a room one is in; `None` for the lobby, and for what is no room.
    #[must_use]
    pub fn name_of(&self, conversation: u64) -> Option<String> {
        let here = self.here.borrow();
        here.iter().find(|room| room.conversation == conversation).map(|room| room.name.clone())
    }

    /// What a room is called where it is told of: its name, else its number, with a mark that no name has; `None` for
    /// the lobby.
    #[must_use]
    pub fn shown(&self, conversation: u64) -> Option<String> {
        if matches!(conversation, LOBBY | MAILBOX) {
            return None;
        }
        Some(self.name_of(conversation).unwrap_or_else(|| format!("#{conversation}")))
    }

    /// Lines go there from now on.
    pub fn aim(&self, target: Target) {
        self.prompt.set_room(match &target {
            Target::Room(room) => &room.name,
            Target::Lobby | Target::Lost(_) => "",
        });
        *self.target.borrow_mut() = target;
    }

    /// Where lines go.
    #[must_use]
    pub fn target(&self) -> Target {
        self.target.borrow().clone()
    }

    /// Whether lines go there.
    #[must_use]
    pub fn is_target(&self, conversation: u64) -> bool {
        matches!(&*self.target.borrow(), Target::Room(room) if room.conversation == conversation)
    }

    /// Where lines go that are meant for a room one is not in.
    #[must_use]
    pub fn after_loss(&self) -> LinesGo {
        if self.at_terminal { LinesGo::ToLobby } else { LinesGo::Nowhere }
    }

    /// Waits until it is known here that one came in at this place. May be dropped and called again.
    pub async fn knows_entered(&self, place: Presence) {
        while self.entered.get() != Some(place) {
            self.changed.notified().await;
        }
        // The same place may be the next one's too, where nobody has said anything meanwhile.
        self.entered.set(None);
    }

    /// Waits until a room of this name is known here. May be dropped and called again.
    pub async fn knows_name(&self, name: &str) -> Room {
        loop {
            match self.find(name) {
                Some(room) => return room,
                None => self.changed.notified().await,
            }
        }
    }

    /// Waits until it is known here that one is out of a room. May be dropped and called again.
    pub async fn knows_left(&self, conversation: u64) {
        while self.name_of(conversation).is_some() {
            self.changed.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chat_proto::RoomSettings;

    fn entered(conversation: u64, name: &str) -> RoomEntered {
        RoomEntered {
            place: Presence { conversation, epoch: 1, seq: 0 },
            name: name.to_owned(),
            relation: 0,
            members: 1,
            settings: RoomSettings { capacity: 9, flags: 0, slow_s: 0 },
            topic: String::new(),
        }
    }

    fn in_dev(conversation: u64) -> Rooms {
        let rooms = Rooms::new(false);
        rooms.enter(&entered(conversation, "Dev"));
        rooms.aim(Target::Room(rooms.find("dev").expect("entered")));
        rooms
    }

    #[test]
    fn a_room_is_found_by_its_name_however_it_is_written() {
        let rooms = in_dev(5);
        for name in ["dev", "DEV", "ｄｅｖ"] {
            assert_eq!(rooms.find(name).map(|room| room.conversation), Some(5), "{name}");
        }
        assert_eq!((rooms.find("ops"), rooms.find("no name")), (None, None));
        let shown = [5, 6, LOBBY, MAILBOX].map(|conversation| rooms.shown(conversation));
        assert_eq!(shown, [Some("Dev".to_owned()), Some("#6".to_owned()), None, None]);
    }

    #[test]
    fn lines_go_to_the_lobby_only_by_ones_own_wish() {
        let rooms = in_dev(5);
        rooms.leave(5);
        assert_eq!(rooms.target(), Target::Lobby);
        let rooms = in_dev(5);
        rooms.lose(5);
        assert_eq!((rooms.target(), rooms.find("dev")), (Target::Lost("Dev".to_owned()), None));
        let rooms = in_dev(5);
        rooms.lose(6);
        assert!(rooms.is_target(5));
    }

    #[tokio::test]
    async fn whoever_talks_waits_for_whoever_listens() {
        let rooms = in_dev(5);
        rooms.knows_entered(entered(5, "").place).await;
        // At the same place again: nobody has said anything meanwhile.
        for name in ["ops", "again"] {
            let place = entered(6, name).place;
            tokio::join!(rooms.knows_entered(place), async { rooms.enter(&entered(6, name)) });
            assert_eq!(rooms.name_of(6).as_deref(), Some(name));
            tokio::join!(rooms.knows_left(6), async { rooms.leave(6) });
            assert_eq!(rooms.name_of(6), None);
        }
    }
}
