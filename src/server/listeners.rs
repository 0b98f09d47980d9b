//! What a server listens on, and how it begins to.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use tokio::{io::DuplexStream, net::TcpListener};

use super::Server;
use crate::net::{Door, TlsAcceptor, admit, listen, serve_tls, watch_certificates};

/// Sockets that are bound already.
#[derive(Default)]
pub struct Listeners {
    /// For connections without TLS.
    pub plain: Vec<TcpListener>,
    /// For connections over TLS, which need an acceptor.
    pub tls: Vec<TcpListener>,
    /// How hands are shaken over TLS.
    pub acceptor: Option<Arc<TlsAcceptor>>,
}

impl From<Vec<TcpListener>> for Listeners {
    fn from(plain: Vec<TcpListener>) -> Self {
        Self { plain, ..Self::default() }
    }
}

impl Listeners {
    /// Accepts from here on, and looks after the certificate.
    pub(super) fn open(self, server: &Server) {
        let Self { plain, tls, acceptor } = self;
        let accept = |listener, door| {
            let (admission, shared) = (Arc::clone(&server.admission), Arc::clone(&server.shared));
            let (inbox, connections) = (server.inbox.clone(), server.connections.clone());
            tokio::spawn(listen(listener, door, admission, shared, inbox, connections));
        };
        for listener in plain {
            accept(listener, Door::Plain);
        }
        if let Some(acceptor) = acceptor {
            for listener in tls {
                accept(listener, Door::Tls(Arc::clone(&acceptor)));
            }
            let certificates = Arc::clone(acceptor.certificates());
            tokio::spawn(watch_certificates(certificates, Arc::clone(&server.shared)));
        }
    }
}

pub(super) fn addresses(listeners: &[TcpListener]) -> io::Result<Vec<SocketAddr>> {
    listeners.iter().map(TcpListener::local_addr).collect()
}

impl Server {
    /// As [`connect_in_memory`](Self::connect_in_memory), to where hands are shaken first.
    ///
    /// # Panics
    /// When nobody is let in, or there is no TLS.
    #[must_use]
    pub fn connect_in_memory_tls(&self, pipe_bytes: usize) -> DuplexStream {
        let (client, socket) = tokio::io::duplex(pipe_bytes);
        let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let ticket = admit(peer.ip(), &self.admission, &self.shared).expect("the server has room");
        let acceptor = Arc::clone(self.acceptor.as_ref().expect("the server has a certificate"));
        let (shared, inbox) = (Arc::clone(&self.shared), self.inbox.clone());
        self.connections.spawn(serve_tls(socket, peer, ticket, acceptor, shared, inbox));
        client
    }
}
