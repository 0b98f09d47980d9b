//! What a client may send, parsed once: past this door a name is a name and a text is a text.

use bytes::BytesMut;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    ErrorCode, Text, Username,
    limits::{CREDENTIAL_BYTES_MAX, INVITE_BYTES_MAX},
    wire::{Malformed, Ping, Pong, RequestId, decode_body, encode_bounded, kind, request_id},
};

/// A packet from a client. No field of any of them says who the sender is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientPacket {
    /// The first packet of a connection.
    Hello(Hello),
    /// I want an account.
    Register(Register<Username, Credential, Box<str>>),
    /// My password shall be another.
    ChangePassword(ChangePassword<Credential>),
    /// Who I am.
    Login(Login<Username, Credential>),
    /// I am leaving.
    Logout(Logout),
    /// A line for the lobby.
    Broadcast(Broadcast<Text>),
    /// A line for one person.
    Whisper(Whisper<Username, Text>),
    /// Who is in a conversation?
    Who(Who),
    /// Are you there?
    Ping(Ping),
    /// I am.
    Pong(Pong),
}

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

/// What shows that a name is one's own. On the wire: `kind: u16`, then bytes.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// Kind 0, no bytes: a guest.
    None,
    /// Kind 1: a password, 1 to 384 bytes.
    Password(Box<[u8]>),
    /// A kind this version does not know.
    Other(u16),
}

/// The wire form of a [`Credential`]. One that is none does not decode, so that what follows it is not judged.
#[derive(Serialize, Deserialize)]
#[serde(try_from = "(u16, &'a [u8])")]
struct RawCredential<'a> {
    kind: u16,
    bytes: &'a [u8],
}

/// The wire form of an invitation's code.
#[derive(Serialize, Deserialize)]
#[serde(try_from = "&'a str")]
struct RawInvite<'a>(&'a str);

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

/// Why a client's packet is not taken, and which request to tell so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("packet type {kind} refused: {code:?}")]
pub struct Rejection {
    /// The packet's type number.
    pub kind: u16,
    /// The request id, if the body got that far.
    pub id: Option<RequestId>,
    /// What the peer hears.
    pub code: ErrorCode,
}

impl ClientPacket {
    /// Decodes and parses one packet, or says what to answer.
    pub fn decode(kind: u16, body: &[u8]) -> Result<Self, Rejection> {
        Self::parse(kind, body).map_err(|code| Rejection { kind, id: asked(kind, body), code })
    }

    fn parse(kind: u16, body: &[u8]) -> Result<Self, ErrorCode> {
        match kind {
            kind::HELLO => raw(body).map(Self::Hello),
            kind::LOGIN => {
                let Login { id, name, credential } = raw::<Login<&str, RawCredential>>(body)?;
                let credential = credential.into();
                Ok(Self::Login(Login { id, name: Username::parse(name)?, credential }))
            }
            kind::REGISTER => {
                let Register { id, name, credential, invite: RawInvite(invite) } =
                    raw::<Register<&str, RawCredential, RawInvite>>(body)?;
                let (name, credential) = (Username::parse(name)?, credential.into());
                Ok(Self::Register(Register { id, name, credential, invite: invite.into() }))
            }
            kind::CHANGE_PASSWORD => {
                let ChangePassword { id, current, new } = raw::<ChangePassword<RawCredential>>(body)?;
                let (current, new) = (current.into(), new.into());
                Ok(Self::ChangePassword(ChangePassword { id, current, new }))
            }
            kind::LOGOUT => raw(body).map(Self::Logout),
            kind::BROADCAST => {
                let Broadcast { id, message_id, text } = raw::<Broadcast<&str>>(body)?;
                Ok(Self::Broadcast(Broadcast { id, message_id, text: Text::parse(text)? }))
            }
            kind::WHISPER => {
                let Whisper { id, message_id, to, text } = raw::<Whisper<&str, &str>>(body)?;
                let (to, text) = (Username::parse(to)?, Text::parse(text)?);
                Ok(Self::Whisper(Whisper { id, message_id, to, text }))
            }
            kind::WHO => raw(body).map(Self::Who),
            kind::PING => raw(body).map(Self::Ping),
            kind::PONG => raw(body).map(Self::Pong),
            _ if is_server_kind(kind) => Err(ErrorCode::WrongDirection),
            _ => Err(ErrorCode::UnknownType),
        }
    }

    /// Appends the packet, header and all.
    pub fn encode(&self, out: &mut BytesMut) {
        match self {
            Self::Hello(body) => encode_bounded(kind::HELLO, body, out),
            Self::Login(Login { id, name, credential }) => {
                let body = Login { id: *id, name, credential: RawCredential::from(credential) };
                encode_bounded(kind::LOGIN, &body, out);
            }
            Self::Register(Register { id, name, credential, invite }) => {
                let credential = RawCredential::from(credential);
                let body = Register { id: *id, name, credential, invite };
                encode_bounded(kind::REGISTER, &body, out);
            }
            Self::ChangePassword(ChangePassword { id, current, new }) => {
                let (current, new) = (RawCredential::from(current), RawCredential::from(new));
                encode_bounded(kind::CHANGE_PASSWORD, &ChangePassword { id: *id, current, new }, out);
            }
            Self::Logout(body) => encode_bounded(kind::LOGOUT, body, out),
            Self::Broadcast(body) => encode_bounded(kind::BROADCAST, body, out),
            Self::Whisper(body) => encode_bounded(kind::WHISPER, body, out),
            Self::Who(body) => encode_bounded(kind::WHO, body, out),
            Self::Ping(body) => encode_bounded(kind::PING, body, out),
            Self::Pong(body) => encode_bounded(kind::PONG, body, out),
        }
    }

    /// The type number and, of a request, its id.
    #[must_use]
    pub fn request(&self) -> (u16, Option<RequestId>) {
        match self {
            Self::Hello(Hello { id, .. }) => (kind::HELLO, Some(*id)),
            Self::Register(Register { id, .. }) => (kind::REGISTER, Some(*id)),
            Self::ChangePassword(ChangePassword { id, .. }) => (kind::CHANGE_PASSWORD, Some(*id)),
            Self::Login(Login { id, .. }) => (kind::LOGIN, Some(*id)),
            Self::Logout(Logout { id }) => (kind::LOGOUT, Some(*id)),
            Self::Broadcast(Broadcast { id, .. }) => (kind::BROADCAST, Some(*id)),
            Self::Whisper(Whisper { id, .. }) => (kind::WHISPER, Some(*id)),
            Self::Who(Who { id, .. }) => (kind::WHO, Some(*id)),
            Self::Ping(_) => (kind::PING, None),
            Self::Pong(_) => (kind::PONG, None),
        }
    }
}

fn raw<'a, T: Deserialize<'a> + Serialize>(body: &'a [u8]) -> Result<T, ErrorCode> {
    decode_body(body).map_err(Malformed::error_code)
}

/// The id that a refusal names: only requests begin with one.
fn asked(kind: u16, body: &[u8]) -> Option<RequestId> {
    if matches!(kind, kind::PING | kind::PONG) { None } else { request_id(body) }
}

fn is_server_kind(kind: u16) -> bool {
    matches!(
        kind,
        kind::REGISTER_ANSWER
            | kind::CHANGE_PASSWORD_ANSWER
            | kind::HELLO_ANSWER
            | kind::LOGIN_ANSWER
            | kind::LOGOUT_ANSWER
            | kind::BROADCAST_ANSWER
            | kind::WHISPER_ANSWER
            | kind::BROADCAST_LINE
            | kind::WHISPER_LINE
            | kind::MISSED
            | kind::WHO_ANSWER
            | kind::JOINED
            | kind::LEFT
            | kind::SYSTEM_TEXT
            | kind::ERROR
            | kind::GOODBYE
    )
}

impl<'a> TryFrom<(u16, &'a [u8])> for RawCredential<'a> {
    type Error = &'static str;

    fn try_from((kind, bytes): (u16, &'a [u8])) -> Result<Self, Self::Error> {
        let one = match kind {
            0 => bytes.is_empty(),
            1 => !bytes.is_empty(),
            _ => true,
        };
        let fits = bytes.len() <= CREDENTIAL_BYTES_MAX.into();
        if one && fits { Ok(Self { kind, bytes }) } else { Err("not the bytes of a credential of this kind") }
    }
}

impl<'a> TryFrom<&'a str> for RawInvite<'a> {
    type Error = &'static str;

    fn try_from(code: &'a str) -> Result<Self, Self::Error> {
        if code.len() <= INVITE_BYTES_MAX.into() { Ok(Self(code)) } else { Err("longer than an invitation") }
    }
}

impl From<RawCredential<'_>> for Credential {
    fn from(RawCredential { kind, bytes }: RawCredential) -> Self {
        match kind {
            0 => Self::None,
            1 => Self::Password(bytes.into()),
            kind => Self::Other(kind),
        }
    }
}

impl<'a> From<&'a Credential> for RawCredential<'a> {
    fn from(credential: &'a Credential) -> Self {
        match credential {
            Credential::None => Self { kind: 0, bytes: &[] },
            Credential::Password(bytes) => Self { kind: 1, bytes },
            Credential::Other(kind) => Self { kind: *kind, bytes: &[] },
        }
    }
}

impl std::fmt::Debug for Credential {
    /// Its kind only: a secret does not belong in a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credential(kind {})", RawCredential::from(self).kind)
    }
}
