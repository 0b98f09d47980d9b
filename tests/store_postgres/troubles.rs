//! A server that goes away and comes back, that takes no writes, or is not the one that was meant.

use std::time::{Duration, Instant};

use iocp_chat::store::{ANSWER_TIMEOUT, Place, Role, Store, StoreError};
use sqlx::raw_sql;

use crate::{
    SERVER, fresh, fresh_on,
    server::Server,
    suite::{account, open},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_crashes_is_unavailable_and_loses_nobody_and_comes_back() {
    let server = Server::start();
    let fresh = fresh_on(&server, "UTF8").await;
    let store = open(&fresh).await;
    for round in 0..3 {
        let accounts = store.accounts().clone();
        let people = tokio::spawn(async move {
            let mut stored = Vec::new();
            for n in 0.. {
                let name = format!("round{round}-{n}");
                match accounts.create(&account(&name), Role::User).await {
                    Ok(_) => stored.push(name),
                    Err(error) => return (stored, error),
                }
            }
            unreachable!("it is killed")
        });
        // Somebody is in the middle of registering.
        while store.accounts().count().await.expect("a count") < 50 * (round + 1) {
            tokio::task::yield_now().await;
        }
        tokio::task::block_in_place(|| server.tell("kill"));
        let (stored, error) = people.await.expect("no panic");
        assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
        let error = store.accounts().find("kim").await.expect_err("it is down");
        assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
        let error = Store::open(&fresh.place).await.err().expect("it is down");
        assert!(matches!(error, StoreError::Unavailable(_)), "{error}");

        tokio::task::block_in_place(|| server.tell("start"));
        for name in stored {
            assert!(store.accounts().find(&name).await.expect("it is back").is_some(), "{name}");
        }
    }
    store.close().await.expect("closed");
}

#[tokio::test]
async fn a_lock_that_somebody_holds_is_busy_in_time_and_then_free() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let mut somebody = fresh.connect().await;
    raw_sql("BEGIN; LOCK TABLE accounts").execute(&mut somebody).await.expect("a lock");
    let start = Instant::now();
    let error = store.accounts().create(&account("kim"), Role::User).await.expect_err("locked");
    assert!(matches!(error, StoreError::Busy(_)), "{error}");
    assert!(start.elapsed() < 2 * ANSWER_TIMEOUT, "{:?}", start.elapsed());
    raw_sql("ROLLBACK").execute(&mut somebody).await.expect("free");
    store.accounts().create(&account("kim"), Role::User).await.expect("free");
    store.close().await.expect("closed");
}

#[tokio::test]
async fn a_database_that_takes_no_writes_any_more_still_lets_people_log_in() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    store.accounts().create(&account("kim"), Role::User).await.expect("free");
    let mut somebody = fresh.connect().await;
    let read_only = "DO $$ BEGIN EXECUTE 'ALTER DATABASE ' || current_database() || ' SET default_transaction_read_only = on'; \
                     PERFORM pg_terminate_backend(pid) FROM pg_stat_activity \
                     WHERE datname = current_database() AND pid <> pg_backend_pid(); END $$";
    raw_sql(read_only).execute(&mut somebody).await.expect("set");
    assert!(store.accounts().find("kim").await.expect("an answer").is_some());
    let error = store.accounts().create(&account("lee"), Role::User).await.expect_err("read-only");
    assert!(matches!(error, StoreError::ReadOnly(_)), "{error}");
    store.close().await.expect("closed");
    let error = Store::open(&fresh.place).await.err().expect("told at the start");
    assert!(matches!(error, StoreError::ReadOnly(_)), "{error}");
}

#[tokio::test]
async fn every_connection_commits_to_the_disk_whatever_the_servers_default_is() {
    let fresh = fresh().await;
    let url = fresh.url() + "?options[synchronous_commit]=off";
    let store = Store::open(&Place::postgres(&url).expect("a place")).await.expect("it opens");
    store.accounts().create(&account("kim"), Role::User).await.expect("free");
    // All connections that wrote, and nobody else, are on this database.
    let mut somebody = fresh.connect().await;
    let trigger = "CREATE FUNCTION say() RETURNS trigger LANGUAGE plpgsql AS \
                   $$ BEGIN NEW.password := '$' || current_setting('synchronous_commit'); RETURN NEW; END $$; \
                   CREATE TRIGGER say BEFORE INSERT ON accounts FOR EACH ROW EXECUTE FUNCTION say();";
    raw_sql(trigger).execute(&mut somebody).await.expect("a trigger");
    let made = store.accounts().create(&account("lee"), Role::User).await.expect("free");
    assert_eq!(made.password.as_str(), "$on");
    store.close().await.expect("closed");
}

#[tokio::test]
async fn a_database_that_cannot_hold_every_name_is_refused() {
    let fresh = fresh_on(&SERVER, "LATIN1").await;
    let error = Store::open(&fresh.place).await.err().expect("refused");
    assert!(matches!(&error, StoreError::Unusable(text) if text.contains("LATIN1")), "{error}");
}

#[tokio::test]
async fn a_wrong_password_or_name_is_told_in_one_line_without_the_password() {
    let fresh = fresh().await;
    let url = fresh.url();
    for wrong in [
        url.replace(":secret@", ":geheim@"),
        url.clone() + "x",
        url.replace("127.0.0.1", "127.0.0.1:1/x?host=127.0.0.1&port=1&x="),
        url + "?sslmode=require",
    ] {
        let Ok(place) = Place::postgres(&wrong) else { continue };
        let start = Instant::now();
        let error = Store::open(&place).await.err().expect("refused").to_string();
        assert!(!error.contains("geheim") && !error.contains('\n'), "{error}");
        assert!(start.elapsed() < Duration::from_mins(1), "{:?}", start.elapsed());
    }
}

#[tokio::test]
async fn a_backup_is_pg_dumps_to_make() {
    let fresh = fresh().await;
    open(&fresh).await.close().await.expect("closed");
    let error = fresh.place.backup("nowhere".as_ref()).await.expect_err("refused");
    assert!(error.to_string().contains("pg_dump"), "{error}");
}
