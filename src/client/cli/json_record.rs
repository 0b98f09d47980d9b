//! The schema of `--json`: what each record has, and under which names.

use serde::{Serialize, Serializer};

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Record<'a> {
    Tls {
        version: &'static str,
        cipher: String,
        key: String,
    },
    Welcome {
        #[serde(serialize_with = "as_string")]
        session: u64,
        name: &'a str,
        role: String,
    },
    Broadcast {
        #[serde(flatten)]
        place: Place,
        from: &'a str,
        text: &'a str,
    },
    Whisper {
        #[serde(flatten)]
        place: Place,
        from: &'a str,
        text: &'a str,
        /// Of one that was sealed.
        #[serde(flatten)]
        seal: Option<Seal>,
    },
    /// A whisper that cannot be opened.
    Unread {
        #[serde(flatten)]
        place: Place,
        from: &'a str,
        why: &'static str,
    },
    System {
        #[serde(flatten)]
        place: Place,
        text: &'a str,
    },
    Joined {
        #[serde(flatten)]
        place: Place,
        name: &'a str,
    },
    Left {
        #[serde(flatten)]
        place: Place,
        name: &'a str,
        reason: String,
    },
    /// One has come into a room.
    Entered {
        #[serde(serialize_with = "as_string")]
        conversation: u64,
        room: &'a str,
        #[serde(serialize_with = "as_string")]
        epoch: u64,
        /// The last line before one's own first.
        #[serde(serialize_with = "as_string")]
        seq: u64,
        relation: String,
        members: u32,
        #[serde(flatten)]
        settings: Settings,
        topic: &'a str,
    },
    /// One has left a room, as one wished.
    Exited {
        #[serde(flatten)]
        room: Room,
    },
    /// A room's topic or settings are others.
    Changed {
        #[serde(flatten)]
        place: Place,
        by: &'a str,
        #[serde(flatten)]
        settings: Settings,
        topic: &'a str,
    },
    /// One is no longer in a conversation, by no request of one's own.
    Removed {
        #[serde(flatten)]
        room: Room,
        reason: String,
        by: &'a str,
        text: &'a str,
    },
    /// Somebody has done something to us.
    Moderated {
        #[serde(flatten)]
        room: Room,
        act: String,
        by: &'a str,
        seconds: u32,
        text: &'a str,
    },
    Missed {
        #[serde(flatten)]
        room: Room,
        #[serde(serialize_with = "as_string")]
        epoch: u64,
        #[serde(serialize_with = "as_string")]
        from_seq: u64,
        #[serde(serialize_with = "as_string")]
        to_seq: u64,
    },
    Error {
        kind: u16,
        id: u32,
        code: u16,
        retry_ms: u32,
    },
    Goodbye {
        code: u16,
        retry_ms: u32,
        text: &'a str,
    },
    /// The connection is lost, and another is tried.
    Reconnecting {
        attempt: u32,
        wait_ms: u64,
        /// In English, for a person.
        why: String,
    },
    /// The session goes on; what was missed follows.
    Resumed {
        /// How many lines that may be, where it is known.
        #[serde(serialize_with = "as_string_or_null")]
        behind: Option<u64>,
        lost: Vec<Room>,
        entered: Vec<Room>,
    },
    /// The session is another one.
    Restarted {
        #[serde(serialize_with = "as_string")]
        session: u64,
        name: &'a str,
        role: String,
        /// The rooms of the last one.
        lost: Vec<Room>,
        /// What may or may not have been said in it.
        uncertain: Vec<&'a str>,
    },
    /// What `/history` is answered with.
    History {
        #[serde(flatten)]
        room: Room,
        entries: Vec<Said<'a>>,
        /// Whether there is more before these.
        more: bool,
    },
    /// What `/rooms` and `/topic` are answered with.
    Rooms {
        rooms: Vec<Entry<'a>>,
        /// Whether there are more than these.
        more: bool,
    },
    /// What `/members` is answered with.
    Members {
        #[serde(flatten)]
        room: Room,
        /// All of them, listed or not.
        count: u32,
        members: Vec<Member<'a>>,
    },
    /// What `/keys` and `/trust` are answered with.
    Keys {
        name: &'a str,
        standing: &'static str,
        verified: bool,
        number: Option<&'a str>,
        keys: Vec<Key>,
    },
    /// What `/ignore` without a name is answered with.
    Ignored {
        names: &'a [String],
    },
}

/// Where a line stands.
#[derive(Serialize)]
pub struct Place {
    #[serde(flatten)]
    pub room: Room,
    #[serde(serialize_with = "as_string")]
    pub epoch: u64,
    #[serde(serialize_with = "as_string")]
    pub seq: u64,
    pub time_ms: u64,
}

/// Which conversation it is about.
#[derive(Serialize)]
pub struct Room {
    #[serde(serialize_with = "as_string")]
    pub conversation: u64,
    /// Its name, where it is a room.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub room: Option<String>,
}

/// A line of the past.
#[derive(Serialize)]
pub struct Said<'a> {
    #[serde(serialize_with = "as_string")]
    pub epoch: u64,
    #[serde(serialize_with = "as_string")]
    pub seq: u64,
    pub time_ms: u64,
    /// Empty: the operator.
    pub from: &'a str,
    pub text: &'a str,
}

/// What is known of a sealed whisper.
#[expect(clippy::struct_excessive_bools, reason = "the fields of the schema")]
#[derive(Serialize)]
pub struct Seal {
    pub sealed: bool,
    pub verified: bool,
    pub new_key: bool,
    pub repeat: bool,
}

/// The key of a device.
#[derive(Serialize)]
pub struct Key {
    pub key: String,
    pub time_ms: u64,
}

/// A room of a list.
#[derive(Serialize)]
pub struct Entry<'a> {
    #[serde(serialize_with = "as_string")]
    pub conversation: u64,
    pub room: &'a str,
    pub members: u32,
    #[serde(flatten)]
    pub settings: Settings,
    pub topic: &'a str,
}

/// A member of a list.
#[derive(Serialize)]
pub struct Member<'a> {
    pub name: &'a str,
    pub relation: String,
    pub state: String,
}

/// How a room is.
#[expect(clippy::struct_excessive_bools, reason = "the fields of the schema")]
#[derive(Serialize)]
pub struct Settings {
    pub capacity: u32,
    pub hidden: bool,
    pub invite_only: bool,
    pub persistent: bool,
    pub password: bool,
    pub slow_s: u32,
}

/// Above 2^53 many JSON readers round a number.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn as_string<S: Serializer>(number: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(number)
}

#[expect(clippy::ref_option, reason = "serde's signature")]
fn as_string_or_null<S: Serializer>(number: &Option<u64>, serializer: S) -> Result<S::Ok, S::Error> {
    match number {
        Some(number) => as_string(number, serializer),
        None => serializer.serialize_none(),
    }
}
