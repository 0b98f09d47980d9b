//! The closed list of what a server may refuse, each with its stable number and one plain line.

use serde::{Deserialize, Serialize};

/// A result code as it travels: 0 for success, else an error code, perhaps one this version does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Code(pub u16);

impl Code {
    /// Success.
    pub const OK: Self = Self(0);

    /// The error this code stands for; `None` for success and for codes of a later version.
    #[must_use]
    pub fn error(self) -> Option<ErrorCode> {
        ErrorCode::ALL.iter().copied().find(|code| *code as u16 == self.0)
    }

    /// One plain line for a person.
    #[must_use]
    pub fn line(self) -> &'static str {
        match self.error() {
            Some(code) => code.line(),
            None if self == Self::OK => "done",
            None => "refused, with a code this program does not know",
        }
    }
}

impl From<ErrorCode> for Code {
    fn from(code: ErrorCode) -> Self {
        Self(code as u16)
    }
}

macro_rules! error_codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $line:literal;)*) => {
        /// Why a server refuses. The numbers never change meaning; 1xxx is packet, state and login, 2xxx
        /// rooms and people, 3xxx limits, 4xxx resume, 5xxx the server's state.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u16)]
        pub enum ErrorCode {
            $($(#[$doc])* #[doc = $line] $name = $number,)*
        }

        impl ErrorCode {
            /// Every code, in the order of the registry in `PROTOCOL.md`.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// One plain line for a person.
            #[must_use]
            pub fn line(self) -> &'static str {
                match self { $(Self::$name => $line),* }
            }

            /// The name of the registry, for logs and metrics.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),* }
            }
        }
    };
}

error_codes! {
    MalformedFrame = 1001, "the packet's size field is impossible";
    FrameTooLarge = 1002, "the packet is larger than the announced limit";
    UnknownType = 1003, "the server does not know this packet type";
    MalformedBody = 1004, "the packet's body cannot be decoded";
    TrailingBytes = 1005, "the packet has bytes after its last field";
    WrongDirection = 1006, "only a server sends this packet type";
    Version = 1007, "the server does not speak this protocol version";
    NotAuthenticated = 1101, "log in first";
    AlreadyAuthenticated = 1102, "this connection is already logged in";
    InvalidState = 1103, "this packet is not allowed now";
    LoginTimeout = 1104, "the login took too long";
    IdleTimeout = 1105, "nothing was heard for too long";
    PacketTimeout = 1106, "a started packet took too long to arrive";
    AuthFailed = 1201, "the name or the credential is wrong";
    AuthThrottled = 1202, "too many failed logins; wait and try again";
    SessionReplaced = 1203, "another login of this name took over";
    ServerFull = 1204, "the server is full";
    TooManyFromAddress = 1205, "too many connections from this address";
    Banned = 1206, "banned from this server";
    AuthBusy = 1207, "too many logins at once; wait and try again";
    Kicked = 1208, "a moderator ended this session";
    NameTaken = 1301, "this name is in use";
    NameInvalid = 1302, "this name is not allowed";
    PasswordInvalid = 1303, "this password is not allowed";
    RegistrationClosed = 1304, "registration is closed";
    InviteInvalid = 1305, "the invite is not valid";
    TextEmpty = 1401, "the text is empty";
    TextTooLong = 1402, "the text is too long";
    TextForbidden = 1403, "the text has a character that is not allowed";
    RoomNotFound = 2001, "there is no such room";
    RoomFull = 2002, "the room is full";
    AlreadyInRoom = 2003, "already in this room";
    PermissionDenied = 2004, "not permitted";
    NotInRoom = 2005, "not in this room";
    RoomNameInvalid = 2006, "this room name is not allowed";
    RoomLimit = 2007, "too many rooms";
    Muted = 2008, "muted";
    UserNotFound = 2101, "there is no such user";
    SelfTarget = 2102, "that is yourself";
    UserOffline = 2103, "the user is offline";
    NoKeys = 2104, "the user has no key for sealed whispers";
    RateLimited = 3001, "too fast; wait and try again";
    SlowConsumer = 3002, "the connection took no bytes for too long";
    RangeInvalid = 3003, "a number is out of range";
    ResumeInvalid = 4001, "the session cannot be resumed";
    ShuttingDown = 5001, "the server is shutting down";
    StorageUnavailable = 5002, "the server's storage does not answer";
    Overloaded = 5003, "the server is overloaded; wait and try again";
    Internal = 9999, "internal error";
}
