//! How much is kept and how long: the oldest goes, and who reads over it is told.

use iocp_chat::store::{
    Batch, Cursor, EPOCHS_KEPT_MAX, EpochEnd, NewLine, PageLimit, Store, StoreError, Told,
};

use super::{NOW, batch, kept, line, open, places, told};
use crate::fresh;

const LOBBY: u64 = 1;

async fn prune(store: &Store, keep: u64, older_than_ms: u64) -> u64 {
    store.history().prune(LOBBY, keep, older_than_ms).await.expect("pruned")
}

fn missed(epoch: u64, from: u64, to: u64) -> Told {
    Told::Missed { epoch, from, to }
}

#[tokio::test]
async fn the_newest_are_kept_over_all_epochs_and_the_others_are_told_as_missed() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let history = store.history();
    history.write(&[batch(LOBBY, 90, [1, 3, 5, 7]), batch(5, 90, 1..=9)]).await.expect("written");
    history.write(&[batch(LOBBY, 77, [2, 4, 6])]).await.expect("written");
    assert_eq!(prune(&store, 7, 0).await, 0);
    assert_eq!(prune(&store, 5, 0).await, 2);
    let all = told(&store, LOBBY).await;
    assert_eq!(all[0], missed(90, 1, 3));
    assert_eq!(places(&kept(&store, LOBBY).await), [(90, 5), (90, 7), (77, 2), (77, 4), (77, 6)]);
    let page =
        history.after(Cursor { conversation: LOBBY, epoch: 90, seq: 2 }, PageLimit { lines: 1, bytes: 0 });
    assert_eq!(page.await.expect("a page").told, [missed(90, 3, 3)], "the second was no line of it");
    let page =
        history.after(Cursor { conversation: LOBBY, epoch: 90, seq: 3 }, PageLimit { lines: 2, bytes: 99 });
    assert_eq!(page.await.expect("a page").told, all[1..3], "who has read that far misses nothing");

    assert_eq!(prune(&store, 1, 0).await, 4);
    assert_eq!(told(&store, LOBBY).await[..2], [missed(90, 1, 7), missed(77, 1, 4)]);
    assert_eq!(prune(&store, 0, 0).await, 1);
    assert_eq!(told(&store, LOBBY).await, [missed(90, 1, 7), missed(77, 1, 6)]);
    assert_eq!(kept(&store, 5).await.len(), 9, "another conversation");
    store.close().await.expect("closed");
}

#[tokio::test]
async fn what_is_too_old_goes_however_little_there_is() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    // A clock that was set back: the second is older than it says, and so are those before it.
    let at = |seq, time_ms| NewLine { time_ms, ..line(seq) };
    let lines = vec![at(1, NOW + 10), at(2, NOW), at(3, NOW + 20), at(4, NOW + 30)];
    store.history().write(&[Batch { lines, ..batch(LOBBY, 77, []) }]).await.expect("written");
    assert_eq!(prune(&store, 100, NOW).await, 0);
    assert_eq!(prune(&store, 100, NOW + 1).await, 2);
    assert_eq!(places(&kept(&store, LOBBY).await), [(77, 3), (77, 4)]);
    assert_eq!(prune(&store, 100, u64::MAX).await, 2);
    assert_eq!(told(&store, LOBBY).await, [missed(77, 1, 4)]);
    store.close().await.expect("closed");
}

#[tokio::test]
async fn gaps_below_what_went_are_told_as_one_with_it() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let gaps = vec![2..=4, 9..=12];
    let said = Batch { gaps, ..batch(LOBBY, 77, [1, 5, 6, 13]) };
    store.history().write(&[said]).await.expect("written");
    assert_eq!(prune(&store, 2, 0).await, 2);
    let all = told(&store, LOBBY).await;
    assert_eq!((all.len(), &all[0], &all[2]), (4, &missed(77, 1, 5), &missed(77, 9, 12)));
    store.close().await.expect("closed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_go_in_steps_beside_others_who_prune_and_who_write() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    store.history().write(&[batch(LOBBY, 77, 1..=2_500)]).await.expect("written");
    store.history().write(&[batch(LOBBY, 78, 1..=2_500)]).await.expect("written");
    let (one, other) = (store.clone(), store.clone());
    let one = tokio::spawn(async move { prune(&one, 100, 0).await });
    let other = tokio::spawn(async move { prune(&other, 100, 0).await });
    store.history().write(&[batch(LOBBY, 78, 2_501..=2_510)]).await.expect("written");
    let pruned = one.await.expect("no panic") + other.await.expect("no panic");
    let left = kept(&store, LOBBY).await.len() as u64;
    assert!((100..=110).contains(&left), "{left}");
    assert_eq!(pruned + left, 5_010);
    assert_eq!(told(&store, LOBBY).await[0], missed(77, 1, 2_500));
    store.close().await.expect("closed");
}

#[tokio::test]
async fn of_epochs_without_lines_the_last_hundred_are_known() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let history = store.history();
    let epochs = u64::from(EPOCHS_KEPT_MAX) + 5;
    history.write(&[batch(LOBBY, 1, [1])]).await.expect("written");
    let ends: Vec<_> = (2..=epochs).map(|epoch| EpochEnd { conversation: LOBBY, epoch, head: 3 }).collect();
    history.close_epochs(&ends).await.expect("closed");
    prune(&store, 100, 0).await;
    let limit = PageLimit { lines: 1, bytes: 99 };
    for (epoch, known) in [(1, true), (2, false), (5, false), (6, true), (epochs, true)] {
        let found = history.after(Cursor { conversation: LOBBY, epoch, seq: 1 }, limit).await;
        let expected = if known { found.is_ok() } else { matches!(found, Err(StoreError::NotFound)) };
        assert!(expected, "{epoch}: {found:?}");
    }
    prune(&store, 0, 0).await;
    let gone = history.after(Cursor { conversation: LOBBY, epoch: 1, seq: 1 }, limit).await;
    assert!(matches!(gone, Err(StoreError::NotFound)), "{gone:?}");
    store.close().await.expect("closed");
}
