//! `chat-server health`: connects as a client does and reads the server's Hello.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Instant,
};

use rustls::{
    ClientConfig, DigitallySignedStruct, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{
    args::{HealthArgs, Settings},
    exit::Failure,
};
use crate::{
    client::{self, Client},
    net::ALPN,
};

/// Asks the server, and returns the line that says it is well.
pub fn check(args: &HealthArgs, settings: &Settings) -> Result<String, Failure> {
    let (address, over_tls) = if let Some(address) = args.address {
        (address, args.tls)
    } else {
        let config = settings.load()?;
        let plain = config.listen.first().filter(|_| !args.tls);
        let address = plain.or(config.tls.listen.first());
        let none = || Failure::Config("the settings listen for nothing over TLS".into());
        (reachable(*address.ok_or_else(none)?), plain.is_none())
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::running("the runtime does not start", error))?;
    let started = Instant::now();
    let answer = runtime.block_on(async { tokio::time::timeout(args.timeout, ask(address, over_tls)).await });
    match answer {
        Ok(Ok(())) => {
            Ok(format!("{address} is well: it said hello after {} ms", started.elapsed().as_millis()))
        }
        Ok(Err(error)) => Err(Failure::running(&address.to_string(), error)),
        Err(_) => Err(Failure::running(
            &address.to_string(),
            format_args!("no hello within {}", humantime::format_duration(args.timeout)),
        )),
    }
}

async fn ask(address: SocketAddr, over_tls: bool) -> Result<(), client::Error> {
    if over_tls {
        let socket = TcpStream::connect(address).await?;
        let connector = TlsConnector::from(Arc::new(whoever_answers()));
        let stream = connector.connect(ServerName::IpAddress(address.ip().into()), socket).await?;
        Client::over(stream).await?;
    } else {
        Client::connect(address).await?;
    }
    Ok(())
}

/// A client that takes any certificate: it asks whether somebody serves, and tells them nothing.
fn whoever_answers() -> ClientConfig {
    let provider = Arc::new(ring::default_provider());
    let verifier = Arc::new(Anybody(provider.signature_verification_algorithms));
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has suites for both versions")
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN.to_vec()];
    config
}

#[derive(Debug)]
struct Anybody(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

/// Where this machine finds a server that listens on all of its addresses.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}
