//! A certificate for the servers of these tests, and clients that trust it.

use std::{
    fs,
    sync::{Arc, LazyLock},
    time::Duration,
};

use iocp_chat::net::{CertificateFiles, Certificates, TlsAcceptor};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName},
};
use tokio::io::DuplexStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

#[path = "../common/folder.rs"]
mod folder;
use folder::Folder;

static ACCEPTOR: LazyLock<(Arc<TlsAcceptor>, CertificateDer<'static>)> = LazyLock::new(|| {
    let made = rcgen::generate_simple_self_signed(["localhost".into()]).expect("a certificate");
    let folder = Folder::new("bad inputs");
    let files = CertificateFiles {
        certificate: folder.join("certificate.pem"),
        key: folder.join("key.pem"),
        client_ca: None,
    };
    fs::write(&files.certificate, made.cert.pem()).expect("written");
    fs::write(&files.key, made.signing_key.serialize_pem()).expect("written");
    // What it is for has no date; nor has what is read of it here.
    let certificates = Certificates::load(files, true, || 0).expect("a pair");
    let acceptor = TlsAcceptor::new(Arc::new(certificates), Duration::from_secs(5));
    (Arc::new(acceptor), made.cert.der().clone())
});

/// Shakes hands with that certificate. Its files are gone: nothing but what was read is ever shown.
pub fn acceptor() -> Arc<TlsAcceptor> {
    Arc::clone(&ACCEPTOR.0)
}

/// Shakes hands as a client.
pub async fn connect(pipe: DuplexStream) -> TlsStream<DuplexStream> {
    let mut roots = RootCertStore::empty();
    roots.add(ACCEPTOR.1.clone()).expect("a certificate");
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").expect("a name");
    TlsConnector::from(Arc::new(config)).connect(name, pipe).await.expect("hands are shaken")
}
