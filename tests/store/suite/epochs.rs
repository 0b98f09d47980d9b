//! Epochs over a server's stops: no number ever names two lines, and an end that nobody knows is told.

use iocp_chat::store::{Cursor, EpochEnd, LastEpoch, PageLimit, Store, StoreError, Told};

use super::{batch, entry, kept, open, places, room, told};
use crate::fresh;

const LOBBY: u64 = 1;

fn end(conversation: u64, epoch: u64, head: u64) -> EpochEnd {
    EpochEnd { conversation, epoch, head }
}

fn last(conversation: u64, epoch: u64, head: Option<u64>) -> LastEpoch {
    LastEpoch { conversation, epoch, head }
}

async fn restart(store: &Store) -> Vec<LastEpoch> {
    store.history().open_epochs().await.expect("opened")
}

#[tokio::test]
async fn after_a_stop_in_good_order_a_conversation_goes_on_in_its_epoch() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    store.rooms().create(&room(5, "games"), &entry("create")).await.expect("free");
    store.rooms().create(&room(6, "quiet"), &entry("create")).await.expect("free");
    let history = store.history();
    assert!(restart(&store).await.is_empty(), "nothing was ever said");
    history.write(&[batch(LOBBY, u64::MAX, 1..=3), batch(5, 78, [2])]).await.expect("written");
    // People came and left after the last line; and where nothing was said they did too.
    let ends = [end(LOBBY, u64::MAX, 9), end(5, 78, 2), end(6, 79, 4)];
    history.close_epochs(&ends).await.expect("closed");
    store.close().await.expect("closed");

    let store = open(&fresh).await;
    let history = store.history();
    let expected = [last(LOBBY, u64::MAX, Some(9)), last(5, 78, Some(2)), last(6, 79, Some(4))];
    assert_eq!(restart(&store).await, expected);
    history.write(&[batch(LOBBY, u64::MAX, [10])]).await.expect("written");
    assert_eq!(places(&kept(&store, LOBBY).await), [1, 2, 3, 10].map(|seq| (u64::MAX, seq)));
    assert_eq!(told(&store, LOBBY).await.len(), 4, "and nothing is missing");
    store.close().await.expect("closed");
}

#[tokio::test]
async fn after_any_other_stop_its_epoch_has_an_end_that_nobody_knows() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    store.rooms().create(&room(5, "games"), &entry("create")).await.expect("free");
    store.history().write(&[batch(LOBBY, 77, 1..=3), batch(5, 78, [2])]).await.expect("written");
    store.history().close_epochs(&[end(5, 78, 2)]).await.expect("this one is closed");
    drop(store);

    let store = open(&fresh).await;
    assert_eq!(restart(&store).await, [last(LOBBY, 77, None), last(5, 78, Some(2))]);
    store.history().write(&[batch(LOBBY, 90, 1..=2)]).await.expect("written");
    let missed = |from| Told::Missed { epoch: 77, from, to: u64::MAX };
    let all = told(&store, LOBBY).await;
    assert_eq!(all.len(), 6);
    assert_eq!(all[3], missed(4));
    // Somebody had taken more than was written.
    for (seq, from) in [(3, 4), (8, 9)] {
        let cursor = Cursor { conversation: LOBBY, epoch: 77, seq };
        let page = store.history().after(cursor, PageLimit { lines: 1, bytes: 0 }).await.expect("a page");
        assert_eq!((page.told, page.more), (vec![missed(from)], true));
    }
    let cursor = Cursor { conversation: LOBBY, epoch: 77, seq: u64::MAX };
    let page = store.history().after(cursor, PageLimit { lines: 9, bytes: 1_000 }).await.expect("a page");
    assert_eq!((&page.told[..], page.more), (&all[4..], false), "told once, it goes on in the next");
    store.close().await.expect("closed");

    // The room was opened, and nobody closed it.
    let store = open(&fresh).await;
    assert_eq!(restart(&store).await, [last(LOBBY, 90, None), last(5, 78, None)]);
    assert_eq!(restart(&store).await, [last(LOBBY, 90, None), last(5, 78, None)]);
    assert_eq!(told(&store, 5).await[1], Told::Missed { epoch: 78, from: 3, to: u64::MAX });
    store.close().await.expect("closed");
}

#[tokio::test]
async fn an_epoch_that_was_closed_and_followed_by_another_stays_closed() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    store.history().write(&[batch(LOBBY, 77, 1..=3)]).await.expect("written");
    store.history().close_epochs(&[end(LOBBY, 77, 3)]).await.expect("closed");
    // For a time the history was not kept.
    store.history().write(&[batch(LOBBY, 78, 1..=3)]).await.expect("written");
    restart(&store).await;
    let missing: Vec<_> =
        told(&store, LOBBY).await.into_iter().filter(|told| matches!(told, Told::Missed { .. })).collect();
    assert_eq!(missing, [Told::Missed { epoch: 78, from: 4, to: u64::MAX }]);
    store.close().await.expect("closed");
}

#[tokio::test]
async fn what_was_said_in_rooms_that_do_not_persist_is_forgotten_at_the_next_start() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    store.rooms().create(&room(5, "games"), &entry("create")).await.expect("free");
    let batches = [
        batch(LOBBY, 77, 1..=3),
        batch(5, 77, 1..=3),
        // More than one step, and two epochs.
        batch(6, 77, 1..=2_100),
        batch(6, 78, 1..=3),
        batch(7, 77, []),
    ];
    store.history().write(&batches).await.expect("written");
    store.history().close_epochs(&[end(6, 78, 3)]).await.expect("closed");
    assert_eq!(restart(&store).await, [last(LOBBY, 77, None), last(5, 77, None)]);
    assert_eq!(store.history().conversations(0).await.expect("a page"), [LOBBY, 5]);
    for conversation in [6, 7] {
        assert!(told(&store, conversation).await.is_empty());
    }
    fresh.place.check().await.expect("whole");
    store.close().await.expect("closed");
}

#[tokio::test]
async fn a_conversation_that_is_forgotten_has_no_epochs_any_more() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    store.history().write(&[batch(5, 77, 1..=1_500), batch(6, 77, [1])]).await.expect("written");
    store.history().forget(5).await.expect("forgotten");
    store.history().forget(5).await.expect("there is nothing left");
    let cursor = Cursor { conversation: 5, epoch: 77, seq: 3 };
    let limit = PageLimit { lines: 9, bytes: 1_000 };
    for error in [
        store.history().after(cursor, limit).await.map(drop),
        store.history().before(cursor, limit).await.map(drop),
    ] {
        assert!(matches!(error, Err(StoreError::NotFound)), "{error:?}");
    }
    assert_eq!(kept(&store, 6).await.len(), 1);
    store.close().await.expect("closed");
}
