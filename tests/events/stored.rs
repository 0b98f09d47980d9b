//! A database that does not do what it is asked, and does again, as the log tells it.

use std::time::Duration;

use iocp_chat::{
    config::{Config, Durability, HashingConfig},
    server::Server,
    session::Recalled,
    stop::StopReason,
    store::{Place, Store},
};
use sqlx::{Connection as _, SqliteConnection, raw_sql, sqlite::SqliteConnectOptions};
use tokio::time::sleep;

use crate::{
    common::quiet,
    folder::Folder,
    heard::Heard,
    peer::{Peer, patient},
};

async fn serve(store: Store, mut config: Config) -> Server {
    config.accounts.hashing = HashingConfig { memory_kib: 8, passes: 1, lanes: 1, at_once: 2 };
    let recalled = Recalled::from(store, 1).await.expect("it is whole");
    let recalled = recalled.with_history(&config.history).await.expect("it has a past");
    Server::start(&config, Vec::new(), Some(recalled)).expect("a server")
}

/// As long as SQLite waits for a lock, and the server for SQLite.
#[tokio::test]
async fn what_cannot_be_stored_under_full_is_told_once_and_so_is_that_it_can_again() {
    let heard = Heard::here();
    let folder = Folder::new("chat events");
    let store = Store::open(&Place::in_folder(&folder).expect("a place")).await.expect("a database");
    let mut config = patient();
    config.history.durability = Durability::Full;
    let server = serve(store.clone(), config).await;
    let mut kim = Peer::log_in(&server, "kim").await;
    let mut lee = Peer::log_in(&server, "lee").await;
    kim.say(1, "stored").await.expect("said");

    let options = SqliteConnectOptions::new().filename(folder.join("chat.db"));
    let mut somebody = SqliteConnection::connect_with(&options).await.expect("a database");
    raw_sql("BEGIN IMMEDIATE").execute(&mut somebody).await.expect("a lock");
    let (said, whispered, frozen) = tokio::join!(
        kim.say(2, "not stored"),
        lee.whisper(1, "kim", "not stored"),
        server.operator().freeze(true),
    );
    assert!(said.is_err() && whispered.is_err() && frozen.is_err());
    let refused = heard.until("line_refused").await;
    assert_eq!((&refused["level"], &refused["message_id"]), (&"DEBUG".into(), &2.into()));
    assert!(refused["session"].as_u64() > Some(0), "{refused}");
    for event in ["history_failing", "whispers_failing", "store_failed"] {
        let failing = heard.until(event).await;
        assert!(failing["level"] == "ERROR" && failing["err"].is_string(), "{failing}");
    }
    assert!(kim.say(3, "not stored either").await.is_err());
    assert_eq!((heard.count("history_failing"), heard.count("history_works")), (1, 0), "it is said once");

    raw_sql("ROLLBACK").execute(&mut somebody).await.expect("free");
    somebody.close().await.expect("closed");
    while kim.say(4, "again").await.is_err() || lee.whisper(2, "kim", "again").await.is_err() {
        sleep(Duration::from_millis(500)).await;
    }
    for event in ["history_works", "whispers_work"] {
        assert_eq!(heard.until(event).await["level"], "INFO");
    }
    assert_eq!(heard.count("history_failing"), 1);
    drop((kim, lee));
    server.stop(StopReason::Terminate).await;
    assert_eq!((heard.count("history_incomplete"), heard.count("resume_unstored")), (0, 0));
    let (stopping, stopped) = (heard.only("stopping"), heard.only("stopped"));
    assert!(stopping["reason"] == "Terminate" && stopped["cut"].is_u64(), "{stopping} {stopped}");
    store.close().await.expect("closed");
}

#[tokio::test(start_paused = true)]
async fn a_database_that_is_gone_is_told_by_what_is_not_done() {
    let heard = Heard::here();
    let store = Store::open(&Place::memory()).await.expect("a database");
    let server = serve(store.clone(), quiet()).await;
    let operator = server.operator().clone();
    let watching = tokio::spawn(async move { operator.watch().await });
    let mut kim = Peer::log_in(&server, "kim").await;
    kim.say(1, "stored").await.expect("said");
    store.close().await.expect("closed");
    kim.say(2, "not stored").await.expect("said all the same");
    assert_eq!(heard.until("history_failing").await["level"], "ERROR");
    let failing = heard.until("store_not_writable").await;
    assert_eq!(failing["level"], "ERROR");
    let old = heard.until("history_not_pruned").await;
    assert!(old["level"] == "WARN" && old["err"].is_string(), "{old}");
    sleep(Duration::from_secs(60)).await;
    assert_eq!(heard.count("store_not_writable"), 1, "it is said once");
    watching.abort();
    drop(kim);
    server.stop(StopReason::Terminate).await;
    for event in ["history_incomplete", "resume_unstored"] {
        assert_eq!(heard.until(event).await["level"], "ERROR");
    }
}
