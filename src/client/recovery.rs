//! Whether a client comes back after its connection has ended, and when.

use std::time::Duration;

use chat_proto::{Code, ErrorCode};

use super::{Error, backoff::Backoff, tls::TlsFault};

/// How often in a row a name may be found taken by a client that has logged in under it and not heard the answer: the one
/// who has it is this client, and the server lets go of it. With the waits between, this is some minutes.
const TAKEN_MAX: u32 = 20;

/// What has become of the connections so far. No clock and no chance in it: both are handed in.
#[derive(Clone, Debug, Default)]
pub struct Recovery {
    backoff: Backoff,
    /// Attempts in a row after which it is given up; `None`: never.
    attempts_max: Option<u32>,
    /// How often the name was found taken since there was a session.
    taken: u32,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Another connection.
    Attempt {
        /// Attempts in a row, with this one.
        number: u32,
        /// How long to wait before it.
        wait: Duration,
    },
    /// Nothing.
    Over,
}

impl Recovery {
    /// Has seen nothing yet.
    #[must_use]
    pub fn new(attempts_max: Option<u32>) -> Self {
        Self { attempts_max, ..Self::default() }
    }

    /// A connection with a session has ended, which it had for so long.
    #[must_use]
    pub fn lost(&mut self, why: &Error, lasted: Duration, random: u64) -> Next {
        self.taken = 0;
        self.backoff.session_lasted(lasted);
        self.next(comes_back(why), random)
    }

    /// There was no connection, or none that came to a session. `own_name`: a login was sent since there was a session, and
    /// its answer lost.
    #[must_use]
    pub fn failed(&mut self, why: &Error, own_name: bool, random: u64) -> Next {
        let taken = why.refusal() == Some(ErrorCode::NameTaken.into());
        if taken && own_name && self.taken < TAKEN_MAX {
            self.taken += 1;
            return self.next(Some(Duration::ZERO), random);
        }
        self.next(comes_back(why), random)
    }

    fn next(&mut self, at_least: Option<Duration>, random: u64) -> Next {
        let spent = self.attempts_max.is_some_and(|max| self.backoff.attempts() >= max);
        match at_least {
            Some(at_least) if !spent => {
                let wait = self.backoff.next_wait(at_least, random);
                Next::Attempt { number: self.backoff.attempts(), wait }
            }
            _ => Next::Over,
        }
    }
}

/// How long the server wants to be left alone at least; `None` where coming back would end in the same way.
fn comes_back(why: &Error) -> Option<Duration> {
    let (code, retry_ms) = match why {
        // Whoever is not the server that is meant will not become it.
        Error::Tls(TlsFault::Untrusted(_) | TlsFault::NotTls) | Error::Protocol(_) | Error::Uncertain => {
            return None;
        }
        Error::Io(_) | Error::Tls(_) | Error::Disconnected | Error::Timeout(_) => {
            return Some(Duration::ZERO);
        }
        // A packet that came too soon is not a session that was thrown out for its speed.
        Error::Refused(refusal) if refusal.code == ErrorCode::RateLimited.into() => {
            return Some(Duration::from_millis(refusal.retry_ms.into()));
        }
        Error::Refused(refusal) => (refusal.code, refusal.retry_ms),
        Error::Closed(goodbye) => (goodbye.code, goodbye.retry_ms),
    };
    passes(code).then(|| Duration::from_millis(retry_ms.into()))
}

/// Whether what a code says is over by itself after some time.
fn passes(code: Code) -> bool {
    use ErrorCode as E;
    let Some(error) = code.error() else {
        // Of a later version; or it was wished for, by a logout.
        return code != Code::OK;
    };
    match error {
        E::LoginTimeout
        | E::IdleTimeout
        | E::PacketTimeout
        | E::AuthThrottled
        | E::ServerFull
        | E::TooManyFromAddress
        | E::AuthBusy
        | E::SlowConsumer
        | E::ResumeInvalid
        | E::ShuttingDown
        | E::StorageUnavailable
        | E::Overloaded
        | E::Internal => true,
        E::MalformedFrame
        | E::FrameTooLarge
        | E::UnknownType
        | E::MalformedBody
        | E::TrailingBytes
        | E::WrongDirection
        | E::Version
        | E::NotAuthenticated
        | E::AlreadyAuthenticated
        | E::InvalidState
        | E::AuthFailed
        | E::SessionReplaced
        | E::Banned
        | E::Kicked
        | E::NameTaken
        | E::NameInvalid
        | E::PasswordInvalid
        | E::RegistrationClosed
        | E::InviteInvalid
        | E::TextEmpty
        | E::TextTooLong
        | E::TextForbidden
        | E::RoomNotFound
        | E::RoomFull
        | E::AlreadyInRoom
        | E::PermissionDenied
        | E::NotInRoom
        | E::RoomNameInvalid
        | E::RoomLimit
        | E::Muted
        | E::UserNotFound
        | E::SelfTarget
        | E::UserOffline
        | E::NoKeys
        | E::RateLimited
        | E::RangeInvalid => false,
    }
}

#[cfg(test)]
mod tests {
    use chat_proto::{Goodbye, Refusal};
    use proptest::{
        collection::vec, prelude::prop_assert, prelude::prop_assert_eq, proptest, sample::select,
    };

    use super::*;
    use crate::client::{ProtocolError, backoff::STABLE};

    fn closed(code: impl Into<Code>, retry_ms: u32) -> Error {
        Error::Closed(Goodbye { code: code.into(), retry_ms, text: String::new() })
    }

    fn refused(code: ErrorCode) -> Error {
        Error::Refused(Refusal { code: code.into(), retry_ms: 0 })
    }

    #[test]
    fn whoever_is_sent_away_stays_away() {
        for code in [
            ErrorCode::SessionReplaced,
            ErrorCode::Banned,
            ErrorCode::Kicked,
            ErrorCode::Version,
            ErrorCode::RateLimited,
            ErrorCode::MalformedBody,
        ] {
            let next = Recovery::default().lost(&closed(code, 5), STABLE, 0);
            assert_eq!(next, Next::Over, "{code:?}");
        }
        for code in [ErrorCode::AuthFailed, ErrorCode::Banned, ErrorCode::NameInvalid] {
            assert_eq!(Recovery::default().failed(&refused(code), true, 0), Next::Over, "{code:?}");
        }
        let why = ProtocolError::Version { min: 2, max: 3 }.into();
        assert_eq!(Recovery::default().failed(&why, true, 0), Next::Over);
        assert_eq!(Recovery::default().lost(&closed(Code::OK, 0), STABLE, 0), Next::Over);
    }

    #[test]
    fn a_server_that_restarts_is_come_back_to_when_it_says() {
        let next = Recovery::default().lost(&closed(ErrorCode::ShuttingDown, 3_000), STABLE, 1 << 63);
        assert_eq!(next, Next::Attempt { number: 1, wait: Duration::from_millis(3_500) });
        for why in [Error::Disconnected, Error::Timeout("an answer"), closed(Code(7_777), 0)] {
            let next = Recovery::default().lost(&why, Duration::ZERO, u64::MAX);
            assert_eq!(next, Next::Attempt { number: 1, wait: Duration::ZERO }, "{why:?}");
        }
    }

    #[test]
    fn ones_own_name_is_waited_for_but_not_for_ever() {
        let (mut recovery, taken) = (Recovery::default(), refused(ErrorCode::NameTaken));
        let waits = (0..100).take_while(|_| recovery.failed(&taken, true, u64::MAX) != Next::Over).count();
        assert_eq!(waits, 20);
        assert!(matches!(recovery.lost(&Error::Disconnected, Duration::ZERO, 0), Next::Attempt { .. }));
        assert!(
            matches!(recovery.failed(&taken, true, 0), Next::Attempt { .. }),
            "there was a session since"
        );
        assert_eq!(recovery.failed(&taken, false, 0), Next::Over, "somebody else has it");
    }

    proptest! {
        #[test]
        fn attempts_are_bounded_and_only_a_session_that_lasted_gives_them_back(
            max in 0_u32..6,
            life in vec((select(vec![0_u64, 59_999, 60_000, 600_000]), 0_u32..4), 1..40),
        ) {
            let (mut recovery, mut left) = (Recovery::new(Some(max)), max);
            for (lasted, failures) in life {
                let lasted = Duration::from_millis(lasted);
                left = if lasted >= STABLE { max } else { left };
                for failure in 0..=failures {
                    let next = match failure {
                        0 => recovery.lost(&Error::Disconnected, lasted, 7),
                        _ => recovery.failed(&Error::Disconnected, false, 7),
                    };
                    match next {
                        Next::Over => prop_assert_eq!(left, 0),
                        Next::Attempt { number, .. } => {
                            prop_assert!(left > 0);
                            left -= 1;
                            prop_assert_eq!(number, max - left);
                        }
                    }
                }
            }
        }
    }
}
