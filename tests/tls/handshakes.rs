//! What a handshake may be, and how every other beginning ends.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use chat_proto::ErrorCode;
use iocp_chat::{
    config::Config,
    metrics::TlsFailure,
    net::{Certificates, TlsAcceptor, bind},
    server::{Listeners, Server},
    stop::StopReason,
};
use rustls::{
    ClientConnection,
    pki_types::ServerName,
    version::{TLS12, TLS13},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout},
};

use crate::{
    common::{Raw, unthrottled},
    hello::{self, Hello, record},
    stage::{LONG, PIPE_BYTES, Stage, answer_to, client, files, localhost, now_ms, patient},
};

const AT_ONCE: Duration = Duration::ZERO;

/// Alerts (RFC 8446, 6.2).
const UNEXPECTED_MESSAGE: u8 = 10;
const HANDSHAKE_FAILURE: u8 = 40;
const PROTOCOL_VERSION: u8 = 70;
const NO_APPLICATION_PROTOCOL: u8 = 120;

/// `TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256`
const MODERN: u16 = 0xc02b;

#[tokio::test(start_paused = true)]
async fn b115_what_is_not_tls_is_closed_at_once_with_an_alert_and_counted_once() {
    let stage = Stage::set(&unthrottled());
    let metrics = stage.server.metrics();
    let hello = [0x0b, 0, 0xd1, 7, 1, 1, 0, 0, 0, 0, 0];
    let beginnings: [&[u8]; 7] = [
        &hello,
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        &[0; 64],
        b"\x80\x2e\x01\x00\x02",
        b"\x16\x02\x00",
        b"\xff\xff\xff",
    ];
    for (times, bytes) in (1..).zip(beginnings) {
        let answer = answer_to(&stage.server, &[(bytes, AT_ONCE)]).await;
        assert_eq!((answer.alert, &answer.before[..]), (Some(UNEXPECTED_MESSAGE), &[][..]), "{bytes:02x?}");
        assert!(answer.closed_after < Duration::from_secs(1), "{bytes:02x?}: {answer:?}");
        assert_eq!(metrics.misdirected.get(), times);
        assert_eq!(metrics.tls_failures.get(TlsFailure::NotTls), times);
    }
    stage.nobody_is_left().await;
    assert_eq!(metrics.disconnects.sum(), 7);
    assert_eq!(metrics.tls_handshakes.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn b116_no_version_before_1_2_is_spoken_and_a_fallback_to_1_2_is_told() {
    let stage = Stage::set(&unthrottled());
    for version in [0x0300, 0x0301, 0x0302] {
        // With and without TLS_FALLBACK_SCSV.
        for suites in [&[0xc013, 0x002f][..], &[0xc013, 0x5600]] {
            let mut hello = Hello { record: version, version, ..Hello::tls12(suites) };
            if version == 0x0300 {
                hello.extensions.clear();
            }
            let answer = answer_to(&stage.server, &[(&hello.bytes(), AT_ONCE)]).await;
            // What SSL 3.0 offers is no suite at all.
            let alert = if version == 0x0300 { HANDSHAKE_FAILURE } else { PROTOCOL_VERSION };
            assert_eq!(answer.alert, Some(alert), "{version:04x}: {answer:?}");
        }
    }
    // Who could do better, and was made to ask for 1.2, sees it in the server's random (RFC 8446, 4.1.3).
    let answer = answer_to(&stage.server, &[(&Hello::tls12(&[MODERN]).bytes(), AT_ONCE)]).await;
    assert_eq!(&answer.before[5 + 4 + 2 + 24..][..8], b"DOWNGRD\x01");
    for (versions, spoken) in [(&[&TLS12][..], "TLSv1_2"), (&[&TLS13, &TLS12], "TLSv1_3")] {
        let stream = stage.connect_as(client(&stage.certificate, versions)).await.expect("spoken");
        let version = stream.get_ref().1.protocol_version();
        assert_eq!(format!("{version:?}"), format!("Some({spoken})"));
    }
}

#[tokio::test(start_paused = true)]
async fn b118_whoever_goes_away_after_any_byte_of_the_handshake_leaves_nothing() {
    let stage = Stage::set(&unthrottled());
    for versions in [&[&TLS13][..], &[&TLS12]] {
        let config = Arc::new(client(&stage.certificate, versions));
        let flights = flights(&stage, &config).await;
        for (number, flight) in flights.iter().enumerate() {
            for cut in 0..flight.len() {
                let mut pipe = stage.server.connect_in_memory_tls(PIPE_BYTES);
                let mut tls = ClientConnection::new(Arc::clone(&config), localhost()).expect("a client");
                for _ in 0..number {
                    send_flight(&mut tls, &mut pipe).await;
                    take_flight(&mut tls, &mut pipe).await;
                }
                let mut bytes = Vec::new();
                tls.write_tls(&mut bytes).expect("to memory");
                pipe.write_all(&bytes[..cut.min(bytes.len())]).await.expect("a pipe");
                drop(pipe);
                stage.nobody_is_left().await;
            }
        }
        assert!(flights.len() == 2 && flights[0].len() > 100, "both flights were cut everywhere");
    }
}

/// The client's flights of one handshake.
async fn flights(stage: &Stage, config: &Arc<rustls::ClientConfig>) -> Vec<Vec<u8>> {
    let mut pipe = stage.server.connect_in_memory_tls(PIPE_BYTES);
    let mut tls = ClientConnection::new(Arc::clone(config), localhost()).expect("a client");
    let mut flights = Vec::new();
    while tls.is_handshaking() || tls.wants_write() {
        if tls.wants_write() {
            flights.push(send_flight(&mut tls, &mut pipe).await);
        } else {
            take_flight(&mut tls, &mut pipe).await;
        }
    }
    flights
}

async fn send_flight(tls: &mut ClientConnection, pipe: &mut tokio::io::DuplexStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    while tls.wants_write() {
        tls.write_tls(&mut bytes).expect("to memory");
    }
    pipe.write_all(&bytes).await.expect("a pipe");
    bytes
}

/// Takes what the server sends until there is something to answer, or nothing more to wait for.
async fn take_flight(tls: &mut ClientConnection, pipe: &mut tokio::io::DuplexStream) {
    let mut bytes = [0; 4_096];
    while tls.is_handshaking() && !tls.wants_write() {
        let count = pipe.read(&mut bytes).await.expect("a pipe");
        assert!(count > 0, "the server goes on");
        let mut rest = &bytes[..count];
        while !rest.is_empty() {
            tls.read_tls(&mut rest).expect("from memory");
            tls.process_new_packets().expect("the server's flight is right");
        }
    }
}

#[tokio::test]
async fn b118_a_reset_in_the_handshake_leaves_nothing() {
    let stage = Stage::set(&unthrottled());
    let certificates = Certificates::load(files(&stage.folder, None), false, now_ms).expect("a pair");
    let listener = bind((Ipv4Addr::LOCALHOST, 0).into()).expect("a free port");
    // A reset that nobody noticed would be found out about when that is over.
    let acceptor = Arc::new(TlsAcceptor::new(Arc::new(certificates), LONG));
    let listeners = Listeners { tls: vec![listener], acceptor: Some(acceptor), ..Listeners::default() };
    let server = Server::start(&patient(), listeners, None).expect("a server");
    let hello = Hello::tls12(&[MODERN]).bytes();
    for cut in 0..=hello.len() {
        let mut socket = TcpStream::connect(server.tls_addresses()[0]).await.expect("it listens");
        socket.write_all(&hello[..cut]).await.expect("a socket");
        socket.set_zero_linger().expect("an option");
        drop(socket);
    }
    let metrics = server.metrics();
    let gone = async {
        // Some may have been reset before they were accepted: they count as any other.
        while metrics.disconnects.sum() <= hello.len() as u64 || server.connections() > 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_mins(1), gone).await.expect("nobody is left");
    // For those the door is shut for a while.
    assert_eq!(metrics.accept_errors.get(), 0, "the system gives as many connections as anybody wants");
    assert_eq!((metrics.accepted.sum(), server.admission().connections()), (hello.len() as u64 + 1, 0));
    assert_eq!(server.stop(StopReason::Terminate).await.cut, 0);
}

#[tokio::test(start_paused = true)]
async fn b119_suites_that_are_broken_are_not_taken() {
    let stage = Stage::set(&unthrottled());
    let broken: [&[u16]; 6] = [
        &[0x0001, 0x0002, 0x003b],
        &[0x0003, 0x0008, 0x0014],
        &[0x0004, 0x0005, 0xc011],
        &[0x000a, 0xc012],
        &[0x002f, 0x0035, 0xc013, 0xc014, 0xc023],
        // No forward secrecy.
        &[0x009c, 0x009d],
    ];
    for suites in broken {
        let answer = answer_to(&stage.server, &[(&Hello::tls12(suites).bytes(), AT_ONCE)]).await;
        assert_eq!(answer.alert, Some(HANDSHAKE_FAILURE), "{suites:04x?}: {answer:?}");
    }
    assert_eq!(stage.server.metrics().tls_failures.get(TlsFailure::Protocol), 6);
    assert_eq!(stage.server.metrics().misdirected.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn b122_a_handshake_that_takes_too_long_is_over_after_5_s() {
    let stage = Stage::set(&unthrottled());
    let hello = Hello::tls12(&[MODERN]).bytes();
    let slowly: Vec<_> = hello.chunks(1).take(30).map(|byte| (byte, Duration::from_secs(1))).collect();
    let started = Instant::now();
    let mut pipe = stage.server.connect_in_memory_tls(PIPE_BYTES);
    for (byte, pause) in &slowly {
        if pipe.write_all(byte).await.is_err() {
            break;
        }
        tokio::time::sleep(*pause).await;
    }
    assert!(
        started.elapsed() <= Duration::from_secs(6),
        "its bytes are refused after {:?}",
        started.elapsed()
    );
    for begun in [&[][..], &hello[..1], &hello[..hello.len() - 1]] {
        let answer = answer_to(&stage.server, &[(begun, AT_ONCE)]).await;
        let after = answer.closed_after;
        assert!((5_000..5_900).contains(&after.as_millis()), "{} bytes: {after:?}", begun.len());
    }
    assert_eq!(stage.server.metrics().tls_failures.get(TlsFailure::Timeout), 4);
    stage.nobody_is_left().await;
}

#[tokio::test(start_paused = true)]
async fn the_time_to_log_in_counts_from_accept_whatever_the_handshake_took() {
    let stage = Stage::set(&unthrottled());
    let began = Instant::now();
    let mut pipe = stage.server.connect_in_memory_tls(PIPE_BYTES);
    tokio::time::sleep(Duration::from_secs(4)).await;
    let config = Arc::new(client(&stage.certificate, rustls::ALL_VERSIONS));
    let connector = tokio_rustls::TlsConnector::from(config);
    let mut stream = connector.connect(localhost(), &mut pipe).await.expect("in time");
    let mut raw = Raw::new(&mut stream);
    match raw.receive().await {
        Some(chat_proto::ServerPacket::Goodbye(goodbye)) => {
            assert_eq!(goodbye.code, ErrorCode::LoginTimeout.into());
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(began.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn b123_records_and_messages_of_impossible_sizes_end_the_handshake_and_are_not_kept() {
    let stage = Stage::set(&unthrottled());
    // A record above 16 KiB and what encryption adds.
    let answer = answer_to(&stage.server, &[(&[0x16, 3, 1, 0x48, 1], AT_ONCE)]).await;
    assert!(answer.alert.is_some() && answer.closed_after < Duration::from_secs(1), "{answer:?}");
    // A hello of more than 64 KiB, in records that are right.
    let long = [&[1, 1, 0, 1][..], &vec![0; 65_537]].concat();
    let records: Vec<_> = long.chunks(16_000).map(|part| record(0x16, 0x0301, part)).collect();
    let sent: Vec<_> = records.iter().map(|record| (&record[..], AT_ONCE)).collect();
    let answer = answer_to(&stage.server, &sent).await;
    assert!(answer.closed_after < Duration::from_secs(1) && answer.before.is_empty(), "{answer:?}");
    // One byte less than a message may have, and never the last.
    let almost = [&[1, 0, 0xff, 0xff][..], &vec![0; 65_000]].concat();
    let records: Vec<_> = almost.chunks(1_000).map(|part| record(0x16, 0x0301, part)).collect();
    let sent: Vec<_> = records.iter().map(|record| (&record[..], AT_ONCE)).collect();
    let answer = answer_to(&stage.server, &sent).await;
    assert!(answer.closed_after < Duration::from_secs(6) && answer.before.is_empty(), "{answer:?}");
    // A record of a type that there is not, where a handshake was begun.
    let hello = Hello::tls12(&[MODERN]).bytes();
    let answer = answer_to(&stage.server, &[(&hello, AT_ONCE), (&[0x99, 3, 3, 0, 1, 0], AT_ONCE)]).await;
    assert!(answer.alert.is_some(), "{answer:?}");
    // Extensions without end: those that are not known are nobody's affair, and one that comes twice is refused.
    let many = (0..1_000).fold(Hello::tls12(&[MODERN]), |hello, number| hello.with(0x4000 + number, vec![]));
    let mut answered = stage.server.connect_in_memory_tls(PIPE_BYTES);
    answered.write_all(&many.bytes()).await.expect("a pipe");
    assert_eq!(answered.read_u8().await.expect("an answer"), 0x16, "a hello of the server");
    let twice = Hello::tls12(&[MODERN]).with(0x4000, vec![]).with(hello::GROUPS, vec![0, 2, 0, 0x1d]);
    let answer = answer_to(&stage.server, &[(&twice.bytes(), AT_ONCE)]).await;
    assert!(answer.alert.is_some() && answer.before.is_empty(), "{answer:?}");
}

#[tokio::test(start_paused = true)]
async fn b124_any_name_or_none_is_shown_the_one_certificate_and_another_alpn_alone_is_refused() {
    let stage = Stage::set(&unthrottled());
    // A client that wants another name sees the certificate, and refuses it itself.
    let pipe = stage.server.connect_in_memory_tls(PIPE_BYTES);
    let config = Arc::new(client(&stage.certificate, rustls::ALL_VERSIONS));
    let connector = tokio_rustls::TlsConnector::from(Arc::clone(&config));
    let other = ServerName::try_from("other.example").expect("a name");
    let error = connector.connect(other, pipe).await.expect_err("another name").to_string();
    assert!(error.contains("certificate not valid for name"), "{error}");
    let mut nameless = client(&stage.certificate, rustls::ALL_VERSIONS);
    nameless.enable_sni = false;
    stage.connect_as(nameless).await.expect("without a name");
    let long = Hello::tls12(&[MODERN]).with(hello::SERVER_NAME, hello::server_name(&[b'a'; 10_240]));
    let answer = answer_to(&stage.server, &[(&long.bytes(), AT_ONCE)]).await;
    assert!(answer.alert.is_some() && answer.before.is_empty(), "{answer:?}");
    for (offered, taken) in [
        (&[][..], Some(None)),
        (&[&b"iocp-chat"[..]], Some(Some(&b"iocp-chat"[..]))),
        (&[b"h2", b"iocp-chat"], Some(Some(b"iocp-chat"))),
        (&[b"h2", b"http/1.1"], None),
    ] {
        let mut config = client(&stage.certificate, rustls::ALL_VERSIONS);
        config.alpn_protocols = offered.iter().map(|name| name.to_vec()).collect();
        match (stage.connect_as(config).await, taken) {
            (Ok(stream), Some(taken)) => assert_eq!(stream.get_ref().1.alpn_protocol(), taken),
            (Err(error), None) => assert!(error.to_string().contains("NoApplicationProtocol"), "{error}"),
            (other, _) => panic!("{offered:?}: {other:?}"),
        }
    }
    let alpn = [&[0, 3, 2][..], b"h2"].concat();
    let answer =
        answer_to(&stage.server, &[(&Hello::tls12(&[MODERN]).with(16, alpn).bytes(), AT_ONCE)]).await;
    assert_eq!(answer.alert, Some(NO_APPLICATION_PROTOCOL));
}

#[tokio::test(start_paused = true)]
async fn tls_and_text_at_the_plain_port_are_counted_once_and_our_own_mistakes_are_not() {
    let server = crate::common::serve(&Config::default());
    let plain = async |bytes: &[u8]| {
        let mut raw = Raw::new(server.connect_in_memory(PIPE_BYTES));
        raw.send_bytes(bytes).await;
        match raw.receive().await {
            Some(chat_proto::ServerPacket::Goodbye(goodbye)) => goodbye.code.0,
            other => panic!("{other:?}"),
        }
    };
    for (times, bytes) in
        (1..).zip([&Hello::tls12(&[MODERN]).bytes()[..], b"GET / HTTP/1.1\r\n\r\n", b"SSH-2.0-x\r\n"])
    {
        assert_eq!(plain(bytes).await, 1002);
        assert_eq!(server.metrics().misdirected.get(), times);
    }
    assert_eq!(plain(&[1, 0, 0, 0]).await, 1001);
    assert_eq!(plain(&[1, 2, 0xd1, 7]).await, 1002);
    assert_eq!(server.metrics().misdirected.get(), 3);
}

#[tokio::test(start_paused = true)]
async fn whoever_comes_to_a_server_that_is_full_or_stops_costs_no_handshake() {
    let mut config = unthrottled();
    config.limits.guests = 2;
    let stage = Stage::set(&config);
    // The third makes the first go, while it is in its handshake.
    let mut first = stage.server.connect_in_memory_tls(PIPE_BYTES);
    let _second = stage.server.connect_in_memory_tls(PIPE_BYTES);
    let third = stage.server.connect_in_memory_tls(PIPE_BYTES);
    assert_eq!(first.read(&mut [0; 9]).await.expect("a pipe"), 0, "it is closed");
    assert_eq!(stage.server.metrics().rejects(ErrorCode::ServerFull), 1);
    let began = Instant::now();
    assert_eq!(stage.server.stop(StopReason::Terminate).await.cut, 0);
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    drop(third);
}
