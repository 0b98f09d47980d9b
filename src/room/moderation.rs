//! Keeping order: what is done to a person in a room or on the server, and a room's end.

use std::sync::Arc;

use chat_proto::{
    Act, ErrorCode, LOBBY, LeaveReason, Moderate, Moderated, Relation, Remark, Removed, Role, ServerPacket,
    Text, Username, room_flag,
};

use super::{
    Control, Deed, Directory, FOR_GOOD, MAILBOX_BIT, NAMES_MAX, Record, Right, Standing, Subscriber,
};

/// The longest that a ban or a mute lasts which does not last for good, in seconds: ten years.
pub const SECONDS_MAX: u32 = 10 * 365 * 24 * 60 * 60;

/// Whom an act is about.
pub struct Target {
    /// The name, as it was written.
    pub name: Username,
    /// Their session; else whether they are offline or unknown.
    pub session: Result<Arc<Subscriber>, ErrorCode>,
}

impl Target {
    /// Their name as it is shown, if they are here.
    fn shown(&self) -> &Username {
        self.session.as_ref().map_or(&self.name, |session| session.name())
    }
}

/// An act, understood.
struct Order<'a> {
    conversation: u64,
    act: Act,
    seconds: u32,
    by: &'a Subscriber,
    reason: &'a Remark,
    now: u64,
}

impl Directory {
    /// Does something to a person in a room.
    pub fn moderate(
        &mut self,
        by: &Subscriber,
        request: &Moderate<Username, Remark>,
        target: &Target,
        now: u64,
    ) -> Result<Deed, ErrorCode> {
        let Moderate { conversation, seconds, ref reason, .. } = *request;
        let act = check_act(request)?;
        let room = self.hub.room(conversation)?;
        if conversation == LOBBY || !room.is_seen_by(by) {
            return Err(ErrorCode::RoomNotFound);
        }
        let key = target.name.key();
        if key == by.name().key() {
            return Err(ErrorCode::SelfTarget);
        }
        let standing = room.standing(by);
        if !room.has(by.id()) && !standing.may_do(Right::Enter) {
            return Err(ErrorCode::NotInRoom);
        }
        let theirs = match &target.session {
            Ok(session) => room.standing(session),
            // A moderator or an admin of the server comes in whatever the room holds against them.
            Err(_) => Standing { role: Role::User, relation: room.charter.role(&key) },
        };
        if !standing.may(act, theirs) {
            return Err(ErrorCode::PermissionDenied);
        }
        let order = Order { conversation, act, seconds, by, reason, now };
        // Its name is asked for before: an act may be the room's last.
        let mut deed = self.deed(by, act.name(), conversation, reason);
        deed.target = Some(target.name.clone());
        deed.seconds = act.lasts().then_some(seconds);
        self.carry_out(&order, target)?;
        Ok(deed)
    }

    fn carry_out(&mut self, order: &Order, target: &Target) -> Result<(), ErrorCode> {
        let Order { conversation, act, by, reason, now, .. } = *order;
        let present = self.present(conversation, target);
        match act {
            Act::Kick => {
                let session = present?;
                let words = (by.name().as_str(), reason);
                self.put_out(&session, conversation, LeaveReason::Kicked, words, now);
                return Ok(());
            }
            Act::Ban | Act::Unban | Act::Mute | Act::Unmute => return self.sanction(order, target),
            Act::Invite => return self.invite(order, target),
            Act::Uninvite => self.uninvite(conversation, target)?,
            // Somebody who is only a name may be anybody tomorrow.
            Act::Appoint => {
                present?;
                if self.is_owner(conversation, target)? {
                    return Ok(());
                }
                self.set_role(conversation, target, Relation::Moderator)?;
            }
            // A room is handed over, not left without an owner.
            Act::Dismiss if self.is_owner(conversation, target)? => return Err(ErrorCode::PermissionDenied),
            Act::Dismiss => self.set_role(conversation, target, Relation::Member)?,
            Act::HandOver => self.hand_over(order, &present?)?,
        }
        // Whoever is invited is told wherever they are; of all else, who is in the room.
        if let Ok(session) = self.present(conversation, target) {
            self.tell(&session, order);
        }
        Ok(())
    }

    /// Tells who is in the room what was done to them.
    fn tell(&self, session: &Subscriber, order: &Order) {
        let Order { conversation, act, seconds, by, reason, .. } = *order;
        let room = self.hub.room(conversation).map_or("", |room| room.charter.shown());
        tell_act(session, conversation, room, act, (by.name().as_str(), seconds, reason.as_str()));
    }

    fn sanction(&mut self, order: &Order, target: &Target) -> Result<(), ErrorCode> {
        let Order { conversation, act, seconds, by, reason, now } = *order;
        let (key, end) = (target.name.key(), end_of(seconds, now));
        let present = self.present(conversation, target).ok();
        let room = self.hub.room_mut(conversation)?;
        let sessions = room.sessions_of(target.shown());
        let mut sanction = room.charter.sanction(&key);
        match act {
            Act::Ban => sanction.banned_until = end,
            Act::Unban => sanction.banned_until = 0,
            Act::Mute => sanction.muted_until = end,
            _ => sanction.muted_until = 0,
        }
        room.charter.set_sanction(&target.name, &sessions, sanction, now)?;
        match present {
            Some(session) if act == Act::Ban => {
                // First, so that an owner is followed by somebody.
                let words = (by.name().as_str(), reason);
                self.put_out(&session, conversation, LeaveReason::Banned, words, now);
            }
            Some(session) if act != Act::Unban => self.tell(&session, order),
            _ => {}
        }
        if self.hub.room(conversation).is_err() {
            // With its last member it is gone.
            return Ok(());
        }
        if act == Act::Ban {
            // Or they would be let in whatever is held against them.
            self.set_role(conversation, target, Relation::Member)?;
            self.uninvite(conversation, target)?;
        }
        self.record(conversation, Record::Sanction { name: target.name.clone(), sanction });
        Ok(())
    }

    /// Whoever is invited is told wherever they are, once, unless they do not want to hear it.
    fn invite(&mut self, order: &Order, target: &Target) -> Result<(), ErrorCode> {
        let Order { conversation, by, now, .. } = *order;
        let (key, invited) = (target.name.key(), &mut self.hub.room_mut(conversation)?.charter.invited);
        if invited.len() >= NAMES_MAX && !invited.contains_key(&key) {
            return Err(ErrorCode::RoomLimit);
        }
        if invited.insert(key, target.name.clone()).is_some() {
            return Ok(());
        }
        self.record(conversation, Record::Invited { name: target.name.clone(), on: true });
        if let Ok(session) = &target.session {
            let heard = !session.ignored().contains_key(&by.name().key()) && by.muted_until() <= now;
            if heard {
                self.tell(session, order);
            }
        }
        Ok(())
    }

    fn uninvite(&mut self, conversation: u64, target: &Target) -> Result<(), ErrorCode> {
        let invited = &mut self.hub.room_mut(conversation)?.charter.invited;
        if invited.remove(&target.name.key()).is_some() {
            self.record(conversation, Record::Invited { name: target.name.clone(), on: false });
        }
        Ok(())
    }

    fn set_role(&mut self, conversation: u64, target: &Target, relation: Relation) -> Result<(), ErrorCode> {
        let key = target.name.key();
        let room = self.hub.room_mut(conversation)?;
        let sessions = room.sessions_of(target.shown());
        let before = room.charter.role(&key).unwrap_or_default();
        if room.charter.roles.len() >= NAMES_MAX && before == Relation::Member && relation != Relation::Member
        {
            return Err(ErrorCode::RoomLimit);
        }
        if before != relation {
            room.charter.set_role(&key, &sessions, relation);
            // A guest's is over when they leave.
            if !target.session.as_ref().is_ok_and(|session| session.role() == Role::Guest) {
                self.record(conversation, Record::Role { key, relation });
            }
        }
        Ok(())
    }

    /// Whose the room was keeps order in it.
    fn hand_over(&mut self, order: &Order, heir: &Arc<Subscriber>) -> Result<(), ErrorCode> {
        let conversation = order.conversation;
        let room = self.hub.room(conversation)?;
        if room.charter.is(room_flag::PERSISTENT) && heir.role() == Role::Guest {
            return Err(ErrorCode::PermissionDenied);
        }
        if self.owned_by(&heir.name().key()) >= self.config.owned.into() {
            return Err(ErrorCode::RoomLimit);
        }
        let owners = room.charter.roles.iter().filter(|(_, relation)| **relation == Relation::Owner);
        let before: Vec<_> = owners.map(|(key, _)| key.clone()).collect();
        for key in before {
            let room = self.hub.room_mut(conversation)?;
            let former = room.members().filter(|one| room.charter.relation(one.id()) == Relation::Owner);
            let sessions: Vec<_> = former.map(|one| one.id()).collect();
            room.charter.set_role(&key, &sessions, Relation::Moderator);
            self.record(conversation, Record::Role { key, relation: Relation::Moderator });
        }
        let key = heir.name().key();
        let room = self.hub.room_mut(conversation)?;
        let sessions = room.sessions_of(heir.name());
        room.charter.set_role(&key, &sessions, Relation::Owner);
        self.record(conversation, Record::Role { key, relation: Relation::Owner });
        Ok(())
    }

    /// Ends a room, with everybody in it told.
    pub fn close_room(&mut self, by: &Subscriber, conversation: u64, now: u64) -> Result<Deed, ErrorCode> {
        if conversation == LOBBY {
            return Err(ErrorCode::PermissionDenied);
        }
        self.check(by, conversation, Right::Close)?;
        let deed = self.deed(by, "close", conversation, &Remark::default());
        self.record(conversation, Record::Gone);
        self.end_room(conversation, by.name().as_str(), now);
        Ok(deed)
    }

    /// Ends a room without anybody's leave.
    pub fn end_room(&mut self, conversation: u64, by: &str, now: u64) {
        let Ok(room) = self.hub.room_mut(conversation) else { return };
        // Kept to the end: else it would be gone with the last member.
        room.charter.settings.flags |= room_flag::PERSISTENT;
        let members: Vec<_> = room.members().cloned().collect();
        for member in members {
            self.put_out(&member, conversation, LeaveReason::Closed, (by, &Remark::default()), now);
        }
        self.close(conversation);
    }

    /// Says something to everybody, for somebody who may.
    pub fn announce_by(&mut self, by: &Subscriber, text: &Text, now: u64) -> Result<Deed, ErrorCode> {
        if !Standing::on_server(by.role()).may_do(Right::Announce) {
            return Err(ErrorCode::PermissionDenied);
        }
        self.announce(text, now);
        Ok(self.deed(by, "announce", LOBBY, &Remark::default()))
    }

    /// Says something to everybody, whichever conversation they are in.
    pub fn announce(&mut self, text: &Text, now: u64) {
        let rooms: Vec<u64> = if self.config.exclusive {
            self.hub.after(0).map(|(number, _)| *number).collect()
        } else {
            vec![LOBBY]
        };
        for conversation in rooms {
            self.hub.announce(conversation, text, now).expect("it has just been listed");
        }
    }

    /// Ends every conversation for a session at one point of each, and then the session, with this code.
    pub fn expel(
        &mut self,
        session: &Arc<Subscriber>,
        (code, reason): (ErrorCode, LeaveReason),
        (by, words): (&str, &Remark),
        now: u64,
    ) {
        session.end();
        // By which connection it is here now.
        let session = &self.current(session);
        session.put_out();
        session.mailbox().close();
        // What was whispered before is read before the end is told.
        session.tell(Control::Detach { bit: MAILBOX_BIT });
        for bit in self.take_out_of_all(session.id(), reason, now) {
            session.tell(Control::Detach { bit });
        }
        session.send(&ServerPacket::Removed(Removed {
            conversation: LOBBY,
            reason: reason as u16,
            by: by.into(),
            text: words.as_str().into(),
            entered: chat_proto::List::default(),
        }));
        session.tell(Control::Close(code, reason));
    }

    fn is_owner(&self, conversation: u64, target: &Target) -> Result<bool, ErrorCode> {
        Ok(self.hub.room(conversation)?.charter.role(&target.name.key()) == Some(Relation::Owner))
    }

    /// The session of somebody who is in the room.
    fn present(&self, conversation: u64, target: &Target) -> Result<Arc<Subscriber>, ErrorCode> {
        let session = target.session.clone()?;
        if self.is_in(session.id(), conversation) { Ok(session) } else { Err(ErrorCode::UserOffline) }
    }

    /// Whether somebody may do this to a room: they are in it, or keep order on the whole server.
    pub(super) fn check(&self, by: &Subscriber, conversation: u64, right: Right) -> Result<(), ErrorCode> {
        let room = self.hub.room(conversation)?;
        if !room.is_seen_by(by) {
            return Err(ErrorCode::RoomNotFound);
        }
        let standing = room.standing(by);
        if !room.has(by.id()) && !standing.may_do(Right::Enter) {
            return Err(ErrorCode::NotInRoom);
        }
        if standing.may_do(right) { Ok(()) } else { Err(ErrorCode::PermissionDenied) }
    }

    pub(super) fn deed(
        &self,
        by: &Subscriber,
        act: &'static str,
        conversation: u64,
        reason: &Remark,
    ) -> Deed {
        Deed {
            by: by.name().clone(),
            role: by.role(),
            act,
            conversation,
            room: self.hub.room(conversation).map_or("", |room| room.charter.shown()).into(),
            target: None,
            seconds: None,
            reason: reason.clone(),
        }
    }
}

/// Tells somebody what was done to them, who stay where they are.
pub(super) fn tell_act(
    session: &Subscriber,
    conversation: u64,
    room: &str,
    act: Act,
    (by, seconds, words): (&str, u32, &str),
) {
    session.send(&ServerPacket::Moderated(Moderated {
        conversation,
        room: room.into(),
        act: act as u16,
        by: by.into(),
        seconds,
        text: words.into(),
    }));
}

/// The act that is asked for, if it is one and lasts as long as one can.
pub fn check_act<N, T>(request: &Moderate<N, T>) -> Result<Act, ErrorCode> {
    let act = Act::of_number(request.act).ok_or(ErrorCode::RangeInvalid)?;
    let seconds_max = if act.lasts() { SECONDS_MAX } else { 0 };
    if request.seconds > seconds_max { Err(ErrorCode::RangeInvalid) } else { Ok(act) }
}

/// When what begins now ends.
#[must_use]
pub fn end_of(seconds: u32, now: u64) -> u64 {
    if seconds == 0 { FOR_GOOD } else { now + u64::from(seconds) * 1_000 }
}
