//! From a lost connection to the next one: the same places, every line, none twice.

use std::time::Duration;

use chat_proto::{LOBBY, MAILBOX, Presence};
use tokio::time::{Instant, sleep};

use crate::{
    common::{quiet, serve, unthrottled},
    peer::{Peer, patient},
};

#[tokio::test(start_paused = true)]
async fn every_line_that_was_missed_comes_once_and_in_order_and_then_what_is_said_now() {
    let server = serve(&quiet());
    let (mut lee, mut kim) = (Peer::log_in(&server, "lee").await, Peer::log_in(&server, "kim").await);
    lee.say(0, "one").await.expect("said");
    assert_eq!(kim.told().await, "1/1 lee: one");
    let cursor = Presence { seq: 1, ..kim.lobby() };
    let token = kim.token();
    drop(kim);
    for text in ["two", "three"] {
        lee.say(0, text).await.expect("said");
    }
    let mut kim = Peer::resume(&server, token).await.expect("good");
    assert_eq!(kim.lobby().seq, 3);
    // Nothing before it has said from where.
    kim.hears_nothing().await;
    lee.say(0, "four").await.expect("said");
    assert_eq!(kim.attach(&[cursor]).await, [0_u64; 0]);
    for line in ["1/2 lee: two", "1/3 lee: three", "1/4 lee: four"] {
        assert_eq!(kim.told().await, line);
    }
    lee.say(0, "five").await.expect("said");
    assert_eq!(kim.told().await, "1/5 lee: five");
    kim.hears_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn ones_own_lines_do_not_come_back_to_one() {
    let server = serve(&quiet());
    let (mut lee, mut kim) = (Peer::log_in(&server, "lee").await, Peer::log_in(&server, "kim").await);
    kim.say(1, "mine").await.expect("said");
    lee.say(0, "yours").await.expect("said");
    let (token, cursor) = (kim.token(), kim.lobby());
    drop(kim);
    let mut kim = Peer::resume(&server, token).await.expect("good");
    kim.attach(&[cursor]).await;
    assert_eq!(kim.told().await, "1/2 lee: yours");
    kim.say(2, "mine again").await.expect("said");
    kim.hears_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn what_memory_has_not_any_more_is_told_exactly() {
    let mut config = quiet();
    config.lobby.lines = 4;
    let server = serve(&config);
    let (mut lee, kim) = (Peer::log_in(&server, "lee").await, Peer::log_in(&server, "kim").await);
    let (token, cursor) = (kim.token(), kim.lobby());
    drop(kim);
    for line in 1..=10 {
        lee.say(0, &line.to_string()).await.expect("said");
    }
    let mut kim = Peer::resume(&server, token).await.expect("good");
    kim.attach(&[cursor]).await;
    assert_eq!(kim.told().await, "1 missed 1 to 6");
    for line in 7..=10 {
        assert_eq!(kim.told().await, format!("1/{line} lee: {line}"));
    }
    kim.hears_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn a_half_open_connection_is_taken_over_and_told_so() {
    let server = serve(&patient());
    let (mut lee, mut kim) = (Peer::log_in(&server, "lee").await, Peer::log_in(&server, "kim").await);
    let cursor = kim.lobby();
    let asked = Instant::now();
    let mut again = Peer::resume(&server, kim.token()).await.expect("good");
    assert!(asked.elapsed() < Duration::from_millis(100));
    assert_eq!(again.welcome.session, kim.welcome.session);
    assert_eq!(kim.told().await, "goodbye 1203");
    assert_eq!(kim.told().await, "the end");
    again.attach(&[cursor]).await;
    lee.say(0, "hi").await.expect("said");
    assert_eq!(again.told().await, "1/1 lee: hi");
    // The old connection's end is nobody's end.
    sleep(Duration::from_secs(300)).await;
    drop(kim);
    assert_eq!(again.who().await, [("lee".to_owned(), 0), ("kim".to_owned(), 0)]);
}

#[tokio::test(start_paused = true)]
async fn the_others_see_nobody_leave_or_come_but_somebody_reconnecting() {
    let server = serve(&unthrottled());
    let mut lee = Peer::log_in(&server, "lee").await;
    let kim = Peer::log_in(&server, "kim").await;
    assert_eq!(lee.told().await, "1 + kim");
    let (token, cursor) = (kim.token(), kim.lobby());
    drop(kim);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(lee.who().await, [("lee".to_owned(), 0), ("kim".to_owned(), 2)]);
    let mut kim = Peer::resume(&server, token).await.expect("good");
    kim.attach(&[cursor]).await;
    assert_eq!(lee.who().await, [("lee".to_owned(), 0), ("kim".to_owned(), 0)]);
    lee.hears_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn whispers_wait_for_whoever_reconnects() {
    let server = serve(&quiet());
    let (mut lee, mut kim) = (Peer::log_in(&server, "lee").await, Peer::log_in(&server, "kim").await);
    lee.whisper(0, "kim", "one").await.expect("handed over");
    assert_eq!(kim.told().await, "*1 lee: one");
    let (token, mailbox) = (kim.token(), Presence { seq: 1, ..kim.mailbox() });
    drop(kim);
    sleep(Duration::from_secs(1)).await;
    lee.whisper(0, "kim", "two").await.expect("handed over");
    let mut kim = Peer::resume(&server, token).await.expect("good");
    assert_eq!(kim.mailbox(), Presence { seq: 2, ..mailbox });
    kim.hears_nothing().await;
    kim.attach(&[mailbox]).await;
    assert_eq!(kim.told().await, "*2 lee: two");
    lee.whisper(0, "kim", "three").await.expect("handed over");
    assert_eq!(kim.told().await, "*3 lee: three");
}

#[tokio::test(start_paused = true)]
async fn a_conversation_that_is_not_named_goes_on_from_the_resume() {
    let server = serve(&quiet());
    let (mut lee, kim) = (Peer::log_in(&server, "lee").await, Peer::log_in(&server, "kim").await);
    let token = kim.token();
    drop(kim);
    lee.say(0, "before").await.expect("said");
    lee.whisper(0, "kim", "before").await.expect("handed over");
    let mut kim = Peer::resume(&server, token).await.expect("good");
    lee.say(0, "after").await.expect("said");
    lee.whisper(0, "kim", "after").await.expect("handed over");
    kim.attach(&[]).await;
    let mut told = [kim.told().await, kim.told().await];
    told.sort();
    assert_eq!(told, ["*2 lee: after", "1/2 lee: after"]);
    kim.hears_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn a_conversation_that_one_is_not_in_is_told_as_lost() {
    let server = serve(&quiet());
    let kim = Peer::log_in(&server, "kim").await;
    let (token, cursor) = (kim.token(), kim.lobby());
    drop(kim);
    let mut kim = Peer::resume(&server, token).await.expect("good");
    let elsewhere = Presence { conversation: 7, ..cursor };
    assert_eq!(kim.attach(&[elsewhere, cursor, kim.mailbox()]).await, [7]);
    assert_eq!((kim.lobby().conversation, kim.mailbox().conversation), (LOBBY, MAILBOX));
    // Once is enough.
    assert_eq!(kim.attach(&[cursor]).await, [0_u64; 0]);
    kim.hears_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn a_place_beyond_all_lines_is_taken_as_the_last() {
    let server = serve(&quiet());
    let (mut lee, kim) = (Peer::log_in(&server, "lee").await, Peer::log_in(&server, "kim").await);
    let (token, lobby, mailbox) = (kim.token(), kim.lobby(), kim.mailbox());
    drop(kim);
    lee.say(0, "before").await.expect("said");
    let mut kim = Peer::resume(&server, token).await.expect("good");
    let beyond = |place| Presence { seq: u64::MAX, ..place };
    kim.attach(&[beyond(lobby), beyond(mailbox)]).await;
    lee.say(0, "after").await.expect("said");
    assert_eq!(kim.told().await, "1/2 lee: after");
    kim.hears_nothing().await;
}
