//! The certificate that is shown: which are refused, and how another takes its place while the server runs.

use std::{
    collections::BTreeSet,
    fs,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, UNIX_EPOCH},
};

use chat_proto::Credential;
use iocp_chat::{
    client::Client,
    net::{CertificateError, Certificates, TlsAcceptor, WARN_DAYS},
    server::{Listeners, Server},
    stop::StopReason,
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use tokio_rustls::TlsConnector;

use crate::{
    common::{heard, unthrottled},
    folder::Folder,
    heard::Heard,
    stage::{
        DAY, PIPE_BYTES, Stage, client, files, in_days, localhost, now_ms, params, patient, put_pair, serve,
    },
};

fn load(folder: &Folder, accept_expired: bool) -> Result<Certificates, CertificateError> {
    Certificates::load(files(folder, None), accept_expired, now_ms)
}

#[test]
fn b120_a_certificate_that_has_expired_or_is_not_valid_yet_is_refused_unless_that_is_meant() {
    let folder = Folder::new("tls expired");
    put_pair(&folder, &params(-20, -1));
    assert!(matches!(load(&folder, false), Err(CertificateError::Expired { .. })));
    let expired = load(&folder, true).expect("it is meant");
    assert!((-2..0).contains(&expired.days_left()), "{}", expired.days_left());
    put_pair(&folder, &params(1, 20));
    assert!(matches!(load(&folder, false), Err(CertificateError::NotYetValid { .. })));
    assert!(load(&folder, true).is_ok());
    put_pair(&folder, &params(-1, 20));
    let good = load(&folder, false).expect("good");
    assert!((WARN_DAYS..=20).contains(&good.days_left()));
    assert_eq!(good.certificate().names, ["localhost"]);
}

#[test]
fn files_that_are_no_pair_say_what_is_wrong_with_them() {
    let folder = Folder::new("tls broken");
    put_pair(&folder, &params(-1, 20));
    let [certificate, key] = ["certificate.pem", "key.pem"].map(|name| folder.join(name));
    let good = [&certificate, &key].map(|path| fs::read(path).expect("it is there"));
    let put = |contents: [&[u8]; 2]| {
        fs::write(&certificate, contents[0]).expect("written");
        fs::write(&key, contents[1]).expect("written");
        load(&folder, false).err().expect("no pair").to_string()
    };
    let other = Folder::new("tls other");
    put_pair(&other, &params(-1, 20));
    let other_key = fs::read(other.join("key.pem")).expect("it is there");
    for (contents, says) in [
        ([&good[0][..], &other_key[..]], "no pair"),
        ([&good[1], &good[1]], "no certificate"),
        ([&good[0], &good[0]], "no key that is not encrypted"),
        ([b"", &good[1]], "no certificate"),
        ([&good[0][..good[0].len() / 2], &good[1]], "certificate.pem"),
        ([&good[0], &good[1][..good[1].len() / 2]], "key.pem"),
        ([&vec![b'x'; 1_100_000], &good[1]], "more than any certificate"),
        ([b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", &good[1]], "certificate.pem"),
    ] {
        let said = put(contents);
        assert!(said.contains(says), "{said}, not {says}");
        assert!(
            !said.contains('\n') && !said.contains("BEGIN"),
            "one line, and nothing of the files: {said}"
        );
    }
    fs::remove_file(&key).expect("removed");
    assert!(load(&folder, false).err().expect("no key").to_string().contains("key.pem"));
}

/// A client that trusts each of these.
fn client_of(trusted: impl IntoIterator<Item = CertificateDer<'static>>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in trusted {
        roots.add(certificate).expect("a certificate");
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().expect("versions");
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    // Each handshake is a whole one.
    config.resumption = rustls::client::Resumption::disabled();
    Arc::new(config)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_1000_handshakes_during_100_exchanges_of_the_certificate_none_fails() {
    const HANDSHAKES: usize = 1_000;
    const EXCHANGES: usize = 100;
    let mut config = patient();
    config.limits.exempt_addresses = vec![std::net::Ipv4Addr::LOCALHOST.into()];
    let stage = Arc::new(Stage::set(&config));
    let certificates = Arc::clone(stage.server.acceptor().expect("TLS").certificates());
    // Made beforehand: what counts is the exchange.
    let pairs: Vec<_> = (0..10)
        .map(|_| {
            let folder = Folder::new("tls pair");
            let certificate = put_pair(&folder, &params(-1, 100));
            (folder, certificate)
        })
        .collect();
    let trusted = pairs.iter().map(|(_, certificate)| certificate.clone()).chain([stage.certificate.clone()]);
    let client = client_of(trusted);
    let shaking = {
        let stage = Arc::clone(&stage);
        tokio::spawn(async move {
            let mut seen = BTreeSet::new();
            for number in 0..HANDSHAKES {
                let pipe = stage.server.connect_in_memory_tls(PIPE_BYTES);
                let stream = TlsConnector::from(Arc::clone(&client)).connect(localhost(), pipe).await;
                let stream = stream.unwrap_or_else(|error| panic!("handshake {number}: {error}"));
                let shown = stream.get_ref().1.peer_certificates().expect("shown")[0].clone();
                seen.insert(shown.to_vec());
                Client::over(stream).await.unwrap_or_else(|error| panic!("hello {number}: {error}"));
            }
            seen.len()
        })
    };
    let mut exchanges = 0;
    while exchanges < EXCHANGES || !shaking.is_finished() {
        let (folder, _) = &pairs[exchanges % pairs.len()];
        for name in ["key.pem", "certificate.pem"] {
            fs::copy(folder.join(name), stage.folder.join(name)).expect("copied");
        }
        let reader = Arc::clone(&certificates);
        tokio::task::spawn_blocking(move || reader.reload()).await.expect("no panic").expect("a pair");
        exchanges += 1;
    }
    let seen = shaking.await.expect("none fails");
    assert!(seen > 5, "only {seen} certificates were shown in {exchanges} exchanges");
}

/// Time for the server to look at the files, and to look again.
async fn looks_pass() {
    tokio::time::sleep(Duration::from_secs(7)).await;
}

#[tokio::test(start_paused = true)]
async fn new_files_are_shown_by_themselves_and_bad_ones_are_told_once_and_change_nothing() {
    let log = Heard::here();
    let stage = Stage::set(&unthrottled());
    let (kim, _events) = stage.guest("kim").await;
    let (_lee, mut to_lee) = stage.guest("lee").await;
    looks_pass().await;
    let expires_in = |days| {
        let then = in_days(days).duration_since(UNIX_EPOCH).expect("later").as_secs();
        stage.server.metrics().certificate_expiry.get().abs_diff(then) < DAY.cast_unsigned()
    };
    assert!(expires_in(100));
    assert_eq!((log.count("certificate_loaded"), log.count("certificate_kept")), (0, 0));

    // A new certificate without its key yet: told once, however often it is looked at.
    let other = Folder::new("tls next");
    let next = put_pair(&other, &params(-1, 10));
    fs::copy(other.join("certificate.pem"), stage.folder.join("certificate.pem")).expect("copied");
    looks_pass().await;
    looks_pass().await;
    assert_eq!((log.count("certificate_loaded"), log.count("certificate_kept")), (0, 1));
    stage.connect().await;

    // With its key it is a pair, and soon no more.
    fs::copy(other.join("key.pem"), stage.folder.join("key.pem")).expect("copied");
    looks_pass().await;
    assert_eq!((log.count("certificate_loaded"), log.count("certificate_kept")), (1, 1));
    assert!(expires_in(10));
    assert_eq!(log.count("certificate_expires"), 1);
    stage.connect_as(client(&stage.certificate, rustls::ALL_VERSIONS)).await.expect_err("it is another");
    stage.connect_as(client(&next, rustls::ALL_VERSIONS)).await.expect("the new one");

    // Half of a file, one that has expired, none at all.
    let pem = fs::read(stage.folder.join("certificate.pem")).expect("it is there");
    fs::write(stage.folder.join("certificate.pem"), &pem[..pem.len() / 2]).expect("written");
    looks_pass().await;
    put_pair(&stage.folder, &params(-20, -1));
    looks_pass().await;
    fs::remove_file(stage.folder.join("key.pem")).expect("removed");
    looks_pass().await;
    assert_eq!((log.count("certificate_loaded"), log.count("certificate_kept")), (1, 4));
    stage.connect_as(client(&next, rustls::ALL_VERSIONS)).await.expect("it stays");

    // Who was connected all the while has noticed nothing.
    kim.broadcast("still here").await.expect("said");
    assert_eq!(heard(&mut to_lee).await, "still here");
    assert_eq!(stage.server.stop(StopReason::Terminate).await.cut, 0);
}

#[tokio::test(start_paused = true)]
async fn a_certificate_that_expires_soon_is_told_once_a_day() {
    let log = Heard::here();
    let folder = Folder::new("tls soon");
    put_pair(&folder, &params(-1, 10));
    let _server = serve(&unthrottled(), &folder, None);
    looks_pass().await;
    assert_eq!(log.count("certificate_expires"), 1);
    // At once: the thousands of looks between would find nothing, and take Wine eight minutes.
    tokio::time::advance(Duration::from_hours(24)).await;
    looks_pass().await;
    assert_eq!(log.count("certificate_expires"), 2);
}

/// Milliseconds that the clock below is ahead.
static AHEAD_MS: AtomicU64 = AtomicU64::new(0);

fn clock() -> u64 {
    now_ms() + AHEAD_MS.load(Ordering::Relaxed)
}

#[tokio::test(start_paused = true)]
async fn a_certificate_that_is_there_before_its_time_is_shown_when_that_has_come() {
    let log = Heard::here();
    let folder = Folder::new("tls early");
    put_pair(&folder, &params(-1, 100));
    let certificates = Arc::new(Certificates::load(files(&folder, None), false, clock).expect("a pair"));
    let acceptor = Arc::new(TlsAcceptor::new(Arc::clone(&certificates), Duration::from_secs(5)));
    let listeners = Listeners { acceptor: Some(acceptor), ..Listeners::default() };
    let _server = Server::start(&unthrottled(), listeners, None).expect("a server");
    put_pair(&folder, &params(1, 200));
    looks_pass().await;
    looks_pass().await;
    assert_eq!((log.count("certificate_loaded"), log.count("certificate_kept")), (0, 1));
    assert!((99..=100).contains(&certificates.days_left()), "the first");
    AHEAD_MS.store(2 * DAY.cast_unsigned() * 1_000, Ordering::Relaxed);
    looks_pass().await;
    assert_eq!((log.count("certificate_loaded"), log.count("certificate_kept")), (1, 1));
    assert!((197..=198).contains(&certificates.days_left()), "the second");
}

#[tokio::test(start_paused = true)]
async fn a_ticket_brings_a_client_back_and_none_outlives_the_certificate() {
    let stage = Stage::set(&unthrottled());
    let config = Arc::new(client(&stage.certificate, rustls::ALL_VERSIONS));
    let kind = async || {
        let pipe = stage.server.connect_in_memory_tls(PIPE_BYTES);
        let stream =
            TlsConnector::from(Arc::clone(&config)).connect(localhost(), pipe).await.expect("shaken");
        let kind = stream.get_ref().1.handshake_kind();
        // The ticket comes after the handshake, with the first answer.
        Client::over(stream).await.expect("greeted").log_in("kim", Credential::None).await.expect("free");
        stage.nobody_is_left().await;
        format!("{:?}", kind.expect("shaken"))
    };
    assert_eq!(kind().await, "Full");
    assert_eq!(kind().await, "Resumed");
    let certificates = Arc::clone(stage.server.acceptor().expect("TLS").certificates());
    certificates.reload().expect("the same files");
    assert_eq!(kind().await, "Full");
    let pem = fs::read(stage.folder.join("certificate.pem")).expect("it is there");
    assert_eq!(CertificateDer::from_pem_slice(&pem).expect("a certificate"), stage.certificate);
}
