//! Sanctions on the server: in force until they expire or are lifted, and each with its entry.

use iocp_chat::store::{FOR_GOOD, Sanction, ServerSanction, StoreError, Subject};

use super::{NOW, actions, entry, open, person, sanction};
use crate::fresh;

fn on_name(name: &str, sanction: Sanction) -> ServerSanction {
    ServerSanction { subject: Subject::Name(person(name)), sanction }
}

fn on_network(network: &str, sanction: Sanction) -> ServerSanction {
    ServerSanction { subject: Subject::Network(network.into()), sanction }
}

#[tokio::test]
async fn a_sanction_is_loaded_as_it_was_set_also_after_a_restart() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let set = [
        on_name("Kim", sanction(Some(FOR_GOOD), None)),
        on_name("홍길동", sanction(None, Some(NOW + 1))),
        on_network("192.0.2.0/24", sanction(Some(NOW + 2), Some(FOR_GOOD))),
        // A name may be spelt like a network, and is none.
        on_name("192.0.2.0/24", sanction(Some(NOW + 3), None)),
    ];
    for one in &set {
        store.sanctions().set(one, &entry("sanction")).await.expect("set");
    }
    store.close().await.expect("closed");

    let store = open(&fresh).await;
    let loaded = store.sanctions().load(NOW).await.expect("loaded");
    assert_eq!(loaded, [set[3].clone(), set[0].clone(), set[1].clone(), set[2].clone()]);
    assert_eq!(actions(&store).await, ["sanction"; 4]);
    store.close().await.expect("closed");
}

#[tokio::test]
async fn each_subject_has_one_sanction_the_last_and_none_once_it_is_lifted() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let sanctions = store.sanctions();
    sanctions.set(&on_name("kim", sanction(Some(NOW + 9), None)), &entry("ban")).await.expect("set");
    let last = on_name("KIM", Sanction { by: "Lee".into(), ..sanction(None, Some(FOR_GOOD)) });
    sanctions.set(&last, &entry("mute")).await.expect("set");
    assert_eq!(sanctions.load(NOW).await.expect("loaded"), std::slice::from_ref(&last));

    sanctions.lift(&last.subject, &entry("lift")).await.expect("lifted");
    assert!(sanctions.load(NOW).await.expect("loaded").is_empty());
    sanctions.set(&last, &entry("mute")).await.expect("set");
    sanctions.set(&on_name("kim", sanction(None, None)), &entry("lift")).await.expect("lifted");
    assert!(sanctions.load(NOW).await.expect("loaded").is_empty());
    for nothing in [
        sanctions.lift(&last.subject, &entry("in vain")).await,
        sanctions.set(&on_name("kim", sanction(None, None)), &entry("in vain")).await,
    ] {
        assert!(matches!(nothing, Err(StoreError::NotFound)), "{nothing:?}");
    }
    assert_eq!(actions(&store).await, ["ban", "mute", "lift", "mute", "lift"]);
    store.close().await.expect("closed");
}

#[tokio::test]
async fn what_has_expired_is_not_loaded_and_is_gone() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let sanctions = store.sanctions();
    for one in [
        on_name("short", sanction(Some(NOW), Some(NOW - 1))),
        on_name("half", sanction(Some(NOW), Some(NOW + 1))),
        on_name("long", sanction(Some(FOR_GOOD), None)),
    ] {
        sanctions.set(&one, &entry("sanction")).await.expect("set");
    }
    let loaded = sanctions.load(NOW).await.expect("loaded");
    let half = on_name("half", sanction(None, Some(NOW + 1)));
    let long = on_name("long", sanction(Some(FOR_GOOD), None));
    assert_eq!(loaded, [half, long.clone()]);
    // As of before it expired, it would be there.
    let loaded = sanctions.load(0).await.expect("loaded");
    assert_eq!(loaded.len(), 2);
    assert_eq!(sanctions.load(1_000 * NOW).await.expect("loaded"), [long]);
    store.close().await.expect("closed");
}

#[tokio::test]
async fn more_sanctions_than_a_page_has_are_all_loaded() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let set: Vec<_> = (0..1_001)
        .map(|n| on_network(&format!("2001:db8:{n:04x}::/48"), sanction(Some(FOR_GOOD), None)))
        .collect();
    for one in &set {
        store.sanctions().set(one, &entry("ban")).await.expect("set");
    }
    assert_eq!(store.sanctions().load(NOW).await.expect("loaded"), set);
    store.close().await.expect("closed");
}
