//! Who is there, what they say, and whom it reaches.

use chat_proto::{Credential, ErrorCode, LOBBY, RoomSettings, ServerPacket};
use iocp_chat::{
    client::{Client, Error},
    config::Registration,
    metrics::Message,
    server::Server,
    session::Recalled,
    store::{Place, Store},
};

use crate::{
    common::{Raw, guest, heard, quiet, serve, stage::CHEAP},
    peer::{Peer, patient},
    scraped::Scraped,
};

const TRAFFIC: [&str; 2] = ["chat_messages_delivered_total", "chat_messages_received_total"];

fn received(kind: &str) -> String {
    format!("chat_messages_received_total{{type=\"{kind}\"}}")
}

#[tokio::test(start_paused = true)]
async fn a_line_to_many_is_received_once_and_delivered_to_each() {
    let server = serve(&quiet());
    let mut people = Vec::new();
    for number in 0..10 {
        people.push(guest(&server, &format!("guest{number}")).await);
    }
    let before = Scraped::of(&server).await;
    for line in 0..5 {
        people[0].0.broadcast(&format!("{line}")).await.expect("said");
    }
    people[1].0.whisper("guest2", "psst").await.expect("here");
    for (number, (_, events)) in people.iter_mut().enumerate().skip(1) {
        for _ in 0..if number == 2 { 6 } else { 5 } {
            heard(events).await;
        }
    }
    let now = Scraped::of(&server).await;
    assert_eq!(
        now.moved_since(&before, &TRAFFIC),
        [(TRAFFIC[0], 5 * 9 + 1), (received("broadcast").as_str(), 5), (received("whisper").as_str(), 1),]
    );
    // Each line has its text, its sender and its head.
    assert!(now.get("chat_bytes_sent_total") - before.get("chat_bytes_sent_total") > 46 * 20);
    assert!(now.get("chat_bytes_received_total") - before.get("chat_bytes_received_total") > 6 * 8);
    assert!(now.get("chat_socket_writes_total") > before.get("chat_socket_writes_total"));
    assert_eq!(server.metrics().traffic.messages(Message::Broadcast), 5);
    let turns = now.get("chat_broadcast_fanout_seconds_count");
    assert!(turns > before.get("chat_broadcast_fanout_seconds_count"), "a turn is timed");
}

#[tokio::test(start_paused = true)]
async fn what_is_said_in_a_room_is_delivered_there_and_rooms_are_counted_by_size() {
    let server = serve(&quiet());
    let ((kim, _), (lee, mut events)) = (guest(&server, "kim").await, guest(&server, "lee").await);
    let (_park, _far) = guest(&server, "park").await;
    let empty = Scraped::of(&server).await;
    assert_eq!((empty.get("chat_rooms"), empty.get("chat_room_members_bucket{le=\"5\"}")), (0, 1));
    let settings = RoomSettings { capacity: 10, flags: 0, slow_s: 0 };
    let room = kim.create_room("room", "", settings, "").await.expect("made").place.conversation;
    lee.join_room("room", "").await.expect("let in");
    let before = Scraped::of(&server).await;
    kim.room_chat(room, "hi").await.expect("said");
    heard(&mut events).await;
    let now = Scraped::of(&server).await;
    assert_eq!(now.moved_since(&before, &TRAFFIC), [(TRAFFIC[0], 1), (received("room").as_str(), 1)]);
    assert_eq!(now.get("chat_rooms"), 1);
    // The lobby has three, the room two.
    let bucket = |bound: &str| now.get(&format!("chat_room_members_bucket{{le=\"{bound}\"}}"));
    assert_eq!([bucket("1"), bucket("2"), bucket("5"), bucket("+Inf")], [0, 1, 2, 2]);
    assert_eq!(now.get("chat_room_members_count"), 2);
}

/// A server whose accounts are made by whoever wants one, and cost nothing to hash.
async fn with_accounts() -> Server {
    let mut config = quiet();
    config.accounts.registration = Registration::Open;
    config.accounts.hashing = CHEAP;
    let store = Store::open(&Place::memory()).await.expect("a database");
    let recalled = Recalled::from(store, 0).await.expect("a database");
    Server::start(&config, Vec::new(), Some(recalled)).expect("a server")
}

fn password(text: &str) -> Credential {
    Credential::Password(text.as_bytes().into())
}

fn code<T>(outcome: Result<T, Error>) -> ErrorCode {
    let refusal = outcome.err().and_then(|error| error.refusal()).expect("it is refused");
    refusal.error().expect("a known code")
}

#[tokio::test(start_paused = true)]
async fn every_attempt_to_come_in_is_counted_by_how_and_by_what_came_of_it() {
    let server = with_accounts().await;
    let client = async || Client::over(server.connect_in_memory(64 * 1024)).await.expect("greeted");
    let before = Scraped::of(&server).await;
    client().await.register("kim", password("correct horse"), "").await.expect("made");
    let _kim = client().await.log_in("kim", password("correct horse")).await.expect("hers");
    let wrong = client().await.log_in("kim", password("wrong horse")).await;
    assert_eq!(code(wrong), ErrorCode::AuthFailed);
    let _lee = client().await.log_in("lee", Credential::None).await.expect("free");
    assert_eq!(code(client().await.log_in("kim", Credential::None).await), ErrorCode::NameTaken);
    let now = Scraped::of(&server).await;
    let attempt =
        |method, result| format!("chat_auth_attempts_total{{method=\"{method}\",result=\"{result}\"}}");
    let expected = [
        attempt("guest", "ok"),
        attempt("guest", "refused"),
        attempt("password", "failed"),
        attempt("password", "ok"),
        attempt("registration", "ok"),
    ];
    let moved = now.moved_since(&before, &["chat_auth_attempts_total"]);
    assert_eq!(moved, expected.iter().map(|name| (name.as_str(), 1)).collect::<Vec<_>>());
    assert_eq!(now.get("chat_logins_total"), 2);
    // One for the account, and one for each password that was shown.
    assert_eq!(now.get("chat_password_hash_seconds_count"), 3);
    assert_eq!(now.get("chat_password_hash_queue_length"), 0);
    assert!(now.get("chat_db_seconds_count") > before.get("chat_db_seconds_count"));
    assert!(now.get("chat_db_commits_total") > before.get("chat_db_commits_total"));
    assert_eq!(now.get("chat_db_writable"), 1);
}

#[tokio::test(start_paused = true)]
async fn who_is_there_and_who_may_come_back_are_told_apart() {
    let server = serve(&patient());
    let _silent = server.connect_in_memory(64);
    let kim = Peer::log_in(&server, "kim").await;
    let gauges = async || {
        let now = Scraped::of(&server).await;
        let of = |name: &str, state: &str| now.get(&format!("chat_{name}{{state=\"{state}\"}}"));
        [
            of("connections", "guest"),
            of("connections", "member"),
            of("sessions", "connected"),
            of("sessions", "absent"),
        ]
    };
    assert_eq!(gauges().await, [1, 1, 1, 0]);
    let token = kim.token();
    drop(kim);
    while gauges().await != [1, 0, 0, 1] {
        tokio::task::yield_now().await;
    }
    let before = Scraped::of(&server).await;
    let kim = Peer::resume(&server, token).await.expect("good");
    assert_eq!(gauges().await, [1, 1, 1, 0]);
    let resumed = |result: &str| format!("chat_resume_attempts_total{{result=\"{result}\"}}");
    let now = Scraped::of(&server).await;
    assert_eq!(now.moved_since(&before, &["chat_resume_attempts_total"]), [(resumed("ok").as_str(), 1)]);
    drop(kim);
    let Err(refused) = Peer::resume(&server, chat_proto::ResumeToken([7; 32])).await else {
        panic!("nobody's token")
    };
    assert_eq!(refused.code, ErrorCode::ResumeInvalid.into());
    let then = Scraped::of(&server).await;
    assert_eq!(then.moved_since(&now, &["chat_resume_attempts_total"]), [(resumed("denied").as_str(), 1)]);
}

#[tokio::test(start_paused = true)]
async fn what_somebody_missed_is_counted_and_who_is_furthest_behind_is_known() {
    let mut config = quiet();
    config.lobby.lines = 16;
    let server = serve(&config);
    let (kim, _events) = guest(&server, "kim").await;
    let mut slow = Raw::new(server.connect_in_memory(128));
    slow.log_in("slow").await;
    let before = Scraped::of(&server).await;
    for line in 0..200 {
        kim.broadcast(&format!("line {line}")).await.expect("said");
    }
    let behind = Scraped::of(&server).await;
    assert!(behind.get("chat_slowest_reader_lines") > 0);
    let mut missed = 0;
    let mut last = String::new();
    while last != "line 199" {
        match slow.receive().await {
            Some(ServerPacket::BroadcastLine(line)) => last = line.text,
            Some(ServerPacket::Missed(gap)) => missed += gap.to - gap.from + 1,
            other => panic!("{other:?}"),
        }
    }
    let now = Scraped::of(&server).await;
    assert!(missed > 0, "a log of 16 lines, and 200 said");
    let counted = now.get("chat_lines_missed_total") - before.get("chat_lines_missed_total");
    assert_eq!(counted, missed);
    let action = |action: &str| now.get(&format!("chat_slow_consumers_total{{action=\"{action}\"}}"));
    assert!(action("waited") > 0 && action("left_behind") > 0 && action("missed") > 0, "{now:?}");
    assert_eq!(now.get("chat_slowest_reader_lines"), 0);
    assert_eq!(kim.everyone(LOBBY).await.expect("pages").len(), 2);
}
