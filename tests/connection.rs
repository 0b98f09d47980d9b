//! One connection over a pipe in memory, with the clock in the test's hand.

mod common;

use std::{future::poll_fn, pin::Pin, task::Poll, time::Duration};

use chat_proto::{ErrorCode, LeaveReason, ServerPacket};
use common::{Raw, broadcast, guest, guest_over, heard, hello, login, next, quiet, serve, unthrottled};
use iocp_chat::{client::Event, server::Server, stop::StopReason};
use tokio::{
    io::{AsyncRead, AsyncWriteExt, ReadBuf},
    time::{Instant, sleep},
};

/// Waits, in the test's own time, until nobody is connected.
async fn everyone_is_gone(server: &Server) {
    while server.connections() > 0 {
        sleep(Duration::from_millis(10)).await;
    }
    assert_eq!((server.sessions(), server.admission().connections()), (0, 0), "nothing is left behind");
}

async fn goodbye<S: AsyncRead + tokio::io::AsyncWrite + Unpin>(raw: &mut Raw<S>) -> u16 {
    loop {
        match raw.receive().await {
            Some(ServerPacket::Goodbye(goodbye)) => {
                assert!(raw.receive().await.is_none(), "a goodbye is the last packet");
                return goodbye.code.0;
            }
            Some(_) => {}
            None => panic!("closed without a goodbye"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn two_people_talk_through_pipes_of_seven_bytes() {
    let server = serve(&unthrottled());
    let (kim, mut to_kim) = guest_over(&server, "김철수", 7).await;
    let (lee, mut to_lee) = guest_over(&server, "lee", 7).await;
    assert!(matches!(next(&mut to_kim).await, Event::Joined(joined) if joined.name == "lee"));
    kim.broadcast("안녕하세요 👨\u{200d}👩\u{200d}👧").await.expect("said");
    assert_eq!(heard(&mut to_lee).await, "안녕하세요 👨\u{200d}👩\u{200d}👧");
    lee.whisper("김철수", "네").await.expect("whispered");
    assert_eq!(heard(&mut to_kim).await, "네");
    lee.log_out().await.expect("heard");
    assert!(matches!(next(&mut to_kim).await, Event::Left(left) if left.reason == LeaveReason::Quit as u16));
}

#[tokio::test(start_paused = true)]
async fn a_broadcast_reaches_everyone_but_its_sender_and_a_whisper_reaches_one() {
    let server = serve(&quiet());
    let (kim, mut to_kim) = guest(&server, "kim").await;
    let (_lee, mut to_lee) = guest(&server, "lee").await;
    let (_park, mut to_park) = guest(&server, "park").await;
    kim.broadcast("to all").await.expect("said");
    kim.whisper("LEE", "to lee").await.expect("names are compared without case");
    assert_eq!(heard(&mut to_lee).await, "to all");
    assert_eq!(heard(&mut to_lee).await, "to lee");
    assert_eq!(heard(&mut to_park).await, "to all");
    kim.ping().await.expect("answered after all of that");
    assert!(to_kim.try_next().is_none() && to_park.try_next().is_none());
    let refused = |result: Result<_, iocp_chat::client::Error>| result.expect_err("refused").refusal();
    assert_eq!(refused(kim.whisper("nobody", "?").await), Some(ErrorCode::UserNotFound.into()));
    assert_eq!(refused(kim.whisper("kim", "?").await), Some(ErrorCode::SelfTarget.into()));
}

#[tokio::test(start_paused = true)]
async fn a_name_in_use_is_refused_and_free_again_however_its_session_ends() {
    let server = serve(&quiet());
    for how in ["log out", "half close", "drop"] {
        let mut raw = Raw::new(server.connect_in_memory(4096));
        raw.log_in("Kim").await;
        let mut other = Raw::new(server.connect_in_memory(4096));
        other.send(&[hello(1), login(2, "kIM")]).await;
        other.receive().await.expect("hello");
        let Some(ServerPacket::LoginAnswer(answer)) = other.receive().await else { panic!("an answer") };
        assert_eq!(answer.outcome.expect_err("in use").code, ErrorCode::NameTaken.into());
        match how {
            "log out" => {
                raw.send(&[chat_proto::ClientPacket::Logout(chat_proto::Logout { id: common::id(9) })]).await;
                assert!(matches!(raw.receive().await, Some(ServerPacket::LogoutAnswer(_))));
                assert_eq!(goodbye(&mut raw).await, 0);
            }
            "half close" => {
                raw.socket.shutdown().await.expect("open");
                assert!(raw.receive().await.is_none());
            }
            _ => drop(raw),
        }
        drop(other);
        everyone_is_gone(&server).await;
    }
    let (kim, _events) = guest(&server, "lee").await;
    let offline = kim.whisper("kim", "?").await.expect_err("not here").refusal();
    assert_eq!(offline, Some(ErrorCode::UserOffline.into()), "known, and not here");
}

#[tokio::test(start_paused = true)]
async fn a_request_before_a_half_close_is_answered() {
    let server = serve(&quiet());
    let mut raw = Raw::new(server.connect_in_memory(4096));
    raw.log_in("kim").await;
    raw.send(&[broadcast(7, "last words")]).await;
    raw.socket.shutdown().await.expect("open");
    assert!(
        matches!(raw.receive().await, Some(ServerPacket::BroadcastAnswer(answer)) if answer.outcome.is_ok())
    );
    assert!(raw.receive().await.is_none());
    everyone_is_gone(&server).await;
}

#[tokio::test(start_paused = true)]
async fn the_login_deadline_is_extended_by_nothing() {
    let server = serve(&unthrottled());
    let mut raw = Raw::new(server.connect_in_memory(4096));
    let start = Instant::now();
    raw.send(&[hello(1)]).await;
    raw.receive().await.expect("hello");
    for _ in 0..9 {
        sleep(Duration::from_secs(1)).await;
        let payload = chat_proto::PingPayload::new(b"here").expect("short");
        raw.send(&[chat_proto::ClientPacket::Ping(chat_proto::Ping { payload })]).await;
        assert!(matches!(raw.receive().await, Some(ServerPacket::Pong(_))));
    }
    assert_eq!(goodbye(&mut raw).await, ErrorCode::LoginTimeout as u16);
    assert_eq!(start.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_silent_session_is_asked_at_30_seconds_and_let_go_at_75() {
    let server = serve(&unthrottled());
    let mut raw = Raw::new(server.connect_in_memory(4096));
    raw.log_in("kim").await;
    let start = Instant::now();
    assert!(matches!(raw.receive().await, Some(ServerPacket::Ping(_))));
    assert_eq!(start.elapsed().as_secs(), 30);
    assert_eq!(goodbye(&mut raw).await, ErrorCode::IdleTimeout as u16);
    assert_eq!(start.elapsed().as_secs(), 75);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_answers_pings_stays_for_hours() {
    let server = serve(&unthrottled());
    let (kim, _events) = guest(&server, "kim").await;
    sleep(Duration::from_secs(4 * 3600)).await;
    kim.ping().await.expect("still here");
}

#[tokio::test(start_paused = true)]
async fn a_started_packet_has_ten_seconds_however_slowly_it_drips() {
    let server = serve(&unthrottled());
    let mut raw = Raw::new(server.connect_in_memory(4096));
    raw.log_in("kim").await;
    sleep(Duration::from_secs(25)).await;
    let start = Instant::now();
    let mut dripping = [40_u8, 0, 0xb9, 0x0b].into_iter().chain([1; 36]);
    let end = loop {
        tokio::select! {
            packet = raw.receive() => match packet {
                Some(ServerPacket::Goodbye(goodbye)) => break goodbye.code,
                Some(_) => {}
                None => panic!("closed without a goodbye"),
            },
            () = sleep(Duration::from_secs(5)) => {
                let byte = dripping.next().expect("cut long before the end");
                raw.socket.write_all(&[byte]).await.expect("open");
            }
        }
    };
    assert_eq!(end, ErrorCode::PacketTimeout.into());
    // From the first byte, which came after 5 s.
    assert_eq!(start.elapsed().as_secs(), 15);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_takes_nothing_is_cut_and_the_others_do_not_notice() {
    let server = serve(&quiet());
    let (kim, _to_kim) = guest(&server, "kim").await;
    let (_lee, mut to_lee) = guest(&server, "lee").await;
    let mut stuck = Raw::new(server.connect_in_memory(256));
    stuck.log_in("stuck").await;
    let start = Instant::now();
    for line in 0..400 {
        kim.broadcast(&format!("{line}")).await.expect("said");
        assert_eq!(heard(&mut to_lee).await, line.to_string());
        sleep(Duration::from_millis(100)).await;
        if server.sessions() == 2 {
            break;
        }
    }
    assert_eq!(server.sessions(), 2, "the stuck one is gone");
    assert_eq!(start.elapsed().as_secs(), 10, "after the write timeout");
    while server.connections() > 2 {
        sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(server.metrics().rejects(ErrorCode::SlowConsumer), 1);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_asks_and_never_reads_stops_at_its_own_slots() {
    let server = serve(&unthrottled());
    let mut raw = Raw::new(server.connect_in_memory(512));
    raw.log_in("kim").await;
    let ping = [8_u8, 0, 0x59, 0x1b, 3, 1, 2, 3];
    let mut taken = 0;
    // The pipe fills when the server has stopped reading: it does not take pings without end.
    while tokio::time::timeout(Duration::from_secs(1), raw.socket.write_all(&ping)).await.is_ok() {
        taken += 1;
        assert!(taken < 1_000, "the server reads on and on");
    }
    assert!(taken >= 64, "up to its slots a client may ask: {taken}");
}

#[tokio::test(start_paused = true)]
async fn an_aborted_task_leaves_the_server_as_tidy_as_a_polite_one() {
    let server = serve(&unthrottled());
    let (_kim, mut to_kim) = guest(&server, "kim").await;
    for _ in 0..20 {
        let (lee, events) = guest_over(&server, "lee", 64).await;
        assert!(matches!(next(&mut to_kim).await, Event::Joined(_)));
        drop((lee, events));
        assert!(matches!(next(&mut to_kim).await, Event::Left(_)));
    }
    assert_eq!(server.sessions(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stop_takes_no_longer_than_its_reason_allows() {
    for (reason, seconds) in [
        (StopReason::Interrupt, 20),
        (StopReason::Terminate, 20),
        (StopReason::ConsoleClosed, 4),
        (StopReason::SystemShutdown, 4),
        (StopReason::Service, 15),
    ] {
        let mut config = quiet();
        config.timeouts.write = Duration::from_secs(60);
        let server = serve(&config);
        let (kim, mut to_kim) = guest(&server, "kim").await;
        let mut stuck = Raw::new(server.connect_in_memory(64));
        stuck.log_in("stuck").await;
        kim.broadcast("more than a pipe of 64 bytes holds, and then some more of it").await.expect("said");
        let start = Instant::now();
        assert_eq!(server.stop(reason).await.cut, 1, "{reason:?}");
        // The last second is for what is stored, of which there is nothing here.
        assert_eq!(start.elapsed().as_secs(), seconds - 1, "{reason:?}");
        assert!(matches!(next(&mut to_kim).await, Event::Goodbye(_)), "whoever reads hears a goodbye");
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_takes_nothing_is_counted_as_cut_whichever_limit_ends_it() {
    // The limit for one write, 10 s, is over before the 20 s of the stop.
    let server = serve(&quiet());
    let (kim, mut to_kim) = guest(&server, "kim").await;
    let mut stuck = Raw::new(server.connect_in_memory(64));
    stuck.log_in("stuck").await;
    kim.broadcast("more than a pipe of 64 bytes holds, and then some more of it").await.expect("said");
    let start = Instant::now();
    assert_eq!(server.stop(StopReason::Interrupt).await.cut, 1);
    assert!((10..12).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    assert!(matches!(next(&mut to_kim).await, Event::Goodbye(_)));
}

#[tokio::test(start_paused = true)]
async fn whoever_was_cut_at_a_stop_has_whole_packets_up_to_there() {
    let mut config = quiet();
    config.timeouts.write = Duration::from_secs(60);
    let server = serve(&config);
    let (kim, _events) = guest(&server, "kim").await;
    let mut stuck = Raw::new(server.connect_in_memory(64));
    stuck.log_in("stuck").await;
    for line in 0..50 {
        kim.broadcast(&format!("{line}")).await.expect("said");
    }
    assert_eq!(server.stop(StopReason::ConsoleClosed).await.cut, 1);
    // The stuck one finds whole packets up to where it was cut, or a torn end.
    let first = poll_fn(|cx| {
        let mut bytes = [0; 64];
        let mut read = ReadBuf::new(&mut bytes);
        match Pin::new(&mut stuck.socket).poll_read(cx, &mut read) {
            Poll::Ready(Ok(())) => Poll::Ready(read.filled().len()),
            _ => Poll::Ready(0),
        }
    });
    assert!(first.await > 0);
}

#[tokio::test(start_paused = true)]
async fn who_pages_through_everyone_once() {
    let server = serve(&quiet());
    let mut people = Vec::new();
    for number in 0..450 {
        people.push(guest(&server, &format!("guest{number}")).await);
    }
    let (asker, _) = &people[0];
    let everyone = asker.everyone(chat_proto::LOBBY).await.expect("pages");
    let names: Vec<_> = everyone.into_iter().map(|entry| entry.name).collect();
    assert_eq!(names, (0..450).map(|number| format!("guest{number}")).collect::<Vec<_>>());
}
