//! The answer to a request, and its refusal.

use std::{fmt, marker::PhantomData};

use bytes::{Bytes, BytesMut};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error as _, SeqAccess, Visitor},
    ser::SerializeTuple,
};

use crate::{
    ClientPacket, Code, ErrorCode, ErrorNotice,
    wire::{RequestId, encode_bounded, kind},
};

/// The answer to a request. On the wire: `id`, `code: u16`, then the outcome's fields when the code is 0,
/// else `retry_ms: u32`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer<T> {
    /// The request's own id.
    pub id: RequestId,
    /// What was asked for, or why not.
    pub outcome: Result<T, Refusal>,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Never [`Code::OK`].
    pub code: Code,
    /// Milliseconds after which trying again makes sense; 0 when it does not.
    pub retry_ms: u32,
}

impl Refusal {
    /// A refusal after which trying again makes no sense.
    #[must_use]
    pub fn new(code: ErrorCode) -> Self {
        Self { code: code.into(), retry_ms: 0 }
    }

    /// The packet that tells it. Codes below 1200 are about packets and the connection's state, whatever was
    /// asked, and come as an [`ErrorNotice`]; so does every refusal of what has no request id, is no request at all, or
    /// is a Hello, whose answer has another layout. Every other refusal is the request's own answer.
    #[must_use]
    pub fn to_bytes(self, kind: u16, id: Option<RequestId>) -> Bytes {
        let mut out = BytesMut::with_capacity(16);
        self.encode(kind, id, &mut out);
        out.freeze()
    }

    /// Appends that packet.
    pub fn encode(self, kind: u16, id: Option<RequestId>, out: &mut BytesMut) {
        match id {
            Some(id) if self.code.0 >= 1200 && is_answered_plainly(kind) => {
                encode_bounded(kind + 1, &Answer::<()> { id, outcome: Err(self) }, out);
            }
            id => {
                let Self { code, retry_ms } = self;
                let notice = ErrorNotice { kind, id: id.map_or(0, RequestId::get), code, retry_ms };
                encode_bounded(kind::ERROR, &notice, out);
            }
        }
    }
}

/// Whether a request of this type is answered by an [`Answer`]: only then is the number after it the type of one.
fn is_answered_plainly(kind: u16) -> bool {
    kind != kind::HELLO && ClientPacket::is_request(kind)
}

impl<T: Serialize> Serialize for Answer<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_tuple(3)?;
        fields.serialize_element(&self.id)?;
        match &self.outcome {
            Ok(value) => {
                fields.serialize_element(&Code::OK)?;
                fields.serialize_element(value)?;
            }
            Err(refusal) => {
                fields.serialize_element(&refusal.code)?;
                fields.serialize_element(&refusal.retry_ms)?;
            }
        }
        fields.end()
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Answer<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
            type Value = Answer<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an answer")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut fields: A) -> Result<Answer<T>, A::Error> {
                let short = || A::Error::custom("the answer ends early");
                let id = fields.next_element()?.ok_or_else(short)?;
                let code: Code = fields.next_element()?.ok_or_else(short)?;
                let outcome = if code == Code::OK {
                    Ok(fields.next_element()?.ok_or_else(short)?)
                } else {
                    Err(Refusal { code, retry_ms: fields.next_element()?.ok_or_else(short)? })
                };
                Ok(Answer { id, outcome })
            }
        }

        deserializer.deserialize_tuple(3, Fields(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ServerPacket;

    const ID: RequestId = RequestId::new(7).expect("not zero");

    /// The requests whose refusal is an answer of their own.
    const ANSWERED: [u16; 28] = [
        kind::REGISTER,
        kind::CHANGE_PASSWORD,
        kind::PUBLISH_KEY,
        kind::REMOVE_KEY,
        kind::KEYS_OF,
        kind::LOGIN,
        kind::LOGOUT,
        kind::RESUME,
        kind::ATTACH,
        kind::HISTORY,
        kind::SET_PRESENCE,
        kind::BROADCAST,
        kind::ROOM_CHAT,
        kind::WHISPER,
        kind::SEALED_WHISPER,
        kind::IGNORE,
        kind::IGNORED,
        kind::WHO,
        kind::CREATE_ROOM,
        kind::JOIN_ROOM,
        kind::LEAVE_ROOM,
        kind::ROOMS,
        kind::SET_TOPIC,
        kind::SET_ROOM,
        kind::MODERATE,
        kind::CLOSE_ROOM,
        kind::ANNOUNCE,
        kind::FREEZE_REGISTRATION,
    ];

    fn told(kind: u16, id: Option<RequestId>, refusal: Refusal) -> ServerPacket {
        let packet = refusal.to_bytes(kind, id);
        let kind = u16::from_le_bytes([packet[2], packet[3]]);
        ServerPacket::decode(kind, &packet[4..]).expect("a refusal is a packet")
    }

    #[test]
    fn a_refused_hello_is_told_by_an_error_whatever_the_code() {
        for code in ErrorCode::ALL.iter().copied() {
            let refusal = Refusal { code: code.into(), retry_ms: 9 };
            let notice = ErrorNotice { kind: kind::HELLO, id: 7, code: code.into(), retry_ms: 9 };
            assert_eq!(told(kind::HELLO, Some(ID), refusal), ServerPacket::Error(notice));
        }
    }

    #[test]
    fn only_requests_with_an_id_are_refused_by_an_answer() {
        let refusal = Refusal { code: ErrorCode::RateLimited.into(), retry_ms: 9 };
        for kind in 0..=u16::MAX {
            let told_of = told(kind, Some(ID), refusal);
            if ANSWERED.contains(&kind) {
                assert_eq!(told_of.kind(), kind + 1);
                assert_eq!(refusal.to_bytes(kind, Some(ID))[4..], [7, 0xfb, 0xb9, 0x0b, 9]);
            } else {
                let notice = ErrorNotice { kind, id: 7, code: refusal.code, retry_ms: 9 };
                assert_eq!(told_of, ServerPacket::Error(notice));
            }
            let notice = ErrorNotice { kind, id: 0, code: refusal.code, retry_ms: 9 };
            assert_eq!(told(kind, None, refusal), ServerPacket::Error(notice));
        }
    }

    #[test]
    fn a_code_about_packets_and_state_is_told_by_an_error() {
        let refusal = Refusal::new(ErrorCode::NotAuthenticated);
        let notice = ErrorNotice { kind: kind::BROADCAST, id: 7, code: refusal.code, retry_ms: 0 };
        assert_eq!(told(kind::BROADCAST, Some(ID), refusal), ServerPacket::Error(notice));
    }
}
