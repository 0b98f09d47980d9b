//! One TLS connection without a socket: records in, plaintext out, and the other way round.

use std::{io, mem, sync::Arc};

use bytes::{Buf, BytesMut};
use rustls::{
    ServerConfig,
    server::{ServerConnectionData, UnbufferedServerConnection},
    unbuffered::{ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus, WriteTraffic},
};
use thiserror::Error;
use tokio::io::ReadBuf;

/// Bytes of a whole record at most (RFC 8446, 5.2, and the 5 of its header).
pub const RECORD_BYTES_MAX: usize = RECORD_HEADER_BYTES + 16 * 1024 + 256;
const RECORD_HEADER_BYTES: usize = 5;

/// Bytes of the client's handshake that are kept at most, while its messages are not whole.
pub const HANDSHAKE_BYTES_MAX: usize = 64 * 1024;

/// Why a TLS connection cannot go on.
#[derive(Debug, Error)]
pub enum TlsError {
    /// The first bytes are no TLS record of a client.
    #[error("the peer does not speak TLS")]
    NotTls,
    /// What the peer sent is against the rules of TLS, or it wants what is not offered.
    #[error(transparent)]
    Protocol(#[from] rustls::Error),
    /// The handshake has more bytes than are kept.
    #[error("the handshake is too long")]
    TooLong,
    /// The peer ended the stream without a `close_notify`: what it meant to say may be cut short.
    #[error("the stream ended without a close_notify")]
    Truncated,
    /// The socket failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl From<EncryptError> for TlsError {
    fn from(error: EncryptError) -> Self {
        Self::Io(io::Error::other(error.to_string()))
    }
}

impl From<TlsError> for io::Error {
    fn from(error: TlsError) -> Self {
        match error {
            TlsError::Io(error) => error,
            TlsError::Truncated => Self::new(io::ErrorKind::UnexpectedEof, error),
            error => Self::new(io::ErrorKind::InvalidData, error),
        }
    }
}

/// The state of one TLS connection. While nothing comes and nothing is stuck, it holds keys and no buffer.
pub struct Session {
    tls: UnbufferedServerConnection,
    /// What has come of a record, or of a message of the handshake, that is not whole.
    incoming: BytesMut,
    /// What was decrypted and has not been taken.
    plain: BytesMut,
    /// Records that have not left.
    outgoing: BytesMut,
    /// Whether the first bytes were looked at, and were TLS.
    heard: bool,
    /// Whether the peer has said that it sends no more.
    peer_closed: bool,
    /// Whether we have.
    closed: bool,
}

impl Session {
    /// A session that waits for a client's first message.
    pub fn new(config: Arc<ServerConfig>) -> Result<Self, TlsError> {
        Ok(Self {
            tls: UnbufferedServerConnection::new(config)?,
            incoming: BytesMut::new(),
            plain: BytesMut::new(),
            outgoing: BytesMut::new(),
            heard: false,
            peer_closed: false,
            closed: false,
        })
    }

    /// Whether the handshake is still to be finished.
    pub fn is_handshaking(&self) -> bool {
        self.tls.is_handshaking()
    }

    /// Whether the peer has said that it sends no more.
    pub fn peer_closed(&self) -> bool {
        self.peer_closed
    }

    /// What has come and is not whole, to be gone on with.
    pub fn take_incoming(&mut self) -> BytesMut {
        mem::take(&mut self.incoming)
    }

    /// Keeps what is not whole.
    pub fn keep_incoming(&mut self, incoming: BytesMut) {
        self.incoming = incoming;
    }

    /// Whether something has come that is not whole.
    pub fn has_incoming(&self) -> bool {
        !self.incoming.is_empty()
    }

    /// Bytes that may come to the `held` ones, which are not whole: the rest of a record, or more of a handshake's
    /// message that came in several. 0: there are too many already.
    pub fn room(&self, held: &[u8]) -> usize {
        if self.is_handshaking() {
            return HANDSHAKE_BYTES_MAX.saturating_sub(held.len()).min(RECORD_BYTES_MAX);
        }
        let record = match held {
            [] => RECORD_BYTES_MAX,
            [_, _, _, high, low, ..] => RECORD_HEADER_BYTES + usize::from(u16::from_be_bytes([*high, *low])),
            _ => RECORD_HEADER_BYTES,
        };
        // A record that is longer than allowed was refused at its header.
        match record.saturating_sub(held.len()) {
            0 => HANDSHAKE_BYTES_MAX.saturating_sub(held.len()).min(RECORD_BYTES_MAX),
            rest => rest,
        }
    }

    /// Works through what has come, and leaves what is not whole. Decrypted bytes go into `into`, and what it has no
    /// room for is kept.
    pub fn receive(&mut self, incoming: &mut BytesMut, into: &mut ReadBuf<'_>) -> Result<(), TlsError> {
        if !self.heard {
            self.heard = look(incoming)?;
        }
        loop {
            let UnbufferedStatus { mut discard, state, .. } = self.tls.process_tls_records(incoming);
            let state = match state {
                Ok(state) => state,
                Err(error) => {
                    incoming.advance(discard);
                    self.take_alerts(incoming);
                    return Err(error.into());
                }
            };
            let goes_on = match state {
                ConnectionState::ReadTraffic(mut traffic) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record?;
                        discard += record.discard;
                        let taken = into.remaining().min(record.payload.len());
                        into.put_slice(&record.payload[..taken]);
                        self.plain.extend_from_slice(&record.payload[taken..]);
                    }
                    true
                }
                ConnectionState::EncodeTlsData(message) => {
                    encode(message, &mut self.outgoing);
                    true
                }
                ConnectionState::TransmitTlsData(transmit) => {
                    transmit.done();
                    true
                }
                ConnectionState::PeerClosed => {
                    self.peer_closed = true;
                    true
                }
                // Nothing more can be done with what has come. (Early data, which is a state too, is not offered.)
                _ => false,
            };
            incoming.advance(discard);
            if !goes_on {
                break;
            }
        }
        if self.peer_closed {
            incoming.clear();
        }
        Ok(())
    }

    /// Takes the alert that says why, and what precedes it, and nothing more: what was wrong would be looked at again.
    fn take_alerts(&mut self, incoming: &mut BytesMut) {
        while self.tls.wants_write() {
            match self.tls.process_tls_records(incoming).state {
                Ok(ConnectionState::EncodeTlsData(message)) => encode(message, &mut self.outgoing),
                _ => return,
            }
        }
    }

    /// Whether decrypted bytes wait to be taken.
    pub fn has_plain(&self) -> bool {
        !self.plain.is_empty()
    }

    /// Takes decrypted bytes, as many as there is room for.
    pub fn take_plain(&mut self, into: &mut ReadBuf<'_>) {
        let taken = into.remaining().min(self.plain.len());
        into.put_slice(&self.plain[..taken]);
        self.plain.advance(taken);
        if self.plain.is_empty() {
            self.plain = BytesMut::new();
        }
    }

    /// Encrypts `plain` into the front of `sealed`, which grows if it must; how many bytes it has become. What is in
    /// [`outgoing`](Self::outgoing) goes before it.
    pub fn seal(&mut self, plain: &[u8], sealed: &mut Vec<u8>) -> Result<usize, TlsError> {
        self.with_traffic(|traffic| match traffic.encrypt(plain, sealed) {
            Err(EncryptError::InsufficientSize(short)) => {
                sealed.resize(short.required_size, 0);
                traffic.encrypt(plain, sealed)
            }
            done => done,
        })
    }

    /// Says, once, that nothing more is sent.
    pub fn close(&mut self) -> Result<(), TlsError> {
        if mem::replace(&mut self.closed, true) {
            return Ok(());
        }
        let mut alert = [0; 256];
        let written = self.with_traffic(|traffic| traffic.queue_close_notify(&mut alert))?;
        self.outgoing.extend_from_slice(&alert[..written]);
        Ok(())
    }

    /// Does what may be done once the handshake is over.
    fn with_traffic(
        &mut self,
        mut work: impl FnMut(&mut WriteTraffic<'_, ServerConnectionData>) -> Result<usize, EncryptError>,
    ) -> Result<usize, TlsError> {
        loop {
            // There is no whole record in it, so nothing of it is taken.
            match self.tls.process_tls_records(&mut self.incoming).state? {
                ConnectionState::WriteTraffic(mut traffic) => return Ok(work(&mut traffic)?),
                ConnectionState::EncodeTlsData(message) => encode(message, &mut self.outgoing),
                ConnectionState::TransmitTlsData(transmit) => transmit.done(),
                ConnectionState::PeerClosed => self.peer_closed = true,
                _ => return Err(TlsError::Io(io::ErrorKind::NotConnected.into())),
            }
        }
    }

    /// Records that have not left.
    pub fn outgoing(&mut self) -> &mut BytesMut {
        &mut self.outgoing
    }

    /// `sent` bytes of [`outgoing`](Self::outgoing) have left.
    pub fn sent(&mut self, sent: usize) {
        self.outgoing.advance(sent);
        if self.outgoing.is_empty() {
            self.outgoing = BytesMut::new();
        }
    }
}

/// Whether there is enough to see that it is TLS: a client begins with a record of its handshake, or with an alert.
fn look(first: &[u8]) -> Result<bool, TlsError> {
    match first {
        [] | [0x15 | 0x16] => Ok(false),
        [0x15 | 0x16, 3, ..] => Ok(true),
        _ => Err(TlsError::NotTls),
    }
}

fn encode<T>(mut message: EncodeTlsData<'_, T>, outgoing: &mut BytesMut) {
    let begin = outgoing.len();
    if let Err(EncodeError::InsufficientSize(short)) = message.encode(&mut []) {
        outgoing.resize(begin + short.required_size, 0);
        let written = message.encode(&mut outgoing[begin..]).expect("it has the size that was asked for");
        outgoing.truncate(begin + written);
    }
}
