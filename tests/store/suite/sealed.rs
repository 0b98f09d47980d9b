//! The keys of devices, and whispers that are kept as they were sealed.

use chat_proto::{DeviceKey, Envelope, KeyId};
use iocp_chat::store::{
    AccountId, Keeping, Letter, LetterLimits, MailboxCut, PublishedKey, Publishing, Role, Store, StoreError,
    StoredMailbox, StoredResume, StoredText,
};

use super::{NOW, account, in_turn, open, resume};
use crate::fresh;

const KEYS_MAX: u16 = 3;
const LIMITS: LetterLimits = LetterLimits { letters: 9, bytes: 20, of_one_sender: 9, age_ms: 100 };

fn key(number: u8) -> DeviceKey {
    DeviceKey([number; 32])
}

async fn member(store: &Store, name: &str) -> AccountId {
    store.accounts().create(&account(name), Role::User).await.expect("free").id
}

async fn publish(store: &Store, account: AccountId, number: u8, now: u64) -> Publishing {
    store.device_keys().publish(account, &key(number), now, KEYS_MAX).await.expect("an answer")
}

async fn keys_of(store: &Store, name: &str) -> Vec<(u8, u64)> {
    let keys = store.device_keys().of(name).await.expect("an answer");
    keys.into_iter().map(|PublishedKey { key, published_ms }| (key.0[0], published_ms)).collect()
}

fn sealed(bytes: &[u8]) -> Letter {
    let text = StoredText::Sealed(bytes.into());
    Letter { sender: "lee".into(), session: 9, message_id: None, time_ms: NOW, text }
}

/// An envelope for these devices.
fn sealed_to(devices: &[u8]) -> Letter {
    let mut bytes = vec![1, 0, 0, 0, 0, 0, 0, 0, 0, u8::try_from(devices.len()).expect("few")];
    for device in devices {
        bytes.extend([*device; KeyId::BYTES]);
        bytes.extend([0; Envelope::SLOT_BYTES - KeyId::BYTES]);
    }
    sealed(&bytes)
}

fn plain(text: &str) -> Letter {
    Letter { text: text.into(), ..sealed(b"") }
}

async fn keep(store: &Store, to: AccountId, letter: &Letter) -> Keeping {
    store.whispers().keep(to, letter, &LIMITS).await.expect("an answer")
}

/// What there is for whoever reads on these devices.
async fn take(store: &Store, account: AccountId, devices: &[u8]) -> Vec<Letter> {
    store.whispers().take(account, 0, &ids(devices)).await.expect("taken")
}

fn ids(devices: &[u8]) -> Vec<KeyId> {
    devices.iter().map(|device| KeyId::of(&key(*device))).collect()
}

#[tokio::test]
async fn keys_are_told_in_the_order_they_were_published_and_each_once() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let (kim, lee) = (member(&store, "kim").await, member(&store, "lee").await);
    assert!(keys_of(&store, "kim").await.is_empty());
    assert!(keys_of(&store, "nobody").await.is_empty());
    assert_eq!(publish(&store, kim, 9, 5).await, Publishing::Published);
    assert_eq!(publish(&store, kim, 1, 6).await, Publishing::Published);
    assert_eq!(publish(&store, kim, 9, 7).await, Publishing::Known, "it keeps its time");
    assert_eq!(publish(&store, lee, 9, 8).await, Publishing::Published, "two may share a device");
    store.close().await.expect("closed");

    let store = open(&fresh).await;
    assert_eq!(keys_of(&store, "kim").await, [(9, 5), (1, 6)]);
    assert!(store.device_keys().remove(kim, &key(9)).await.expect("an answer"));
    assert!(!store.device_keys().remove(kim, &key(9)).await.expect("an answer"), "gone already");
    assert_eq!(keys_of(&store, "kim").await, [(1, 6)]);
    assert_eq!(keys_of(&store, "lee").await, [(9, 8)]);
    store.close().await.expect("closed");
}

#[tokio::test]
async fn there_are_no_more_keys_than_allowed_also_when_many_come_at_once() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let kim = member(&store, "kim").await;
    let coming = (0..6).map(|number| {
        let store = store.clone();
        tokio::spawn(async move {
            let key = key(number);
            in_turn(|| store.device_keys().publish(kim, &key, 1, KEYS_MAX)).await.expect("an answer")
        })
    });
    let mut published = 0;
    for one in coming.collect::<Vec<_>>() {
        published += u32::from(one.await.expect("no panic") == Publishing::Published);
    }
    assert_eq!(published, u32::from(KEYS_MAX));
    let (there, _) = keys_of(&store, "kim").await[0];
    assert_eq!(publish(&store, kim, there, 2).await, Publishing::Known, "one that is there is no more");
    store.close().await.expect("closed");
}

#[tokio::test]
async fn keys_go_with_the_account() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let kim = member(&store, "kim").await;
    publish(&store, kim, 1, 1).await;
    store.accounts().delete(kim).await.expect("deleted");
    let late = store.device_keys().publish(kim, &key(2), 1, KEYS_MAX).await;
    assert!(matches!(late, Err(StoreError::NotFound)));
    member(&store, "kim").await;
    assert!(keys_of(&store, "kim").await.is_empty(), "the next of the name has none of them");
    store.close().await.expect("closed");
}

#[tokio::test]
async fn what_is_sealed_waits_for_who_reads_it_and_takes_room_as_a_text_does() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let kim = member(&store, "kim").await;
    let (first, second, third) = (sealed(&[0, 255, 7]), plain("psst"), sealed(b"0123456789"));
    for letter in [&first, &second, &third] {
        assert_eq!(keep(&store, kim, letter).await, Keeping::Kept);
    }
    assert_eq!(keep(&store, kim, &sealed(b"0123")).await, Keeping::Full, "twenty bytes are all");
    assert_eq!(take(&store, kim, &[]).await, [second]);
    assert!(take(&store, kim, &[]).await.is_empty());
    assert_eq!(take(&store, kim, &[9]).await, [first, third], "of an unknown form, it may be for any device");
    assert!(take(&store, kim, &[9]).await.is_empty());
    store.close().await.expect("closed");
}

#[tokio::test]
async fn what_is_sealed_waits_for_a_device_that_it_is_for_as_long_as_that_has_a_key() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let (kim, lee) = (member(&store, "kim").await, member(&store, "lee").await);
    publish(&store, kim, 1, 1).await;
    publish(&store, kim, 2, 1).await;
    publish(&store, lee, 3, 1).await;
    let roomy = LetterLimits { bytes: 9_999, ..LIMITS };
    let (one, both, two, three) = (sealed_to(&[1]), sealed_to(&[1, 2]), sealed_to(&[2]), sealed_to(&[3]));
    for letter in [&one, &plain("psst"), &both, &two, &three] {
        let kept = store.whispers().keep(kim, letter, &roomy).await.expect("an answer");
        assert_eq!(kept, Keeping::Kept);
    }
    store.close().await.expect("closed");

    let store = open(&fresh).await;
    assert_eq!(take(&store, kim, &[9]).await, [plain("psst"), three], "of kim's devices none has that key");
    assert!(take(&store, kim, &[9]).await.is_empty());
    assert_eq!(take(&store, kim, &[2]).await, [both, two]);
    assert!(take(&store, kim, &[2]).await.is_empty());
    store.device_keys().remove(kim, &key(1)).await.expect("removed");
    assert!(take(&store, kim, &[]).await.is_empty());
    assert_eq!(take(&store, kim, &[2, 9]).await, [one]);
    store.close().await.expect("closed");
}

#[tokio::test]
async fn a_mailbox_keeps_what_is_sealed_as_it_is() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    store.resumes().put(&[resume(9, "kim")]).await.expect("stored");
    let lines = vec![(1, sealed(&[0, 255])), (2, plain("psst"))];
    let mailbox = StoredMailbox { session: 9, epoch: 3, head: 2, lines };
    store.whispers().put_mailboxes(std::slice::from_ref(&mailbox)).await.expect("stored");
    assert_eq!(store.whispers().load_mailbox(9).await.expect("an answer"), Some(mailbox));
    store.close().await.expect("closed");
}

#[tokio::test]
async fn what_is_sealed_moves_into_a_mailbox_that_is_read_and_back_if_that_is_in_doubt() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let kim = member(&store, "kim").await;
    store.resumes().put(&[StoredResume { account: Some(kim), ..resume(7, "kim") }]).await.expect("stored");
    store.whispers().begin_mailboxes(&[(7, 3)]).await.expect("begun");
    publish(&store, kim, 1, 1).await;
    let (first, second) = (Letter { message_id: Some(5), ..sealed_to(&[1]) }, plain("psst"));
    for letter in [&first, &second] {
        let roomy = LetterLimits { bytes: 999, ..LIMITS };
        let kept = store.whispers().keep(kim, letter, &roomy).await.expect("an answer");
        assert_eq!(kept, Keeping::Kept);
    }
    let move_all = async |devices, head| {
        let moved = store.whispers().move_to_mailbox((kim, 0), &ids(devices), (7, head)).await;
        moved.expect("moved")
    };
    assert_eq!(move_all(&[], 0).await, std::slice::from_ref(&second));
    assert!(move_all(&[2], 1).await.is_empty());
    assert_eq!(move_all(&[1], 1).await, std::slice::from_ref(&first));
    let lines = vec![(1, second), (2, first.clone())];
    let mailbox = StoredMailbox { session: 7, epoch: 3, head: 2, lines };
    assert_eq!(store.whispers().load_mailbox(7).await.expect("an answer"), Some(mailbox));
    let sent = &store.whispers().whispered_by(9, 9).await.expect("an answer")[0];
    assert_eq!((sent.message_id, &sent.text, sent.kept), (5, &first.text, false));

    let cut = MailboxCut { session: 7, head: 1, kept_for: Some(kim) };
    store.whispers().cut_mailboxes(&[cut]).await.expect("put right");
    assert!(take(&store, kim, &[2]).await.is_empty());
    let sent = &store.whispers().whispered_by(9, 9).await.expect("an answer")[0];
    assert_eq!((sent.message_id, &sent.text, sent.kept), (5, &first.text, true));
    assert_eq!(take(&store, kim, &[1]).await, [first]);
    store.close().await.expect("closed");
}

#[tokio::test]
async fn an_archive_takes_keys_and_what_is_sealed_along() {
    let (one, other) = (fresh().await, fresh().await);
    let (from, to) = (open(&one).await, open(&other).await);
    let kim = member(&from, "kim").await;
    publish(&from, kim, 200, 5).await;
    publish(&from, kim, 100, 6).await;
    assert_eq!(keep(&from, kim, &sealed(&[0, 255])).await, Keeping::Kept);
    let mut archive = Vec::new();
    from.export(&mut archive).await.expect("exported");
    to.import(&mut archive.as_slice()).await.expect("imported");
    assert_eq!(keys_of(&to, "kim").await, [(200, 5), (100, 6)]);
    let there = to.accounts().find("kim").await.expect("an answer").expect("imported").id;
    assert_eq!(take(&to, there, &[100]).await, [sealed(&[0, 255])]);
    for store in [from, to] {
        store.close().await.expect("closed");
    }
}
