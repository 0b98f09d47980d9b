//! Who may do what to whom: the one table of permissions.

use chat_proto::{Act, Relation, Role};

/// What somebody is, to a room or, where it is about the whole server, to that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// What they are on the server.
    pub role: Role,
    /// What they are to the room; `None`: not in it, and nothing to it.
    pub relation: Option<Relation>,
}

/// What may be done that is not done to a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// See who is in a room one is not in, find one that is hidden, come in where only the invited may.
    Enter,
    /// Say what a room is about.
    SetTopic,
    /// Change a room's settings.
    SetRoom,
    /// Change whether a room stays.
    SetPersistent,
    /// End a room.
    Close,
    /// Speak sooner than slow mode lets others.
    Hurry,
    /// Say something to everybody.
    Announce,
    /// Stop registration, and let it go on.
    FreezeRegistration,
}

/// How far somebody's word goes. Whoever acts on a person needs more than that person has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Authority {
    None,
    RoomModerator,
    RoomOwner,
    ServerModerator,
    Admin,
}

impl Standing {
    /// Somebody's standing on the whole server.
    #[must_use]
    pub fn on_server(role: Role) -> Self {
        Self { role, relation: None }
    }

    fn authority(self) -> Authority {
        match (self.role, self.relation) {
            (Role::Admin, _) => Authority::Admin,
            (Role::Moderator, _) => Authority::ServerModerator,
            (Role::Guest | Role::User, Some(Relation::Owner)) => Authority::RoomOwner,
            (Role::Guest | Role::User, Some(Relation::Moderator)) => Authority::RoomModerator,
            (Role::Guest | Role::User, Some(Relation::Member) | None) => Authority::None,
        }
    }

    /// Whether this may be done to `target` in a room. Nobody acts on themselves: the caller sees to that.
    #[must_use]
    pub fn may(self, act: Act, target: Self) -> bool {
        let least = match act {
            // It does nothing to anybody.
            Act::Invite | Act::Uninvite => return self.authority() >= Authority::RoomModerator,
            Act::Kick | Act::Ban | Act::Unban | Act::Mute | Act::Unmute => Authority::RoomModerator,
            Act::Appoint | Act::Dismiss | Act::HandOver => Authority::RoomOwner,
        };
        self.authority() >= least && self.authority() > target.authority()
    }

    /// Whether this may be done to `target` on the whole server.
    #[must_use]
    pub fn may_on_server(self, act: Act, target: Role) -> bool {
        let target = Self::on_server(target);
        match act {
            Act::Kick | Act::Ban | Act::Unban | Act::Mute | Act::Unmute => {
                self.authority() >= Authority::ServerModerator && self.authority() > target.authority()
            }
            Act::Invite | Act::Uninvite | Act::Appoint | Act::Dismiss | Act::HandOver => false,
        }
    }

    /// Whether this may be done.
    #[must_use]
    pub fn may_do(self, right: Right) -> bool {
        let least = match right {
            Right::SetTopic | Right::Hurry => Authority::RoomModerator,
            Right::SetRoom | Right::Close => Authority::RoomOwner,
            Right::Enter | Right::Announce | Right::FreezeRegistration => Authority::ServerModerator,
            // It takes room in the database, which only somebody with an account answers for.
            Right::SetPersistent => {
                return self.role != Role::Guest && self.authority() >= Authority::RoomOwner;
            }
        };
        self.authority() >= least
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RELATIONS: [Option<Relation>; 4] =
        [None, Some(Relation::Member), Some(Relation::Moderator), Some(Relation::Owner)];

    fn everybody() -> impl Iterator<Item = Standing> + Clone {
        Role::ALL.into_iter().flat_map(|role| RELATIONS.map(move |relation| Standing { role, relation }))
    }

    /// A plain number for how far a word goes, made in another way than the table's.
    fn rank(Standing { role, relation }: Standing) -> u16 {
        let in_room = relation.map_or(0, |relation| relation as u16);
        let on_server = (role as u16).saturating_sub(Role::User as u16) * 10;
        in_room.max(on_server)
    }

    #[test]
    fn the_whole_table_says_what_the_protocol_says() {
        for (actor, target) in everybody().flat_map(|actor| everybody().map(move |target| (actor, target))) {
            let above = rank(actor) > rank(target);
            for act in Act::ALL {
                let expected = match act {
                    Act::Invite | Act::Uninvite => rank(actor) >= 1,
                    Act::Kick | Act::Ban | Act::Unban | Act::Mute | Act::Unmute => rank(actor) >= 1 && above,
                    Act::Appoint | Act::Dismiss | Act::HandOver => rank(actor) >= 2 && above,
                };
                assert_eq!(actor.may(act, target), expected, "{actor:?} {act:?} {target:?}");
            }
        }
    }

    #[test]
    fn on_the_server_only_its_own_roles_count() {
        for (actor, target) in everybody().flat_map(|actor| Role::ALL.map(move |target| (actor, target))) {
            for act in Act::ALL {
                let allowed = actor.may_on_server(act, target);
                let known = matches!(act, Act::Kick | Act::Ban | Act::Unban | Act::Mute | Act::Unmute);
                let above =
                    actor.role >= Role::Moderator && (actor.role > target || target < Role::Moderator);
                assert_eq!(allowed, known && above, "{actor:?} {act:?} {target:?}");
            }
        }
    }

    #[test]
    fn nobody_may_do_anything_to_who_is_their_equal() {
        for one in everybody() {
            for act in Act::ALL.into_iter().filter(|act| !matches!(act, Act::Invite | Act::Uninvite)) {
                assert!(!one.may(act, one), "{one:?} {act:?}");
                assert!(!one.may_on_server(act, one.role), "{one:?} {act:?}");
            }
        }
    }

    #[test]
    fn rights_are_for_those_who_answer_for_the_room_or_the_server() {
        for one in everybody() {
            let expected = |right| match right {
                Right::SetTopic | Right::Hurry => rank(one) >= 1,
                Right::SetRoom | Right::Close => rank(one) >= 2,
                Right::SetPersistent => rank(one) >= 2 && one.role != Role::Guest,
                Right::Enter | Right::Announce | Right::FreezeRegistration => rank(one) >= 10,
            };
            for right in [
                Right::Enter,
                Right::SetTopic,
                Right::SetRoom,
                Right::SetPersistent,
                Right::Close,
                Right::Hurry,
                Right::Announce,
                Right::FreezeRegistration,
            ] {
                assert_eq!(one.may_do(right), expected(right), "{one:?} {right:?}");
            }
        }
    }
}
