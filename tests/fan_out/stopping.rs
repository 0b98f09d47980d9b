//! The last handle is gone: what was accepted is said, at the pace of those who read, but not for ever.

use std::time::Duration;

use iocp_chat::config::Bounds;
use tokio::{
    task::yield_now,
    time::{Instant, sleep},
};

use super::lobby::{Guest, Lobby, text};

/// A lobby with far more lines waiting than its log holds, for a reader that has taken none of them.
async fn held_up() -> (Lobby, Guest, Vec<Guest>) {
    let lobby = Lobby::open(Bounds { lines: 1_024, bytes: 1 << 30 });
    let slow = lobby.enter(100).await;
    let mut talkers = lobby.enter_all(1..51).await;
    for talker in &talkers {
        talker.say_all_at_once(&lobby.inbox, &text(340)).await;
    }
    lobby.take_all().await;
    talkers.iter_mut().for_each(Guest::take_all);
    let said: usize = talkers.iter().map(|talker| talker.receipts().len()).sum();
    assert!((512..1_024).contains(&said), "the room waits after {said} lines");
    (lobby, slow, talkers)
}

#[tokio::test(start_paused = true)]
async fn what_waits_when_the_inbox_closes_reaches_a_reader_that_moves() {
    let (Lobby { inbox, task, .. }, mut slow, talkers) = held_up().await;
    drop(inbox);
    let readers: Vec<_> = talkers.into_iter().map(Guest::read_on).collect();
    while !task.is_finished() {
        slow.take_next().await;
        sleep(Duration::from_millis(1)).await;
    }
    slow.take_all();
    assert_eq!(slow.missed(), []);
    assert_eq!(slow.lines(), (1..=50 * 64).collect::<Vec<_>>());
    readers.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test(start_paused = true)]
async fn what_waits_when_the_inbox_closes_is_said_and_answered_though_nobody_reads() {
    let (Lobby { inbox, task, .. }, mut stalled, mut talkers) = held_up().await;
    let before = Instant::now();
    drop(inbox);
    task.await.expect("it ends");
    assert!(before.elapsed() <= Duration::from_secs(1), "it took {:?}", before.elapsed());
    talkers.iter_mut().for_each(Guest::take_all);
    assert!(talkers.iter().all(|talker| talker.receipts().len() == 64));
    stalled.take_all();
    let missed: u64 = stalled.missed().iter().map(|missed| missed.to - missed.from + 1).sum();
    assert_eq!(missed + stalled.lines().len() as u64, 50 * 64);
}

#[tokio::test(start_paused = true)]
async fn it_ends_at_once_when_nothing_waits() {
    let lobby = Lobby::open(Bounds { lines: 1_024, bytes: 1 << 30 });
    let mut guest = lobby.enter(1).await;
    guest.say(&lobby.inbox, &text(8)).await;
    let Lobby { inbox, task, .. } = lobby;
    let before = Instant::now();
    drop(inbox);
    task.await.expect("it ends");
    yield_now().await;
    guest.take_all();
    assert_eq!((guest.receipts().len(), before.elapsed()), (1, Duration::ZERO));
}
