//! Whispers that wait: within limits, once, in order, until their time is over or somebody comes.

use iocp_chat::store::{AccountId, Keeping, Letter, LetterLimits, Role, Store, StoreError};

use super::{NOW, account, in_turn, open};
use crate::fresh;

const LIMITS: LetterLimits = LetterLimits { letters: 4, bytes: 20, of_one_sender: 2, age_ms: 100 };

fn letter(sender: &str, session: u64, text: &str) -> Letter {
    Letter { sender: sender.into(), session, message_id: None, time_ms: NOW, text: text.into() }
}

async fn member(store: &Store, name: &str) -> AccountId {
    store.accounts().create(&account(name), Role::User).await.expect("free").id
}

async fn keep(store: &Store, to: AccountId, letter: &Letter) -> Keeping {
    store.whispers().keep(to, letter, &LIMITS).await.expect("an answer")
}

async fn take(store: &Store, account: AccountId) -> Vec<Letter> {
    store.whispers().take(account, NOW - LIMITS.age_ms, &[]).await.expect("taken")
}

#[tokio::test]
async fn what_is_whispered_to_who_is_away_is_taken_once_in_order_also_after_a_restart() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let (kim, lee) = (member(&store, "kim").await, member(&store, "lee").await);
    let first = Letter { message_id: Some(u64::MAX), ..letter("홍길동", i64::MAX as u64, "🐉'; --") };
    let second = letter("park", 9, "");
    for (to, letter) in [(kim, &first), (lee, &second), (kim, &second)] {
        assert_eq!(keep(&store, to, letter).await, Keeping::Kept);
    }
    store.close().await.expect("closed");

    let store = open(&fresh).await;
    assert_eq!(take(&store, kim).await, [first, second.clone()]);
    assert!(take(&store, kim).await.is_empty());
    assert_eq!(take(&store, lee).await, [second]);
    assert_eq!(store.history().highest_session().await.expect("a number"), i64::MAX as u64);
    store.close().await.expect("closed");
}

#[tokio::test]
async fn no_more_is_kept_than_the_limits_say_of_all_and_of_each_sender() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let (kim, lee) = (member(&store, "kim").await, member(&store, "lee").await);
    for (sender, session, text, expected) in [
        ("a", 1, "12345", Keeping::Kept),
        ("a", 2, "", Keeping::Kept),
        ("a", 3, "", Keeping::Full),
        // One who takes another name is still the same session.
        ("b", 1, "", Keeping::Kept),
        ("c", 1, "", Keeping::Full),
        ("c", 4, "1234567890123456", Keeping::Full),
        ("c", 4, "홍길동홍길", Keeping::Kept),
        ("d", 5, "", Keeping::Full),
    ] {
        assert_eq!(keep(&store, kim, &letter(sender, session, text)).await, expected, "{sender} {session}");
    }
    assert_eq!(keep(&store, lee, &letter("a", 1, "")).await, Keeping::Kept, "another's is empty");
    assert_eq!(take(&store, kim).await.len(), 4);
    assert_eq!(keep(&store, kim, &letter("a", 3, "")).await, Keeping::Kept);
    store.close().await.expect("closed");
}

#[tokio::test]
async fn what_is_too_old_makes_room_and_is_not_delivered() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let (kim, lee) = (member(&store, "kim").await, member(&store, "lee").await);
    let at = |time_ms| Letter { time_ms, ..letter("a", 1, "") };
    for time_ms in [NOW - 100, NOW - 99] {
        assert_eq!(keep(&store, kim, &at(time_ms)).await, Keeping::Kept);
        assert_eq!(keep(&store, lee, &at(time_ms)).await, Keeping::Kept);
    }
    assert_eq!(keep(&store, kim, &at(NOW)).await, Keeping::Kept, "the first is too old by now");
    assert_eq!(take(&store, kim).await, [at(NOW - 99), at(NOW)]);
    assert_eq!(take(&store, lee).await, [at(NOW - 99)]);
    assert!(store.whispers().take(lee, 0, &[]).await.expect("taken").is_empty(), "the old one is gone too");
    keep(&store, kim, &at(NOW)).await;
    assert_eq!(store.whispers().expire(NOW - 1).await.expect("done"), 0);
    assert_eq!(store.whispers().expire(NOW).await.expect("done"), 1);
    store.close().await.expect("closed");
}

#[tokio::test]
async fn a_whisper_that_is_sent_again_is_kept_once() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let kim = member(&store, "kim").await;
    let full = LetterLimits { letters: 1, ..LIMITS };
    let sent = Letter { message_id: Some(3), ..letter("a", 1, "psst") };
    for _ in 0..3 {
        let done = store.whispers().keep(kim, &sent, &full).await.expect("an answer");
        assert_eq!(done, Keeping::Kept, "also where there is no room for another");
    }
    assert_eq!(take(&store, kim).await, [sent]);
    store.close().await.expect("closed");
}

#[tokio::test]
async fn to_nobody_nothing_is_kept_and_an_account_takes_its_whispers_along() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let kim = member(&store, "kim").await;
    keep(&store, kim, &letter("a", 1, "")).await;
    store.accounts().delete(kim).await.expect("it exists");
    let error = store.whispers().keep(kim, &letter("a", 1, ""), &LIMITS).await.expect_err("nobody");
    assert!(matches!(error, StoreError::NotFound), "{error}");
    assert!(take(&store, kim).await.is_empty());
    fresh.place.check().await.expect("whole");
    store.close().await.expect("closed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_twenty_who_whisper_at_once_as_many_are_kept_as_there_is_room_for() {
    let fresh = fresh().await;
    let stores = [open(&fresh).await, open(&fresh).await];
    let kim = member(&stores[0], "kim").await;
    let whispers: Vec<_> = (0..20)
        .map(|n: u64| {
            let whispers = stores[usize::from(n < 10)].whispers().clone();
            let letter = letter(&n.to_string(), n, "");
            tokio::spawn(async move { in_turn(|| whispers.keep(kim, &letter, &LIMITS)).await })
        })
        .collect();
    let mut kept = 0;
    for whisper in whispers {
        kept += u32::from(whisper.await.expect("no panic").expect("an answer") == Keeping::Kept);
    }
    assert_eq!(kept, LIMITS.letters);
    assert_eq!(take(&stores[1], kim).await.len(), 4);
    for store in stores {
        store.close().await.expect("closed");
    }
}
