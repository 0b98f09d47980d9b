//! TLS: connections to a server that is known to be the one that is meant.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use iocp_chat::client::{
//!     Client,
//!     tls::{TLS_PORT, Tls, Trust},
//! };
//!
//! let pins = vec!["sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=".parse()?];
//! let tls = Tls::new("chat.example", TLS_PORT, Trust::Pins(pins))?;
//! let client = Client::connect_tls(&tls).await?;
//! # Ok(())
//! # }
//! ```

mod fault;
mod fingerprint;
mod known_hosts;
mod stream;
mod trust;

use std::{io, sync::Arc};

use chat_proto::ALPN;
use rustls::{ClientConfig, client::Resumption, crypto::ring, pki_types::ServerName};
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
        let host = ascii(host);
        let name = name_of(&host)?;
        let provider = Arc::new(ring::default_provider());
        let verifier =
            Verifier::new(shown(&host, port), trust, Arc::clone(&provider)).map_err(io::Error::other)?;
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

/// A server as a file of known hosts has it.
fn shown(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// A host as name servers and certificates have it; empty where it can be none. The zone of a local address, as in
/// `fe80::1%eth0`, stays.
fn ascii(host: &str) -> String {
    if host.contains(':') { host.to_lowercase() } else { idna::domain_to_ascii(host).unwrap_or_default() }
}

/// What a server's certificate must be for.
fn name_of(host: &str) -> io::Result<ServerName<'static>> {
    // A zone is this machine's own word, and the dot at the end of a name says that it is whole: no part of a
    // certificate.
    let name = host.split('%').next().unwrap_or(host).trim_end_matches('.');
    ServerName::try_from(name.to_owned())
        .map_err(|_| io::Error::other("a certificate is for a name or an address, and this is none"))
}
