//! What may be sent within TLS without saying anything: little, however it is done.

use std::sync::Arc;

use rustls::{
    ClientConfig, ClientConnection, ConnectionTrafficSecrets, ContentType, ExtractedSecrets, ProtocolVersion,
    SupportedCipherSuite,
    crypto::{
        cipher::{MessageEncrypter, OutboundChunks, OutboundPlainMessage},
        ring::cipher_suite::TLS13_AES_128_GCM_SHA256,
    },
    version::{TLS12, TLS13},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    time::Duration,
};

use crate::{
    common::unthrottled,
    stage::{PIPE_BYTES, Stage, client, localhost},
};

/// How many of each the server takes at most.
const TAKEN_MAX: usize = 32;

/// A client's end of a connection whose hands have been shaken.
struct Bare {
    tls: ClientConnection,
    pipe: DuplexStream,
}

impl Bare {
    async fn connect(stage: &Stage, config: ClientConfig) -> Self {
        let mut pipe = stage.server.connect_in_memory_tls(PIPE_BYTES);
        let mut tls = ClientConnection::new(Arc::new(config), localhost()).expect("a client");
        while tls.is_handshaking() || tls.wants_write() {
            if tls.wants_write() {
                let mut bytes = Vec::new();
                tls.write_tls(&mut bytes).expect("to memory");
                pipe.write_all(&bytes).await.expect("a pipe");
            } else {
                let mut bytes = [0; 4_096];
                let count = pipe.read(&mut bytes).await.expect("a pipe");
                let mut rest = &bytes[..count];
                while !rest.is_empty() {
                    tls.read_tls(&mut rest).expect("from memory");
                    tls.process_new_packets().expect("the server's flight is right");
                }
            }
        }
        Self { tls, pipe }
    }
}

/// Sends records until the server has closed; how many it took.
async fn taken(pipe: &mut DuplexStream, mut record: impl FnMut() -> Vec<u8>) -> usize {
    for sent in 0..10_000 {
        if pipe.write_all(&record()).await.is_err() {
            return sent;
        }
        // Long enough for the server to take it, and to close.
        tokio::time::sleep(Duration::from_millis(1)).await;
        let mut answers = [0; 4_096];
        let read = tokio::time::timeout(Duration::from_millis(1), pipe.read(&mut answers)).await;
        if matches!(read, Ok(Ok(0) | Err(_))) {
            return sent;
        }
    }
    10_000
}

/// Encrypts as the client would.
struct Sealer {
    encrypter: Box<dyn MessageEncrypter>,
    sequence: u64,
}

impl Sealer {
    /// The client's keys, of a connection whose suite is the one of [`secretive`].
    fn of(tls: ClientConnection) -> Self {
        let ExtractedSecrets { tx: (sequence, secrets), .. } =
            tls.dangerous_extract_secrets().expect("it was asked for");
        let ConnectionTrafficSecrets::Aes128Gcm { key, iv } = secrets else { panic!("another suite") };
        let SupportedCipherSuite::Tls13(suite) = TLS13_AES_128_GCM_SHA256 else { panic!("another version") };
        Self { encrypter: suite.aead_alg.encrypter(key, iv), sequence }
    }

    fn record(&mut self, typ: ContentType, content: &[u8]) -> Vec<u8> {
        let payload = OutboundChunks::Single(content);
        let plain = OutboundPlainMessage { typ, version: ProtocolVersion::TLSv1_2, payload };
        let sealed = self.encrypter.encrypt(plain, self.sequence).expect("it fits");
        self.sequence += 1;
        sealed.encode()
    }
}

/// A client that tells its keys.
fn secretive(stage: &Stage) -> ClientConfig {
    let mut config = client(&stage.certificate, &[&TLS13]);
    config.enable_secret_extraction = true;
    let mut provider = (**config.crypto_provider()).clone();
    provider.cipher_suites = vec![TLS13_AES_128_GCM_SHA256];
    let mut narrow = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&TLS13])
        .expect("a suite")
        .with_root_certificates({
            let mut roots = rustls::RootCertStore::empty();
            roots.add(stage.certificate.clone()).expect("a certificate");
            roots
        })
        .with_no_client_auth();
    narrow.enable_secret_extraction = true;
    narrow
}

#[tokio::test(start_paused = true)]
async fn b128_new_keys_without_end_are_not_made() {
    let stage = Stage::set(&unthrottled());
    let Bare { mut tls, mut pipe } = Bare::connect(&stage, client(&stage.certificate, &[&TLS13])).await;
    let took = taken(&mut pipe, || {
        tls.refresh_traffic_keys().expect("TLS 1.3");
        let mut record = Vec::new();
        tls.write_tls(&mut record).expect("to memory");
        record
    });
    let took = took.await;
    assert!((1..=TAKEN_MAX + 1).contains(&took), "{took} were taken");
    stage.nobody_is_left().await;
}

#[tokio::test(start_paused = true)]
async fn b128_empty_records_without_end_are_not_taken() {
    let stage = Stage::set(&unthrottled());
    let Bare { tls, mut pipe } = Bare::connect(&stage, secretive(&stage)).await;
    let mut sealer = Sealer::of(tls);
    let took = taken(&mut pipe, || sealer.record(ContentType::ApplicationData, &[])).await;
    assert!((1..=TAKEN_MAX + 1).contains(&took), "{took} were taken");
    stage.nobody_is_left().await;
}

#[tokio::test(start_paused = true)]
async fn b128_warnings_without_end_are_not_listened_to() {
    let stage = Stage::set(&unthrottled());
    let Bare { tls, mut pipe } = Bare::connect(&stage, secretive(&stage)).await;
    let mut sealer = Sealer::of(tls);
    // user_canceled, the one warning that TLS 1.3 has.
    let took = taken(&mut pipe, || sealer.record(ContentType::Alert, &[1, 90])).await;
    assert!((1..=TAKEN_MAX + 1).contains(&took), "{took} were taken");
    stage.nobody_is_left().await;
}

#[tokio::test(start_paused = true)]
async fn b128_plain_records_after_the_handshake_end_it() {
    for versions in [&[&TLS13][..], &[&TLS12]] {
        let stage = Stage::set(&unthrottled());
        let Bare { mut pipe, .. } = Bare::connect(&stage, client(&stage.certificate, versions)).await;
        let took = taken(&mut pipe, || vec![0x15, 3, 3, 0, 2, 1, 0]).await;
        assert!(took <= 1, "{took} were taken");
        stage.nobody_is_left().await;
    }
}
