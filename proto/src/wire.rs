//! How a value becomes bytes and back: the one file that knows the encoder.

use bincode::{
    config,
    enc::write::Writer,
    error::{DecodeError, EncodeError},
};
use bytes::{BufMut, BytesMut};
use serde::{Deserialize, Serialize, de::Error as _};
use thiserror::Error;

use crate::{ErrorCode, limits};

/// What a request is answered by: chosen by the client, never 0 (an [`ErrorNotice`](crate::ErrorNotice) uses 0
/// for "no request could be read").
pub type RequestId = std::num::NonZeroU32;

/// The type numbers of all packets, by the seed's families: 1xxx accounts, 2xxx session, 3xxx chat, 4xxx rooms,
/// 5xxx joined and left, 7xxx system. A request's answer is the number after it.
pub mod kind {
    /// Client: I want an account.
    pub const REGISTER: u16 = 1001;
    /// Server: there it is, or why not.
    pub const REGISTER_ANSWER: u16 = 1002;
    /// Client: my password shall be another.
    pub const CHANGE_PASSWORD: u16 = 1003;
    /// Server: it is, or why not.
    pub const CHANGE_PASSWORD_ANSWER: u16 = 1004;
    /// Client: a device of mine has this key.
    pub const PUBLISH_KEY: u16 = 1005;
    /// Server: it is published, or why not.
    pub const PUBLISH_KEY_ANSWER: u16 = 1006;
    /// Client: a device of mine shall be sealed to no more.
    pub const REMOVE_KEY: u16 = 1007;
    /// Server: its key is gone.
    pub const REMOVE_KEY_ANSWER: u16 = 1008;
    /// Client: which keys has somebody?
    pub const KEYS_OF: u16 = 1009;
    /// Server: these.
    pub const KEYS_OF_ANSWER: u16 = 1010;
    /// Client: the first packet.
    pub const HELLO: u16 = 2001;
    /// Server: version, limits and features.
    pub const HELLO_ANSWER: u16 = 2002;
    /// Client: who I am.
    pub const LOGIN: u16 = 2003;
    /// Server: welcome, or why not.
    pub const LOGIN_ANSWER: u16 = 2004;
    /// Client: goodbye.
    pub const LOGOUT: u16 = 2005;
    /// Server: heard; a [`GOODBYE`] follows.
    pub const LOGOUT_ANSWER: u16 = 2006;
    /// Client: I am away, or back.
    pub const SET_PRESENCE: u16 = 2007;
    /// Server: noted.
    pub const SET_PRESENCE_ANSWER: u16 = 2008;
    /// Client: I am whoever was given this token.
    pub const RESUME: u16 = 2009;
    /// Server: welcome back, or why not.
    pub const RESUME_ANSWER: u16 = 2010;
    /// Client: read on to me from here.
    pub const ATTACH: u16 = 2011;
    /// Server: what one is not in any more.
    pub const ATTACH_ANSWER: u16 = 2012;
    /// Client: a line for everyone in the lobby.
    pub const BROADCAST: u16 = 3001;
    /// Server: its place in the lobby's order.
    pub const BROADCAST_ANSWER: u16 = 3002;
    /// Client: a line for everyone in a room.
    pub const ROOM_CHAT: u16 = 3003;
    /// Server: its place in the room's order.
    pub const ROOM_CHAT_ANSWER: u16 = 3004;
    /// Client: a line for one person.
    pub const WHISPER: u16 = 3005;
    /// Server: when it was handed over.
    pub const WHISPER_ANSWER: u16 = 3006;
    /// Client: I want to hear nothing of this person, or do again.
    pub const IGNORE: u16 = 3007;
    /// Server: so it is.
    pub const IGNORE_ANSWER: u16 = 3008;
    /// Client: whom do I ignore?
    pub const IGNORED: u16 = 3009;
    /// Server: these.
    pub const IGNORED_ANSWER: u16 = 3010;
    /// Client: what was said in a conversation?
    pub const HISTORY: u16 = 3011;
    /// Server: a page of it.
    pub const HISTORY_ANSWER: u16 = 3012;
    /// Client: a line that only one person can read.
    pub const SEALED_WHISPER: u16 = 3013;
    /// Server: when it was handed over.
    pub const SEALED_WHISPER_ANSWER: u16 = 3014;
    /// Server: something said to the lobby or to a room.
    pub const BROADCAST_LINE: u16 = 3101;
    /// Server: somebody's whisper to you.
    pub const WHISPER_LINE: u16 = 3103;
    /// Server: somebody's sealed whisper to you.
    pub const SEALED_LINE: u16 = 3105;
    /// Server: lines you did not get.
    pub const MISSED: u16 = 3110;
    /// Client: who is in a conversation.
    pub const WHO: u16 = 4001;
    /// Server: a page of them.
    pub const WHO_ANSWER: u16 = 4002;
    /// Client: make a room, and let me in.
    pub const CREATE_ROOM: u16 = 4003;
    /// Server: the room.
    pub const CREATE_ROOM_ANSWER: u16 = 4004;
    /// Client: let me into a room.
    pub const JOIN_ROOM: u16 = 4005;
    /// Server: the room.
    pub const JOIN_ROOM_ANSWER: u16 = 4006;
    /// Client: I leave a room.
    pub const LEAVE_ROOM: u16 = 4007;
    /// Server: its last line has been sent.
    pub const LEAVE_ROOM_ANSWER: u16 = 4008;
    /// Client: which rooms are there?
    pub const ROOMS: u16 = 4009;
    /// Server: a page of them.
    pub const ROOMS_ANSWER: u16 = 4010;
    /// Client: a room shall be about this.
    pub const SET_TOPIC: u16 = 4011;
    /// Server: it is.
    pub const SET_TOPIC_ANSWER: u16 = 4012;
    /// Client: a room shall have these settings.
    pub const SET_ROOM: u16 = 4013;
    /// Server: it has.
    pub const SET_ROOM_ANSWER: u16 = 4014;
    /// Client: this shall happen to a person.
    pub const MODERATE: u16 = 4015;
    /// Server: it has.
    pub const MODERATE_ANSWER: u16 = 4016;
    /// Client: a room shall be no more.
    pub const CLOSE_ROOM: u16 = 4017;
    /// Server: it is no more.
    pub const CLOSE_ROOM_ANSWER: u16 = 4018;
    /// Server: somebody came into a conversation.
    pub const JOINED: u16 = 5001;
    /// Server: somebody left it.
    pub const LEFT: u16 = 5002;
    /// Server: a room's topic or settings are others.
    pub const ROOM_CHANGED: u16 = 5003;
    /// Server: you are no longer in a conversation.
    pub const REMOVED: u16 = 5004;
    /// Server: somebody has done this to you.
    pub const MODERATED: u16 = 5005;
    /// Both: answer me with a [`PONG`].
    pub const PING: u16 = 7001;
    /// Both: the answer, with the ping's bytes.
    pub const PONG: u16 = 7002;
    /// Server: a line from the operator.
    pub const SYSTEM_TEXT: u16 = 7003;
    /// Server: a packet that could not be taken as a request.
    pub const ERROR: u16 = 7004;
    /// Server: the last packet of a connection, and why.
    pub const GOODBYE: u16 = 7005;
    /// Client: everybody shall hear this.
    pub const ANNOUNCE: u16 = 7007;
    /// Server: it is said.
    pub const ANNOUNCE_ANSWER: u16 = 7008;
    /// Client: nobody shall register for now, or may again.
    pub const FREEZE_REGISTRATION: u16 = 7009;
    /// Server: so it is.
    pub const FREEZE_REGISTRATION_ANSWER: u16 = 7010;
}

/// A body that does not decode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Malformed {
    /// The packet type is not one of this direction.
    #[error("unknown packet type")]
    UnknownType,
    /// The bytes are not this type's fields, or not in their one encoding.
    #[error("malformed body")]
    Body,
    /// Bytes follow the last field.
    #[error("trailing bytes")]
    Trailing,
}

impl Malformed {
    /// What the peer hears.
    #[must_use]
    pub fn error_code(self) -> ErrorCode {
        match self {
            Self::UnknownType => ErrorCode::UnknownType,
            Self::Body => ErrorCode::MalformedBody,
            Self::Trailing => ErrorCode::TrailingBytes,
        }
    }
}

/// The bytes of a ping, which its pong returns: at most 64.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PingPayload {
    len: u8,
    bytes: [u8; limits::PING_BYTES_MAX as usize],
}

impl PingPayload {
    /// `None` when there are more than 64 bytes.
    #[must_use]
    pub fn new(payload: &[u8]) -> Option<Self> {
        let mut bytes = [0; limits::PING_BYTES_MAX as usize];
        bytes.get_mut(..payload.len())?.copy_from_slice(payload);
        Some(Self { len: u8::try_from(payload.len()).ok()?, bytes })
    }

    /// The payload.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len.into()]
    }
}

impl std::fmt::Debug for PingPayload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PingPayload({:02x?})", self.as_bytes())
    }
}

impl Serialize for PingPayload {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.as_bytes())
    }
}

impl<'de> Deserialize<'de> for PingPayload {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = <&[u8]>::deserialize(deserializer)?;
        Self::new(bytes).ok_or_else(|| D::Error::custom("a ping carries at most 64 bytes"))
    }
}

/// Either side: "are you there?"
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ping {
    /// Anything; the pong returns it.
    pub payload: PingPayload,
}

/// Either side: "I am", with the ping's own bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pong {
    /// The ping's payload.
    pub payload: PingPayload,
}

/// What the decoder may count for one body. It counts 8 for each `u64`, even one that takes a single byte: with a
/// packet's own bytes as its limit, long but legal packets would not decode.
const DECODE_BYTES_MAX: usize = 8 * limits::SERVER_PACKET_BYTES_MAX as usize;

/// Little-endian, variable-length integers, and never more than a packet can hold.
fn encoding() -> config::Configuration<config::LittleEndian, config::Varint, config::Limit<DECODE_BYTES_MAX>>
{
    config::standard().with_limit::<DECODE_BYTES_MAX>()
}

/// Appends one whole packet to `out`, which is left as it was if the packet would be larger than a packet can be.
pub(crate) fn encode_packet(kind: u16, body: &impl Serialize, out: &mut BytesMut) -> Result<(), EncodeError> {
    let start = out.len();
    out.put_u16_le(0);
    out.put_u16_le(kind);
    let written = bincode::serde::encode_into_writer(body, Append(out), encoding()).and_then(|()| {
        let packet = out.len() - start;
        match u16::try_from(packet) {
            Ok(size) if size <= limits::SERVER_PACKET_BYTES_MAX => Ok(size),
            _ => Err(EncodeError::OtherString(format!("a packet of {packet} bytes"))),
        }
    });
    match written {
        Ok(size) => {
            out[start..start + 2].copy_from_slice(&size.to_le_bytes());
            Ok(())
        }
        Err(error) => {
            out.truncate(start);
            Err(error)
        }
    }
}

/// The packet of a server that is known to fit, because all it is made of is bounded.
pub(crate) fn encode_bounded(kind: u16, body: &impl Serialize, out: &mut BytesMut) {
    encode_packet(kind, body, out).expect("bounded fields fit a packet");
}

/// Decodes a body that must be exactly one value in its one encoding.
pub(crate) fn decode_body<'a, T: Deserialize<'a> + Serialize>(body: &'a [u8]) -> Result<T, Malformed> {
    let (value, used) = decode_first(body)?;
    if used < body.len() { Err(Malformed::Trailing) } else { Ok(value) }
}

/// The value that a body begins with, in its one encoding, and how many bytes it takes.
fn decode_first<'a, T: Deserialize<'a> + Serialize>(body: &'a [u8]) -> Result<(T, usize), Malformed> {
    let (value, used): (T, usize) = bincode::serde::borrow_decode_from_slice(body, encoding())
        .map_err(|_: DecodeError| Malformed::Body)?;
    // A longer form of a small number decodes too; encoding again is how it is noticed.
    bincode::serde::encode_into_writer(&value, Expect(&body[..used]), encoding())
        .map_err(|_| Malformed::Body)?;
    Ok((value, used))
}

/// The request id at the start of a body that may be malformed after it.
pub(crate) fn request_id(body: &[u8]) -> Option<RequestId> {
    decode_first(body).ok().map(|(id, _)| id)
}

struct Append<'a>(&'a mut BytesMut);

impl Writer for Append<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

const OTHER_ENCODING: EncodeError = EncodeError::Other("another encoding of the same value");

/// Takes only the bytes it expects.
struct Expect<'a>(&'a [u8]);

impl Writer for Expect<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        let (next, rest) = self.0.split_at_checked(bytes.len()).ok_or(OTHER_ENCODING)?;
        // What was borrowed from the body is the body: only what was decoded by value is compared.
        if !std::ptr::eq(next, bytes) && next != bytes {
            return Err(OTHER_ENCODING);
        }
        self.0 = rest;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_in_a_longer_form_is_malformed() {
        assert_eq!(decode_body::<u32>(&[7]), Ok(7));
        for longer in [&[251, 7, 0][..], &[252, 7, 0, 0, 0], &[253, 7, 0, 0, 0, 0, 0, 0, 0]] {
            assert_eq!(decode_body::<u32>(longer), Err(Malformed::Body));
        }
    }

    #[test]
    fn bytes_after_the_last_field_are_told_apart() {
        assert_eq!(decode_body::<u32>(&[7, 0]), Err(Malformed::Trailing));
    }

    #[test]
    fn a_packet_too_large_leaves_the_buffer_as_it_was() {
        let mut out = BytesMut::from(&b"before"[..]);
        assert!(encode_packet(1, &vec![0_u8; 65_535], &mut out).is_err());
        assert_eq!(&out[..], b"before");
    }
}
