//! What a client may send, parsed once: past this door a name is a name and a text is a text.

use bytes::BytesMut;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    Announce, Attach, Broadcast, ChangePassword, CloseRoom, CreateRoom, Credential, Envelope, ErrorCode,
    FreezeRegistration, Hello, History, Ignore, Ignored, JoinRoom, KeysOf, LeaveRoom, Login, Logout,
    Moderate, PublishKey, Register, Remark, RemoveKey, Resume, RoomChat, RoomName, RoomPassword, Rooms,
    ServerPacket, SetPresence, SetRoom, SetTopic, Text, Username, Whisper, Who,
    credential::{RawCredential, RawInvite},
    wire::{Malformed, Ping, Pong, RequestId, decode_body, encode_bounded, kind, request_id},
};

/// A body that a client sends: how it is parsed, and which request it makes.
trait Body: Sized {
    /// Decodes the fields and parses each once.
    fn parse(body: &[u8]) -> Result<Self, ErrorCode>;
    /// Appends the packet of this type, header and all.
    fn encode(&self, kind: u16, out: &mut BytesMut);
    /// The request's id; `None` of what is no request.
    fn id(&self) -> Option<RequestId>;
}

macro_rules! client_packets {
    ($($(#[$doc:meta])* $name:ident($body:ty) = $kind:ident;)*) => {
        /// A packet from a client. No field of any of them says who the sender is.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum ClientPacket {
            $($(#[$doc])* $name($body),)*
        }

        impl ClientPacket {
            fn parse(kind: u16, body: &[u8]) -> Result<Self, ErrorCode> {
                match kind {
                    $(kind::$kind => Body::parse(body).map(Self::$name),)*
                    kind if ServerPacket::is_kind(kind) => Err(ErrorCode::WrongDirection),
                    _ => Err(ErrorCode::UnknownType),
                }
            }

            fn is_kind(kind: u16) -> bool {
                matches!(kind, $(kind::$kind)|*)
            }

            /// Appends the packet, header and all.
            pub fn encode(&self, out: &mut BytesMut) {
                match self {
                    $(Self::$name(body) => Body::encode(body, kind::$kind, out),)*
                }
            }

            /// The type number and, of a request, its id.
            #[must_use]
            pub fn request(&self) -> (u16, Option<RequestId>) {
                match self {
                    $(Self::$name(body) => (kind::$kind, Body::id(body)),)*
                }
            }
        }
    };
}

client_packets! {
    /// The first packet of a connection.
    Hello(Hello) = HELLO;
    /// I want an account.
    Register(Register<Username, Credential, Box<str>>) = REGISTER;
    /// My password shall be another.
    ChangePassword(ChangePassword<Credential>) = CHANGE_PASSWORD;
    /// A device of mine has this key.
    PublishKey(PublishKey) = PUBLISH_KEY;
    /// A device of mine shall be sealed to no more.
    RemoveKey(RemoveKey) = REMOVE_KEY;
    /// Which keys has somebody?
    KeysOf(KeysOf<Username>) = KEYS_OF;
    /// Who I am.
    Login(Login<Username, Credential>) = LOGIN;
    /// I am leaving.
    Logout(Logout) = LOGOUT;
    /// I am whoever was given this token.
    Resume(Resume) = RESUME;
    /// Read on to me from here.
    Attach(Attach) = ATTACH;
    /// I am away, or back.
    SetPresence(SetPresence) = SET_PRESENCE;
    /// A line for the lobby.
    Broadcast(Broadcast<Text>) = BROADCAST;
    /// A line for a room.
    RoomChat(RoomChat<Text>) = ROOM_CHAT;
    /// A line for one person.
    Whisper(Whisper<Username, Text>) = WHISPER;
    /// A line that only one person can read.
    SealedWhisper(Whisper<Username, Envelope>) = SEALED_WHISPER;
    /// I want to hear nothing of this person, or do again.
    Ignore(Ignore<Username>) = IGNORE;
    /// Whom do I ignore?
    Ignored(Ignored) = IGNORED;
    /// What was said in a conversation?
    History(History) = HISTORY;
    /// Who is in a conversation?
    Who(Who) = WHO;
    /// Make a room, and let me in.
    CreateRoom(CreateRoom<RoomName, RoomPassword, Remark>) = CREATE_ROOM;
    /// Let me into a room.
    JoinRoom(JoinRoom<RoomName, RoomPassword>) = JOIN_ROOM;
    /// I leave a room.
    LeaveRoom(LeaveRoom) = LEAVE_ROOM;
    /// Which rooms are there?
    Rooms(Rooms) = ROOMS;
    /// A room shall be about this.
    SetTopic(SetTopic<Remark>) = SET_TOPIC;
    /// A room shall have these settings.
    SetRoom(SetRoom<RoomPassword>) = SET_ROOM;
    /// This shall happen to a person.
    Moderate(Moderate<Username, Remark>) = MODERATE;
    /// A room shall be no more.
    CloseRoom(CloseRoom) = CLOSE_ROOM;
    /// Everybody shall hear this.
    Announce(Announce<Text>) = ANNOUNCE;
    /// Nobody shall register for now, or may again.
    FreezeRegistration(FreezeRegistration) = FREEZE_REGISTRATION;
    /// Are you there?
    Ping(Ping) = PING;
    /// I am.
    Pong(Pong) = PONG;
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
    /// Whether packets of this type ask for something, so that an answer follows.
    #[must_use]
    pub fn is_request(kind: u16) -> bool {
        Self::is_kind(kind) && !matches!(kind, kind::PING | kind::PONG)
    }

    /// Decodes and parses one packet, or says what to answer.
    pub fn decode(kind: u16, body: &[u8]) -> Result<Self, Rejection> {
        Self::parse(kind, body).map_err(|code| Rejection { kind, id: asked(kind, body), code })
    }
}

fn raw<'a, T: Deserialize<'a> + Serialize>(body: &'a [u8]) -> Result<T, ErrorCode> {
    decode_body(body).map_err(Malformed::error_code)
}

/// The id that a refusal names: only requests begin with one.
fn asked(kind: u16, body: &[u8]) -> Option<RequestId> {
    if matches!(kind, kind::PING | kind::PONG) { None } else { request_id(body) }
}

/// Bodies without a name or a text: decoded is parsed.
macro_rules! plain {
    ($id:expr; $($body:ty),*) => {$(
        impl Body for $body {
            fn parse(body: &[u8]) -> Result<Self, ErrorCode> {
                raw(body)
            }

            fn encode(&self, kind: u16, out: &mut BytesMut) {
                encode_bounded(kind, self, out);
            }

            fn id(&self) -> Option<RequestId> {
                let id: fn(&Self) -> Option<RequestId> = $id;
                id(self)
            }
        }
    )*};
}

plain!(
    |body| Some(body.id);
    Hello,
    PublishKey,
    RemoveKey,
    Logout,
    Resume,
    Attach,
    History,
    SetPresence,
    Ignored,
    Who,
    LeaveRoom,
    Rooms,
    SetRoom<RoomPassword>,
    CloseRoom,
    FreezeRegistration
);

plain!(|_| None; Ping, Pong);

/// Bodies of which some fields are parsed after all are decoded.
macro_rules! parsed {
    ($($body:ty, from $raw:ty: $name:ident { $($field:ident),* } parsing { $($parsed:ident: $kind:ty),* };)*) => {$(
        impl Body for $body {
            fn parse(body: &[u8]) -> Result<Self, ErrorCode> {
                let $name { $($field,)* $($parsed,)* } = raw::<$raw>(body)?;
                Ok($name { $($field,)* $($parsed: <$kind>::parse($parsed)?,)* })
            }

            fn encode(&self, kind: u16, out: &mut BytesMut) {
                encode_bounded(kind, self, out);
            }

            fn id(&self) -> Option<RequestId> {
                Some(self.id)
            }
        }
    )*};
}

parsed! {
    Broadcast<Text>, from Broadcast<&str>: Broadcast { id, message_id } parsing { text: Text };
    RoomChat<Text>, from RoomChat<&str>: RoomChat { id, message_id, conversation } parsing { text: Text };
    Whisper<Username, Text>, from Whisper<&str, &str>: Whisper { id, message_id } parsing { to: Username, text: Text };
    Whisper<Username, Envelope>, from Whisper<&str, Envelope>:
        Whisper { id, message_id, text } parsing { to: Username };
    KeysOf<Username>, from KeysOf<&str>: KeysOf { id } parsing { name: Username };
    Ignore<Username>, from Ignore<&str>: Ignore { id, on } parsing { name: Username };
    CreateRoom<RoomName, RoomPassword, Remark>, from CreateRoom<&str, RoomPassword, &str>:
        CreateRoom { id, password, settings } parsing { name: RoomName, topic: Remark };
    JoinRoom<RoomName, RoomPassword>, from JoinRoom<&str, RoomPassword>:
        JoinRoom { id, password } parsing { name: RoomName };
    SetTopic<Remark>, from SetTopic<&str>: SetTopic { id, conversation } parsing { topic: Remark };
    Moderate<Username, Remark>, from Moderate<&str, &str>:
        Moderate { id, conversation, act, seconds } parsing { name: Username, reason: Remark };
    Announce<Text>, from Announce<&str>: Announce { id } parsing { text: Text };
}

impl Body for Login<Username, Credential> {
    fn parse(body: &[u8]) -> Result<Self, ErrorCode> {
        let Login { id, name, credential } = raw::<Login<&str, RawCredential>>(body)?;
        Ok(Self { id, name: Username::parse(name)?, credential: credential.into() })
    }

    fn encode(&self, kind: u16, out: &mut BytesMut) {
        let Self { id, name, credential } = self;
        encode_bounded(kind, &Login { id: *id, name, credential: RawCredential::from(credential) }, out);
    }

    fn id(&self) -> Option<RequestId> {
        Some(self.id)
    }
}

impl Body for Register<Username, Credential, Box<str>> {
    fn parse(body: &[u8]) -> Result<Self, ErrorCode> {
        let Register { id, name, credential, invite: RawInvite(invite) } =
            raw::<Register<&str, RawCredential, RawInvite>>(body)?;
        let (name, credential) = (Username::parse(name)?, credential.into());
        Ok(Self { id, name, credential, invite: invite.into() })
    }

    fn encode(&self, kind: u16, out: &mut BytesMut) {
        let Self { id, name, credential, invite } = self;
        let credential = RawCredential::from(credential);
        encode_bounded(kind, &Register { id: *id, name, credential, invite }, out);
    }

    fn id(&self) -> Option<RequestId> {
        Some(self.id)
    }
}

impl Body for ChangePassword<Credential> {
    fn parse(body: &[u8]) -> Result<Self, ErrorCode> {
        let ChangePassword { id, current, new } = raw::<ChangePassword<RawCredential>>(body)?;
        Ok(Self { id, current: current.into(), new: new.into() })
    }

    fn encode(&self, kind: u16, out: &mut BytesMut) {
        let (current, new) = (RawCredential::from(&self.current), RawCredential::from(&self.new));
        encode_bounded(kind, &ChangePassword { id: self.id, current, new }, out);
    }

    fn id(&self) -> Option<RequestId> {
        Some(self.id)
    }
}
