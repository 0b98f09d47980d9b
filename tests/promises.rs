//! The ordering promises of the protocol, each by name.

mod common;

use chat_proto::{ErrorCode, LOBBY, Missed, ServerPacket};
use common::{Raw, broadcast, guest, hello, login, next, quiet, serve, unthrottled};
use iocp_chat::{client::Event, stop::StopReason};
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn promise_1_all_members_hear_the_same_lines_in_one_order_but_their_own() {
    let server = serve(&quiet());
    let mut people = Vec::new();
    for name in ["kim", "lee", "park", "choi", "jung"] {
        people.push(guest(&server, name).await);
    }
    let speaking = people.iter().map(|(session, _)| {
        let session = session.clone();
        tokio::spawn(async move {
            let mut said = Vec::new();
            for line in 0..50 {
                let text = format!("{} {line}", session.welcome().name);
                said.push(session.broadcast(&text).await.expect("said").seq);
            }
            said
        })
    });
    let mut own = Vec::new();
    for speaker in speaking.collect::<Vec<_>>() {
        own.push(speaker.await.expect("no panic"));
    }
    for ((_, events), own) in people.iter_mut().zip(own) {
        let mut taken = own;
        let mut last = 0;
        for _ in 0..200 {
            let Event::Broadcast(line) = next(events).await else { panic!("only lines are said") };
            assert!(line.head.seq > last, "in order");
            last = line.head.seq;
            taken.push(line.head.seq);
        }
        taken.sort_unstable();
        assert_eq!(taken, (1..=250).collect::<Vec<u64>>(), "everything is one's own or heard, once");
    }
}

#[tokio::test]
async fn promise_2_one_speakers_lines_arrive_in_the_order_spoken() {
    let server = serve(&quiet());
    let (speaker, _) = guest(&server, "kim").await;
    let (_other, mut events) = guest(&server, "lee").await;
    let mut answers = Vec::new();
    for line in 0..200 {
        // Not waiting for the answer: many are on their way at once.
        answers.push(speaker.send_broadcast(0, &line.to_string()).await.expect("sent"));
    }
    for line in 0..200 {
        assert_eq!(common::heard(&mut events).await, line.to_string());
    }
    for answer in answers {
        answer.await.expect("accepted");
    }
}

#[tokio::test]
async fn promise_3_the_answer_to_a_login_comes_before_the_lobbys_first_line() {
    let server = serve(&unthrottled());
    let (talker, _events) = guest(&server, "kim").await;
    // For as long as anybody listens: whoever waits for one line more hears it.
    let enough = CancellationToken::new();
    let heard_enough = enough.clone();
    let talking = tokio::spawn(async move {
        while !heard_enough.is_cancelled() {
            talker.broadcast("on and on").await.expect("said");
        }
    });
    for number in 0..50 {
        let mut raw = Raw::new(server.connect_in_memory(64 * 1024));
        raw.send(&[hello(1), login(2, &format!("guest{number}")), broadcast(3, "me")]).await;
        assert!(matches!(raw.receive().await, Some(ServerPacket::HelloAnswer(_))));
        let Some(ServerPacket::LoginAnswer(answer)) = raw.receive().await else {
            panic!("the welcome is next")
        };
        let lobby = answer.outcome.expect("welcome").conversations.0[0];
        assert_eq!(lobby.conversation, LOBBY);
        // From the place it named on, nothing is missing but one's own.
        let mut own = Vec::new();
        let mut seq = lobby.seq;
        while own.is_empty() || seq < lobby.seq + 5 {
            let heard = match raw.receive().await.expect("the server goes on") {
                ServerPacket::BroadcastAnswer(answer) => {
                    own.push(answer.outcome.expect("said").seq);
                    continue;
                }
                ServerPacket::BroadcastLine(line) => line.head.seq,
                ServerPacket::Joined(joined) => joined.head.seq,
                ServerPacket::Left(left) => left.head.seq,
                other => panic!("{other:?}"),
            };
            // One's own coming in is the first line after the place; one's own line may still be unanswered.
            let skipped = heard - seq - 1;
            assert!(heard > seq && skipped <= 2, "{skipped} lines between {seq} and {heard}");
            seq = heard;
        }
    }
    enough.cancel();
    talking.await.expect("no panic");
}

#[tokio::test(start_paused = true)]
async fn promise_4_who_was_lapped_is_told_the_exact_range_and_goes_on_from_the_oldest_kept() {
    let mut config = quiet();
    config.lobby.lines = 64;
    let server = serve(&config);
    let (speaker, _events) = guest(&server, "kim").await;
    let mut slow = Raw::new(server.connect_in_memory(256));
    slow.log_in("lee").await;
    let mut last = 0;
    for line in 0..5_000 {
        last =
            speaker.broadcast(&line.to_string()).await.expect("a reader that takes nothing stops nobody").seq;
    }
    // The slow one wakes up.
    let mut seq = 0;
    let mut missed = 0;
    while seq < last {
        match slow.receive().await.expect("the server goes on") {
            ServerPacket::BroadcastLine(line) => {
                assert_eq!(line.head.seq, seq + 1, "no hole that nobody told");
                assert_eq!(line.text, seq.to_string());
                seq = line.head.seq;
            }
            ServerPacket::Missed(Missed { conversation, from, to, .. }) => {
                assert_eq!((conversation, from), (LOBBY, seq + 1), "exactly after the last line taken");
                assert!(to >= from && to < last);
                missed += to - from + 1;
                seq = to;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(missed > 4_000, "it was lapped: {missed}");
}

#[tokio::test]
async fn promise_6_whatever_was_accepted_before_the_stop_arrives_before_the_goodbye() {
    let server = serve(&quiet());
    let (speaker, _) = guest(&server, "kim").await;
    let (_other, mut events) = guest(&server, "lee").await;
    let flood = tokio::spawn(async move {
        let mut accepted = Vec::new();
        for line in 0_u64.. {
            match speaker.broadcast(&line.to_string()).await {
                Ok(receipt) => accepted.push(receipt.seq),
                Err(_) => break,
            }
        }
        accepted
    });
    let mut heard = Vec::new();
    for _ in 0..100 {
        let Event::Broadcast(line) = next(&mut events).await else { panic!("only lines are said") };
        heard.push(line.head.seq);
    }
    let stopping = tokio::spawn(server.stop(StopReason::Interrupt));
    loop {
        match next(&mut events).await {
            Event::Broadcast(line) => heard.push(line.head.seq),
            Event::Goodbye(goodbye) => break assert_eq!(goodbye.code, ErrorCode::ShuttingDown.into()),
            other => panic!("{other:?}"),
        }
    }
    let accepted = flood.await.expect("no panic");
    assert!(heard.len() >= accepted.len(), "{} accepted, {} heard", accepted.len(), heard.len());
    assert_eq!(&heard[..accepted.len()], accepted, "all that was accepted, in order");
    assert_eq!(stopping.await.expect("no panic").cut, 0);
}
