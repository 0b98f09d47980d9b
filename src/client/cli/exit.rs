//! How the program ends, as its exit code tells.

use std::process::ExitCode;

use chat_proto::Code;
use rustls::AlertDescription;

use super::{entrance::NoEntry, password::NoPassword};
use crate::client::{Error, tls::TlsFault};

/// The exit codes that `--help` documents; clap itself ends with [`Usage`](Self::Usage) for a wrong command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// What was wanted is done.
    Done = 0,
    /// No connection, or it broke.
    Network = 1,
    /// What was asked for cannot be done: no password, or not the one that was meant.
    Usage = 2,
    /// The server does not want this user.
    Refused = 3,
    /// The two do not understand each other.
    Protocol = 4,
    /// `-W` ran out.
    Timeout = 5,
    /// `--wait-ack`, and some line was not acknowledged.
    Unacknowledged = 6,
    /// The server is not known to be the one that is meant.
    Untrusted = 8,
    /// Ctrl-C.
    Interrupted = 130,
}

impl Exit {
    /// What a server's goodbye that was not asked for comes to.
    #[must_use]
    pub fn after_goodbye(code: Code) -> Self {
        match code.0 {
            1001..=1099 | 1101..=1103 => Self::Protocol,
            1201..=1399 => Self::Refused,
            _ => Self::Network,
        }
    }
}

impl From<&Error> for Exit {
    fn from(error: &Error) -> Self {
        match error {
            Error::Io(_)
            | Error::Disconnected
            | Error::Timeout(_)
            | Error::Uncertain
            | Error::Tls(TlsFault::HungUp | TlsFault::Alert(AlertDescription::InternalError)) => {
                Self::Network
            }
            Error::Closed(goodbye) => Self::after_goodbye(goodbye.code),
            Error::Tls(TlsFault::Untrusted(_)) => Self::Untrusted,
            Error::Tls(_) | Error::Protocol(_) => Self::Protocol,
            // Whatever the code: without a greeting or a login there is no session.
            Error::Refused(_) => Self::Refused,
        }
    }
}

impl From<&NoEntry> for Exit {
    fn from(why: &NoEntry) -> Self {
        match why {
            NoEntry::Error(error) => error.into(),
            NoEntry::Password(NoPassword::Interrupted) => Self::Interrupted,
            NoEntry::Password(_) | NoEntry::State(_) | NoEntry::Trust(_) | NoEntry::KnownHosts(..) => {
                Self::Usage
            }
            NoEntry::GuestsOnly | NoEntry::NoGuests => Self::Refused,
            NoEntry::Outside(exit) => *exit,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chat_proto::ErrorCode;

    #[test]
    fn a_goodbye_tells_refusals_faults_and_the_network_apart() {
        for (code, exit) in [
            (ErrorCode::SessionReplaced, Exit::Refused),
            (ErrorCode::NameTaken, Exit::Refused),
            (ErrorCode::ServerFull, Exit::Refused),
            (ErrorCode::FrameTooLarge, Exit::Protocol),
            (ErrorCode::InvalidState, Exit::Protocol),
            (ErrorCode::LoginTimeout, Exit::Network),
            (ErrorCode::IdleTimeout, Exit::Network),
            (ErrorCode::RateLimited, Exit::Network),
            (ErrorCode::ShuttingDown, Exit::Network),
        ] {
            assert_eq!(Exit::after_goodbye(code.into()), exit, "{code:?}");
        }
    }
}
