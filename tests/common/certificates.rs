//! Certificates of a test's own, and servers that show them.
#![allow(dead_code, reason = "each test target uses its own part of it")]

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    sync::Arc,
};

use iocp_chat::client::tls::Fingerprint;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
};

/// What a server shows, and the key that it has for it.
pub struct Certificate {
    der: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
    pub pem: String,
    pub pin: Fingerprint,
}

/// Somebody who vouches for servers.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub der: CertificateDer<'static>,
    pub pem: String,
}

impl Certificate {
    /// Made by a server for itself.
    pub fn of_itself(name: &str) -> Self {
        Self::made(name, |_| {}, None)
    }

    /// As OpenSSL makes it: an authority's too.
    pub fn of_itself_as_authority(name: &str) -> Self {
        Self::made(name, |params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained), None)
    }

    fn made(name: &str, change: impl FnOnce(&mut CertificateParams), authority: Option<&Authority>) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new([name.to_owned()]).expect("a name");
        change(&mut params);
        let made = match authority {
            Some(authority) => params.signed_by(&key, &authority.issuer),
            None => params.self_signed(&key),
        };
        let made = made.expect("a certificate");
        let pin = Fingerprint::of_certificate(made.der()).expect("it can be read");
        let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
        Self { der: made.der().clone(), key, pem: made.pem(), pin }
    }

    /// The same once more.
    pub fn again(&self) -> Self {
        Self { der: self.der.clone(), key: self.key.clone_key(), pem: self.pem.clone(), pin: self.pin }
    }

    /// A server that shows it.
    pub fn server(&self, versions: &[&'static SupportedProtocolVersion]) -> Arc<ServerConfig> {
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(versions)
            .expect("ring has them")
            .with_no_client_auth()
            .with_single_cert(vec![self.der.clone()], self.key.clone_key())
            .expect("its own key");
        config.alpn_protocols = vec![b"iocp-chat".to_vec()];
        Arc::new(config)
    }

    /// A server's end of a connection, on which the handshake is still to come.
    pub fn accept(&self, socket: TcpStream) -> StreamOwned<ServerConnection, TcpStream> {
        let connection = ServerConnection::new(self.server(rustls::ALL_VERSIONS)).expect("a server");
        StreamOwned::new(connection, socket)
    }
}

impl Authority {
    pub fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new([]).expect("no name");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let made = params.self_signed(&key).expect("a certificate");
        Self { issuer: Issuer::new(params, key), der: made.der().clone(), pem: made.pem() }
    }

    pub fn vouches_for(&self, name: &str) -> Certificate {
        Certificate::made(name, |_| {}, Some(self))
    }

    /// For somebody in the year 2000 or so.
    pub fn vouched_for(&self, name: &str) -> Certificate {
        let until = |params: &mut CertificateParams| params.not_after = date_time_ymd(2001, 2, 3);
        Certificate::made(name, until, Some(self))
    }

    /// For somebody in the year 3000.
    pub fn will_vouch_for(&self, name: &str) -> Certificate {
        let from = |params: &mut CertificateParams| params.not_before = date_time_ymd(3000, 1, 2);
        Certificate::made(name, from, Some(self))
    }
}

/// Serves one connection: what comes is sent back, until nothing more comes. What went wrong, if anything.
pub fn echo(stream: &mut (impl Read + Write)) -> io::Result<()> {
    let mut bytes = [0; 4_096];
    loop {
        match stream.read(&mut bytes)? {
            0 => return Ok(()),
            count => stream.write_all(&bytes[..count])?,
        }
        stream.flush()?;
    }
}
