//! Rooms that persist: as they were left, their names nobody else's, each change with its entry or neither.

use std::time::Duration;

use iocp_chat::store::{
    FOR_GOOD, NewRoom, PasswordDigest, Person, Role, Room, RoomChange, RoomRole, RoomSanction, RoomSettings,
    Store, StoreError, StoredRoom,
};
use tokio::time::timeout;

use super::{NOW, account, actions, entry, forms, in_turn, log, open, person, room, sanction};
use crate::fresh;

async fn load(store: &Store) -> Vec<StoredRoom> {
    store.rooms().load(NOW).await.expect("loaded")
}

fn role(account_key: &str, role: Option<u16>) -> RoomChange {
    RoomChange::Role { account_key: account_key.into(), role }
}

fn banned(name: &str) -> RoomSanction {
    RoomSanction { person: person(name), sanction: sanction(Some(FOR_GOOD), None) }
}

/// What loading `new` finds, its roles aside.
fn stored(new: &NewRoom) -> StoredRoom {
    StoredRoom {
        room: new.room.clone(),
        roles: Vec::new(),
        sanctions: new.sanctions.clone(),
        invited: new.invited.clone(),
    }
}

#[tokio::test]
async fn a_room_is_loaded_as_it_was_stored_also_after_a_restart() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let kim = store.accounts().create(&account("Kim"), Role::User).await.expect("free").id;
    let settings = RoomSettings {
        capacity: u32::MAX,
        flags: u16::MAX,
        slow_s: u32::MAX,
        topic: "공지: '; DROP TABLE rooms; --\n🐉".into(),
        password: PasswordDigest::new(&(0..=u8::MAX).collect::<Vec<_>>()),
    };
    let full = NewRoom {
        room: Room { conversation: i64::MAX as u64, name: forms("수다방"), settings, created_ms: NOW },
        roles: vec![("kim".into(), u16::MAX)],
        sanctions: vec![banned("Guest7"), banned("lee")],
        invited: vec![person("Park"), person("kim")],
    };
    let bare = room(7, "lobby two");
    for new in [&full, &bare] {
        store.rooms().create(new, &entry("room.create")).await.expect("free");
    }
    store.close().await.expect("closed");

    let store = open(&fresh).await;
    let role = RoomRole { account: kim, person: person("Kim"), role: u16::MAX };
    let mut invited = full.invited.clone();
    invited.reverse();
    let expected = StoredRoom { roles: vec![role], invited, ..stored(&full) };
    assert_eq!(load(&store).await, [stored(&bare), expected]);
    assert!(!format!("{full:?}").contains("255, "), "a digest is shown to nobody");
    store.close().await.expect("closed");
}

#[tokio::test]
async fn a_rooms_name_is_taken_by_its_key_by_its_looks_and_a_room_by_its_number() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let rooms = store.rooms();
    // An account may be called as a room is.
    store.accounts().create(&account("bob"), Role::User).await.expect("free");
    rooms.create(&room(2, "bob"), &entry("made")).await.expect("free");
    for (number, name) in [(3, "BOB"), (4, "b0b"), (2, "alice")] {
        let error = rooms.create(&room(number, name), &entry("refused")).await.expect_err(name);
        assert!(matches!(error, StoreError::Taken), "{name}: {error}");
    }
    assert_eq!(load(&store).await, [stored(&room(2, "bob"))]);
    assert_eq!(actions(&store).await, ["made"]);
    store.close().await.expect("closed");
}

#[tokio::test]
async fn a_room_that_is_not_stored_to_its_end_is_not_stored_at_all() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let orphaned = NewRoom { roles: vec![("nobody".into(), 2)], ..room(2, "games") };
    let error = store.rooms().create(&orphaned, &entry("refused")).await.expect_err("no such account");
    assert!(matches!(error, StoreError::NotFound), "{error}");
    let error =
        store.rooms().create(&room(1 << 63, "games"), &entry("refused")).await.expect_err("too large");
    assert!(matches!(error, StoreError::Unusable(_)), "{error}");
    assert!(load(&store).await.is_empty() && log(&store).await.is_empty());
    assert_eq!(store.rooms().last_number().await.expect("a number"), 0);
    store.rooms().create(&room(2, "games"), &entry("made")).await.expect("free");
    store.close().await.expect("closed");
}

#[tokio::test]
async fn what_is_changed_about_a_room_is_changed_and_written_down() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let rooms = store.rooms();
    let kim = store.accounts().create(&account("Kim"), Role::User).await.expect("free").id;
    let mut new = room(5, "games");
    rooms.create(&new, &entry("create")).await.expect("free");

    new.room.settings.topic = "chess".into();
    new.room.settings.password = PasswordDigest::new(b"digest");
    rooms
        .apply(5, &[RoomChange::Settings(new.room.settings.clone())], &entry("change"))
        .await
        .expect("changed");
    rooms.apply(5, &[role("kim", Some(1))], &entry("role")).await.expect("set");
    rooms.apply(5, &[role("kim", Some(2))], &entry("role")).await.expect("set");
    rooms.apply(5, &[RoomChange::Sanction(banned("Lee").clone())], &entry("ban")).await.expect("set");
    let muted = RoomSanction { person: person("lee"), sanction: sanction(None, Some(NOW + 1)) };
    rooms.apply(5, &[RoomChange::Sanction(muted.clone())], &entry("mute")).await.expect("set");
    rooms
        .apply(5, &[RoomChange::Invited(person("Park").clone(), true)], &entry("invite"))
        .await
        .expect("set");
    rooms
        .apply(5, &[RoomChange::Invited(person("PARK").clone(), true)], &entry("invite"))
        .await
        .expect("set");
    let expected = StoredRoom {
        room: new.room.clone(),
        roles: vec![RoomRole { account: kim, person: person("Kim"), role: 2 }],
        sanctions: vec![muted],
        invited: vec![person("PARK")],
    };
    assert_eq!(load(&store).await, [expected]);

    let nothing = RoomSanction { person: person("lee"), sanction: sanction(None, None) };
    rooms.apply(5, &[role("kim", None)], &entry("role")).await.expect("taken");
    rooms.apply(5, &[RoomChange::Sanction(nothing.clone())], &entry("lift")).await.expect("lifted");
    rooms
        .apply(5, &[RoomChange::Invited(person("park").clone(), false)], &entry("uninvite"))
        .await
        .expect("taken");
    assert_eq!(load(&store).await, [stored(&new)]);
    let done = actions(&store).await;
    assert_eq!(
        done,
        ["create", "change", "role", "role", "ban", "mute", "invite", "invite", "role", "lift", "uninvite"]
    );
    store.close().await.expect("closed");
}

#[tokio::test]
async fn an_act_that_changes_several_things_is_one_entry_and_all_or_nothing() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let rooms = store.rooms();
    store.accounts().create(&account("kim"), Role::User).await.expect("free");
    rooms.create(&room(5, "games"), &entry("create")).await.expect("free");
    rooms.apply(5, &[role("kim", Some(1))], &entry("appoint")).await.expect("set");
    let ban =
        [role("kim", None), RoomChange::Invited(person("kim"), false), RoomChange::Sanction(banned("kim"))];
    rooms.apply(5, &ban, &entry("ban")).await.expect("of three changes two are made");
    let expected = StoredRoom { sanctions: vec![banned("kim")], ..stored(&room(5, "games")) };
    assert_eq!(load(&store).await, [expected]);
    assert_eq!(actions(&store).await, ["create", "appoint", "ban"]);
    store.close().await.expect("closed");
}

#[tokio::test]
async fn a_room_that_is_stored_anew_is_as_it_is_now_and_was_not_stored_before_or_was() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let rooms = store.rooms();
    store.accounts().create(&account("kim"), Role::User).await.expect("free");
    let before = NewRoom { roles: vec![("kim".into(), 2)], invited: vec![person("lee")], ..room(5, "games") };
    rooms.create(&before, &entry("create")).await.expect("free");
    let mut now = NewRoom { sanctions: vec![banned("lee")], ..room(5, "games") };
    now.room.settings.topic = "go".into();
    rooms.replace(&now, &entry("again")).await.expect("stored");
    rooms.replace(&room(9, "new"), &entry("first")).await.expect("stored");
    assert_eq!(load(&store).await, [stored(&now), stored(&room(9, "new"))]);
    let taken = rooms.replace(&room(5, "new"), &entry("in vain")).await;
    assert!(matches!(taken, Err(StoreError::Taken)), "{taken:?}");
    assert_eq!(load(&store).await, [stored(&now), stored(&room(9, "new"))], "and nothing is gone");
    assert_eq!(actions(&store).await, ["create", "again", "first"]);
    store.close().await.expect("closed");
}

#[tokio::test]
async fn where_there_is_nothing_to_change_nothing_is_written_down() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let rooms = store.rooms();
    store.accounts().create(&account("kim"), Role::User).await.expect("free");
    rooms.create(&room(5, "games"), &entry("create")).await.expect("free");
    let settings = room(6, "").room.settings;
    let (vain, lee) = (entry("in vain"), person("lee"));
    let nothing = RoomSanction { person: lee.clone(), sanction: sanction(None, None) };
    for done in [
        rooms.apply(6, &[RoomChange::Settings(settings.clone())], &vain).await,
        rooms.apply(6, &[RoomChange::Gone], &vain).await,
        rooms.apply(6, &[role("kim", Some(2))], &vain).await,
        rooms.apply(5, &[role("nobody", Some(2))], &vain).await,
        rooms.apply(5, &[role("kim", None)], &vain).await,
        rooms.apply(6, &[RoomChange::Sanction(banned("lee").clone())], &vain).await,
        rooms.apply(5, &[RoomChange::Sanction(nothing.clone())], &vain).await,
        rooms.apply(6, &[RoomChange::Invited(lee.clone(), true)], &vain).await,
        rooms.apply(5, &[RoomChange::Invited(lee.clone(), false)], &vain).await,
    ] {
        assert!(matches!(done, Err(StoreError::NotFound)), "{done:?}");
    }
    assert_eq!(actions(&store).await, ["create"]);
    store.close().await.expect("closed");
}

#[tokio::test]
async fn a_room_whose_owner_is_gone_stays_without_them() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let kim = store.accounts().create(&account("kim"), Role::User).await.expect("free").id;
    let new = NewRoom { roles: vec![("kim".into(), 2)], invited: vec![person("kim")], ..room(5, "games") };
    store.rooms().create(&new, &entry("create")).await.expect("free");
    store.accounts().delete(kim).await.expect("it exists");
    assert_eq!(load(&store).await, [stored(&new)]);
    fresh.place.check().await.expect("whole");
    store.close().await.expect("closed");
}

#[tokio::test]
async fn a_room_that_is_gone_leaves_its_name_free_and_its_number_used() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let rooms = store.rooms();
    let kim = account("kim");
    store.accounts().create(&kim, Role::User).await.expect("free");
    let new = NewRoom {
        roles: vec![("kim".into(), 2)],
        sanctions: vec![banned("lee")],
        invited: vec![person("park")],
        ..room(9, "games")
    };
    rooms.create(&new, &entry("create")).await.expect("free");
    // A room may begin to persist long after it began.
    rooms.create(&room(4, "chess"), &entry("create")).await.expect("free");
    rooms.apply(9, &[RoomChange::Gone], &entry("delete")).await.expect("it exists");
    store.close().await.expect("closed");

    let store = open(&fresh).await;
    assert_eq!(store.rooms().last_number().await.expect("a number"), 9);
    store.rooms().create(&room(10, "games"), &entry("create")).await.expect("free again");
    assert_eq!(load(&store).await, [stored(&room(4, "chess")), stored(&room(10, "games"))]);
    assert_eq!(store.rooms().last_number().await.expect("a number"), 10);
    fresh.place.check().await.expect("whole");
    store.close().await.expect("closed");
}

#[tokio::test]
async fn an_expired_sanction_in_a_room_is_not_loaded_and_is_gone() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let until = |name, banned, muted| RoomSanction {
        person: person(name),
        sanction: sanction(Some(banned), Some(muted)),
    };
    let half = until("half", NOW, NOW + 1);
    let new = NewRoom { sanctions: vec![until("short", NOW, 0), half.clone()], ..room(5, "games") };
    store.rooms().create(&new, &entry("create")).await.expect("free");
    let loaded = load(&store).await;
    assert_eq!(loaded[0].sanctions[0].sanction, sanction(None, Some(NOW + 1)));
    assert_eq!(loaded[0].sanctions.len(), 1);
    // As of before they expired.
    assert_eq!(store.rooms().load(0).await.expect("loaded")[0].sanctions, [half]);
    store.close().await.expect("closed");
}

#[tokio::test]
async fn more_rooms_and_people_than_a_page_has_are_all_loaded() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let crowd: Vec<Person> = (0..1_500).map(|n| person(&format!("user{n:04}"))).collect();
    let full = NewRoom {
        sanctions: crowd.iter().map(|one| banned(&one.shown)).collect(),
        invited: crowd,
        ..room(1_000, "full")
    };
    store.rooms().create(&full, &entry("create")).await.expect("free");
    for n in 0..1_000 {
        store.rooms().create(&room(n, &format!("room {n}")), &entry("create")).await.expect("free");
    }
    let loaded = load(&store).await;
    assert_eq!(loaded.len(), 1_001);
    assert!(loaded.is_sorted_by_key(|stored| stored.room.conversation));
    assert_eq!(loaded[1_000], stored(&full));
    store.close().await.expect("closed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_twenty_who_make_one_room_at_once_one_wins_and_is_written_down() {
    let fresh = fresh().await;
    let stores = [open(&fresh).await, open(&fresh).await];
    let claims: Vec<_> = (0..20)
        .map(|n| {
            let rooms = stores[n % 2].rooms().clone();
            // Half of them by looks only.
            let name = if n % 4 < 2 { "bob" } else { "b0b" };
            let new = room(n as u64 + 2, name);
            let made = entry("create");
            tokio::spawn(async move { in_turn(|| rooms.create(&new, &made)).await })
        })
        .collect();
    let mut won = 0;
    for claim in claims {
        match claim.await.expect("no panic") {
            Ok(()) => won += 1,
            Err(StoreError::Taken) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!((won, load(&stores[1]).await.len(), log(&stores[1]).await.len()), (1, 1, 1));
    for store in stores {
        store.close().await.expect("closed");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_goes_away_in_the_middle_leaves_a_room_and_its_entry_or_neither() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    for n in 0..60 {
        // From "before the first poll" to "done".
        let patience = Duration::from_micros(50 * n);
        let new = room(n, &format!("room {n}"));
        let done = timeout(patience, store.rooms().create(&new, &entry("create"))).await;
        if let Ok(done) = done {
            done.expect("free");
        }
    }
    let (last, made) = (room(60, "last"), entry("create"));
    in_turn(|| store.rooms().create(&last, &made)).await.expect("nobody holds the writer");
    assert_eq!(load(&store).await.len(), log(&store).await.len());
    store.close().await.expect("closed");
}
