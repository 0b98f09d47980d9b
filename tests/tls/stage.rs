//! A server with a certificate of the test's own, and clients that trust it.

use std::{
    fs,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use chat_proto::{ALPN, Credential};
use iocp_chat::{
    client::{Client, Events, Session},
    config::Config,
    net::{CertificateFiles, Certificates, TlsAcceptor},
    server::{Listeners, Server},
};
use rcgen::{CertificateParams, KeyPair};
use rustls::{
    ClientConfig, RootCertStore, SupportedProtocolVersion,
    crypto::ring,
    pki_types::{CertificateDer, ServerName},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    time::{Instant, timeout},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{common::unthrottled, folder::Folder};

/// What a pipe holds each way, in bytes.
pub const PIPE_BYTES: usize = 64 * 1024;

/// Seconds of a day.
pub const DAY: i64 = 24 * 60 * 60;

/// More time for a handshake, and a login, than any machine takes.
pub const LONG: Duration = Duration::from_mins(10);

/// As [`unthrottled`], and whoever shakes hands has that long for it: where the clock is the machine's.
pub fn patient() -> Config {
    let mut config = unthrottled();
    (config.tls.handshake, config.timeouts.login) = (LONG, LONG);
    config
}

/// A server with a certificate for localhost.
pub struct Stage {
    pub server: Server,
    pub folder: Folder,
    pub certificate: CertificateDer<'static>,
}

impl Stage {
    /// Serves with a certificate, and as the settings say.
    pub fn set(config: &Config) -> Self {
        let folder = Folder::new("tls");
        let certificate = put_pair(&folder, &params(-1, 100));
        let server = serve(config, &folder, None);
        Self { server, folder, certificate }
    }

    /// Somebody's connection, with hands shaken.
    pub async fn connect(&self) -> TlsStream<DuplexStream> {
        self.connect_as(client(&self.certificate, rustls::ALL_VERSIONS)).await.expect("hands are shaken")
    }

    /// A connection of such a client, or why there is none.
    pub async fn connect_as(&self, config: ClientConfig) -> std::io::Result<TlsStream<DuplexStream>> {
        let pipe = self.server.connect_in_memory_tls(PIPE_BYTES);
        TlsConnector::from(Arc::new(config)).connect(localhost(), pipe).await
    }

    /// Somebody signed in.
    pub async fn guest(&self, name: &str) -> (Session, Events) {
        let client = Client::over(self.connect().await).await.expect("the server greets");
        client.log_in(name, Credential::None).await.expect("the name is free")
    }

    /// Nothing is left of any connection, within a second.
    pub async fn nobody_is_left(&self) {
        let gone = async {
            while self.server.connections() + self.server.admission().connections() > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_secs(1), gone).await.expect("places come back within a second");
    }
}

/// A server with what the folder has.
pub fn serve(config: &Config, folder: &Folder, client_ca: Option<&str>) -> Server {
    let certificates = Certificates::load(files(folder, client_ca), false, now_ms).expect("a pair");
    let acceptor = Arc::new(TlsAcceptor::new(Arc::new(certificates), config.tls.handshake));
    let listeners = Listeners { acceptor: Some(acceptor), ..Listeners::default() };
    Server::start(config, listeners, None).expect("a server without sockets starts")
}

pub fn files(folder: &Folder, client_ca: Option<&str>) -> CertificateFiles {
    CertificateFiles {
        certificate: folder.join("certificate.pem"),
        key: folder.join("key.pem"),
        client_ca: client_ca.map(|name| folder.join(name)),
    }
}

pub fn now_ms() -> u64 {
    u64::try_from(UNIX_EPOCH.elapsed().expect("it is later").as_millis()).expect("not that late")
}

/// A moment, in days from now.
pub fn in_days(days: i64) -> SystemTime {
    let seconds = i64::try_from(now_ms() / 1_000).expect("not that late") + days * DAY;
    UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).expect("after 1970"))
}

/// A certificate for localhost that is good between these days from now.
pub fn params(from: i64, until: i64) -> CertificateParams {
    let mut params = CertificateParams::new(["localhost".to_owned()]).expect("a name");
    params.not_before = in_days(from).into();
    params.not_after = in_days(until).into();
    params
}

/// Puts a new pair into the folder; its certificate.
pub fn put_pair(folder: &Folder, params: &CertificateParams) -> CertificateDer<'static> {
    let key = KeyPair::generate().expect("a key");
    let certificate = params.self_signed(&key).expect("a certificate");
    fs::write(folder.join("key.pem"), key.serialize_pem()).expect("written");
    fs::write(folder.join("certificate.pem"), certificate.pem()).expect("written");
    certificate.der().clone()
}

pub fn localhost() -> ServerName<'static> {
    ServerName::try_from("localhost").expect("a name")
}

/// A client that trusts this certificate and no other.
pub fn client(
    trusted: &CertificateDer<'static>,
    versions: &[&'static SupportedProtocolVersion],
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).expect("a certificate");
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_protocol_versions(versions).expect("versions").with_root_certificates(roots);
    let mut config = builder.with_no_client_auth();
    config.alpn_protocols = vec![ALPN.to_vec()];
    config
}

/// What the server did with bytes that are no handshake, or the beginning of one.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// The description of its fatal alert, if it sent one.
    pub alert: Option<u8>,
    /// How long after the connection began it closed.
    pub closed_after: Duration,
    /// What came before the alert.
    pub before: Vec<u8>,
}

/// Sends each of these, with the pause after it, and waits for the server to close.
pub async fn answer_to(server: &Server, sent: &[(&[u8], Duration)]) -> Answer {
    let mut pipe = server.connect_in_memory_tls(PIPE_BYTES);
    let began = Instant::now();
    for (bytes, pause) in sent {
        // It may have closed already.
        let _ = pipe.write_all(bytes).await;
        if !pause.is_zero() {
            tokio::time::sleep(*pause).await;
        }
    }
    let mut got = Vec::new();
    let read = timeout(Duration::from_secs(60), pipe.read_to_end(&mut got)).await;
    read.expect("the server closes").expect("a pipe does not break");
    let closed_after = began.elapsed();
    let alert = match got[..] {
        [.., 0x15, 3, _, 0, 2, 2, description] => Some(description),
        _ => None,
    };
    got.truncate(got.len() - if alert.is_some() { 7 } else { 0 });
    Answer { alert, closed_after, before: got }
}
