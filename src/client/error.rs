//! Why something a client wanted did not happen.

use std::{io, sync::Arc};

use chat_proto::{Code, ErrorCode, FrameError, Goodbye, Malformed, Refusal};
use thiserror::Error;

use super::tls::TlsFault;

/// Why a call failed. Cheap to clone: the end of a connection is told to everyone who waits on it.
#[derive(Clone, Debug, Error)]
pub enum Error {
    /// The connection could not be made, or broke.
    #[error("connection failed: {0}")]
    Io(Arc<io::Error>),
    /// There is no TLS with the server, or none with the server that is meant.
    #[error(transparent)]
    Tls(#[from] TlsFault),
    /// The server closed the connection without a word. An unanswered request may or may not have been executed.
    #[error("the server closed the connection without a word")]
    Disconnected,
    /// The server said goodbye. An unanswered request may or may not have been executed.
    #[error("the server said goodbye: {}{}", .0.code.line(), or_words(&.0.text))]
    Closed(Goodbye<String>),
    /// The server did not do as the protocol says.
    #[error("protocol error: {0}")]
    Protocol(#[from] ProtocolError),
    /// The request was refused, by the server or, where its form already says so, by this library.
    #[error("refused: {} ({})", .0.code.line(), .0.code.0)]
    Refused(Refusal),
    /// Something did not happen in time.
    #[error("timed out waiting for {0}")]
    Timeout(&'static str),
    /// The connection was lost before the answer came, and the session goes on without it: what was asked for may or may
    /// not have been done. Only of a session that [outlives its connections](super::Reconnect).
    #[error("the connection was lost before the answer came: it may or may not have been done")]
    Uncertain,
}

/// How the server broke the protocol.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ProtocolError {
    /// A packet's size is impossible: everything after it is lost.
    #[error("a packet's size is impossible")]
    Size,
    /// It speaks TLS, and was not spoken to in TLS.
    #[error("the server speaks TLS there")]
    SpeaksTls,
    /// A packet of a known type does not decode.
    #[error("packet type {kind}: {fault}")]
    Malformed {
        /// The packet's type number.
        kind: u16,
        /// What is wrong with it.
        fault: Malformed,
    },
    /// A packet that has no place here, or an answer to nothing.
    #[error("a packet of type {0} was not expected here")]
    Unexpected(u16),
    /// The server speaks other versions than this client.
    #[error("the server speaks versions {min} to {max} of the protocol, this client {ours}", ours = chat_proto::VERSION)]
    Version {
        /// The lowest version spoken.
        min: u16,
        /// The highest version spoken.
        max: u16,
    },
    /// A line that was there already.
    #[error("line {seq} of conversation {conversation} came again")]
    Repeated {
        /// The conversation.
        conversation: u64,
        /// The line's number.
        seq: u64,
    },
    /// A line of a conversation that the session is not in.
    #[error("a line of conversation {0}, which this session is not in")]
    Elsewhere(u64),
    /// A resume brought another session than the one that was lost.
    #[error("the server resumed session {0}, which is another one")]
    AnotherSession(u64),
    /// A walk over pages does not come to its end.
    #[error("the pages of a list do not end")]
    EndlessPages,
}

fn or_words(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(" ({text:?})") }
}

impl Error {
    /// The refusal's code, when this is one.
    #[must_use]
    pub fn refusal(&self) -> Option<Code> {
        match self {
            Self::Refused(refusal) => Some(refusal.code),
            _ => None,
        }
    }

    pub(super) fn refused(code: ErrorCode) -> Self {
        Self::Refused(Refusal { code: code.into(), retry_ms: 0 })
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        match TlsFault::within(&error) {
            Some(fault) => Self::Tls(fault),
            None => Self::Io(Arc::new(error)),
        }
    }
}

impl From<FrameError> for Error {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::Malformed | FrameError::TooLarge => Self::Protocol(ProtocolError::Size),
            FrameError::Io(error) => error.into(),
        }
    }
}
