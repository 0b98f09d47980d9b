//! Each refusal and each end of a connection is counted as what it was, and as nothing else.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use chat_proto::{ClientPacket, ErrorCode, Logout, Remark, Text, Username, Whisper, Who};
use iocp_chat::{
    config::Rate,
    net,
    server::{OfHost, Server},
    session::{Subject, parse_network},
    stop::StopReason,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream},
    net::TcpStream,
    time::sleep,
};

use crate::{
    common::{Raw, broadcast, guest, hello, id, login, quiet, serve, unthrottled},
    scraped::Scraped,
};

const ENDS: [&str; 2] = ["chat_disconnects_total", "chat_rejects_total"];

pub fn disconnect(reason: &str) -> String {
    format!("chat_disconnects_total{{reason=\"{reason}\"}}")
}

pub fn reject(code: ErrorCode) -> String {
    format!("chat_rejects_total{{code=\"{}\",name=\"{}\"}}", code as u16, code.name())
}

/// What has moved since, each by one.
#[track_caller]
fn assert_moved(now: &Scraped, before: &Scraped, expected: &[String]) {
    let mut expected: Vec<_> = expected.iter().map(|name| (name.as_str(), 1)).collect();
    expected.sort_unstable_by(|one, other| one.0.cmp(other.0));
    assert_eq!(now.moved_since(before, &ENDS), expected);
}

fn packet(kind: u16, body: &[u8]) -> Vec<u8> {
    let size = u16::try_from(body.len() + 4).expect("short");
    [&size.to_le_bytes()[..], &kind.to_le_bytes(), body].concat()
}

fn encoded(packet: &ClientPacket) -> Vec<u8> {
    let mut out = bytes::BytesMut::new();
    packet.encode(&mut out);
    out.to_vec()
}

/// Sends bytes and nothing more, and reads to the end.
async fn say(server: &Server, bytes: &[u8]) {
    let mut stream = server.connect_in_memory(64 * 1024);
    stream.write_all(bytes).await.expect("room in the pipe");
    stream.shutdown().await.expect("open");
    stream.read_to_end(&mut Vec::new()).await.expect("closed in the end");
}

#[tokio::test(start_paused = true)]
async fn what_a_guest_gets_wrong_is_counted_by_its_code_and_its_end() {
    let server = serve(&quiet());
    let greeted = |bytes: Vec<u8>| [encoded(&hello(1)), bytes].concat();
    let version = [&encoded(&hello(1))[..5], &[99], &encoded(&hello(1))[6..]].concat();
    let trailing = {
        let hello = encoded(&hello(1));
        packet(2001, &[&hello[4..], &[0]].concat())
    };
    let ended = |code: ErrorCode| vec![reject(code), disconnect(code.name())];
    let forgiven = |code: ErrorCode| vec![reject(code), disconnect("Eof")];
    for (what, bytes, expected) in [
        ("nothing", vec![], vec![disconnect("Eof")]),
        ("half a packet", vec![9, 0, 0xd1], vec![disconnect("Torn")]),
        ("a size that is none", vec![2, 0, 0xd1, 7], ended(ErrorCode::MalformedFrame)),
        ("a size too large for a guest", vec![0xff, 0x7f, 0xd1, 7], ended(ErrorCode::FrameTooLarge)),
        ("another version", version, ended(ErrorCode::Version)),
        ("a hello that is longer", trailing, ended(ErrorCode::TrailingBytes)),
        ("half a body", packet(2001, &[1]), ended(ErrorCode::MalformedBody)),
        ("a login that is first", encoded(&login(1, "kim")), ended(ErrorCode::InvalidState)),
        ("an answer", greeted(packet(2002, &[1])), ended(ErrorCode::WrongDirection)),
        ("what nobody knows", greeted(packet(2999, &[1])), forgiven(ErrorCode::UnknownType)),
        ("a line too early", greeted(encoded(&broadcast(2, "hi"))), forgiven(ErrorCode::NotAuthenticated)),
    ] {
        let before = Scraped::of(&server).await;
        say(&server, &bytes).await;
        let now = Scraped::when_gone(&server).await;
        println!("after {what}");
        assert_moved(&now, &before, &expected);
    }
}

/// Waits for the end.
async fn read_out(mut raw: Raw<DuplexStream>) {
    while raw.receive().await.is_some() {}
}

#[tokio::test(start_paused = true)]
async fn each_deadline_is_counted_as_its_own() {
    let server = serve(&unthrottled());
    for (code, logs_in, first) in [
        (ErrorCode::LoginTimeout, false, &[][..]),
        (ErrorCode::IdleTimeout, true, &[]),
        (ErrorCode::PacketTimeout, true, &[40_u8, 0, 0xb9]),
    ] {
        let before = Scraped::of(&server).await;
        let mut raw = Raw::new(server.connect_in_memory(4_096));
        if logs_in {
            raw.log_in("kim").await;
        }
        raw.send_bytes(first).await;
        read_out(raw).await;
        assert_moved(&Scraped::when_gone(&server).await, &before, &[reject(code), disconnect(code.name())]);
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_takes_nothing_is_counted_as_a_slow_consumer() {
    let server = serve(&quiet());
    let (kim, _events) = guest(&server, "kim").await;
    let mut stuck = Raw::new(server.connect_in_memory(64));
    stuck.log_in("stuck").await;
    let before = Scraped::of(&server).await;
    kim.broadcast("more than a pipe of 64 bytes holds, and then some more of it").await.expect("said");
    while server.connections() > 1 {
        sleep(Duration::from_millis(100)).await;
    }
    let now = Scraped::of(&server).await;
    let code = ErrorCode::SlowConsumer;
    assert_moved(&now, &before, &[reject(code), disconnect(code.name())]);
    let moved = now.moved_since(&before, &["chat_slow_consumers_total", "chat_connections_cut_total"]);
    assert_eq!(moved, [("chat_connections_cut_total", 1), ("chat_slow_consumers_total{action=\"cut\"}", 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_refused_is_counted_where_it_is_refused() {
    let server = serve(&quiet());
    let mut raw = Raw::new(server.connect_in_memory(64 * 1024));
    raw.log_in("kim").await;
    let (lee, _events) = guest(&server, "lee").await;
    server
        .operator()
        .mute(Username::parse("lee").expect("a name"), 0, Remark::default())
        .await
        .expect("done");
    let whisper = |to: &str| {
        let to = Username::parse(to).expect("a name");
        ClientPacket::Whisper(Whisper {
            id: id(9),
            message_id: 0,
            to,
            text: Text::parse("hi").expect("a text"),
        })
    };
    let who = |conversation, limit| ClientPacket::Who(Who { id: id(9), conversation, after: 0, limit });
    for (packet, code) in [
        (login(9, "kim"), ErrorCode::AlreadyAuthenticated),
        (whisper("nobody"), ErrorCode::UserNotFound),
        (whisper("kim"), ErrorCode::SelfTarget),
        (who(chat_proto::LOBBY, 0), ErrorCode::RangeInvalid),
        (who(77, 1), ErrorCode::RoomNotFound),
    ] {
        let before = Scraped::of(&server).await;
        raw.send(&[packet]).await;
        raw.receive().await.expect("an answer");
        assert_moved(&Scraped::of(&server).await, &before, &[reject(code)]);
    }
    let before = Scraped::of(&server).await;
    assert!(lee.broadcast("hi").await.is_err());
    assert_moved(&Scraped::of(&server).await, &before, &[reject(ErrorCode::Muted)]);
}

#[tokio::test(start_paused = true)]
async fn whoever_is_ended_by_somebody_else_was_not_refused() {
    let server = serve(&quiet());
    let operator = server.operator().clone();
    let name = || Username::parse("kim").expect("a name");

    let (before, (kim, _events)) = (Scraped::of(&server).await, guest(&server, "kim").await);
    kim.log_out().await.expect("gone");
    assert_moved(&Scraped::when_gone(&server).await, &before, &[disconnect("LoggedOut")]);

    let (before, _kim) = (Scraped::of(&server).await, guest(&server, "kim").await);
    operator.kick(name(), Remark::default()).await.expect("here");
    assert_moved(&Scraped::when_gone(&server).await, &before, &[disconnect("Kicked")]);

    let (before, _kim) = (Scraped::of(&server).await, guest(&server, "kim").await);
    operator.ban(Subject::Name(name()), 0, Remark::default()).await.expect("done");
    assert_moved(&Scraped::when_gone(&server).await, &before, &[disconnect("Banned")]);

    let (before, _here) = (operator.scrape(OfHost::default()).await, guest(&server, "lee").await);
    server.stop(StopReason::Terminate).await;
    let reason = |families: &[iocp_chat::metrics::Family]| {
        let text = iocp_chat::metrics::text(families.to_vec());
        text.lines()
            .find(|line| line.contains("disconnects_total{reason=\"ShuttingDown\"}"))
            .map(str::to_owned)
    };
    let after = operator.scrape(OfHost::default()).await;
    assert!(reason(&before).expect("told").ends_with(" 0") && reason(&after).expect("told").ends_with(" 1"));
}

#[tokio::test(start_paused = true)]
async fn the_oldest_guest_makes_room_and_is_counted_as_refused() {
    let mut config = quiet();
    config.limits.guests = 1;
    let server = serve(&config);
    let before = Scraped::of(&server).await;
    let oldest = Raw::new(server.connect_in_memory(4_096));
    let _next = server.connect_in_memory(4_096);
    read_out(oldest).await;
    while server.connections() > 1 {
        sleep(Duration::from_millis(10)).await;
    }
    let code = ErrorCode::ServerFull;
    assert_moved(&Scraped::of(&server).await, &before, &[reject(code), disconnect(code.name())]);
}

#[tokio::test(start_paused = true)]
async fn what_comes_too_fast_is_counted_by_what_it_was() {
    let mut config = quiet();
    config.rates.chat = Rate { per_second: 1, burst: 1 };
    config.rates.other = Rate { per_second: 1, burst: 1 };
    let server = serve(&config);
    let mut raw = Raw::new(server.connect_in_memory(64 * 1024));
    raw.log_in("kim").await;
    let before = Scraped::of(&server).await;
    let who = ClientPacket::Who(Who { id: id(9), conversation: chat_proto::LOBBY, after: 0, limit: 1 });
    raw.send(&[broadcast(3, "a"), broadcast(4, "b"), who.clone(), who.clone(), who]).await;
    for _ in 0..5 {
        raw.receive().await.expect("an answer");
    }
    let now = Scraped::of(&server).await;
    let moved = now.moved_since(&before, &["chat_rate_limited_total"]);
    let scope = |scope: &str| format!("chat_rate_limited_total{{scope=\"{scope}\"}}");
    assert_eq!(moved, [(scope("chat").as_str(), 1), (scope("other").as_str(), 2)]);
    raw.send(&[ClientPacket::Logout(Logout { id: id(10) })]).await;
    read_out(raw).await;

    let before = Scraped::when_gone(&server).await;
    say(&server, &encoded(&hello(1)).repeat(50)).await;
    let now = Scraped::when_gone(&server).await;
    // The second hello is one too many already, whatever its speed.
    assert_moved(&now, &before, &[reject(ErrorCode::InvalidState), disconnect("InvalidState")]);
    let before = now;
    say(&server, &[encoded(&hello(1)), encoded(&broadcast(2, "hi")).repeat(50)].concat()).await;
    let now = Scraped::when_gone(&server).await;
    assert!(now.get(&scope("guest")) - before.get(&scope("guest")) <= 1);
}

#[tokio::test]
async fn an_address_that_connects_too_often_or_is_banned_is_turned_away_and_counted() {
    let mut config = quiet();
    (config.limits.new_per_address, config.limits.exempt_addresses) = (2, Vec::new());
    let listener = net::bind((Ipv4Addr::LOCALHOST, 0).into()).expect("free");
    let address = listener.local_addr().expect("bound");
    let server = Server::start(&config, vec![listener], None).expect("a server");
    let before = Scraped::of(&server).await;
    let connect = async || {
        let mut stream = TcpStream::connect(address).await.expect("it listens");
        stream.shutdown().await.expect("open");
        // Whoever is turned away may find the connection reset.
        let _ = stream.read_to_end(&mut Vec::new()).await;
    };
    for _ in 0..3 {
        connect().await;
    }
    let now = Scraped::when_gone(&server).await;
    let moved = now.moved_since(&before, &["chat_rate_limited_total", "chat_connections_accepted_total"]);
    let flooded = "chat_rate_limited_total{scope=\"connection\"}";
    assert_eq!(moved, [("chat_connections_accepted_total{transport=\"tcp\"}", 3), (flooded, 1)]);
    assert_eq!(
        now.moved_since(&before, &["chat_rejects_total"]),
        [(reject(ErrorCode::TooManyFromAddress).as_str(), 1)]
    );
    let network = parse_network(&IpAddr::from(Ipv4Addr::LOCALHOST).to_string()).expect("a network");
    server.operator().ban(Subject::Network(network), 0, Remark::default()).await.expect("done");
    let before = Scraped::of(&server).await;
    connect().await;
    assert_moved(&Scraped::when_gone(&server).await, &before, &[reject(ErrorCode::Banned)]);
}
