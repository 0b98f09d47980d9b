//! What is counted of the history, and how a server is that cannot write or accept.

use std::time::Duration;

use iocp_chat::{
    config::Config,
    server::{NotReady, SILENT_MAX, Server},
    session::Recalled,
    store::{Place, Store},
};

use crate::{
    common::{guest, heard, quiet, serve},
    scraped::Scraped,
};

async fn with_history(config: &Config) -> Server {
    let store = Store::open(&Place::memory()).await.expect("a database");
    let recalled = Recalled::from(store, 0).await.expect("a database");
    let recalled = recalled.with_history(&config.history).await.expect("a database");
    Server::start(config, Vec::new(), Some(recalled)).expect("a server")
}

#[tokio::test(start_paused = true)]
async fn every_line_that_is_kept_is_counted_with_the_batch_it_was_in() {
    let server = with_history(&quiet()).await;
    let ((kim, _), (_lee, mut events)) = (guest(&server, "kim").await, guest(&server, "lee").await);
    for line in 0..20 {
        kim.broadcast(&format!("{line}")).await.expect("said");
        heard(&mut events).await;
    }
    let mut now = Scraped::of(&server).await;
    while now.get("chat_history_lines_total") < 20 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        now = Scraped::of(&server).await;
    }
    let batches = now.get("chat_history_write_seconds_count");
    assert!((1..=20).contains(&batches), "{batches}");
    assert_eq!(now.get("chat_history_lines_total"), 20);
    assert_eq!((now.get("chat_history_gap_lines_total"), now.get("chat_history_queue_length")), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_server_is_not_ready_while_its_database_takes_no_changes_and_is_asked_again_by_itself() {
    let store = Store::open(&Place::memory()).await.expect("a database");
    let recalled = Recalled::from(store.clone(), 0).await.expect("a database");
    let server = Server::start(&quiet(), Vec::new(), Some(recalled)).expect("a server");
    let operator = server.operator().clone();
    assert_eq!(operator.not_ready(), []);
    // As a write that failed leaves it.
    store.metrics().note_write(true);
    assert_eq!(operator.not_ready(), [NotReady::StoreNotWritable]);
    assert!(operator.is_live(), "a new start would mend no database");
    let before = store.metrics().commits.get();
    let watched = operator.clone();
    let watching = tokio::spawn(async move { watched.watch().await });
    while !operator.not_ready().is_empty() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(store.metrics().commits.get() > before, "it was asked for a change");
    // And a minute later, as nobody else asks.
    let asked = store.metrics().commits.get();
    tokio::time::sleep(Duration::from_secs(70)).await;
    assert_eq!(store.metrics().commits.get(), asked + 1);
    assert!(
        !store.switches().registration_frozen().await.expect("an answer"),
        "a probe leaves nothing behind"
    );
    watching.abort();
    store.close().await.expect("closed");
    assert!(store.switches().probe().await.is_err(), "nothing can be written any more");
    assert_eq!(operator.not_ready(), [NotReady::StoreNotWritable]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_cannot_accept_is_not_ready_for_a_few_seconds() {
    let server = serve(&quiet());
    let operator = server.operator().clone();
    let watched = operator.clone();
    let watching = tokio::spawn(async move { watched.watch().await });
    server.metrics().accept_errors.add(1);
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(operator.not_ready(), [NotReady::NotAccepting]);
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(operator.not_ready(), []);
    watching.abort();
}

#[tokio::test(start_paused = true)]
async fn a_server_whose_fan_out_says_nothing_is_dead_and_one_that_answers_is_not() {
    let server = serve(&quiet());
    let operator = server.operator().clone();
    assert!(operator.is_live());
    // Nobody asks it, so nothing is heard.
    tokio::time::advance(SILENT_MAX).await;
    assert!(!operator.is_live());
    assert_eq!(operator.not_ready(), [NotReady::FanOutSilent]);
    let watched = operator.clone();
    let watching = tokio::spawn(async move { watched.watch().await });
    for _ in 0..60 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(operator.is_live());
    }
    let metrics = Scraped::of(&server).await;
    assert!(metrics.get("chat_fanout_wait_seconds_count") >= 60, "each question is timed");
    watching.abort();
}
