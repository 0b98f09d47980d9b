//! What one room is and whom it takes: name, settings, who keeps order, who is shut out, who is asked in.

use std::collections::HashMap;

use chat_proto::{
    ErrorCode, NameKey, Refusal, Relation, Remark, RoomName, RoomSettings, Username, room_flag,
};

use super::{Lock, Right, SessionId, Standing, Subscriber};

/// People that a room may have sanctions against, and people that it may have invited. Full: refused with
/// [`ErrorCode::RoomLimit`].
pub const NAMES_MAX: usize = 1_000;

/// A sanction that does not end.
pub const FOR_GOOD: u64 = u64::MAX;

/// A room's rules. The lobby has them too, of which only slow mode can be set.
pub struct Charter {
    /// As it is shown; `None`: the lobby.
    pub name: Option<RoomName>,
    /// What a name that looks like it has in common with it.
    pub look: Box<str>,
    /// What its owner may change; the [password bit](room_flag::PASSWORD) follows the lock.
    pub settings: RoomSettings,
    /// What it is about.
    pub topic: Remark,
    /// What a password has to open.
    pub lock: Option<Lock>,
    /// Who keeps order, by name, whether they are in it or not. A guest only while in it.
    pub roles: HashMap<NameKey, Relation>,
    /// Who is shut out or silent, by name. (A key is no name: folding may make it longer than one.)
    pub sanctions: HashMap<NameKey, (Username, Sanction)>,
    /// Who may come in where only the invited may, by name.
    pub invited: HashMap<NameKey, Username>,
    /// When those spoke last who have left, while slow mode makes them wait for it.
    lately: HashMap<NameKey, u64>,
    /// Whether what was last done to it could not be stored: the next act stores all of it.
    pub(super) unstored: bool,
    /// Of those who are in it, what is needed for every line.
    present: HashMap<SessionId, Present>,
}

/// What a room has against somebody. Times are milliseconds since 1970 UTC; 0: nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sanction {
    /// Not let in before.
    pub banned_until: u64,
    /// Not let speak before.
    pub muted_until: u64,
}

/// A member that is more or less than others.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Present {
    relation: Relation,
    muted_until: u64,
    /// When they last spoke, where that matters.
    spoke_ms: u64,
}

impl Charter {
    /// The rules of a new room.
    #[must_use]
    pub fn new(name: Option<RoomName>, look: Box<str>, settings: RoomSettings, topic: Remark) -> Self {
        Self {
            name,
            look,
            settings,
            topic,
            lock: None,
            roles: HashMap::new(),
            sanctions: HashMap::new(),
            invited: HashMap::new(),
            lately: HashMap::new(),
            unstored: false,
            present: HashMap::new(),
        }
    }

    /// The rules of the lobby: everybody is in it.
    #[must_use]
    pub fn lobby() -> Self {
        Self::new(None, "".into(), RoomSettings { capacity: 0, flags: 0, slow_s: 0 }, Remark::default())
    }

    /// The name as it is shown; empty for the lobby.
    #[must_use]
    pub fn shown(&self) -> &str {
        self.name.as_ref().map_or("", RoomName::as_str)
    }

    /// Whether it has this bit of [`room_flag`].
    #[must_use]
    pub fn is(&self, flag: u16) -> bool {
        self.settings.flags & flag != 0
    }

    /// Sets or takes away what a password has to open.
    pub fn set_lock(&mut self, lock: Option<Lock>) {
        self.settings.flags &= !room_flag::PASSWORD;
        if lock.is_some() {
            self.settings.flags |= room_flag::PASSWORD;
        }
        self.lock = lock;
    }

    /// What somebody of this name is to the room; `None`: nothing but perhaps a member.
    #[must_use]
    pub fn role(&self, key: &NameKey) -> Option<Relation> {
        self.roles.get(key).copied()
    }

    /// What a member is to the room.
    #[must_use]
    pub fn relation(&self, session: SessionId) -> Relation {
        self.present.get(&session).map_or(Relation::Member, |present| present.relation)
    }

    /// Whether the room lets somebody in, who is nothing to it but what `standing` says. Whoever may not know of a
    /// hidden room hears that there is none.
    pub fn admit(
        &self,
        key: &NameKey,
        standing: Standing,
        password: &str,
        now: u64,
    ) -> Result<(), ErrorCode> {
        if standing.may_do(Right::Enter) || standing.relation.is_some() {
            return Ok(());
        }
        let invited = self.invited.contains_key(key);
        let opened = self.lock.as_ref().is_some_and(|lock| lock.opens(password));
        let known = invited || (!self.is(room_flag::INVITE_ONLY) && (!self.is(room_flag::HIDDEN) || opened));
        if !known {
            return Err(ErrorCode::RoomNotFound);
        }
        if self.sanction(key).banned_until > now {
            return Err(ErrorCode::PermissionDenied);
        }
        if self.lock.is_some() && !opened && !invited { Err(ErrorCode::PermissionDenied) } else { Ok(()) }
    }

    /// Somebody has come in, who is this to the room.
    pub fn enter(&mut self, session: SessionId, key: &NameKey, relation: Relation) {
        let muted_until = self.sanction(key).muted_until;
        let spoke_ms = self.lately.remove(key).unwrap_or_default();
        self.set_present(session, Present { relation, muted_until, spoke_ms });
    }

    /// Somebody has left. Who leaves and comes back does not speak sooner for it.
    pub fn leave(&mut self, one: &Subscriber) {
        let present = self.present.remove(&one.id());
        let slow_ms = u64::from(self.settings.slow_s) * 1_000;
        if let Some(spoke_ms) = present.map(|present| present.spoke_ms).filter(|_| slow_ms > 0) {
            self.lately.retain(|_, before| *before + slow_ms > spoke_ms);
            if spoke_ms > 0 && self.lately.len() < NAMES_MAX {
                self.lately.insert(one.name().key(), spoke_ms);
            }
        }
    }

    /// Makes somebody something to the room, or nothing again.
    pub fn set_role(&mut self, key: &NameKey, sessions: &[SessionId], relation: Relation) {
        if relation == Relation::Member {
            self.roles.remove(key);
        } else {
            self.roles.insert(key.clone(), relation);
        }
        for session in sessions {
            let present = self.present.get(session).copied().unwrap_or_default();
            self.set_present(*session, Present { relation, ..present });
        }
    }

    /// What the room has against somebody.
    #[must_use]
    pub fn sanction(&self, key: &NameKey) -> Sanction {
        self.sanctions.get(key).map(|(_, sanction)| *sanction).unwrap_or_default()
    }

    /// Holds this against somebody from now on.
    pub fn set_sanction(
        &mut self,
        name: &Username,
        sessions: &[SessionId],
        sanction: Sanction,
        now: u64,
    ) -> Result<(), ErrorCode> {
        let key = name.key();
        self.sanctions.retain(|_, (_, held)| held.banned_until > now || held.muted_until > now);
        if sanction == Sanction::default() {
            self.sanctions.remove(&key);
        } else if self.sanctions.len() < NAMES_MAX || self.sanctions.contains_key(&key) {
            self.sanctions.insert(key, (name.clone(), sanction));
        } else {
            return Err(ErrorCode::RoomLimit);
        }
        for session in sessions {
            let present = self.present.get(session).copied().unwrap_or_default();
            self.set_present(*session, Present { muted_until: sanction.muted_until, ..present });
        }
        Ok(())
    }

    /// Whether a line of a member has to be asked about.
    #[must_use]
    pub fn is_strict(&self) -> bool {
        self.settings.slow_s > 0 || !self.present.is_empty()
    }

    /// Whether a member may speak now; if so, they have.
    pub fn speak(&mut self, session: SessionId, standing: Standing, now: u64) -> Result<(), Refusal> {
        let slow_ms = u64::from(self.settings.slow_s) * 1_000;
        let present = self.present.get(&session).copied().unwrap_or_default();
        // A room cannot silence who keeps order on the server, also if they were away when it tried.
        if present.muted_until > now && !standing.may_do(Right::Enter) {
            return Err(until(ErrorCode::Muted, present.muted_until, now));
        }
        if slow_ms == 0 || standing.may_do(Right::Hurry) {
            return Ok(());
        }
        if present.spoke_ms + slow_ms > now {
            return Err(until(ErrorCode::RateLimited, present.spoke_ms + slow_ms, now));
        }
        self.set_present(session, Present { spoke_ms: now, ..present });
        Ok(())
    }

    /// Kept only for who is more or less than others.
    fn set_present(&mut self, session: SessionId, present: Present) {
        if present == Present::default() {
            self.present.remove(&session);
        } else {
            self.present.insert(session, present);
        }
    }
}

/// A refusal that ends at a time; what does not end has no time.
#[must_use]
pub fn until(code: ErrorCode, end: u64, now: u64) -> Refusal {
    let retry_ms = if end == FOR_GOOD { 0 } else { u32::try_from(end - now).unwrap_or(u32::MAX) };
    Refusal { code: code.into(), retry_ms }
}
