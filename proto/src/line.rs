//! The lines of conversations: what is said in them, who comes and goes, what a reader missed.

use bytes::BytesMut;
use serde::{Deserialize, Deserializer, Serialize};

use crate::wire::{encode_bounded, kind};

/// Where and when a line stands; every line of a conversation begins with one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineHead {
    /// The conversation: [`MAILBOX`](crate::MAILBOX) for whispers.
    pub conversation: u64,
    /// Which past `seq` belongs to.
    pub epoch: u64,
    /// The line's number: 1 or more, growing; no (epoch, seq) names two lines.
    pub seq: u64,
    /// Milliseconds since 1970 UTC.
    pub time_ms: u64,
}

/// Something said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(deserialize = "S: From<&'de str>"))]
pub struct Line<S> {
    /// Its place.
    pub head: LineHead,
    /// Who said it.
    #[serde(deserialize_with = "borrowed")]
    pub sender: S,
    /// What was said.
    #[serde(deserialize_with = "borrowed")]
    pub text: S,
}

/// Somebody came into a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(deserialize = "S: From<&'de str>"))]
pub struct Joined<S> {
    /// Its place.
    pub head: LineHead,
    /// Who.
    #[serde(deserialize_with = "borrowed")]
    pub name: S,
}

/// Somebody left a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(deserialize = "S: From<&'de str>"))]
pub struct Left<S> {
    /// Its place.
    pub head: LineHead,
    /// Who.
    #[serde(deserialize_with = "borrowed")]
    pub name: S,
    /// Why: a [`LeaveReason`]'s number.
    pub reason: u16,
}

/// Why somebody left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum LeaveReason {
    /// By themselves.
    Quit = 0,
    /// Their connection broke.
    Lost = 1,
    /// Nothing was heard, or nothing was taken, for too long.
    Timeout = 2,
    /// Somebody made them.
    Kicked = 3,
    /// The same name logged in elsewhere.
    Replaced = 4,
    /// They broke the protocol or its limits.
    Misbehaved = 5,
    /// Somebody made them, and they may not come back for now.
    Banned = 6,
    /// The room is no more.
    Closed = 7,
    /// They went into a room of a server where one is in one conversation at a time.
    Moved = 8,
}

/// A line from the operator to a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(deserialize = "S: From<&'de str>"))]
pub struct SystemText<S> {
    /// Its place.
    pub head: LineHead,
    /// What is said.
    #[serde(deserialize_with = "borrowed")]
    pub text: S,
}

/// The [`Missed::to`] of an epoch that ended with nobody knowing how many lines it had.
pub const UNKNOWN_END: u64 = u64::MAX;

/// Lines of a conversation that this session will not get.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missed {
    /// The conversation.
    pub conversation: u64,
    /// Which past the numbers belong to.
    pub epoch: u64,
    /// The first line missed.
    pub from: u64,
    /// The last line missed, or [`UNKNOWN_END`].
    pub to: u64,
}

impl<S: Serialize> Line<S> {
    /// Appends the line as a broadcast's packet, without a copy of its parts: the hot path.
    pub fn encode_broadcast(&self, out: &mut BytesMut) {
        encode_bounded(kind::BROADCAST_LINE, self, out);
    }

    /// Appends the line as a whisper's packet.
    pub fn encode_whisper(&self, out: &mut BytesMut) {
        encode_bounded(kind::WHISPER_LINE, self, out);
    }
}

impl<S: Serialize> Joined<S> {
    /// Appends the packet.
    pub fn encode(&self, out: &mut BytesMut) {
        encode_bounded(kind::JOINED, self, out);
    }
}

impl<S: Serialize> Left<S> {
    /// Appends the packet.
    pub fn encode(&self, out: &mut BytesMut) {
        encode_bounded(kind::LEFT, self, out);
    }
}

impl<S: Serialize> SystemText<S> {
    /// Appends the packet.
    pub fn encode(&self, out: &mut BytesMut) {
        encode_bounded(kind::SYSTEM_TEXT, self, out);
    }
}

/// A string through a borrowed one: the decoder would reserve an owned one from the wire's length, unseen.
pub(crate) fn borrowed<'de, D: Deserializer<'de>, S: From<&'de str>>(deserializer: D) -> Result<S, D::Error> {
    <&str>::deserialize(deserializer).map(S::from)
}
