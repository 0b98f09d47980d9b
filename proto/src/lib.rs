//! The wire protocol of iocp-chat: what a packet is, what a name and a text are, and what a refusal says.
//!
//! `PROTOCOL.md` beside this crate is normative; the crate follows it, and `vectors/` holds both to the
//! same bytes. Nothing in here blocks, waits or looks at a clock.

mod answer;
mod client_packet;
mod codec;
mod credential;
mod envelope;
mod error_code;
mod history;
pub mod limits;
mod line;
mod list;
mod name;
mod request;
mod resume;
mod role;
mod room_answer;
mod room_request;
mod sealed;
mod server_packet;
mod text;
mod time;
mod unicode;
mod wire;

pub use answer::{Answer, Refusal};
pub use client_packet::{ClientPacket, Rejection};
pub use codec::{Frame, FrameError, PacketCodec};
pub use credential::Credential;
pub use envelope::{Envelope, EnvelopeParts, KeyId};
pub use error_code::{Code, ErrorCode};
pub use history::{History, HistoryEntry, HistoryPage};
pub use limits::Limits;
pub use line::{Joined, LeaveReason, Left, Line, LineHead, Missed, SystemText, UNKNOWN_END};
pub use list::List;
pub use name::{NameKey, RoomName, Username};
pub use request::{Broadcast, ChangePassword, Hello, Login, Logout, Register, Whisper, Who};
pub use resume::{Attach, Attached, Resume, ResumeToken, feature};
pub use role::Role;
pub use room_answer::{
    IgnoredEntry, IgnoredPage, Moderated, Relation, Removed, RoomChanged, RoomEntered, RoomEntry, RoomLeft,
    RoomsPage,
};
pub use room_request::{
    Act, Announce, CloseRoom, CreateRoom, FreezeRegistration, Ignore, Ignored, JoinRoom, LeaveRoom, Moderate,
    RoomChat, RoomPassword, RoomSettings, Rooms, SetPresence, SetRoom, SetTopic, room_flag,
};
pub use sealed::{DeviceKey, KeyEntry, KeysOf, KeysPage, PublishKey, RemoveKey, SealedLine, Words};
pub use server_packet::{
    ErrorNotice, Goodbye, HelloAnswer, Presence, Receipt, Registered, ServerPacket, Welcome, WhisperReceipt,
    WhoEntry, WhoPage, way_in,
};
pub use text::{Remark, Text};
pub use time::{millis, short_millis, unix_ms};
pub use wire::{Malformed, Ping, PingPayload, Pong, RequestId, kind};

/// The only protocol version so far; `Hello` carries the one the client speaks.
pub const VERSION: u16 = 1;

/// What is spoken inside of TLS, for ALPN (RFC 7301). A client need not say it, but must not say others alone.
pub const ALPN: &[u8] = b"iocp-chat";

/// The conversation that is a session's own: whispers to it.
pub const MAILBOX: u64 = 0;

/// The conversation that everyone signed in is a member of.
pub const LOBBY: u64 = 1;
