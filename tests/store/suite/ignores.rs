//! Ignores: each account's own.

use iocp_chat::store::{AccountId, IGNORES_READ_MAX, Person, Role, StoreError};

use super::{account, open, person};
use crate::fresh;

#[tokio::test]
async fn who_is_ignored_stays_so_after_a_restart_and_for_that_account_alone() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let kim = store.accounts().create(&account("kim"), Role::User).await.expect("free").id;
    let lee = store.accounts().create(&account("lee"), Role::User).await.expect("free").id;
    for name in ["Park", "choi", "PARK"] {
        store.ignores().add(kim, &person(name)).await.expect("added");
    }
    store.ignores().add(lee, &person("kim")).await.expect("added");
    store.close().await.expect("closed");

    let store = open(&fresh).await;
    let ignores = store.ignores();
    assert_eq!(ignores.load(kim).await.expect("loaded"), [person("choi"), person("PARK")]);
    ignores.remove(kim, "choi").await.expect("removed");
    assert!(matches!(ignores.remove(kim, "choi").await, Err(StoreError::NotFound)));
    assert_eq!(ignores.load(kim).await.expect("loaded"), [person("PARK")]);
    assert_eq!(ignores.load(lee).await.expect("loaded"), [person("kim")]);
    store.close().await.expect("closed");
}

#[tokio::test]
async fn ignores_go_with_the_account_and_no_account_that_is_gone_has_any() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let kim = store.accounts().create(&account("kim"), Role::User).await.expect("free").id;
    store.ignores().add(kim, &person("park")).await.expect("added");
    store.accounts().delete(kim).await.expect("it exists");
    assert!(store.ignores().load(kim).await.expect("loaded").is_empty());
    for gone in [kim, AccountId::new(-1)] {
        let error = store.ignores().add(gone, &person("park")).await.expect_err("gone");
        assert!(matches!(error, StoreError::NotFound), "{error}");
    }
    fresh.place.check().await.expect("whole");
    store.close().await.expect("closed");
}

#[tokio::test]
async fn of_more_ignores_than_are_read_the_first_are() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let kim = store.accounts().create(&account("kim"), Role::User).await.expect("free").id;
    let people: Vec<Person> = (0..=IGNORES_READ_MAX).map(|n| person(&format!("user{n:04}"))).collect();
    for ignored in &people {
        store.ignores().add(kim, ignored).await.expect("added");
    }
    assert_eq!(store.ignores().load(kim).await.expect("loaded"), people[..people.len() - 1]);
    store.close().await.expect("closed");
}
