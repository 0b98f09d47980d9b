//! What a room is about and how it is: changing that, telling its members, noting it for whoever stores it.

use std::{collections::HashSet, sync::Arc};

use chat_proto::{
    ErrorCode, LOBBY, NameKey, Relation, Remark, Role, RoomChanged, RoomPassword, RoomSettings, SetRoom,
    SetTopic, room_flag,
};

use super::{Deed, Directory, Kept, Lock, Record, Right, SLOW_S_MAX, Standing, Subscriber};

impl Directory {
    /// Says what a room is about.
    pub fn set_topic(
        &mut self,
        by: &Subscriber,
        request: &SetTopic<Remark>,
        now: u64,
    ) -> Result<Deed, ErrorCode> {
        let SetTopic { conversation, ref topic, .. } = *request;
        if conversation == LOBBY {
            // Nobody could ask for it.
            return Err(ErrorCode::PermissionDenied);
        }
        self.check(by, conversation, Right::SetTopic)?;
        self.hub.room_mut(conversation)?.charter.topic = topic.clone();
        self.changed(by, conversation, false, now)?;
        Ok(self.deed(by, "topic", conversation, topic))
    }

    /// Changes how a room is.
    pub fn set_room(
        &mut self,
        by: &Subscriber,
        request: &SetRoom<RoomPassword>,
        lock: Option<Option<Lock>>,
        now: u64,
    ) -> Result<Deed, ErrorCode> {
        let SetRoom { conversation, settings, .. } = *request;
        if conversation == LOBBY {
            return self.set_lobby(by, settings, lock.is_some(), now);
        }
        self.check(by, conversation, Right::SetRoom)?;
        self.check_settings(settings)?;
        let room = self.hub.room(conversation)?;
        let persisted = room.charter.is(room_flag::PERSISTENT);
        let persists = settings.flags & room_flag::PERSISTENT != 0;
        if persisted != persists && !room.standing(by).may_do(Right::SetPersistent) {
            return Err(ErrorCode::PermissionDenied);
        }
        if persisted && !persists {
            self.record(conversation, Record::Gone);
        }
        let charter = &mut self.hub.room_mut(conversation)?.charter;
        let lock = lock.unwrap_or_else(|| charter.lock.take());
        charter.settings = settings;
        charter.set_lock(lock);
        self.changed(by, conversation, persists && !persisted, now)?;
        if persists && !persisted {
            self.record_people(conversation);
        }
        let deed = self.deed(by, "settings", conversation, &Remark::default());
        if !persists && self.hub.room(conversation)?.is_empty() {
            self.close(conversation);
        }
        Ok(deed)
    }

    /// The lobby is what it is, but for slow mode.
    fn set_lobby(
        &mut self,
        by: &Subscriber,
        settings: RoomSettings,
        password: bool,
        now: u64,
    ) -> Result<Deed, ErrorCode> {
        if !Standing::on_server(by.role()).may_do(Right::Announce) {
            return Err(ErrorCode::PermissionDenied);
        }
        let slow_s = settings.slow_s;
        let only_slow = settings == RoomSettings { capacity: 0, flags: 0, slow_s } && !password;
        if !only_slow || slow_s > SLOW_S_MAX {
            return Err(ErrorCode::RangeInvalid);
        }
        self.hub.room_mut(LOBBY)?.charter.settings.slow_s = slow_s;
        self.changed(by, LOBBY, false, now)?;
        Ok(self.deed(by, "settings", LOBBY, &Remark::default()))
    }

    /// Tells a room's members how it is now, and whoever stores it.
    fn changed(&mut self, by: &Subscriber, conversation: u64, new: bool, now: u64) -> Result<(), ErrorCode> {
        self.hub.touching(conversation, |room| {
            room.note(Some(by.id()), now, |charter, head, out| {
                let (settings, topic) = (charter.settings, charter.topic.as_str());
                RoomChanged { head, by: by.name().as_str(), settings, topic }.encode(out);
            });
            Ok(())
        })?;
        self.record_room(conversation, new);
        Ok(())
    }

    /// Notes how a room is, if it persists.
    pub(super) fn record_room(&mut self, conversation: u64, new: bool) {
        let Ok(room) = self.hub.room(conversation) else { return };
        let charter = &room.charter;
        let Some(name) = charter.name.clone() else { return };
        let kept = Kept {
            conversation,
            name,
            look: charter.look.clone(),
            settings: charter.settings,
            topic: charter.topic.clone(),
            lock: charter.lock.clone(),
            new,
        };
        self.record(conversation, Record::Room(Box::new(kept)));
    }

    /// What was last done to a room is not stored: the next act stores all of it.
    pub fn note_unstored(&mut self, conversation: u64) {
        if let Ok(room) = self.hub.room_mut(conversation) {
            room.charter.unstored = true;
        }
    }

    /// What an act has to store: its own changes, or all of the room if an act before could not be stored.
    pub(super) fn with_what_was_not_stored(
        &mut self,
        conversation: u64,
        records: Vec<Record>,
    ) -> Vec<Record> {
        let Ok(room) = self.hub.room_mut(conversation) else { return records };
        if !room.charter.unstored || !room.charter.is(room_flag::PERSISTENT) {
            return records;
        }
        room.charter.unstored = false;
        self.record_room(conversation, true);
        self.record_people(conversation);
        self.take_records()
    }

    /// Notes whom a room that persists from now on knows.
    fn record_people(&mut self, conversation: u64) {
        let Ok(room) = self.hub.room(conversation) else { return };
        let keeps_order = |one: &&Arc<Subscriber>| room.charter.relation(one.id()) != Relation::Member;
        let guests: HashSet<NameKey> = room
            .members()
            .filter(|one| one.role() == Role::Guest)
            .filter(keeps_order)
            .map(|one| one.name().key())
            .collect();
        let roles = room.charter.roles.iter().filter(|(key, _)| !guests.contains(*key));
        let accounts: Vec<_> = roles.map(|(key, relation)| (key.clone(), *relation)).collect();
        let sanctions: Vec<_> = room.charter.sanctions.values().cloned().collect();
        let invited: Vec<_> = room.charter.invited.values().cloned().collect();
        for (key, relation) in accounts {
            self.record(conversation, Record::Role { key, relation });
        }
        for (name, sanction) in sanctions {
            self.record(conversation, Record::Sanction { name, sanction });
        }
        for name in invited {
            self.record(conversation, Record::Invited { name, on: true });
        }
    }
}
