//! Why a connection ends, and what each of the three audiences hears of it.

use std::io;

use chat_proto::{Code, ErrorCode, FrameError, LeaveReason};

use crate::metrics::Disconnect;

/// Why a connection ends.
#[derive(Debug)]
pub enum End {
    /// The peer closed its side.
    Eof,
    /// The peer closed its side in the middle of a packet or, over TLS, without saying so.
    Torn,
    /// The transport failed.
    Broken(io::Error),
    /// The peer logged out.
    LoggedOut,
    /// The server refuses to go on.
    Refused(ErrorCode),
    /// The session was ended by somebody else.
    Closed(ErrorCode, LeaveReason),
    /// The server stops.
    Stopping,
}

impl End {
    /// The end of a connection whose bytes are no packets.
    #[must_use]
    pub fn of_framing(error: FrameError) -> Self {
        match error {
            FrameError::Malformed => Self::Refused(ErrorCode::MalformedFrame),
            FrameError::TooLarge => Self::Refused(ErrorCode::FrameTooLarge),
            // TLS tells an end that the peer meant from one that anybody on the way may have made.
            FrameError::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => Self::Torn,
            FrameError::Io(error) => Self::Broken(error),
        }
    }

    /// The last packet's code. `None`: nobody is there to hear it.
    #[must_use]
    pub fn goodbye(&self) -> Option<Code> {
        match self {
            Self::Eof | Self::Torn | Self::Broken(_) => None,
            Self::LoggedOut => Some(Code::OK),
            Self::Refused(code) | Self::Closed(code, _) => Some((*code).into()),
            Self::Stopping => Some(ErrorCode::ShuttingDown.into()),
        }
    }

    /// What the others hear.
    #[must_use]
    pub fn leave_reason(&self) -> LeaveReason {
        match self {
            Self::Eof | Self::LoggedOut => LeaveReason::Quit,
            Self::Torn | Self::Broken(_) | Self::Stopping => LeaveReason::Lost,
            Self::Closed(_, reason) => *reason,
            Self::Refused(ErrorCode::IdleTimeout | ErrorCode::PacketTimeout | ErrorCode::SlowConsumer) => {
                LeaveReason::Timeout
            }
            Self::Refused(_) => LeaveReason::Misbehaved,
        }
    }

    /// Whether only the connection is lost, so that its session may go on by another.
    #[must_use]
    pub fn is_loss(&self) -> bool {
        match self {
            Self::Eof | Self::Torn | Self::Broken(_) => true,
            Self::Refused(code) => {
                matches!(
                    code,
                    ErrorCode::IdleTimeout
                        | ErrorCode::PacketTimeout
                        | ErrorCode::SlowConsumer
                        | ErrorCode::Overloaded
                        | ErrorCode::Internal
                )
            }
            Self::LoggedOut | Self::Closed(..) | Self::Stopping => false,
        }
    }

    /// What it is counted as.
    #[must_use]
    pub fn disconnect(&self) -> Disconnect {
        match self {
            Self::Eof => Disconnect::Eof,
            Self::Torn => Disconnect::Torn,
            Self::Broken(_) => Disconnect::Broken,
            Self::LoggedOut => Disconnect::LoggedOut,
            Self::Refused(code) | Self::Closed(code, _) => Disconnect::Told(*code),
            Self::Stopping => Disconnect::Told(ErrorCode::ShuttingDown),
        }
    }

    /// The name for logs.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.disconnect().word()
    }

    /// What failed, if the transport did.
    #[must_use]
    pub fn error(&self) -> Option<&io::Error> {
        match self {
            Self::Broken(error) => Some(error),
            _ => None,
        }
    }

    /// The server found fault with the peer: counted as a reject.
    #[must_use]
    pub fn refusal(&self) -> Option<ErrorCode> {
        match self {
            Self::Refused(code) => Some(*code),
            _ => None,
        }
    }
}
