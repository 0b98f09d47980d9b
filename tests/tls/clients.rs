//! A server that wants certificates of its clients.

use std::{fs, sync::Arc};

use iocp_chat::{client::Client, server::Server};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    ClientConfig,
    pki_types::{CertificateDer, PrivateKeyDer},
    version::{TLS12, TLS13},
};
use tokio_rustls::TlsConnector;

use crate::{
    common::unthrottled,
    folder::Folder,
    stage::{self, PIPE_BYTES, in_days, localhost, params, put_pair, serve},
};

type Authority = CertifiedIssuer<'static, KeyPair>;

/// A certificate with its chain, and the key.
type Shown = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a certificate")
}

/// Somebody's, signed by `authority`, good until so many days from now.
fn shown_by(authority: &Authority, until: i64) -> Shown {
    let mut params = CertificateParams::new(vec!["kim".to_owned()]).expect("a name");
    params.not_before = in_days(-20).into();
    params.not_after = in_days(until).into();
    let key = KeyPair::generate().expect("a key");
    let certificate = params.signed_by(&key, authority).expect("a certificate");
    (vec![certificate.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).expect("a key"))
}

struct House {
    server: Server,
    certificate: CertificateDer<'static>,
    _folder: Folder,
}

fn house(trusted: &Authority) -> House {
    let folder = Folder::new("tls clients");
    let certificate = put_pair(&folder, &params(-1, 100));
    fs::write(folder.join("clients.pem"), trusted.pem()).expect("written");
    let server = serve(&unthrottled(), &folder, Some("clients.pem"));
    House { server, certificate, _folder: folder }
}

impl House {
    /// What a client hears that shows this, over this version.
    async fn hears(
        &self,
        shown: Option<Shown>,
        version: &'static rustls::SupportedProtocolVersion,
    ) -> String {
        let plain = stage::client(&self.certificate, &[version]);
        let config = match shown {
            None => plain,
            Some((chain, key)) => {
                let mut roots = rustls::RootCertStore::empty();
                roots.add(self.certificate.clone()).expect("a certificate");
                ClientConfig::builder_with_provider(Arc::clone(plain.crypto_provider()))
                    .with_protocol_versions(&[version])
                    .expect("a version")
                    .with_root_certificates(roots)
                    .with_client_auth_cert(chain, key)
                    .expect("a pair")
            }
        };
        let pipe = self.server.connect_in_memory_tls(PIPE_BYTES);
        // Under TLS 1.3 a client is done before the server has looked at its certificate.
        let stream = match TlsConnector::from(Arc::new(config)).connect(localhost(), pipe).await {
            Ok(stream) => stream,
            Err(error) => return error.to_string(),
        };
        match Client::over(stream).await {
            Ok(_) => "hello".into(),
            Err(error) => error.to_string(),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn b127_only_whoever_shows_a_good_certificate_of_the_right_authority_is_greeted() {
    let (right, wrong) = (authority("right"), authority("wrong"));
    let house = house(&right);
    for version in [&TLS13, &TLS12] {
        let hears = async |shown| house.hears(shown, version).await;
        assert_eq!(hears(Some(shown_by(&right, 10))).await, "hello");
        let none = hears(None).await;
        assert!(none.contains("CertificateRequired") || none.contains("HandshakeFailure"), "{none}");
        let expired = hears(Some(shown_by(&right, -10))).await;
        assert!(expired.contains("CertificateExpired"), "{expired}");
        let other = hears(Some(shown_by(&wrong, 10))).await;
        assert!(other.contains("UnknownCa") || other.contains("UnknownCA"), "{other}");
        let (mut chain, key) = shown_by(&right, 10);
        chain.extend((0..9).map(|_| wrong.der().clone()));
        assert_eq!(
            hears(Some((chain.clone(), key.clone_key()))).await,
            "hello",
            "nine more are looked through"
        );
        chain.push(wrong.der().clone());
        let long = hears(Some((chain.clone(), key.clone_key()))).await;
        assert!(long.contains("UnknownCa") || long.contains("UnknownCA"), "{long}");
        chain.extend((0..90).map(|_| wrong.der().clone()));
        assert_ne!(hears(Some((chain, key))).await, "hello", "a hundred");
    }
    assert_eq!(house.server.metrics().tls_handshakes.get(), 4);
}
