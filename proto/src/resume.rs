//! Coming back to a session whose connection was lost.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{List, Presence, wire::RequestId};

/// Optional features, as bits of a Hello's `features`.
pub mod feature {
    /// The session outlives its connection: a login is answered with a token that [`Resume`](super::Resume) takes.
    pub const RESUME: u64 = 1;
    /// The client reads sealed whispers: a login to an account is sent them as [`SealedLine`](crate::SealedLine)s.
    pub const SEALED: u64 = 2;
}

/// A single-use secret that brings a session back, as good as a password while it lasts: 256 bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ResumeToken(pub [u8; 32]);

/// A secret is in no log.
impl fmt::Debug for ResumeToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResumeToken(..)")
    }
}

/// I am whoever was given this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resume {
    /// Echoed by the answer.
    pub id: RequestId,
    /// The last token the client was given.
    pub token: ResumeToken,
}

/// Read on to me from here, after a [`Resume`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attach {
    /// Echoed by the answer.
    pub id: RequestId,
    /// 0: others follow. 1: these are all, and what was not named goes on from where the resume told. Else 3003.
    pub last: u16,
    /// The last line taken of each conversation. One that goes on already is passed over.
    pub cursors: List<Presence>,
}

/// What became of the conversations of an [`Attach`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attached {
    /// Those named that the session is not in any more.
    pub lost: List<u64>,
}
