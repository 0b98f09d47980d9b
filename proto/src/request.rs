//! What a client asks for to come in, to talk and to see who is there.

use serde::{Deserialize, Serialize};

use crate::wire::RequestId;

/// The first packet of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Echoed by the answer.
    pub id: RequestId,
    /// The protocol version the client speaks.
    pub version: u16,
    /// Bits of optional features the client would use; unknown ones are ignored and not granted.
    pub features: u64,
}

/// I want an account. One that exists is logged in to by a [`Login`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Register<N, C, I> {
    /// Echoed by the answer.
    pub id: RequestId,
    /// The account's name.
    pub name: N,
    /// What will show that the name is mine.
    pub credential: C,
    /// An invitation's code; empty for none.
    pub invite: I,
}

/// My password shall be another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangePassword<C> {
    /// Echoed by the answer.
    pub id: RequestId,
    /// What shows now that the name is mine.
    pub current: C,
    /// What will.
    pub new: C,
}

/// Who I am, and how I show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login<N, C> {
    /// Echoed by the answer.
    pub id: RequestId,
    /// The name to be known by.
    pub name: N,
    /// What shows that the name is mine.
    pub credential: C,
}

/// I am leaving; answered, then said goodbye to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logout {
    /// Echoed by the answer.
    pub id: RequestId,
}

/// A line for everyone in the lobby.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broadcast<T> {
    /// Echoed by the answer.
    pub id: RequestId,
    /// The client's own number of this line, the same when it is sent again; 0 for none.
    pub message_id: u64,
    /// What is said.
    pub text: T,
}

/// A line for one person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Whisper<N, T> {
    /// Echoed by the answer.
    pub id: RequestId,
    /// The client's own number of this line, the same when it is sent again; 0 for none.
    pub message_id: u64,
    /// Whom it is for.
    pub to: N,
    /// What is said.
    pub text: T,
}

/// Who is in a conversation: one page of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Who {
    /// Echoed by the answer.
    pub id: RequestId,
    /// The conversation.
    pub conversation: u64,
    /// 0 for the first page, else the last page's `next`.
    pub after: u64,
    /// Entries wanted: 1 to 200.
    pub limit: u16,
}
