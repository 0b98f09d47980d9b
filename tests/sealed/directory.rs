//! The directory of keys: whose they are, who may ask, and what becomes of them.

use chat_proto::{Credential, DeviceKey, ErrorCode, Role, feature, limits::DEVICE_KEYS_MAX};
use iocp_chat::{
    client::{Client, Session, Timeouts},
    store::{AuditEntry, OPERATOR, Person},
};

use crate::{
    common::{guest, quiet, serve, stage::Stage},
    stage::refused,
};

fn key(number: u8) -> DeviceKey {
    DeviceKey([number; 32])
}

async fn keys_of(session: &Session, name: &str) -> Vec<u8> {
    let keys = session.keys_of(name).await.expect("an answer");
    keys.into_iter().map(|entry| entry.key.0[0]).collect()
}

#[tokio::test]
async fn everybody_is_told_the_keys_that_the_owner_of_an_account_has_published() {
    let stage = Stage::with(&["kim", "lee"]).await;
    let (kim, _kim_events) = stage.owner_asking("kim", feature::SEALED).await;
    for number in [3, 1, 3] {
        kim.publish_key(key(number)).await.expect("published");
    }
    let (park, _park_events) = guest(&stage.server, "park").await;
    let (lee, _lee_events) = stage.owner_asking("lee", 0).await;
    for asking in [&kim, &lee, &park] {
        assert_eq!(keys_of(asking, "KIM").await, [3, 1]);
        for nobody in ["lee", "park", "nobody"] {
            assert!(keys_of(asking, nobody).await.is_empty());
        }
    }
    kim.remove_key(key(3)).await.expect("removed");
    kim.remove_key(key(9)).await.expect("it never was");
    assert_eq!(keys_of(&lee, "kim").await, [1]);
}

#[tokio::test]
async fn guests_and_clients_that_did_not_ask_for_it_have_no_keys() {
    let stage = Stage::with(&["kim"]).await;
    let denied = ErrorCode::PermissionDenied.into();
    let (kim, _kim_events) = stage.owner_asking("kim", feature::RESUME).await;
    assert_eq!(refused(kim.publish_key(key(1)).await), denied);
    assert_eq!(refused(kim.remove_key(key(1)).await), denied);
    let asking = stage.client(feature::SEALED).await;
    assert_eq!(asking.server().features, feature::SEALED);
    let (park, _park_events) = asking.log_in("park", Credential::None).await.expect("free");
    assert_eq!(refused(park.publish_key(key(1)).await), denied);
    assert!(keys_of(&park, "kim").await.is_empty());
}

#[tokio::test]
async fn a_server_without_accounts_does_not_offer_it() {
    let server = serve(&quiet());
    let pipe = server.connect_in_memory(64 * 1024);
    let client = Client::over_asking(pipe, Timeouts::default(), feature::SEALED).await.expect("greeted");
    assert_eq!(client.server().features, 0);
    let (kim, _events) = client.log_in("kim", Credential::None).await.expect("free");
    assert!(keys_of(&kim, "kim").await.is_empty());
}

#[tokio::test]
async fn an_account_has_as_many_keys_as_was_announced() {
    let stage = Stage::with(&["kim"]).await;
    let (kim, _events) = stage.owner_asking("kim", feature::SEALED).await;
    let most = u8::try_from(DEVICE_KEYS_MAX).expect("few");
    assert_eq!(kim.server().limits.device_keys, DEVICE_KEYS_MAX);
    for number in 0..most {
        kim.publish_key(key(number)).await.expect("published");
    }
    assert_eq!(refused(kim.publish_key(key(most)).await), ErrorCode::RoomLimit.into());
    kim.publish_key(key(0)).await.expect("it is there");
    kim.remove_key(key(0)).await.expect("removed");
    kim.publish_key(key(most)).await.expect("there is room");
    assert_eq!(keys_of(&kim, "kim").await, (1..=most).collect::<Vec<_>>());
}

#[tokio::test]
async fn keys_stay_when_the_password_changes_and_when_words_are_erased_and_go_with_the_account() {
    let stage = Stage::with(&["kim", "lee"]).await;
    let (kim, _kim_events) = stage.owner_asking("kim", feature::SEALED).await;
    let (lee, _lee_events) = stage.owner_asking("lee", 0).await;
    kim.publish_key(key(1)).await.expect("published");
    let password = |text: &[u8]| Credential::Password(text.into());
    kim.change_password(password(b"correct horse"), password(b"battery staple")).await.expect("changed");
    let person = Person { key: "kim".into(), shown: "kim".into() };
    let entry = AuditEntry {
        time_ms: 1,
        actor: OPERATOR.into(),
        actor_role: Role::Admin as u16,
        action: "erase".into(),
        conversation: None,
        room: None,
        target: Some("kim".into()),
        seconds: None,
        reason: String::new(),
    };
    stage.store.history().erase(&person, &entry).await.expect("erased");
    assert_eq!(keys_of(&lee, "kim").await, [1]);
    let account = stage.store.accounts().find("kim").await.expect("an answer").expect("there").id;
    stage.store.accounts().delete(account).await.expect("deleted");
    assert!(keys_of(&lee, "kim").await.is_empty());
    assert_eq!(refused(kim.publish_key(key(2)).await), ErrorCode::PermissionDenied.into());
}
