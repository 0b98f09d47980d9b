//! The limits a server announces in its Hello, so that no client learns one by being cut off.

use serde::{Deserialize, Serialize};

/// Bytes a packet may have before login, header included.
pub const GUEST_PACKET_BYTES_MAX: u16 = 512;
/// Bytes a client's packet may have after login, header included.
pub const CLIENT_PACKET_BYTES_MAX: u16 = 4_096;
/// Bytes a server's packet may have, header included: what a `u16` counts, less the 4 header bytes that
/// `LengthDelimitedCodec` adds to a length before it compares.
pub const SERVER_PACKET_BYTES_MAX: u16 = u16::MAX - 4;
/// Code points a text may have.
pub const TEXT_CHARS_MAX: u16 = 1_024;
/// Bytes of UTF-8 a text may have.
pub const TEXT_BYTES_MAX: u16 = 3_072;
/// Code points a name may have, counted in NFC.
pub const NAME_CHARS_MAX: u16 = 32;
/// Bytes of UTF-8 a name may have, counted in NFC.
pub const NAME_BYTES_MAX: u16 = 96;
/// Bytes a ping may carry.
pub const PING_BYTES_MAX: u16 = 64;
/// Entries a page of members or rooms may have.
pub const PAGE_ENTRIES_MAX: u16 = 200;
/// Lines a page of history may have.
pub const HISTORY_ENTRIES_MAX: u16 = 100;
/// Bytes of a credential: a password or a later kind.
pub const CREDENTIAL_BYTES_MAX: u16 = 384;
/// Bytes of UTF-8 a password has at least, prepared as an `OpaqueString` (RFC 8265).
pub const PASSWORD_BYTES_MIN: u16 = 8;
/// Bytes of UTF-8 a password has at most, so prepared. Decomposed it may be three times as long: a credential holds it.
pub const PASSWORD_BYTES_MAX: u16 = 128;
/// Code points of a room's topic, or of the reason of an act.
pub const REMARK_CHARS_MAX: u16 = 128;
/// Bytes of UTF-8 of such a remark.
pub const REMARK_BYTES_MAX: u16 = 384;
/// Bytes of UTF-8 of a room's password.
pub const ROOM_PASSWORD_BYTES_MAX: u16 = 64;
/// Bytes of an invitation's code.
pub const INVITE_BYTES_MAX: u16 = 16;
/// Bytes of a sealed whisper: the longest text, for eight devices, in a packet with the longest name.
pub const SEALED_BYTES_MAX: u16 = 3_968;
/// Devices of one account that have published a key.
pub const DEVICE_KEYS_MAX: u16 = 8;
/// Packets a rested connection may send at once before login; one more each second.
pub const GUEST_PACKETS_MAX: u16 = 10;
/// Refusals before login after which the connection ends.
pub const GUEST_REFUSALS_MAX: u16 = 3;
/// The score of refusals within 60 seconds after login that ends the connection.
pub const REFUSAL_SCORE_MAX: u16 = 20;

/// Every limit of a server, as its Hello tells it. Times are milliseconds; a rate of 0 means no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes of a packet before login, header included.
    pub guest_packet_bytes: u16,
    /// Bytes of a client's packet after login, header included.
    pub client_packet_bytes: u16,
    /// Bytes of a server's packet, header included.
    pub server_packet_bytes: u16,
    /// Code points of a text.
    pub text_chars: u16,
    /// Bytes of a text.
    pub text_bytes: u16,
    /// Code points of a name, in NFC.
    pub name_chars: u16,
    /// Bytes of a name, in NFC.
    pub name_bytes: u16,
    /// Bytes of a ping's payload.
    pub ping_bytes: u16,
    /// Entries of one page of Who or Rooms.
    pub page_entries: u16,
    /// Requests a session may have unanswered; beyond it the server stops reading until answers are taken.
    pub requests_outstanding: u16,
    /// Joined and left notices are sent while a conversation has at most this many members.
    pub notice_members: u32,
    /// Lines a second, to the lobby, rooms and people, that a session may keep up; 0 means no limit.
    pub chat_per_second: u32,
    /// Lines that a rested session may send at once.
    pub chat_burst: u32,
    /// Other requests a second; 0 means no limit.
    pub other_per_second: u32,
    /// Other requests that a rested session may send at once.
    pub other_burst: u32,
    /// From the connection's start to the login's success.
    pub login_ms: u32,
    /// From a packet's first byte to its last.
    pub packet_ms: u32,
    /// Silence after which the server pings.
    pub ping_after_ms: u32,
    /// Silence after which the server hangs up.
    pub idle_ms: u32,
    /// How long the client may take no bytes while the server has some to send.
    pub write_ms: u32,
    /// Packets a rested connection may send at once before login; one more each second.
    pub guest_packets: u16,
    /// Refusals before login after which the connection ends.
    pub guest_refusals: u16,
    /// The score of refusals within 60 seconds after login that ends the connection.
    pub refusal_score: u16,
    /// Bytes of a credential.
    pub credential_bytes: u16,
    /// Bytes a new password has at least, in NFC.
    pub password_bytes_min: u16,
    /// Bytes a password has at most, in NFC.
    pub password_bytes_max: u16,
    /// Code points of a room's topic, and of the reason of an act.
    pub remark_chars: u16,
    /// Bytes of such a remark.
    pub remark_bytes: u16,
    /// Bytes of a room's password.
    pub room_password_bytes: u16,
    /// Members that a room may be made for.
    pub room_members: u32,
    /// Rooms that a session may be in at once, beside the lobby.
    pub rooms_joined: u16,
    /// Rooms that one person may own at once.
    pub rooms_owned: u16,
    /// Rooms that a rested session may make at once; one more every 20 seconds.
    pub rooms_created: u16,
    /// People that one person may ignore.
    pub ignored: u16,
    /// Lines of one page of history.
    pub history_entries: u16,
    /// How long a token to resume with is good for, from when its session has left.
    pub resume_ms: u32,
    /// Keys that one account may have published.
    pub device_keys: u16,
    /// Bytes of a sealed whisper.
    pub sealed_bytes: u16,
}

impl Limits {
    /// What a server announces that has not been told otherwise.
    pub const DEFAULT: Self = Self {
        guest_packet_bytes: GUEST_PACKET_BYTES_MAX,
        client_packet_bytes: CLIENT_PACKET_BYTES_MAX,
        server_packet_bytes: SERVER_PACKET_BYTES_MAX,
        text_chars: TEXT_CHARS_MAX,
        text_bytes: TEXT_BYTES_MAX,
        name_chars: NAME_CHARS_MAX,
        name_bytes: NAME_BYTES_MAX,
        ping_bytes: PING_BYTES_MAX,
        page_entries: PAGE_ENTRIES_MAX,
        requests_outstanding: 64,
        notice_members: 200,
        chat_per_second: 5,
        chat_burst: 10,
        other_per_second: 10,
        other_burst: 20,
        login_ms: 10_000,
        packet_ms: 10_000,
        ping_after_ms: 30_000,
        idle_ms: 75_000,
        write_ms: 10_000,
        guest_packets: GUEST_PACKETS_MAX,
        guest_refusals: GUEST_REFUSALS_MAX,
        refusal_score: REFUSAL_SCORE_MAX,
        credential_bytes: CREDENTIAL_BYTES_MAX,
        password_bytes_min: PASSWORD_BYTES_MIN,
        password_bytes_max: PASSWORD_BYTES_MAX,
        remark_chars: REMARK_CHARS_MAX,
        remark_bytes: REMARK_BYTES_MAX,
        room_password_bytes: ROOM_PASSWORD_BYTES_MAX,
        room_members: 10_000,
        rooms_joined: 16,
        rooms_owned: 5,
        rooms_created: 3,
        ignored: 100,
        history_entries: HISTORY_ENTRIES_MAX,
        resume_ms: 14 * 24 * 60 * 60 * 1_000,
        device_keys: DEVICE_KEYS_MAX,
        sealed_bytes: SEALED_BYTES_MAX,
    };
}
