//! What has to outlive the process, as the rooms tell it to whoever stores it.

use chat_proto::{NameKey, Relation, Remark, Role, RoomName, RoomSettings, Username};

use super::{Lock, Sanction};

/// A change of a room that persists: of the room that the act is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// It is there, and it is like this.
    Room(Box<Kept>),
    /// It is no more, or does not persist any more.
    Gone,
    /// Somebody with an account is this to it.
    Role {
        /// Whose name.
        key: NameKey,
        /// What they are to it.
        relation: Relation,
    },
    /// It has this against somebody, or nothing any more.
    Sanction {
        /// Whose name.
        name: Username,
        /// What.
        sanction: Sanction,
    },
    /// Somebody may come in, or may not any more.
    Invited {
        /// Whose name.
        name: Username,
        /// Whether.
        on: bool,
    },
}

/// What is kept of a room itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its number.
    pub conversation: u64,
    /// As it is shown.
    pub name: RoomName,
    /// What a name that looks like it has in common with it.
    pub look: Box<str>,
    /// How it is.
    pub settings: RoomSettings,
    /// What it is about.
    pub topic: Remark,
    /// What a password has to open.
    pub lock: Option<Lock>,
    /// Whether it has just been made.
    pub new: bool,
}

/// An act on a person or a room, for the log that is never changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deed {
    /// Who did it.
    pub by: Username,
    /// What they are on the server.
    pub role: Role,
    /// A stable word for it.
    pub act: &'static str,
    /// The room; the lobby: the whole server.
    pub conversation: u64,
    /// The room's name, or empty.
    pub room: Box<str>,
    /// To whom, if to a person.
    pub target: Option<Username>,
    /// Of what lasts, for how many seconds; 0: for good.
    pub seconds: Option<u32>,
    /// Why.
    pub reason: Remark,
}
