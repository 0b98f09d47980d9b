//! SQLite's files: their names, their rights, their copies, and what is no database of ours.

use std::{fs, path::Path, time::Instant};

use iocp_chat::store::{DATABASE_FILE, NewInvite, Place, Role, STEPS, Step, Store, StoreError};
use sqlx::raw_sql;

use crate::{
    Folder, fresh,
    suite::{NOW, PATIENCE, account, open},
};

const NEXT: Step = Step { sqlite: "CREATE TABLE later (id INTEGER PRIMARY KEY) STRICT;", postgres: "" };

fn bytes(folder: &Folder, name: &str) -> Vec<u8> {
    fs::read(folder.join(name)).expect("a file")
}

#[tokio::test]
async fn a_database_may_have_any_name_that_the_system_lets_it_have() {
    let folder = Folder::new("chat #50% 홍 길동");
    let mut names = vec!["홍 길동", "50%", "%41", "#1", "a b+c&d=e", "file", "it's ; ok", "{x}[y]~`^"];
    if cfg!(unix) {
        names.extend([
            "what?",
            "a?mode=memory",
            "file:x?vfs=none",
            "back\\slash",
            "\"quoted\"",
            "line\nend",
            ":memory:",
        ]);
    }
    for name in names {
        let data = folder.join(name);
        let place = Place::in_folder(&data).expect("a place");
        let store = Store::open(&place).await.expect(name);
        store.accounts().create(&account("kim"), Role::User).await.expect("free");
        place.backup(&data.join(name.replace('\\', "-"))).await.expect("a copy");
        store.close().await.expect("closed");
        assert!(data.join(DATABASE_FILE).metadata().expect("where it was to be").len() > 0, "{name}");
        // Nowhere else is anything.
        assert_eq!(fs::read_dir(&data).expect("a folder").count(), 2, "{name}");
        let store = Store::open(&Place::file(&data.join(name.replace('\\', "-"))).expect("a place")).await;
        let store = store.expect("the copy opens");
        assert_eq!(store.accounts().count().await.expect("a count"), 1, "{name}");
        store.close().await.expect("closed");
    }
}

#[tokio::test]
async fn a_relative_path_is_meant_from_where_the_program_runs() {
    let place = Place::file(Path::new("file:chat.db")).expect("a place");
    let expected = std::env::current_dir().expect("a folder").join("file:chat.db");
    assert_eq!(place.as_file(), Some(&*expected));
}

#[tokio::test]
async fn once_closed_nothing_is_beside_the_file() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    store.accounts().create(&account("kim"), Role::User).await.expect("free");
    assert_eq!(fresh.folder.files(), ["chat.db", "chat.db-shm", "chat.db-wal"]);
    store.close().await.expect("closed");
    assert_eq!(fresh.folder.files(), ["chat.db"]);
    fresh.place.check().await.expect("whole");
    assert_eq!(fresh.folder.files(), ["chat.db"]);
}

#[cfg(unix)]
#[tokio::test]
async fn nobody_else_may_read_what_has_password_hashes_in_it() {
    use std::os::unix::fs::PermissionsExt as _;

    let fresh = fresh().await;
    let place = Place::in_folder(&fresh.folder.join("data")).expect("a place");
    let store = Store::open(&place).await.expect("it opens");
    store.accounts().create(&account("kim"), Role::User).await.expect("free");
    place.backup(&fresh.folder.join("copy")).await.expect("a copy");
    for file in ["data", "data/chat.db", "data/chat.db-wal", "data/chat.db-shm", "copy"] {
        let mode = fresh.folder.join(file).metadata().expect(file).permissions().mode();
        assert_eq!(mode & 0o077, 0, "{file}: {mode:o}");
    }
    store.close().await.expect("closed");
}

#[tokio::test]
async fn a_token_is_nowhere_in_the_files() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let new = NewInvite { role: Role::User, uses: 1, created_ms: NOW, expires_ms: None };
    let token = store.invites().create(&new).await.expect("made").to_string();
    let files = fresh.folder.files();
    assert!(files.len() >= 2, "the database and its log: {files:?}");
    for name in files {
        let bytes = bytes(&fresh.folder, &name);
        assert!(!bytes.windows(token.len()).any(|part| part == token.as_bytes()), "{name}");
    }
    store.close().await.expect("closed");
}

#[tokio::test]
async fn before_it_goes_forward_a_copy_of_it_is_made_that_opens() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    store.accounts().create(&account("kim"), Role::User).await.expect("free");
    store.close().await.expect("closed");
    let next = [STEPS, &[NEXT]].concat();
    let store = Store::open_with(&fresh.place, &next).await.expect("it goes forward");
    store.accounts().create(&account("lee"), Role::User).await.expect("free");
    let backup = store.migrated().backup.clone().expect("a copy");
    store.close().await.expect("closed");
    assert_eq!(fresh.folder.files().len(), 2, "{:?}", fresh.folder.files());
    let name = backup.file_name().expect("a name").to_str().expect("text");
    assert!(
        name.starts_with(&format!("chat.v{}.", STEPS.len())) && !name.contains([':', ' ', '?', '*']),
        "{name}"
    );

    let place = Place::file(&backup).expect("a place");
    let store = Store::open(&place).await.expect("this version's");
    assert_eq!(store.accounts().count().await.expect("a count"), 1);
    assert!(store.accounts().find("kim").await.expect("an answer").is_some());
    store.close().await.expect("closed");
}

#[tokio::test]
async fn no_copy_is_left_of_a_migration_that_was_not_done() {
    let fresh = fresh().await;
    open(&fresh).await.close().await.expect("closed");
    let broken = Step { sqlite: "INSERT INTO nothing VALUES (1);", ..NEXT };
    for _ in 0..3 {
        Store::open_with(&fresh.place, &[STEPS, &[broken]].concat()).await.err().expect("it fails");
    }
    assert_eq!(fresh.folder.files(), ["chat.db"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_made_while_people_register_is_whole() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let accounts = store.accounts().clone();
    accounts.create(&account("first"), Role::User).await.expect("free");
    let people = tokio::spawn(async move {
        for n in 0..200 {
            accounts.create(&account(&format!("user{n}")), Role::User).await.expect("free");
        }
    });
    let copy = fresh.folder.join("copy.db");
    fresh.place.backup(&copy).await.expect("a copy");
    let again = fresh.place.backup(&copy).await.expect_err("it is there");
    assert!(matches!(again, StoreError::File { .. }), "{again}");
    // One that was cut off is in nobody's way.
    fs::write(fresh.folder.join("other.db.partial"), "half").expect("written");
    fresh.place.backup(&fresh.folder.join("other.db")).await.expect("a copy");
    people.await.expect("no panic");
    store.close().await.expect("closed");
    assert_eq!(fresh.folder.files(), ["chat.db", "copy.db", "other.db"]);

    let place = Place::file(&copy).expect("a place");
    place.check().await.expect("whole");
    let store = Store::open(&place).await.expect("it opens");
    assert!((1..=201).contains(&store.accounts().count().await.expect("a count")));
    store.close().await.expect("closed");
}

#[tokio::test]
async fn another_programs_database_is_refused_and_not_touched() {
    let fresh = fresh().await;
    fs::write(fresh.file(), "").expect("written");
    raw_sql("CREATE TABLE songs (title TEXT)").execute(&mut fresh.connect().await).await.expect("a table");
    let before = bytes(&fresh.folder, DATABASE_FILE);
    let error = Store::open(&fresh.place).await.err().expect("refused");
    assert!(matches!(error, StoreError::Unusable(_)), "{error}");
    assert_eq!(bytes(&fresh.folder, DATABASE_FILE), before);
}

#[tokio::test]
async fn what_is_no_database_is_damaged_and_is_not_touched() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    store.accounts().create(&account("kim"), Role::User).await.expect("free");
    store.close().await.expect("closed");
    let whole = bytes(&fresh.folder, DATABASE_FILE);
    let noise: Vec<u8> = (0..u8::MAX).cycle().skip(7).take(5_000).collect();
    for bad in [noise, [&[0; 100], &whole[100..]].concat(), b"name,password\nkim,1234\n".repeat(100)] {
        fs::write(fresh.file(), &bad).expect("written");
        for result in [
            Store::open(&fresh.place).await.map(drop),
            fresh.place.check().await,
            fresh.place.schema().await.map(drop),
            fresh.place.backup(&fresh.folder.join("copy")).await,
        ] {
            assert!(matches!(result, Err(StoreError::Corrupt(_))), "{result:?}");
        }
        assert_eq!(bytes(&fresh.folder, DATABASE_FILE), bad);
        assert_eq!(fresh.folder.files(), ["chat.db"]);
    }
}

#[tokio::test]
async fn damage_inside_is_found_by_a_check_and_is_never_a_panic() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    for n in 0..200 {
        store.accounts().create(&account(&format!("user{n}")), Role::User).await.expect("free");
    }
    store.close().await.expect("closed");
    let whole = bytes(&fresh.folder, DATABASE_FILE);
    let mut damaged = 0;
    for page in 1..whole.len() / 4_096 {
        let mut bad = whole.clone();
        bad[page * 4_096..(page + 1) * 4_096].fill(0xa5);
        fs::write(fresh.file(), &bad).expect("written");
        let checked = fresh.place.check().await;
        assert!(matches!(checked, Err(StoreError::Corrupt(_))), "page {page}: {checked:?}");
        assert!(!checked.expect_err("damaged").to_string().contains('\n'), "page {page}: one line");
        // Whatever can be done is done, the rest is an error of its kind.
        let Ok(store) = Store::open(&fresh.place).await else { continue };
        for result in [
            store.accounts().list(None, 500).await.map(drop),
            store.accounts().find("user7").await.map(drop),
            store.accounts().create(&account("new"), Role::User).await.map(drop),
            store.accounts().count().await.map(drop),
        ] {
            match result {
                Ok(()) => {}
                Err(StoreError::Corrupt(_)) => damaged += 1,
                Err(error) => panic!("page {page}: {error}"),
            }
        }
        store.close().await.expect("closed");
    }
    assert!(damaged > 0);
}

#[tokio::test]
async fn upkeep_makes_no_database_where_none_is() {
    let fresh = fresh().await;
    for result in [
        fresh.place.check().await,
        fresh.place.schema().await.map(drop),
        fresh.place.backup(&fresh.folder.join("copy")).await,
    ] {
        assert!(matches!(result, Err(StoreError::Unavailable(_))), "{result:?}");
    }
    assert!(fresh.folder.files().is_empty());
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_told_by_name() {
    let fresh = fresh().await;
    fs::write(fresh.folder.join("data"), "a file").expect("written");
    let place = Place::in_folder(&fresh.folder.join("data")).expect("a place");
    let error = Store::open(&place).await.err().expect("no folder");
    assert!(error.to_string().contains("data"), "{error}");
    assert!(matches!(error, StoreError::File { .. }), "{error}");
}

// Windows lets nobody take it away.
#[cfg(unix)]
#[tokio::test]
async fn a_database_taken_away_under_a_running_store_is_not_replaced_by_an_empty_one() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    fs::rename(fresh.file(), fresh.folder.join("elsewhere.db")).expect("renamed");
    let result = store.accounts().create(&account("kim"), Role::User).await;
    assert!(matches!(result, Err(StoreError::Unavailable(_))), "{result:?}");
    assert_eq!(fresh.folder.files(), ["elsewhere.db"]);
    store.close().await.expect("closed");
}

#[tokio::test]
async fn databases_in_memory_are_apart_and_each_is_one() {
    let (one, other) = (Place::memory(), Place::memory());
    let store = Store::open(&one).await.expect("it opens");
    let other = Store::open(&other).await.expect("it opens");
    store.accounts().create(&account("kim"), Role::User).await.expect("free");
    // A caller who goes away costs the connection, not the database.
    for _ in 0..3 {
        let accounts = store.accounts();
        let _ = tokio::time::timeout(std::time::Duration::ZERO, accounts.create(&account("lee"), Role::User))
            .await;
    }
    assert!(store.accounts().find("kim").await.expect("an answer").is_some());
    assert_eq!(other.accounts().count().await.expect("a count"), 0);
    one.check().await.expect("whole");
    store.close().await.expect("closed");
    other.close().await.expect("closed");
    // Who went away may have left a connection that is still being closed.
    let begun = Instant::now();
    loop {
        let store = Store::open(&one).await.expect("it opens");
        let left = store.accounts().count().await.expect("a count");
        store.close().await.expect("closed");
        if left == 0 {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "gone with the last");
    }
}

#[tokio::test(start_paused = true)]
async fn a_database_in_memory_answers_at_once_on_a_paused_clock() {
    let deadline = tokio::time::sleep(std::time::Duration::from_millis(1));
    let talk = async {
        let store = Store::open(&Place::memory()).await.expect("it opens");
        for n in 0..100 {
            store.accounts().create(&account(&format!("user{n}")), Role::User).await.expect("free");
            store.accounts().find("user0").await.expect("an answer");
        }
        store.close().await.expect("closed");
    };
    tokio::select! {
        () = talk => {}
        () = deadline => panic!("the clock ran ahead"),
    }
}
