//! What things are counted by: closed sets of words, which the documentation lists.

use chat_proto::ErrorCode;

use super::{Label, Labels};

/// A set of words under the name of one label.
macro_rules! words {
    ($(#[$doc:meta])* $set:ident by $label:literal { $($(#[$word_doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $set {
            $($(#[$word_doc])* $variant,)*
        }

        impl $set {
            /// Every one.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The word for it.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }
        }

        impl Label for $set {
            fn all() -> impl Iterator<Item = Self> {
                Self::ALL.iter().copied()
            }

            fn index(self) -> usize {
                self as usize
            }

            fn labels(self) -> Labels {
                vec![($label, self.word().into())]
            }
        }
    };
}

words! {
    /// What a connection runs over.
    TransportKind by "transport" {
        /// TCP alone.
        Tcp = "tcp",
        /// TLS.
        Tls = "tls",
    }
}

words! {
    /// How somebody tries to come in.
    AuthMethod by "method" {
        /// By a name that nobody has.
        Guest = "guest",
        /// By the password of an account.
        Password = "password",
        /// By a token of a session.
        Resume = "resume",
        /// By making an account.
        Registration = "registration",
        /// By a credential of a kind that this version does not know.
        Other = "other",
    }
}

words! {
    /// What comes of it.
    AuthResult by "result" {
        /// They are in, or the account is made.
        Ok = "ok",
        /// The name, the password or the token is not right.
        Failed = "failed",
        /// There were too many failures before.
        Throttled = "throttled",
        /// Too many passwords wait to be hashed.
        Busy = "busy",
        /// The server failed: its database, or itself.
        Error = "error",
        /// Anything else: the name is taken or not allowed, banned, closed, draining.
        Refused = "refused",
    }
}

words! {
    /// What a client sends once it is logged in.
    Message by "type" {
        /// A line for the lobby.
        Broadcast = "broadcast",
        /// A line for a room.
        Room = "room",
        /// A line for one person.
        Whisper = "whisper",
        /// Anything else.
        Other = "other",
    }
}

words! {
    /// What there is a limit to the speed of.
    RateScope by "scope" {
        /// Lines of a session.
        Chat = "chat",
        /// All else of a session.
        Other = "other",
        /// Packets before the login.
        Guest = "guest",
        /// New connections from one address.
        Connection = "connection",
    }
}

words! {
    /// What a slow reader leads to.
    SlowAction by "action" {
        /// A room waits for its readers.
        Waited = "waited",
        /// A room has waited for long enough, and goes on without those who are behind.
        LeftBehind = "left_behind",
        /// A reader is told that it missed lines.
        Missed = "missed",
        /// A connection that takes no bytes is cut.
        Cut = "cut",
    }
}

words! {
    /// What comes of showing a token.
    ResumeResult by "result" {
        /// The session goes on where it stood.
        Ok = "ok",
        /// The session had ended, and begins again under its number.
        Anew = "anew",
        /// The token is unknown, used, expired or of somebody who may not come in any more.
        Denied = "denied",
        /// The server could not, or would not, for now.
        Refused = "refused",
    }
}

words! {
    /// What ails a database.
    StoreErrorKind by "kind" {
        /// Somebody else holds its lock.
        Busy = "busy",
        /// It takes no writes.
        ReadOnly = "read_only",
        /// Its disk is full.
        Full = "full",
        /// What is read is not what was written.
        Corrupt = "corrupt",
        /// It does not answer, or not in time.
        Unavailable = "unavailable",
        /// Anything else.
        Other = "other",
    }
}

words! {
    /// Why a TLS handshake fails.
    TlsFailure by "reason" {
        /// It took too long.
        Timeout = "timeout",
        /// What came is no TLS.
        NotTls = "not_tls",
        /// The two cannot agree, or one of them is wrong.
        Protocol = "protocol",
        /// The connection broke.
        Io = "io",
    }
}

/// Somebody's attempt to come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuthAttempt(pub AuthMethod, pub AuthResult);

impl Label for AuthAttempt {
    fn all() -> impl Iterator<Item = Self> {
        AuthMethod::all().flat_map(|method| AuthResult::all().map(move |result| Self(method, result)))
    }

    fn index(self) -> usize {
        self.0.index() * AuthResult::ALL.len() + self.1.index()
    }

    fn labels(self) -> Labels {
        [self.0.labels(), self.1.labels()].concat()
    }
}

impl AuthResult {
    /// What a refusal with this code is.
    #[must_use]
    pub fn of(code: ErrorCode) -> Self {
        match code {
            ErrorCode::AuthFailed | ErrorCode::ResumeInvalid | ErrorCode::InviteInvalid => Self::Failed,
            ErrorCode::AuthThrottled => Self::Throttled,
            ErrorCode::AuthBusy => Self::Busy,
            ErrorCode::StorageUnavailable | ErrorCode::Overloaded | ErrorCode::Internal => Self::Error,
            _ => Self::Refused,
        }
    }
}

/// Why a connection ends, as the log says it too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disconnect {
    /// The peer closed its side.
    Eof,
    /// The peer closed its side in the middle of a packet.
    Torn,
    /// The transport failed.
    Broken,
    /// The peer logged out.
    LoggedOut,
    /// It never came to one: the TLS handshake failed.
    NoHandshake,
    /// The server ended it, with this code.
    Told(ErrorCode),
}

impl Disconnect {
    /// Those without a code, in the order of their places.
    const PLAIN: [Self; 5] = [Self::Eof, Self::Torn, Self::Broken, Self::LoggedOut, Self::NoHandshake];

    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Eof => "Eof",
            Self::Torn => "Torn",
            Self::Broken => "Broken",
            Self::LoggedOut => "LoggedOut",
            Self::NoHandshake => "NoHandshake",
            Self::Told(code) => code.name(),
        }
    }
}

impl Label for Disconnect {
    fn all() -> impl Iterator<Item = Self> {
        Self::PLAIN.into_iter().chain(ErrorCode::all().map(Self::Told))
    }

    fn index(self) -> usize {
        match self {
            Self::Eof => 0,
            Self::Torn => 1,
            Self::Broken => 2,
            Self::LoggedOut => 3,
            Self::NoHandshake => 4,
            Self::Told(code) => Self::PLAIN.len() + code.index(),
        }
    }

    fn labels(self) -> Labels {
        vec![("reason", self.word().into())]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn each_has_its_place_and_its_words<L: Label>() {
        for (place, label) in L::all().enumerate() {
            assert_eq!(label.index(), place);
        }
        let told: BTreeSet<_> = L::all().map(Label::labels).collect();
        assert_eq!(told.len(), L::all().count());
    }

    #[test]
    fn every_label_has_a_place_of_its_own_and_words_of_its_own() {
        each_has_its_place_and_its_words::<ErrorCode>();
        each_has_its_place_and_its_words::<Disconnect>();
        each_has_its_place_and_its_words::<AuthAttempt>();
        each_has_its_place_and_its_words::<StoreErrorKind>();
    }
}
