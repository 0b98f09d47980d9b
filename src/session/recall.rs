//! What a server knows from before: the rooms that persist, who is shut out, whether registration is frozen.

use chat_proto::{NameKey, Relation, Remark, RoomName, RoomSettings, Username};

use crate::{
    room::{Charter, Lock, Sanction},
    store::{ServerSanction, Store, StoreError, StoredRoom},
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
}

impl Recalled {
    /// Reads it, at this time in milliseconds since 1970 UTC. A room whose name cannot be one any more is left alone.
    pub async fn from(store: Store, now: u64) -> Result<Self, StoreError> {
        let rooms = store.rooms().load(now).await?;
        let last_number = store.rooms().last_number().await?;
        let sanctions = store.sanctions().load(now).await?;
        let frozen = store.switches().registration_frozen().await?;
        let rooms = rooms.into_iter().filter_map(recall).collect();
        Ok(Self { store, rooms, last_number, sanctions, frozen })
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
