//! What a server tells of rooms, and of what was done to somebody in them.

use bytes::BytesMut;
use serde::{Deserialize, Serialize};

use crate::{
    List, Presence, RoomSettings,
    line::{LineHead, borrowed},
    wire::{encode_bounded, kind},
};

/// A room one has come into.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomEntered {
    /// The place one came in.
    pub place: Presence,
    /// The room's name in NFC.
    #[serde(deserialize_with = "borrowed")]
    pub name: String,
    /// What one is to it: a [`Relation`]'s number.
    pub relation: u16,
    /// Members, oneself among them.
    pub members: u32,
    /// How it is.
    pub settings: RoomSettings,
    /// What it is about.
    #[serde(deserialize_with = "borrowed")]
    pub topic: String,
}

/// What a member is to a room. The numbers never change meaning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u16)]
pub enum Relation {
    /// In it.
    #[default]
    Member = 0,
    /// Keeps order in it.
    Moderator = 1,
    /// Whose it is.
    Owner = 2,
}

/// A room one has left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomLeft {
    /// Where one came in by that: the lobby, on a server where one is in one conversation at a time; else nothing.
    pub entered: List<Presence>,
}

/// A page of the rooms there are, by number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomsPage {
    /// What the next page comes after; 0 when this is the last.
    pub next: u64,
    /// The rooms.
    pub entries: List<RoomEntry>,
}

/// One room of a page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomEntry {
    /// Its number.
    pub conversation: u64,
    /// Its name in NFC.
    #[serde(deserialize_with = "borrowed")]
    pub name: String,
    /// Members.
    pub members: u32,
    /// How it is.
    pub settings: RoomSettings,
    /// What it is about.
    #[serde(deserialize_with = "borrowed")]
    pub topic: String,
}

/// Whom one ignores.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IgnoredPage {
    /// Their names.
    pub entries: List<IgnoredEntry>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IgnoredEntry {
    /// As one wrote it, in NFC.
    #[serde(deserialize_with = "borrowed")]
    pub name: String,
}

/// A line: a room's topic or settings are others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(deserialize = "S: From<&'de str>"))]
pub struct RoomChanged<S> {
    /// Its place.
    pub head: LineHead,
    /// Who changed it; empty: the operator.
    #[serde(deserialize_with = "borrowed")]
    pub by: S,
    /// How it is now.
    pub settings: RoomSettings,
    /// What it is about now.
    #[serde(deserialize_with = "borrowed")]
    pub topic: S,
}

/// You are no longer in a conversation, by no request of yours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(deserialize = "S: From<&'de str>"))]
pub struct Removed<S> {
    /// The conversation.
    pub conversation: u64,
    /// Why: a [`LeaveReason`](crate::LeaveReason)'s number.
    pub reason: u16,
    /// Who did it; empty: the operator, or the server by itself.
    #[serde(deserialize_with = "borrowed")]
    pub by: S,
    /// Their words, perhaps none.
    #[serde(deserialize_with = "borrowed")]
    pub text: S,
    /// As in [`RoomLeft`].
    pub entered: List<Presence>,
}

/// Somebody has done this to you, and you are where you were.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(deserialize = "S: From<&'de str>"))]
pub struct Moderated<S> {
    /// The room it is about; the lobby: the whole server.
    pub conversation: u64,
    /// The room's name; empty for the lobby.
    #[serde(deserialize_with = "borrowed")]
    pub room: S,
    /// An [`Act`](crate::Act)'s number.
    pub act: u16,
    /// Who did it; empty: the operator.
    #[serde(deserialize_with = "borrowed")]
    pub by: S,
    /// For how many seconds; 0: for good.
    pub seconds: u32,
    /// Their words, perhaps none.
    #[serde(deserialize_with = "borrowed")]
    pub text: S,
}

impl<S: Serialize> RoomChanged<S> {
    /// Appends the packet.
    pub fn encode(&self, out: &mut BytesMut) {
        encode_bounded(kind::ROOM_CHANGED, self, out);
    }
}
