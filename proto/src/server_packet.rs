//! What a server may send: answers to requests, and notices nobody asked for.

use bytes::{Bytes, BytesMut};
use serde::{Deserialize, Serialize};

use crate::{
    Answer, Attached, Code, HistoryPage, IgnoredPage, Joined, KeysPage, Left, Limits, Line, List, Missed,
    Moderated, Removed, ResumeToken, RoomChanged, RoomEntered, RoomLeft, RoomsPage, SealedLine, SystemText,
    line::borrowed,
    wire::{Malformed, Ping, Pong, RequestId, decode_body, encode_bounded, kind},
};

macro_rules! server_packets {
    ($($(#[$doc:meta])* $name:ident($body:ty) = $kind:ident;)*) => {
        /// A packet from a server. Names and texts are plain strings here: a client takes what it gets and decides
        /// itself what is fit to show.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum ServerPacket {
            $($(#[$doc])* $name($body),)*
        }

        impl ServerPacket {
            /// Decodes one packet.
            pub fn decode(kind: u16, body: &[u8]) -> Result<Self, Malformed> {
                match kind {
                    $(kind::$kind => decode_body(body).map(Self::$name),)*
                    _ => Err(Malformed::UnknownType),
                }
            }

            /// Whether this is the type number of a packet that a server sends.
            #[must_use]
            pub fn is_kind(kind: u16) -> bool {
                matches!(kind, $(kind::$kind)|*)
            }

            /// Its type number.
            #[must_use]
            pub fn kind(&self) -> u16 {
                match self {
                    $(Self::$name(_) => kind::$kind,)*
                }
            }

            /// Appends the packet, header and all. All a server puts into a packet is bounded, pages by their 200
            /// entries and by bytes.
            pub fn encode(&self, out: &mut BytesMut) {
                match self {
                    $(Self::$name(body) => encode_bounded(kind::$kind, body, out),)*
                }
            }
        }
    };
}

server_packets! {
    /// Version, limits and features.
    HelloAnswer(HelloAnswer) = HELLO_ANSWER;
    /// The account, or why not.
    RegisterAnswer(Answer<Registered>) = REGISTER_ANSWER;
    /// The password is another, or why not.
    ChangePasswordAnswer(Answer<()>) = CHANGE_PASSWORD_ANSWER;
    /// A key is published, or why not.
    PublishKeyAnswer(Answer<()>) = PUBLISH_KEY_ANSWER;
    /// A key is gone.
    RemoveKeyAnswer(Answer<()>) = REMOVE_KEY_ANSWER;
    /// The keys of somebody.
    KeysOfAnswer(Answer<KeysPage>) = KEYS_OF_ANSWER;
    /// Welcome, or why not.
    LoginAnswer(Answer<Welcome>) = LOGIN_ANSWER;
    /// Heard; a goodbye follows.
    LogoutAnswer(Answer<()>) = LOGOUT_ANSWER;
    /// Welcome back, or why not.
    ResumeAnswer(Answer<Welcome>) = RESUME_ANSWER;
    /// What one is not in any more.
    AttachAnswer(Answer<Attached>) = ATTACH_ANSWER;
    /// It is known who is away.
    SetPresenceAnswer(Answer<()>) = SET_PRESENCE_ANSWER;
    /// A broadcast's place in the lobby's order.
    BroadcastAnswer(Answer<Receipt>) = BROADCAST_ANSWER;
    /// A line's place in its room's order.
    RoomChatAnswer(Answer<Receipt>) = ROOM_CHAT_ANSWER;
    /// When a whisper was handed over.
    WhisperAnswer(Answer<WhisperReceipt>) = WHISPER_ANSWER;
    /// When a sealed whisper was handed over.
    SealedWhisperAnswer(Answer<WhisperReceipt>) = SEALED_WHISPER_ANSWER;
    /// Somebody is ignored, or is not any more.
    IgnoreAnswer(Answer<()>) = IGNORE_ANSWER;
    /// Whom one ignores.
    IgnoredAnswer(Answer<IgnoredPage>) = IGNORED_ANSWER;
    /// A page of what was said.
    HistoryAnswer(Answer<HistoryPage>) = HISTORY_ANSWER;
    /// A page of members.
    WhoAnswer(Answer<WhoPage>) = WHO_ANSWER;
    /// The room one has made.
    CreateRoomAnswer(Answer<RoomEntered>) = CREATE_ROOM_ANSWER;
    /// The room one has come into.
    JoinRoomAnswer(Answer<RoomEntered>) = JOIN_ROOM_ANSWER;
    /// A room one has left, after its last line.
    LeaveRoomAnswer(Answer<RoomLeft>) = LEAVE_ROOM_ANSWER;
    /// A page of rooms.
    RoomsAnswer(Answer<RoomsPage>) = ROOMS_ANSWER;
    /// The topic is another.
    SetTopicAnswer(Answer<()>) = SET_TOPIC_ANSWER;
    /// The settings are others.
    SetRoomAnswer(Answer<()>) = SET_ROOM_ANSWER;
    /// It has been done to them.
    ModerateAnswer(Answer<()>) = MODERATE_ANSWER;
    /// The room is no more.
    CloseRoomAnswer(Answer<()>) = CLOSE_ROOM_ANSWER;
    /// It has been said to everybody.
    AnnounceAnswer(Answer<()>) = ANNOUNCE_ANSWER;
    /// Registration is frozen, or as configured.
    FreezeRegistrationAnswer(Answer<()>) = FREEZE_REGISTRATION_ANSWER;
    /// Something said to the lobby or to a room.
    BroadcastLine(Line<String>) = BROADCAST_LINE;
    /// Somebody's whisper to you.
    WhisperLine(Line<String>) = WHISPER_LINE;
    /// Somebody's sealed whisper to you.
    SealedLine(SealedLine<String>) = SEALED_LINE;
    /// Lines you did not get.
    Missed(Missed) = MISSED;
    /// Somebody came in.
    Joined(Joined<String>) = JOINED;
    /// Somebody left.
    Left(Left<String>) = LEFT;
    /// A room's topic or settings are others.
    RoomChanged(RoomChanged<String>) = ROOM_CHANGED;
    /// You are no longer in a conversation.
    Removed(Removed<String>) = REMOVED;
    /// Somebody has done this to you.
    Moderated(Moderated<String>) = MODERATED;
    /// A line from the operator.
    SystemText(SystemText<String>) = SYSTEM_TEXT;
    /// Are you there?
    Ping(Ping) = PING;
    /// I am.
    Pong(Pong) = PONG;
    /// A packet that could not be taken as a request.
    Error(ErrorNotice) = ERROR;
    /// The last packet, and why.
    Goodbye(Goodbye<String>) = GOODBYE;
}

impl ServerPacket {
    /// The packet by itself.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(64);
        self.encode(&mut out);
        out.freeze()
    }
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

/// A login or a resume that succeeded.
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
    /// A single-use token to resume with; `None` when the feature was not granted.
    pub resume_token: Option<ResumeToken>,
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
    /// The last line before one's own first; of a cursor, the last line taken.
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

/// A whisper was handed over, or is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhisperReceipt {
    /// Milliseconds since 1970 UTC.
    pub time_ms: u64,
    /// 0: handed over. 1: kept until they come.
    pub kept: u16,
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
    /// What the member is to the conversation: a [`Relation`](crate::Relation)'s number.
    pub relation: u16,
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
