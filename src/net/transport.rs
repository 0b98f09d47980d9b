//! What a connection runs over.

use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream},
    net::TcpStream,
};

/// A byte stream to one peer.
pub trait Transport: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// Asks that closing it throws away what the peer has not taken, instead of keeping it for a peer that
    /// takes nothing.
    fn abandon(&self);
}

impl Transport for TcpStream {
    fn abandon(&self) {
        // If it fails, the kernel keeps the bytes a while longer; nobody here can do more.
        let _ = self.set_zero_linger();
    }
}

/// In memory, for tests.
impl Transport for DuplexStream {
    fn abandon(&self) {}
}
