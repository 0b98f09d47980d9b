//! The client library and the load generator over TLS, with a server in this process behind it.

#[path = "common/certificates.rs"]
mod certificates;
mod common;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use certificates::{Authority, Certificate};
use chat_proto::Credential;
use common::{heard, next, serve, unthrottled};
use iocp_chat::{
    client::{
        Client, Error, Event, Reconnect, Timeouts,
        bench::{self, Plan, Scenario, run},
        tls::{Distrust, Tls, TlsFault, Trust},
    },
    server::Server,
};
use rustls::{ALL_VERSIONS, SupportedProtocolVersion, version};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::spawn_blocking,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

const HERE: &str = "127.0.0.1";
/// Bytes a pipe to the server holds each way.
const PIPE_BYTES: usize = 64 * 1024;

/// A server, and a port at which it is spoken to over TLS.
struct House {
    address: SocketAddr,
    /// Cancelled: the connections there are end, and no more are taken.
    cut: CancellationToken,
}

impl House {
    async fn new(certificate: &Certificate, versions: &[&'static SupportedProtocolVersion]) -> Self {
        let listener = TcpListener::bind((HERE, 0)).await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let server = Arc::new(serve(&unthrottled()));
        Self::take(listener, certificate, versions, server, address)
    }

    fn take(
        listener: TcpListener,
        certificate: &Certificate,
        versions: &[&'static SupportedProtocolVersion],
        server: Arc<Server>,
        address: SocketAddr,
    ) -> Self {
        let (acceptor, cut) = (TlsAcceptor::from(certificate.server(versions)), CancellationToken::new());
        let ends = cut.clone();
        tokio::spawn(async move {
            while let Some(Ok((socket, _))) = ends.run_until_cancelled(listener.accept()).await {
                let (server, acceptor, ends) = (Arc::clone(&server), acceptor.clone(), ends.clone());
                tokio::spawn(ends.run_until_cancelled_owned(async move {
                    // Whoever does not trust it goes away.
                    if let Ok(mut stream) = acceptor.accept(socket).await {
                        let mut inside = server.connect_in_memory(PIPE_BYTES);
                        let _ = copy_bidirectional(&mut stream, &mut inside).await;
                    }
                }));
            }
        });
        Self { address, cut }
    }

    fn tls(&self, trust: Trust) -> Tls {
        Tls::new(HERE, self.address.port(), trust).expect("a name")
    }
}

#[tokio::test]
async fn people_talk_over_both_versions_of_tls() {
    let certificate = Certificate::of_itself(HERE);
    for (versions, named) in [(&[&version::TLS12], "TLS 1.2"), (&[&version::TLS13], "TLS 1.3")] {
        let house = House::new(&certificate, versions).await;
        let tls = house.tls(Trust::Pins(vec![certificate.pin]));
        let agreed = tls.connect().await.expect("trusted").agreement();
        assert_eq!((agreed.version(), agreed.key), (named, certificate.pin));
        let client = Client::connect_tls(&tls).await.expect("it greets");
        let (kim, _) = client.log_in("kim", Credential::None).await.expect("the name is free");
        let client = Client::connect_tls(&tls).await.expect("it greets");
        let (_lee, mut to_lee) = client.log_in("lee", Credential::None).await.expect("the name is free");
        for text in ["안녕".to_owned(), "x".repeat(1_000)] {
            kim.broadcast(&text).await.expect("said");
            assert_eq!(heard(&mut to_lee).await, text);
        }
    }
}

#[tokio::test]
async fn a_refusal_says_why_and_what_is_not_tls_or_silent_is_told_apart() {
    let authority = Authority::new();
    let house = House::new(&authority.vouched_for(HERE), ALL_VERSIONS).await;
    let tls = house.tls(Trust::Authorities(vec![authority.der.clone()]));
    let refused = Client::connect_tls(&tls).await.err().expect("it is too old");
    assert!(matches!(refused, Error::Tls(TlsFault::Untrusted(Distrust::Expired(Some(_))))), "{refused}");
    assert!(refused.to_string().ends_with("has expired, on 2001-02-03"), "{refused}");

    // Connections are taken for it by the system, and nobody answers.
    let silent = TcpListener::bind((HERE, 0)).await.expect("a port");
    let port = silent.local_addr().expect("bound").port();
    let tls = Tls::new(HERE, port, Trust::Anyone).expect("a name");
    let timeouts = Timeouts { connect: Duration::from_millis(50), ..Timeouts::default() };
    let refused = Client::connect_tls_asking(&tls, timeouts, 0).await.err().expect("nobody answers");
    assert!(matches!(refused, Error::Timeout("the connection")), "{refused}");
}

#[test]
fn a_name_is_what_a_certificate_can_be_for() {
    for host in ["chat.example", "chat.example.", "서버.kr", "127.0.0.1", "::1", "fe80::1%eth0"] {
        assert!(Tls::new(host, 1, Trust::Anyone).is_ok(), "{host}");
    }
    for host in ["", "a b", "a..b", "-"] {
        assert!(Tls::new(host, 1, Trust::Anyone).is_err(), "{host}");
    }
}

#[tokio::test]
async fn a_session_goes_on_over_another_connection_but_not_with_another_server() {
    let (right, wrong) = (Certificate::of_itself(HERE), Certificate::of_itself(HERE));
    let server = Arc::new(serve(&unthrottled()));
    let listener = || TcpListener::bind((HERE, 0));
    let (first, second, other) = (listener().await, listener().await, listener().await);
    let mut houses = Vec::new();
    for (listener, certificate) in [(first, &right), (second, &right), (other, &wrong)] {
        let listener = listener.expect("a port");
        let address = listener.local_addr().expect("bound");
        houses.push(House::take(listener, certificate, ALL_VERSIONS, Arc::clone(&server), address));
    }
    // Each connection is to the house that comes next.
    let ways: Vec<_> = houses.iter().map(|house| house.tls(Trust::Pins(vec![right.pin]))).collect();
    let taken = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let connect = move || {
        let at = taken.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let tls = ways[at.min(ways.len() - 1)].clone();
        async move { tls.connect().await }
    };
    let logging_in = Reconnect::new(1).log_in(connect, "kim", Credential::None);
    let (kim, mut to_kim) = logging_in.await.expect("the name is free");
    houses[0].cut.cancel();
    assert!(matches!(next(&mut to_kim).await, Event::Reconnecting { .. }));
    assert!(matches!(next(&mut to_kim).await, Event::Resumed(_)));
    kim.broadcast("still here").await.expect("said");
    houses[1].cut.cancel();
    assert!(matches!(next(&mut to_kim).await, Event::Reconnecting { .. }));
    let over = next(&mut to_kim).await;
    let Event::Disconnected(Error::Tls(TlsFault::Untrusted(why))) = over else { panic!("{over:?}") };
    assert_eq!(why, Distrust::NotPinned(wrong.pin));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_load_generator_finds_the_server_right_over_tls_too() {
    let certificate = Certificate::of_itself(HERE);
    let house = House::new(&certificate, ALL_VERSIONS).await;
    let scenarios =
        [Scenario::Broadcast, Scenario::Idle, Scenario::Whisper, Scenario::Churn, Scenario::Reconnect];
    for scenario in scenarios {
        let defaults = Plan::new(scenario, house.address);
        let plan = Plan {
            tls: Some(house.tls(Trust::Pins(vec![certificate.pin])).without_resumption()),
            clients: 8,
            talkers: if scenario == Scenario::Churn { 0 } else { 2 },
            rate: if defaults.rate > 0.0 { 100.0 } else { 0.0 },
            window: 32,
            warm_up: Duration::from_millis(50),
            duration: Duration::from_millis(300),
            patience: Duration::from_mins(2),
            // Several lines do not fit into one record of TLS.
            size: if scenario == Scenario::Broadcast { 1_000 } else { 64 },
            ..defaults
        };
        let report = spawn_blocking(move || run(&plan, &mut |_| {})).await.expect("no panic");
        let report = report.unwrap_or_else(|why| panic!("{scenario:?}: {why}"));
        assert_eq!(report.failures, [""; 0], "{scenario:?}");
        if scenario != Scenario::Churn {
            assert!(report.check.accepted > 0, "{scenario:?}: nothing was said");
            assert_eq!(report.check.delivered, report.check.expected, "{scenario:?}");
        }
        let json = serde_json::to_value(&report).expect("a report");
        assert_eq!(json["plan"]["tls"], true);
        assert!(bench::table(&report).contains(" over TLS"), "{}", bench::table(&report));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_not_the_one_that_is_meant_is_not_measured() {
    let house = House::new(&Certificate::of_itself(HERE), ALL_VERSIONS).await;
    let other = Certificate::of_itself(HERE).pin;
    let plan =
        Plan { tls: Some(house.tls(Trust::Pins(vec![other]))), ..Plan::new(Scenario::Idle, house.address) };
    let refused = spawn_blocking(move || run(&plan, &mut |_| {})).await.expect("no panic");
    let refused = refused.expect_err("no report");
    assert!(refused.to_string().contains("which is not a pinned one"), "{refused}");
    drop(TcpStream::connect(house.address).await.expect("it goes on"));
}
