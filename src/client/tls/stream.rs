//! One TLS connection, as a stream of bytes.

use std::{
    io::{self, ErrorKind, IoSlice, Write},
    pin::Pin,
    task::{Context, Poll},
};

use rustls::{CipherSuite, ProtocolVersion};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::client;

use super::Fingerprint;

/// A connection over TLS. When it is dropped the server is told, so far as that takes no waiting, that this is the end and
/// nothing was cut off (RFC 8446, section 6.1).
pub struct TlsStream(client::TlsStream<TcpStream>);

/// What was agreed on in a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// The version of TLS.
    pub version: ProtocolVersion,
    /// The cipher.
    pub cipher: CipherSuite,
    /// The server's key.
    pub key: Fingerprint,
}

impl TlsStream {
    pub(super) fn new(stream: client::TlsStream<TcpStream>) -> Self {
        Self(stream)
    }

    /// What was agreed on.
    #[must_use]
    pub fn agreement(&self) -> Agreement {
        let (_, connection) = self.0.get_ref();
        let certificate = connection.peer_certificates().and_then(|chain| chain.first());
        Agreement {
            version: connection.protocol_version().expect("the handshake is over"),
            cipher: connection.negotiated_cipher_suite().expect("the handshake is over").suite(),
            key: certificate
                .and_then(Fingerprint::of_certificate)
                .expect("its certificate was read in the handshake"),
        }
    }
}

impl Agreement {
    /// The version as people call it, as in `TLS 1.3`.
    #[must_use]
    pub fn version(&self) -> &'static str {
        match self.version {
            ProtocolVersion::TLSv1_2 => "TLS 1.2",
            _ => "TLS 1.3",
        }
    }

    /// The cipher's name in IANA's registry.
    #[must_use]
    pub fn cipher(&self) -> String {
        // Those of TLS 1.3 are called without the version there.
        format!("{:?}", self.cipher).replace("TLS13_", "TLS_")
    }
}

impl AsyncRead for TlsStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.0).poll_read(cx, buf) {
            // Without TLS's own last word it is an end all the same: whether something is missing is told by the server's
            // goodbye, as without TLS.
            Poll::Ready(Err(error)) if error.kind() == ErrorKind::UnexpectedEof => Poll::Ready(Ok(())),
            read => read,
        }
    }
}

impl AsyncWrite for TlsStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// A socket that is written to only as far as it takes it at once.
struct AtOnce<'a>(&'a TcpStream);

impl Write for AtOnce<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for TlsStream {
    fn drop(&mut self) {
        let (socket, connection) = self.0.get_mut();
        connection.send_close_notify();
        while connection.wants_write() && matches!(connection.write_tls(&mut AtOnce(socket)), Ok(1..)) {}
    }
}
