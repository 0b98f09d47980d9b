//! Names under new rules: everybody keeps an account, and what collides is told.

use iocp_chat::store::{Misfit, NameForms, Role, RoomChange};

use super::{account, entry, forms, open, room};
use crate::fresh;

/// Rules of a later version: as now, but `~` at the end counts for nothing, and `!` is in no name.
fn later(name: &str) -> Option<NameForms> {
    let bare = name.trim_end_matches('~');
    (!name.contains('!')).then(|| NameForms { shown: name.into(), version: 2, ..forms(bare) })
}

#[tokio::test]
async fn names_are_rewritten_and_those_without_a_place_are_told_with_whom_they_collide() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let accounts = store.accounts();
    let mut ids = Vec::new();
    for name in ["kim", "Kim~", "lee~", "park!", "choi"] {
        ids.push(accounts.create(&account(name), Role::User).await.expect("free").id);
    }
    assert_eq!(accounts.count_outdated(2).await.expect("a count"), 5);
    let misfits = accounts.rewrite_names(2, later).await.expect("rewritten");
    let expected = [
        Misfit { id: ids[1], name: "Kim~".into(), collides_with: Some("kim".into()) },
        Misfit { id: ids[3], name: "park!".into(), collides_with: None },
    ];
    assert_eq!(misfits, expected);
    assert_eq!(accounts.find("lee").await.expect("an answer").expect("by its new key").name, "lee~");
    assert_eq!(accounts.find("lee~").await.expect("an answer"), None);
    for (key, id) in [("kim", ids[0]), ("kim~", ids[1]), ("park!", ids[3])] {
        assert_eq!(accounts.find(key).await.expect("an answer").expect(key).id, id, "{key}");
    }
    assert_eq!(accounts.count_outdated(2).await.expect("a count"), 2);

    // Put in order by a person, the next rewriting has a place for it.
    accounts.delete(ids[0]).await.expect("it exists");
    assert_eq!(accounts.rewrite_names(2, later).await.expect("rewritten"), expected[1..]);
    assert_eq!(accounts.find("kim").await.expect("an answer").expect("Kim~").id, ids[1]);
    store.close().await.expect("closed");
}

#[tokio::test]
async fn a_key_that_another_is_about_to_leave_is_no_collision() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let accounts = store.accounts();
    // Each wants the next one's key; the last leaves first.
    for n in 1..=20 {
        accounts.create(&account(&format!("user{n}x")), Role::User).await.expect("free");
    }
    let shifted = |name: &str| {
        let number: u32 = name.trim_matches(|c: char| c.is_alphabetic()).parse().ok()?;
        Some(NameForms { shown: name.into(), version: 2, ..forms(&format!("user{}x", number + 1)) })
    };
    assert_eq!(accounts.rewrite_names(2, shifted).await.expect("rewritten"), []);
    assert_eq!(accounts.find("user21x").await.expect("an answer").expect("shifted").name, "user20x");
    assert_eq!(accounts.find("user1x").await.expect("an answer"), None);
    assert_eq!(accounts.count_outdated(2).await.expect("a count"), 0);
    store.close().await.expect("closed");
}

#[tokio::test]
async fn the_names_of_rooms_are_rewritten_as_those_of_accounts_are_and_beside_them() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let rooms = store.rooms();
    store.accounts().create(&account("games"), Role::User).await.expect("free");
    for (number, name) in [(0, "games~"), (1, "Games"), (2, "chess~"), (3, "park!")] {
        rooms.create(&room(number, name), &entry("create")).await.expect("free");
    }
    assert_eq!(rooms.count_outdated(2).await.expect("a count"), 4);
    let misfits = rooms.rewrite_names(2, later).await.expect("rewritten");
    let expected = [
        Misfit { id: 0, name: "games~".into(), collides_with: Some("Games".into()) },
        Misfit { id: 3, name: "park!".into(), collides_with: None },
    ];
    assert_eq!(misfits, expected);
    assert_eq!(rooms.count_outdated(2).await.expect("a count"), 2);
    assert_eq!(store.accounts().count_outdated(2).await.expect("a count"), 1);
    let loaded = rooms.load(0).await.expect("loaded");
    let chess = &loaded[2].room.name;
    assert_eq!((&*chess.shown, &*chess.key, chess.version), ("chess~", "chess", 2));

    rooms.apply(1, &[RoomChange::Gone], &entry("delete")).await.expect("it exists");
    assert_eq!(rooms.rewrite_names(2, later).await.expect("rewritten"), expected[1..]);
    store.close().await.expect("closed");
}
