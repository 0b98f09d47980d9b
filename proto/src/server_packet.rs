//! What a server may send: answers to requests, and notices nobody asked for.

use bytes::{Bytes, BytesMut};
use serde::{Deserialize, Serialize};

use crate::{
    Answer, Code, Joined, Left, Limits, Line, List, Missed, SystemText,
    line::borrowed,
    wire::{Malformed, Ping, Pong, RequestId, decode_body, encode_bounded, kind},
};

/// A packet from a server. Names and texts are plain strings here: a client takes what it gets and decides
/// itself what is fit to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerPacket {
    /// Version, limits and features.
    HelloAnswer(HelloAnswer),
    /// The account, or why not.
    RegisterAnswer(Answer<Registered>),
    /// The password is another, or why not.
    ChangePasswordAnswer(Answer<()>),
    /// Welcome, or why not.
    LoginAnswer(Answer<Welcome>),
    /// Heard; a goodbye follows.
    LogoutAnswer(Answer<()>),
    /// A broadcast's place in the lobby's order.
    BroadcastAnswer(Answer<Receipt>),
    /// When a whisper was handed over.
    WhisperAnswer(Answer<WhisperReceipt>),
    /// A page of members.
    WhoAnswer(Answer<WhoPage>),
    /// Somebody's broadcast.
    BroadcastLine(Line<String>),
    /// Somebody's whisper to you.
    WhisperLine(Line<String>),
    /// Lines you did not get.
    Missed(Missed),
    /// Somebody came in.
    Joined(Joined<String>),
    /// Somebody left.
    Left(Left<String>),
    /// A line from the operator.
    SystemText(SystemText<String>),
    /// Are you there?
    Ping(Ping),
    /// I am.
    Pong(Pong),
    /// A packet that could not be taken as a request.
    Error(ErrorNotice),
    /// The last packet, and why.
    Goodbye(Goodbye<String>),
}

/// The answer to a Hello: all of it, whatever the code, so that a client of another version learns which one
/// to speak.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HelloAnswer {
    /// The request's own id.
    pub id: RequestId,
    /// [`Code::OK`], or 1007 when the version is not spoken.
    pub code: Code,
    /// The lowest version spoken.
    pub version_min: u16,
    /// The highest version spoken.
    pub version_max: u16,
    /// The asked-for features that are granted.
    pub features: u64,
    /// 0 "process": acknowledged means accepted in memory. 1 "full": acknowledged means stored.
    pub durability: u16,
    /// How people get in: bits of [`way_in`].
    pub ways_in: u16,
    /// The server's clock: milliseconds since 1970 UTC.
    pub time_ms: u64,
    /// What the server takes and gives.
    pub limits: Limits,
}

/// How people get in, as a server's Hello tells it.
pub mod way_in {
    /// Guests: a name that nobody has, and no credential.
    pub const GUEST: u16 = 1;
    /// An account's name and its password.
    pub const PASSWORD: u16 = 2;
    /// Anybody may register.
    pub const REGISTRATION: u16 = 4;
    /// Who has an invitation may register.
    pub const INVITATION: u16 = 8;
}

/// A registration that succeeded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registered {
    /// The account's name in NFC, as others will see it.
    #[serde(deserialize_with = "borrowed")]
    pub name: String,
    /// What the account may do: see [`Welcome::role`].
    pub role: u16,
}

/// A login that succeeded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The session's number, for people and logs.
    pub session: u64,
    /// The name in NFC, as others see it.
    #[serde(deserialize_with = "borrowed")]
    pub name: String,
    /// What one may do: 0 a guest, 1 a user, 2 a moderator, 3 an admin.
    pub role: u16,
    /// The server's clock: milliseconds since 1970 UTC.
    pub time_ms: u64,
    /// A single-use token to resume with; `None` when the server offers no resume.
    pub resume_token: Option<[u8; 32]>,
    /// Milliseconds for which a lost session is kept; 0 when it is not.
    pub grace_ms: u32,
    /// The session's conversations, each with the place it is joined after.
    pub conversations: List<Presence>,
}

/// A place in a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presence {
    /// The conversation.
    pub conversation: u64,
    /// Which past the sequence numbers belong to.
    pub epoch: u64,
    /// The last line before one's own first.
    pub seq: u64,
}

/// A broadcast's place in its conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Which past `seq` belongs to.
    pub epoch: u64,
    /// The line's number: 1 or more, growing.
    pub seq: u64,
    /// Milliseconds since 1970 UTC.
    pub time_ms: u64,
}

/// A whisper was handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhisperReceipt {
    /// Milliseconds since 1970 UTC.
    pub time_ms: u64,
}

/// A page of a conversation's members, in the order they came in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhoPage {
    /// All members, on this page or not.
    pub members: u32,
    /// The `after` of the next page; 0 when this is the last.
    pub next: u64,
    /// This page.
    pub entries: List<WhoEntry>,
}

/// A member of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhoEntry {
    /// The member's name.
    #[serde(deserialize_with = "borrowed")]
    pub name: String,
    /// 0 here, 1 away, 2 reconnecting.
    pub state: u16,
}

/// A packet that could not be taken as a request: it was skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorNotice {
    /// The packet's type number.
    pub kind: u16,
    /// Its request id, or 0 when none could be read.
    pub id: u32,
    /// Why.
    pub code: Code,
    /// Milliseconds after which trying again makes sense; 0 when it does not.
    pub retry_ms: u32,
}

/// The last packet of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(deserialize = "S: From<&'de str>"))]
pub struct Goodbye<S> {
    /// Why: [`Code::OK`] after a logout.
    pub code: Code,
    /// Milliseconds after which connecting again makes sense; 0 when nothing is known of it.
    pub retry_ms: u32,
    /// A person's words, or empty.
    #[serde(deserialize_with = "borrowed")]
    pub text: S,
}

impl ServerPacket {
    /// Decodes one packet.
    pub fn decode(kind: u16, body: &[u8]) -> Result<Self, Malformed> {
        match kind {
            kind::HELLO_ANSWER => decode_body(body).map(Self::HelloAnswer),
            kind::REGISTER_ANSWER => decode_body(body).map(Self::RegisterAnswer),
            kind::CHANGE_PASSWORD_ANSWER => decode_body(body).map(Self::ChangePasswordAnswer),
            kind::LOGIN_ANSWER => decode_body(body).map(Self::LoginAnswer),
            kind::LOGOUT_ANSWER => decode_body(body).map(Self::LogoutAnswer),
            kind::BROADCAST_ANSWER => decode_body(body).map(Self::BroadcastAnswer),
            kind::WHISPER_ANSWER => decode_body(body).map(Self::WhisperAnswer),
            kind::WHO_ANSWER => decode_body(body).map(Self::WhoAnswer),
            kind::BROADCAST_LINE => decode_body(body).map(Self::BroadcastLine),
            kind::WHISPER_LINE => decode_body(body).map(Self::WhisperLine),
            kind::MISSED => decode_body(body).map(Self::Missed),
            kind::JOINED => decode_body(body).map(Self::Joined),
            kind::LEFT => decode_body(body).map(Self::Left),
            kind::SYSTEM_TEXT => decode_body(body).map(Self::SystemText),
            kind::PING => decode_body(body).map(Self::Ping),
            kind::PONG => decode_body(body).map(Self::Pong),
            kind::ERROR => decode_body(body).map(Self::Error),
            kind::GOODBYE => decode_body(body).map(Self::Goodbye),
            _ => Err(Malformed::UnknownType),
        }
    }

    /// Its type number.
    #[must_use]
    pub fn kind(&self) -> u16 {
        match self {
            Self::HelloAnswer(_) => kind::HELLO_ANSWER,
            Self::RegisterAnswer(_) => kind::REGISTER_ANSWER,
            Self::ChangePasswordAnswer(_) => kind::CHANGE_PASSWORD_ANSWER,
            Self::LoginAnswer(_) => kind::LOGIN_ANSWER,
            Self::LogoutAnswer(_) => kind::LOGOUT_ANSWER,
            Self::BroadcastAnswer(_) => kind::BROADCAST_ANSWER,
            Self::WhisperAnswer(_) => kind::WHISPER_ANSWER,
            Self::WhoAnswer(_) => kind::WHO_ANSWER,
            Self::BroadcastLine(_) => kind::BROADCAST_LINE,
            Self::WhisperLine(_) => kind::WHISPER_LINE,
            Self::Missed(_) => kind::MISSED,
            Self::Joined(_) => kind::JOINED,
            Self::Left(_) => kind::LEFT,
            Self::SystemText(_) => kind::SYSTEM_TEXT,
            Self::Ping(_) => kind::PING,
            Self::Pong(_) => kind::PONG,
            Self::Error(_) => kind::ERROR,
            Self::Goodbye(_) => kind::GOODBYE,
        }
    }

    /// The packet by itself.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(64);
        self.encode(&mut out);
        out.freeze()
    }

    /// Appends the packet, header and all. All a server puts into a packet is bounded, pages by
    /// [`WhoPage`]'s 200 entries.
    pub fn encode(&self, out: &mut BytesMut) {
        match self {
            Self::HelloAnswer(body) => encode_bounded(kind::HELLO_ANSWER, body, out),
            Self::RegisterAnswer(body) => encode_bounded(kind::REGISTER_ANSWER, body, out),
            Self::ChangePasswordAnswer(body) => encode_bounded(kind::CHANGE_PASSWORD_ANSWER, body, out),
            Self::LoginAnswer(body) => encode_bounded(kind::LOGIN_ANSWER, body, out),
            Self::LogoutAnswer(body) => encode_bounded(kind::LOGOUT_ANSWER, body, out),
            Self::BroadcastAnswer(body) => encode_bounded(kind::BROADCAST_ANSWER, body, out),
            Self::WhisperAnswer(body) => encode_bounded(kind::WHISPER_ANSWER, body, out),
            Self::WhoAnswer(body) => encode_bounded(kind::WHO_ANSWER, body, out),
            Self::BroadcastLine(body) => encode_bounded(kind::BROADCAST_LINE, body, out),
            Self::WhisperLine(body) => encode_bounded(kind::WHISPER_LINE, body, out),
            Self::Missed(body) => encode_bounded(kind::MISSED, body, out),
            Self::Joined(body) => encode_bounded(kind::JOINED, body, out),
            Self::Left(body) => encode_bounded(kind::LEFT, body, out),
            Self::SystemText(body) => encode_bounded(kind::SYSTEM_TEXT, body, out),
            Self::Ping(body) => encode_bounded(kind::PING, body, out),
            Self::Pong(body) => encode_bounded(kind::PONG, body, out),
            Self::Error(body) => encode_bounded(kind::ERROR, body, out),
            Self::Goodbye(body) => encode_bounded(kind::GOODBYE, body, out),
        }
    }
}
