//! Tests of who waits for whom when a client asks much or listens little.

use std::time::Duration;

use tokio::time::timeout;

use super::{
    EVENT_BYTES_ASKING, EVENT_BYTES_RESTED, Error, Event,
    testing::{Peer, line, receipt, session},
};

#[tokio::test(start_paused = true)]
async fn no_more_requests_are_sent_unanswered_than_the_server_takes() {
    let (session, _events, mut peer) = session(4_096).await;
    let mut pending = Vec::new();
    for _ in 0..4 {
        pending.push(session.send_broadcast(0, "one").await.expect("sent"));
    }
    let fifth = tokio::spawn({
        let session = session.clone();
        async move { session.send_broadcast(0, "fifth").await.expect("sent").await }
    });
    let (first, _) = peer.recv_broadcast().await;
    for _ in 0..3 {
        peer.recv_broadcast().await;
    }
    let too_soon = timeout(Duration::from_secs(1), peer.recv_broadcast()).await;
    assert!(too_soon.is_err(), "a fifth request was sent before an answer");
    // Nobody waits for this one any more; its place comes back all the same.
    drop(pending.remove(0));
    peer.send(&receipt(first, 1)).await;
    let (id, text) = peer.recv_broadcast().await;
    assert_eq!(text, "fifth");
    peer.send(&receipt(id, 5)).await;
    assert_eq!(fifth.await.expect("no panic").expect("answered").seq, 5);
}

#[tokio::test(start_paused = true)]
async fn unread_events_beyond_the_first_bound_stay_with_the_server_and_none_is_lost() {
    let (_session, mut events, mut peer) = session(4_096).await;
    let lines = 4 * EVENT_BYTES_RESTED as u64 / 1_000;
    let mut flooding = tokio::spawn(async move { flood(&mut peer, lines).await });
    assert!(timeout(Duration::from_secs(5), &mut flooding).await.is_err(), "the client went on reading");
    for seq in 1..=lines {
        assert!(matches!(events.next().await, Some(Event::Broadcast(line)) if line.head.seq == seq));
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_behind_many_unread_events_still_comes() {
    let (session, mut events, mut peer) = session(4_096).await;
    let lines = 4 * EVENT_BYTES_RESTED as u64 / 1_000;
    let script = async {
        flood(&mut peer, lines).await;
        let (id, _) = peer.recv_broadcast().await;
        peer.send(&receipt(id, lines + 1)).await;
    };
    let ((), answer) = tokio::join!(script, session.broadcast("over here"));
    assert_eq!(answer.expect("answered").seq, lines + 1);
    for seq in 1..=lines {
        assert!(matches!(events.try_next(), Some(Event::Broadcast(line)) if line.head.seq == seq));
    }
}

#[tokio::test(start_paused = true)]
async fn beyond_the_second_bound_a_call_times_out_and_taking_events_brings_its_answer() {
    let (session, mut events, mut peer) = session(64 * 1024).await;
    let lines = 2 * EVENT_BYTES_ASKING as u64 / 1_000;
    let pending = session.send_broadcast(0, "hello").await.expect("sent");
    let flooding = tokio::spawn(async move {
        let (hello, _) = peer.recv_broadcast().await;
        flood(&mut peer, lines).await;
        peer.send(&receipt(hello, lines + 1)).await;
        peer
    });
    assert!(matches!(session.broadcast("impatient").await, Err(Error::Timeout(_))));
    for seq in 1..=lines {
        assert!(matches!(events.next().await, Some(Event::Broadcast(line)) if line.head.seq == seq));
    }
    assert_eq!(pending.await.expect("answered").seq, lines + 1);
    flooding.await.expect("no panic");
}

#[tokio::test(start_paused = true)]
async fn who_does_not_listen_is_answered_whatever_is_said() {
    let (session, events, mut peer) = session(4_096).await;
    drop(events);
    let script = async {
        flood(&mut peer, 2 * EVENT_BYTES_ASKING as u64 / 1_000).await;
        let (id, _) = peer.recv_broadcast().await;
        peer.send(&receipt(id, 9)).await;
    };
    assert_eq!(tokio::join!(session.broadcast("hello"), script).0.expect("answered").seq, 9);
}

async fn flood(peer: &mut Peer, lines: u64) {
    let text = "x".repeat(900);
    for seq in 1..=lines {
        peer.send(&line(seq, &text)).await;
    }
}
