//! TLS: connections to a server that is known to be the one that is meant.

mod fault;
mod fingerprint;
mod known_hosts;
mod stream;
mod trust;

use std::{io, sync::Arc};

use rustls::{
    ClientConfig,
    client::Resumption,
    crypto::ring,
    pki_types::{IpAddr, ServerName},
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

pub(super) use self::fault::day;
use self::trust::Verifier;
pub use self::{
    fault::{Distrust, TlsFault},
    fingerprint::{Fingerprint, NoFingerprint},
    known_hosts::KnownHosts,
    stream::{Agreement, TlsStream},
    trust::Trust,
};

/// The port of a server's TLS, when none is named.
pub const TLS_PORT: u16 = 11_022;
/// What is spoken inside (RFC 7301).
const ALPN: &[u8] = b"iocp-chat";

/// How one server is connected to over TLS 1.2 or 1.3. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Tls {
    host: Arc<str>,
    port: u16,
    name: ServerName<'static>,
    config: Arc<ClientConfig>,
}

impl Tls {
    /// Connections to `host`, which is a name or an address without brackets. An error where no certificate could be for
    /// such a name, or where an authority that is to be trusted is none.
    pub fn new(host: &str, port: u16, trust: Trust) -> io::Result<Self> {
        let name = name_of(host)?;
        let provider = Arc::new(ring::default_provider());
        let verifier =
            Verifier::new(shown(host, port), trust, Arc::clone(&provider)).map_err(io::Error::other)?;
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring has both versions")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        config.alpn_protocols = vec![ALPN.to_vec()];
        Ok(Self { host: host.into(), port, name, config: Arc::new(config) })
    }

    /// The same, with a whole handshake for each connection: for whoever measures them.
    #[must_use]
    pub fn without_resumption(mut self) -> Self {
        Arc::make_mut(&mut self.config).resumption = Resumption::disabled();
        self
    }

    /// Connects, and shakes hands. What is wrong with the server is a [`TlsFault`] in the error.
    pub async fn connect(&self) -> io::Result<TlsStream> {
        let socket = TcpStream::connect((&*self.host, self.port)).await?;
        self.over(socket).await
    }

    /// Shakes hands over a connection that there is.
    pub async fn over(&self, socket: TcpStream) -> io::Result<TlsStream> {
        // A line is one small packet; waiting for more would only make it late.
        socket.set_nodelay(true)?;
        let connector = TlsConnector::from(Arc::clone(&self.config));
        let stream = connector.connect(self.name.clone(), socket).await.map_err(TlsFault::of_handshake)?;
        Ok(TlsStream::new(stream))
    }

    /// For whoever does the handshake themselves.
    pub(super) fn parts(&self) -> (Arc<ClientConfig>, ServerName<'static>) {
        (Arc::clone(&self.config), self.name.clone())
    }
}

/// A server as a file of known hosts has it: `HOST:PORT`, in ASCII.
fn shown(host: &str, port: u16) -> String {
    let host = idna::domain_to_ascii(host)
        .ok()
        .filter(|_| !host.contains(':'))
        .unwrap_or_else(|| host.to_lowercase());
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// What a server's certificate must be for.
fn name_of(host: &str) -> io::Result<ServerName<'static>> {
    // The zone of a local address, as in `fe80::1%eth0`, is this machine's own word.
    let address = host.split('%').next().unwrap_or(host);
    if let Ok(address) = IpAddr::try_from(address) {
        return Ok(ServerName::IpAddress(address));
    }
    // The dot at the end says that a name is whole, and is no part of it.
    let name = idna::domain_to_ascii(host.trim_end_matches('.')).unwrap_or_default();
    ServerName::try_from(name).map_err(|_| io::Error::other(format!("no certificate can be for {host:?}")))
}
