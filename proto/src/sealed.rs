//! Whispers that only their recipient can read, and the directory of the keys they are sealed to.

use std::fmt;

use bytes::BytesMut;
use serde::{Deserialize, Serialize};

use crate::{
    Answer, Envelope, Line, LineHead, List, ServerPacket, Text, WhisperReceipt,
    line::borrowed,
    wire::{RequestId, encode_bounded, kind},
};

/// The public key of one of a person's devices: X25519 (RFC 7748), 32 bytes. It is all there is to a device.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeviceKey(pub [u8; 32]);

impl fmt::Debug for DeviceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceKey({:02x?}..)", &self.0[..4])
    }
}

/// What one person says to another alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Words {
    /// For the server to read as well.
    Plain(Text),
    /// For them alone.
    Sealed(Envelope),
}

impl Words {
    /// Whether only the recipient can read them.
    #[must_use]
    pub fn are_sealed(&self) -> bool {
        matches!(self, Self::Sealed(_))
    }

    /// As bytes, which for different words are different.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Plain(text) => text.as_str().as_bytes(),
            Self::Sealed(envelope) => envelope.as_bytes(),
        }
    }

    /// Appends the line that says them.
    pub fn encode_line(&self, head: LineHead, sender: &str, out: &mut BytesMut) {
        match self {
            Self::Plain(text) => Line { head, sender, text: text.as_str() }.encode_whisper(out),
            Self::Sealed(envelope) => encode_bounded(kind::SEALED_LINE, &(head, sender, envelope), out),
        }
    }

    /// The answer to the request that says them.
    #[must_use]
    pub fn answer(&self, answer: Answer<WhisperReceipt>) -> ServerPacket {
        match self {
            Self::Plain(_) => ServerPacket::WhisperAnswer(answer),
            Self::Sealed(_) => ServerPacket::SealedWhisperAnswer(answer),
        }
    }
}

/// This device of mine can open sealed whispers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishKey {
    /// Echoed by the answer.
    pub id: RequestId,
    /// Its key.
    pub key: DeviceKey,
}

/// A device of mine shall be sealed to no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoveKey {
    /// Echoed by the answer.
    pub id: RequestId,
    /// Its key.
    pub key: DeviceKey,
}

/// Which keys has somebody published?
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeysOf<N> {
    /// Echoed by the answer.
    pub id: RequestId,
    /// Who.
    pub name: N,
}

/// The keys that somebody has published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeysPage {
    /// All of them, the oldest first; none of whom has none, and of whom there is not.
    pub entries: List<KeyEntry>,
}

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyEntry {
    /// The key.
    pub key: DeviceKey,
    /// When it was published: milliseconds since 1970 UTC.
    pub time_ms: u64,
}

/// A line: somebody's sealed whisper.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(deserialize = "S: From<&'de str>"))]
pub struct SealedLine<S> {
    /// Its place.
    pub head: LineHead,
    /// Who said it, as the server says.
    #[serde(deserialize_with = "borrowed")]
    pub sender: S,
    /// What was said.
    pub envelope: Envelope,
}
