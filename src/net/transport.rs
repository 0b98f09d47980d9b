//! What a connection runs over.

use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream},
    net::TcpStream,
};

use crate::metrics::TransportKind;

/// A byte stream to one peer.
pub trait Transport: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// What it is to the operator.
    const KIND: TransportKind;

    /// Asks that closing it throws away what the peer has not taken, instead of keeping it for a peer that
    /// takes nothing.
    fn abandon(&self);
}

impl Transport for TcpStream {
    const KIND: TransportKind = TransportKind::Tcp;

    fn abandon(&self) {
        // If it fails, the kernel keeps the bytes a while longer; nobody here can do more.
        let _ = self.set_zero_linger();
    }
}

/// In memory, for tests.
impl Transport for DuplexStream {
    const KIND: TransportKind = TransportKind::Tcp;

    fn abandon(&self) {}
}
