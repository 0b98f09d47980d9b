//! What a server knows from before: the rooms that persist, who is shut out, whether registration is frozen.

use std::iter::once;

use chat_proto::{LOBBY, NameKey, Relation, Remark, RoomName, RoomSettings, Username};

use super::{Returning, returning};
use crate::{
    config::{Durability, Failing, HistoryConfig},
    room::{Charter, Lock, Sanction},
    store::{LastEpoch, ServerSanction, Store, StoreError, StoredRoom},
};

/// A database, and what was in it when the server started.
pub struct Recalled {
    /// The database.
    pub store: Store,
    /// Rooms by number, each with its rules.
    pub rooms: Vec<(u64, Charter)>,
    /// The highest number that a room has ever had.
    pub last_number: u64,
    /// Who is shut out of the server or silent there.
    pub sanctions: Vec<ServerSanction>,
    /// Whether nobody may register for now.
    pub frozen: bool,
    /// Sessions that were there.
    pub sessions: Vec<Returning>,
    /// The highest number that a session has ever had.
    pub last_session: u64,
    /// Where each conversation's past has come to, if a history is kept.
    pub epochs: Option<Vec<LastEpoch>>,
}

impl Recalled {
    /// Reads it, at this time in milliseconds since 1970 UTC. A room whose name cannot be one any more is left alone. Before a
    /// server is started it goes on [with a history](Self::with_history) or [without](Self::without_history).
    pub async fn from(store: Store, now: u64) -> Result<Self, StoreError> {
        let rooms = store.rooms().load(now).await?;
        let last_number = store.rooms().last_number().await?;
        let sanctions = store.sanctions().load(now).await?;
        let frozen = store.switches().registration_frozen().await?;
        let rooms = rooms.into_iter().filter_map(recall).collect();
        let sessions = returning::recall(&store).await?;
        let last_session = store.history().highest_session().await?;
        Ok(Self { store, rooms, last_number, sanctions, frozen, sessions, last_session, epochs: None })
    }

    /// The same, with a history that goes on: from here on a server must be started, or its past ends here.
    ///
    /// What was closed goes on; all else begins a new epoch, which is known to the database before anything is said in it.
    pub async fn with_history(self, config: &HistoryConfig) -> Result<Self, StoreError> {
        let history = self.store.history();
        let last = history.open_epochs().await?;
        let mut epochs = Vec::new();
        for conversation in once(LOBBY).chain(self.rooms.iter().map(|(conversation, _)| *conversation)) {
            let last = last.iter().find(|last| last.conversation == conversation && last.head.is_some());
            // 0 is no epoch: with it clients ask for the beginning.
            let new = || LastEpoch { conversation, epoch: rand::random::<u64>().max(1), head: Some(0) };
            epochs.push(last.copied().unwrap_or_else(new));
        }
        let begun: Vec<_> = epochs.iter().map(|one| (one.conversation, one.epoch)).collect();
        // Where lines are let through that could not be stored, it is not known that nothing is missing.
        let lossless = config.durability == Durability::Full && config.failing == Failing::Refuse;
        history.begin_epochs(&begun, lossless).await?;
        if config.durability == Durability::Process {
            // From here on they are in memory, and what is stored of them would be the past.
            self.store.whispers().forget_mailboxes().await?;
        }
        Ok(Self { epochs: Some(epochs), ..self })
    }

    /// The same, where no history is kept.
    pub async fn without_history(self) -> Result<Self, StoreError> {
        self.store.whispers().forget_mailboxes().await?;
        Ok(self)
    }
}

fn recall(stored: StoredRoom) -> Option<(u64, Charter)> {
    let StoredRoom { room, roles, sanctions, invited } = stored;
    let Ok(name) = RoomName::parse(&room.name.shown) else {
        tracing::warn!(
            event = "room_misfit",
            conversation = room.conversation,
            "a stored room's name is none"
        );
        return None;
    };
    let settings = &room.settings;
    let wire = RoomSettings { capacity: settings.capacity, flags: settings.flags, slow_s: settings.slow_s };
    let topic = Remark::parse(&settings.topic).unwrap_or_default();
    let mut charter = Charter::new(Some(name), room.name.skeleton.as_str().into(), wire, topic);
    charter.set_lock(settings.password.as_ref().and_then(|digest| Lock::from_bytes(digest.as_bytes())));
    for role in roles {
        let relation =
            if role.role == Relation::Owner as u16 { Relation::Owner } else { Relation::Moderator };
        charter.roles.extend(key(&role.person.shown).map(|key| (key, relation)));
    }
    for held in sanctions {
        let sanction = Sanction {
            banned_until: held.sanction.banned_until_ms.unwrap_or_default(),
            muted_until: held.sanction.muted_until_ms.unwrap_or_default(),
        };
        let name = Username::parse(&held.person.shown).ok();
        charter.sanctions.extend(name.map(|name| (name.key(), (name, sanction))));
    }
    let invited = invited.iter().filter_map(|person| Username::parse(&person.shown).ok());
    charter.invited.extend(invited.map(|name| (name.key(), name)));
    Some((room.conversation, charter))
}

/// Made anew: the rules may have changed since it was stored.
fn key(shown: &str) -> Option<NameKey> {
    Username::parse(shown).ok().map(|name| name.key())
}
