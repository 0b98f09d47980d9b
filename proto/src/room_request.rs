//! What a client asks of rooms, and of those who keep order.

use serde::{Deserialize, Serialize};

use crate::{limits::ROOM_PASSWORD_BYTES_MAX, wire::RequestId};

/// A line for everyone in a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomChat<T> {
    /// Echoed by the answer.
    pub id: RequestId,
    /// As in [`Broadcast`](crate::Broadcast).
    pub message_id: u64,
    /// The room.
    pub conversation: u64,
    /// What is said.
    pub text: T,
}

/// How a room is: what its owner may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomSettings {
    /// Members it takes: 1 to the announced `room_members`. Of the lobby 0.
    pub capacity: u32,
    /// Bits of [`room_flag`].
    pub flags: u16,
    /// Seconds that a member waits between two lines: at most 3,600; 0: none.
    pub slow_s: u32,
}

/// What a room is like, as bits of [`RoomSettings::flags`].
pub mod room_flag {
    /// It is in no list, and to whom may not come in it does not exist.
    pub const HIDDEN: u16 = 1;
    /// Only who is invited may come in.
    pub const INVITE_ONLY: u16 = 2;
    /// It stays when the last member leaves and when the server stops.
    pub const PERSISTENT: u16 = 4;
    /// Who comes in needs a password. Told by the server; a client cannot set it.
    pub const PASSWORD: u16 = 8;
    /// What a client may set.
    pub const SETTABLE: u16 = HIDDEN | INVITE_ONLY | PERSISTENT;
}

/// Make a room, and let me in as its owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateRoom<N, P, T> {
    /// Echoed by the answer.
    pub id: RequestId,
    /// Its name.
    pub name: N,
    /// What others need to come in; empty for nothing.
    pub password: P,
    /// How it is.
    pub settings: RoomSettings,
    /// What it is about; perhaps empty.
    pub topic: T,
}

/// Let me into a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinRoom<N, P> {
    /// Echoed by the answer.
    pub id: RequestId,
    /// Its name.
    pub name: N,
    /// Its password, or empty.
    pub password: P,
}

/// I leave a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaveRoom {
    /// Echoed by the answer.
    pub id: RequestId,
    /// The room.
    pub conversation: u64,
}

/// Which rooms are there? One page of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rooms {
    /// Echoed by the answer.
    pub id: RequestId,
    /// 0 for the first page, else the last page's `next`.
    pub after: u64,
    /// Entries wanted: 1 to 200.
    pub limit: u16,
}

/// A room shall be about this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetTopic<T> {
    /// Echoed by the answer.
    pub id: RequestId,
    /// The room.
    pub conversation: u64,
    /// What it is about; perhaps empty.
    pub topic: T,
}

/// A room shall have these settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetRoom<P> {
    /// Echoed by the answer.
    pub id: RequestId,
    /// The room, or the lobby, of which only `slow_s` can be another.
    pub conversation: u64,
    /// How it shall be.
    pub settings: RoomSettings,
    /// Absent: the password stays. Empty: none is needed any more.
    pub password: Option<P>,
}

/// This shall happen to a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moderate<N, T> {
    /// Echoed by the answer.
    pub id: RequestId,
    /// The room it is about; the lobby: the whole server.
    pub conversation: u64,
    /// An [`Act`]'s number.
    pub act: u16,
    /// Whom.
    pub name: N,
    /// For how many seconds: at most 315,360,000; 0: for good. Of acts that do not last, 0.
    pub seconds: u32,
    /// Why; perhaps empty.
    pub reason: T,
}

/// What may happen to a person. The numbers never change meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum Act {
    /// They are put out, and may come back.
    Kick = 1,
    /// They are put out, and may not come back for a time.
    Ban = 2,
    /// They may come back.
    Unban = 3,
    /// They hear, and may not speak for a time.
    Mute = 4,
    /// They may speak.
    Unmute = 5,
    /// They may come into a room that only the invited may come into.
    Invite = 6,
    /// They may not any more; who is in stays.
    Uninvite = 7,
    /// They keep order in the room.
    Appoint = 8,
    /// They do not any more.
    Dismiss = 9,
    /// The room is theirs, and whoever had it keeps order in it.
    HandOver = 10,
}

impl Act {
    /// All of them, by number.
    pub const ALL: [Self; 10] = [
        Self::Kick,
        Self::Ban,
        Self::Unban,
        Self::Mute,
        Self::Unmute,
        Self::Invite,
        Self::Uninvite,
        Self::Appoint,
        Self::Dismiss,
        Self::HandOver,
    ];

    /// The act of a number; `None` of one that a later version may know.
    #[must_use]
    pub fn of_number(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|act| *act as u16 == number)
    }

    /// A stable word for it: the log's, the audit's and the operator's.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Kick => "kick",
            Self::Ban => "ban",
            Self::Unban => "unban",
            Self::Mute => "mute",
            Self::Unmute => "unmute",
            Self::Invite => "invite",
            Self::Uninvite => "uninvite",
            Self::Appoint => "appoint",
            Self::Dismiss => "dismiss",
            Self::HandOver => "hand-over",
        }
    }

    /// Whether it lasts for a time that one can choose.
    #[must_use]
    pub fn lasts(self) -> bool {
        matches!(self, Self::Ban | Self::Mute)
    }
}

/// A room shall be no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloseRoom {
    /// Echoed by the answer.
    pub id: RequestId,
    /// The room.
    pub conversation: u64,
}

/// I am away, or back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetPresence {
    /// Echoed by the answer.
    pub id: RequestId,
    /// 0 here, 1 away.
    pub state: u16,
}

/// I want to hear nothing of this person, or do again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ignore<N> {
    /// Echoed by the answer.
    pub id: RequestId,
    /// Whom.
    pub name: N,
    /// 1 nothing any more, 0 again.
    pub on: u16,
}

/// Whom do I ignore?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ignored {
    /// Echoed by the answer.
    pub id: RequestId,
}

/// Everybody shall hear this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announce<T> {
    /// Echoed by the answer.
    pub id: RequestId,
    /// What is said.
    pub text: T,
}

/// Nobody shall register for now, or may again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FreezeRegistration {
    /// Echoed by the answer.
    pub id: RequestId,
    /// 1 nobody, 0 as configured.
    pub on: u16,
}

/// A room's password as it is typed: at most 64 bytes; empty for none.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct RoomPassword(Box<str>);

impl RoomPassword {
    /// `None` when there are more than 64 bytes.
    #[must_use]
    pub fn new(password: &str) -> Option<Self> {
        (password.len() <= ROOM_PASSWORD_BYTES_MAX.into()).then(|| Self(password.into()))
    }

    /// What was typed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for RoomPassword {
    /// Nothing of it: a secret does not belong in a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RoomPassword")
    }
}

impl Serialize for RoomPassword {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for RoomPassword {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let password = <&str>::deserialize(deserializer)?;
        Self::new(password).ok_or_else(|| serde::de::Error::custom("longer than a room's password"))
    }
}
