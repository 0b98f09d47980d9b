//! Connections over TLS: the same protocol inside, to the end.

use std::{io::IoSlice, net::Ipv4Addr, sync::Arc, time::Duration};

use chat_proto::{Credential, ErrorCode, LeaveReason, ServerPacket};
use iocp_chat::{
    client::{Client, Event},
    metrics::Disconnect,
    net::{Certificates, TlsAcceptor, TlsStream, bind},
    server::{Listeners, Server},
    stop::StopReason,
};
use rustls::version::TLS13;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client};

use crate::{
    common::{Raw, broadcast, heard, hello, next, quiet, unthrottled},
    folder::Folder,
    stage::{self, LONG, Stage, files, localhost, now_ms, params, patient, put_pair},
};

#[tokio::test(start_paused = true)]
async fn people_talk_with_each_other_over_tls_and_without() {
    let stage = Stage::set(&unthrottled());
    let (kim, mut to_kim) = stage.guest("kim").await;
    let (lee, mut to_lee) = crate::common::guest(&stage.server, "이영희").await;
    assert!(matches!(next(&mut to_kim).await, Event::Joined(joined) if joined.name == "이영희"));
    kim.broadcast("hello").await.expect("said");
    assert_eq!(heard(&mut to_lee).await, "hello");
    lee.whisper("kim", "반가워요").await.expect("whispered");
    assert_eq!(heard(&mut to_kim).await, "반가워요");
    assert_eq!(stage.server.metrics().tls_handshakes.get(), 1);
    assert_eq!(stage.server.stop(StopReason::Terminate).await.cut, 0);
    assert!(matches!(next(&mut to_kim).await, Event::Goodbye(_)));
}

#[tokio::test(start_paused = true)]
async fn everything_arrives_over_pipes_of_any_size_and_is_sent_when_there_is_no_more() {
    let stage = Stage::set(&quiet());
    let (speaker, _events) = crate::common::guest(&stage.server, "speaker").await;
    let mut listeners = Vec::new();
    for (number, pipe_bytes) in [7, 100, 5_000, 1 << 20].into_iter().enumerate() {
        let pipe = stage.server.connect_in_memory_tls(pipe_bytes);
        let config = stage::client(&stage.certificate, rustls::ALL_VERSIONS);
        let connector = TlsConnector::from(Arc::new(config));
        let stream = connector.connect(localhost(), pipe).await.expect("hands are shaken");
        let client = Client::over(stream).await.expect("greeted");
        let name = format!("listener{number}");
        listeners.push(client.log_in(&name, Credential::None).await.expect("free"));
    }
    let text = "가".repeat(1_000);
    for _ in 0..40 {
        speaker.broadcast(&text).await.expect("said");
    }
    speaker.broadcast("the last").await.expect("said");
    for (_session, events) in &mut listeners {
        let mut lines = 0;
        loop {
            lines += 1;
            if heard(events).await == "the last" {
                break;
            }
        }
        assert_eq!(lines, 41);
    }
}

async fn raw(stage: &Stage, name: &str) -> Raw<client::TlsStream<DuplexStream>> {
    let mut raw = Raw::new(stage.connect().await);
    raw.log_in(name).await;
    raw
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_sockets_everybody_hears_everything_in_order() {
    const PEOPLE: u32 = 20;
    const LINES: u64 = 400;
    let folder = Folder::new("tls sockets");
    let certificate = put_pair(&folder, &params(-1, 100));
    let certificates = Certificates::load(files(&folder, None), false, now_ms).expect("a pair");
    let listener = bind((Ipv4Addr::LOCALHOST, 0).into()).expect("a free port");
    let acceptor = Arc::new(TlsAcceptor::new(Arc::new(certificates), LONG));
    let listeners = Listeners { tls: vec![listener], acceptor: Some(acceptor), ..Listeners::default() };
    let mut config = patient();
    config.limits.notice_members = 0;
    let server = Server::start(&config, listeners, None).expect("a server");
    let connector = TlsConnector::from(Arc::new(stage::client(&certificate, rustls::ALL_VERSIONS)));
    let mut people = Vec::new();
    for number in 0..PEOPLE {
        let socket = TcpStream::connect(server.tls_addresses()[0]).await.expect("it listens");
        let stream = connector.connect(localhost(), socket).await.expect("hands are shaken");
        let client = Client::over(stream).await.expect("greeted");
        people.push(client.log_in(&format!("guest{number}"), Credential::None).await.expect("free"));
    }
    let (speaker, _events) = people.pop().expect("twenty came");
    let hearing: Vec<_> = people
        .into_iter()
        .map(|(session, mut events)| {
            tokio::spawn(async move {
                for line in 0..LINES {
                    assert!(heard(&mut events).await.starts_with(&format!("{line} ")));
                }
                (session, events)
            })
        })
        .collect();
    for line in 0..LINES {
        speaker.broadcast(&format!("{line} {}", "가".repeat(900))).await.expect("said");
    }
    let mut still_here = Vec::new();
    for listener in hearing {
        still_here.push(listener.await.expect("heard all"));
    }
    assert_eq!(server.stop(StopReason::Terminate).await.cut, 0);
}

#[tokio::test(start_paused = true)]
async fn many_slices_become_a_few_full_records() {
    let stage = Stage::set(&quiet());
    let certificates = Arc::clone(stage.server.acceptor().expect("TLS").certificates());
    let (near, mut far) = tokio::io::duplex(1 << 20);
    let mut stream = TlsStream::new(near, certificates.server_config()).expect("a session");
    let config = Arc::new(stage::client(&stage.certificate, rustls::ALL_VERSIONS));
    let connector = TlsConnector::from(config);
    let (shaken, connected) = tokio::join!(stream.shake_hands(), connector.connect(localhost(), &mut far));
    shaken.expect("hands are shaken");
    drop(connected.expect("hands are shaken"));
    stream.flush().await.expect("a pipe");
    let text = [b'x'; 1_000];
    let slices = [IoSlice::new(&text); 64];
    assert_eq!(stream.write_vectored(&slices).await.expect("a pipe"), 64_000);
    stream.flush().await.expect("a pipe");
    drop(stream);
    let mut sent = Vec::new();
    far.read_to_end(&mut sent).await.expect("a pipe");
    let mut records = Vec::new();
    let mut rest = &sent[..];
    while let [_, _, _, high, low, after @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        records.push(length);
        rest = &after[length..];
    }
    // The last is what is left; a ticket may precede them.
    let full = records.iter().filter(|length| **length > 16 * 1024).count();
    assert_eq!(full, 3, "{records:?}");
    assert!(records.len() <= 5, "{records:?}");
}

#[tokio::test(start_paused = true)]
async fn whoever_says_that_they_send_no_more_is_still_answered() {
    let stage = Stage::set(&quiet());
    let mut kim = raw(&stage, "kim").await;
    kim.send(&[broadcast(3, "one last thing")]).await;
    kim.socket.shutdown().await.expect("a close_notify");
    let answer = kim.receive().await;
    assert!(matches!(answer, Some(ServerPacket::BroadcastAnswer(answer)) if answer.outcome.is_ok()));
    assert!(kim.receive().await.is_none());
    stage.nobody_is_left().await;
}

/// How the others hear that somebody has left, and how it was logged and counted.
async fn left(how: impl AsyncFnOnce(Raw<client::TlsStream<DuplexStream>>)) -> (u16, Vec<Disconnect>) {
    let stage = Stage::set(&unthrottled());
    let (witness, mut events) = crate::common::guest(&stage.server, "witness").await;
    let kim = raw(&stage, "kim").await;
    assert!(matches!(next(&mut events).await, Event::Joined(_)));
    how(kim).await;
    let reason = match next(&mut events).await {
        Event::Left(left) => left.reason,
        other => panic!("{other:?}"),
    };
    let counted = async {
        while stage.server.metrics().disconnects.sum() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(2), counted).await.expect("it has ended");
    let ways = [Disconnect::Eof, Disconnect::Torn, Disconnect::Broken];
    let ways = ways.into_iter().filter(|way| stage.server.metrics().disconnects.get(*way) > 0).collect();
    drop(witness);
    (reason, ways)
}

#[tokio::test(start_paused = true)]
async fn b126_an_end_that_nobody_authenticated_is_a_loss_in_a_packet_and_between_two() {
    let by_themselves = left(async |mut kim| kim.socket.shutdown().await.expect("a close_notify")).await;
    assert_eq!(by_themselves, (LeaveReason::Quit as u16, vec![Disconnect::Eof]));
    let between = left(async |kim| drop(kim.socket.into_inner().0)).await;
    let within = left(async |mut kim| {
        // Half a packet in a whole record, then the end of the stream.
        kim.send_bytes(&[0x10, 0, 0xb9, 0x0b, 5, 0, 8]).await;
        drop(kim.socket.into_inner().0);
    })
    .await;
    let in_a_record = left(async |kim| {
        // Half a record.
        let (mut pipe, _) = kim.socket.into_inner();
        pipe.write_all(&[0x17, 3, 3, 0, 40, 1, 2]).await.expect("a pipe");
    })
    .await;
    for lost in [between, within, in_a_record] {
        assert_eq!(lost, (LeaveReason::Lost as u16, vec![Disconnect::Torn]));
    }
}

#[tokio::test(start_paused = true)]
async fn with_new_keys_a_connection_goes_on_both_ways() {
    let stage = Stage::set(&unthrottled());
    let (lee, mut to_lee) = crate::common::guest(&stage.server, "lee").await;
    let mut stream = stage.connect_as(stage::client(&stage.certificate, &[&TLS13])).await.expect("spoken");
    // The server is to have new ones too, and says so before the next that it says.
    stream.get_mut().1.refresh_traffic_keys().expect("TLS 1.3");
    let client = Client::over(stream).await.expect("greeted");
    let (kim, mut to_kim) = client.log_in("kim", Credential::None).await.expect("free");
    assert!(matches!(next(&mut to_lee).await, Event::Joined(_)));
    kim.broadcast("with mine").await.expect("said");
    assert_eq!(heard(&mut to_lee).await, "with mine");
    lee.broadcast("with the server's").await.expect("said");
    assert_eq!(heard(&mut to_kim).await, "with the server's");
}

#[tokio::test(start_paused = true)]
async fn the_limits_of_a_connection_are_the_same_over_tls() {
    let stage = Stage::set(&unthrottled());
    let mut loud = Raw::new(stage.connect().await);
    loud.send(&[hello(1)]).await;
    assert!(matches!(loud.receive().await, Some(ServerPacket::HelloAnswer(_))));
    loud.send_bytes(&[1, 2, 0xd1, 7]).await;
    match loud.receive().await {
        Some(ServerPacket::Goodbye(goodbye)) => assert_eq!(goodbye.code, ErrorCode::FrameTooLarge.into()),
        other => panic!("{other:?}"),
    }
    assert!(loud.receive().await.is_none(), "closed with a close_notify");
    let mut silent = raw(&stage, "silent").await;
    let mut pings = 0;
    loop {
        match silent.receive().await {
            Some(ServerPacket::Ping(_)) => pings += 1,
            Some(ServerPacket::Goodbye(goodbye)) => {
                break assert_eq!(goodbye.code, ErrorCode::IdleTimeout.into());
            }
            Some(_) => {}
            None => panic!("without a word"),
        }
    }
    assert_eq!(pings, 1);
}

#[tokio::test(start_paused = true)]
async fn whoever_takes_nothing_over_tls_is_cut_in_time_and_holds_nobody_up() {
    let stage = Stage::set(&quiet());
    let _stalled = raw(&stage, "stalled").await;
    let (speaker, _events) = crate::common::guest(&stage.server, "speaker").await;
    let text = "x".repeat(1_000);
    let speaking = async {
        for _ in 0..200 {
            speaker.broadcast(&text).await.expect("a stalled reader stops nobody");
        }
    };
    timeout(Duration::from_secs(5), speaking).await.expect("nobody is held up");
    let gone = async {
        while stage.server.connections() > 1 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(Duration::from_secs(12), gone).await.expect("cut after the write timeout");
    assert_eq!(stage.server.metrics().rejects(ErrorCode::SlowConsumer), 1);
}
