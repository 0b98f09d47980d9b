//! Faults of the disk and of the neighbours, injected into SQLite: an error of its kind, nothing lost, and on it goes.

use std::{
    env, fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use sqlx::{
    ConnectOptions as _, Connection as _, Row as _, SqliteConnection, raw_sql, sqlite::SqliteConnectOptions,
};

use super::{
    ACQUIRE_TIMEOUT, AuditEntry, NameForms, NewAccount, NewRoom, OPERATOR, PAGE_ENTRIES_MAX, PasswordHash,
    Place, Role, Room, RoomSettings, Store, StoreError,
};

/// A database in a folder of its own, gone with the test.
struct Fresh {
    folder: PathBuf,
    place: Place,
}

impl Fresh {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        loop {
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let folder = env::temp_dir().join(format!("chat faults {}-{number}", process::id()));
            match fs::create_dir(&folder) {
                Ok(()) => return Self { place: Place::in_folder(&folder).expect("a place"), folder },
                // Of a test that did not come to its end, and whose process had the same number.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => panic!("{}: {error}", folder.display()),
            }
        }
    }

    fn file(&self) -> &Path {
        self.place.as_file().expect("a file")
    }

    async fn open(&self) -> Store {
        Store::open(&self.place).await.expect("it opens")
    }

    async fn somebody_else(&self) -> SqliteConnection {
        SqliteConnectOptions::new().filename(self.file()).connect().await.expect("a database")
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        // Only the folder for such things.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn account(name: &str) -> NewAccount {
    NewAccount {
        name: NameForms { shown: name.into(), key: name.into(), skeleton: name.into(), version: 1 },
        password: PasswordHash::parse("$hash").expect("a PHC string"),
        created_ms: 0,
    }
}

async fn register(store: &Store, name: &str) -> Result<(), StoreError> {
    store.accounts().create(&account(name), Role::User).await.map(drop)
}

async fn is_there(store: &Store, name: &str) -> bool {
    store.accounts().find(name).await.expect("an answer").is_some()
}

#[tokio::test]
async fn a_full_disk_refuses_the_next_keeps_the_others_and_is_forgotten_when_there_is_room() {
    let fresh = Fresh::new();
    let store = fresh.open().await;
    register(&store, "first").await.expect("room");
    for round in 0..3 {
        // As many pages as it has.
        store.accounts().database.tell_writer("PRAGMA max_page_count = 1").await;
        let mut stored = Vec::new();
        let error = loop {
            let name = format!("round{round}-{}", stored.len());
            match register(&store, &name).await {
                Ok(()) => stored.push(name),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, StoreError::Full(_)), "{error}");
        for name in &stored {
            assert!(is_there(&store, name).await, "{name}");
        }
        assert!(!is_there(&store, &format!("round{round}-{}", stored.len())).await);
        // That connection went with its transaction, and its fault with it.
        register(&store, &format!("after{round}")).await.expect("room");
    }
    fresh.place.check().await.expect("whole");
    store.close().await.expect("closed");
}

#[tokio::test]
async fn on_a_full_disk_a_room_and_its_entry_are_both_refused() {
    let fresh = Fresh::new();
    let store = fresh.open().await;
    let topic = "x".repeat(500);
    for round in 0..3 {
        store.rooms().database.tell_writer("PRAGMA max_page_count = 1").await;
        let mut made = 0;
        let error = loop {
            let number = round * 100 + made;
            let name = format!("room{number}");
            let room = Room {
                conversation: number,
                name: NameForms { shown: name.clone(), key: name.clone(), skeleton: name, version: 1 },
                settings: RoomSettings {
                    capacity: 1,
                    flags: 0,
                    slow_s: 0,
                    topic: topic.clone(),
                    password: None,
                },
                created_ms: 0,
            };
            let new = NewRoom { room, roles: Vec::new(), sanctions: Vec::new(), invited: Vec::new() };
            let entry = AuditEntry {
                time_ms: 0,
                actor: OPERATOR.into(),
                actor_role: 3,
                action: "create".into(),
                conversation: Some(number),
                room: None,
                target: None,
                seconds: None,
                // So that now the room's page is the one too many, now the entry's.
                reason: "x".repeat(700),
            };
            match store.rooms().create(&new, &entry).await {
                Ok(()) => made += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(error, StoreError::Full(_)), "{error}");
        let (rooms, page) = (store.rooms().load(0), store.audit().page(None, PAGE_ENTRIES_MAX));
        assert_eq!(rooms.await.expect("loaded").len(), page.await.expect("a page").len());
    }
    fresh.place.check().await.expect("whole");
    store.close().await.expect("closed");
}

#[tokio::test]
async fn a_lock_that_somebody_holds_is_busy_in_time_while_others_log_in_and_then_free() {
    let fresh = Fresh::new();
    let store = fresh.open().await;
    register(&store, "kim").await.expect("free");
    let mut somebody = fresh.somebody_else().await;
    raw_sql("BEGIN IMMEDIATE").execute(&mut somebody).await.expect("a lock");
    let start = Instant::now();
    let (first, second, login) = tokio::join!(
        async { (register(&store, "lee").await, start.elapsed()) },
        // One at a time waits for SQLite; the next waits for that one, and not as long.
        async { (register(&store, "park").await, start.elapsed()) },
        async { (is_there(&store, "kim").await, start.elapsed()) },
    );
    assert!(matches!(first.0, Err(StoreError::Busy(_))), "{first:?}");
    assert!(first.1 < Duration::from_secs(8), "{first:?}");
    assert!(matches!(second.0, Err(StoreError::Unavailable(_))), "{second:?}");
    assert!(second.1 >= ACQUIRE_TIMEOUT && second.1 < Duration::from_secs(4), "{second:?}");
    assert!(login.0 && login.1 < Duration::from_secs(1), "{login:?}");
    raw_sql("ROLLBACK").execute(&mut somebody).await.expect("free");
    for name in ["lee", "park"] {
        assert!(!is_there(&store, name).await);
        register(&store, name).await.expect("free");
    }
    somebody.close().await.expect("closed");
    store.close().await.expect("closed");
}

#[tokio::test]
async fn a_database_that_takes_no_writes_any_more_still_lets_people_log_in() {
    let fresh = Fresh::new();
    let store = fresh.open().await;
    register(&store, "kim").await.expect("free");
    store.accounts().database.tell_writer("PRAGMA query_only = ON").await;
    store.accounts().note_login(store.accounts().list(None, 1).await.expect("a page")[0].id, 5);
    let error = store.accounts().flush_logins().await.expect_err("read-only");
    assert!(matches!(error, StoreError::ReadOnly(_)), "{error}");
    assert!(is_there(&store, "kim").await);
    register(&store, "lee").await.expect("a new connection takes writes");
    store.accounts().flush_logins().await.expect("what was noted still is");
    assert_eq!(store.accounts().list(None, 1).await.expect("a page")[0].last_login_ms, Some(5));
    store.close().await.expect("closed");
}

#[tokio::test]
async fn a_file_that_cannot_be_written_to_is_told_at_the_start() {
    let fresh = Fresh::new();
    fresh.open().await.close().await.expect("closed");
    let mut rights = fresh.file().metadata().expect("a file").permissions();
    rights.set_readonly(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        rights.set_mode(0o444);
    }
    fs::set_permissions(fresh.file(), rights.clone()).expect("set");
    not_as_root(&fresh);

    let error = Store::open(&fresh.place).await.err().expect("refused");
    assert!(matches!(error, StoreError::ReadOnly(_)), "{error}");
    fresh.place.check().await.expect("it can be read");
}

/// Root may write to everything. The rest of this test's thread, and the threads it starts, are nobody's.
fn not_as_root(fresh: &Fresh) {
    #[cfg(target_os = "linux")]
    if rustix::process::geteuid().is_root() {
        let nobody = rustix::process::Uid::from_raw(65_534);
        std::os::unix::fs::chown(&fresh.folder, Some(nobody.as_raw()), None).expect("root may");
        rustix::thread::set_thread_res_uid(nobody, nobody, nobody).expect("root may");
    }
    let _ = fresh;
}

#[tokio::test]
async fn every_connection_syncs_its_commits_and_waits_for_locks() {
    let fresh = Fresh::new();
    let store = fresh.open().await;
    for _ in 0..2 {
        let mut transaction = store.accounts().database.begin().await.expect("begun");
        for (pragma, expected) in
            [("PRAGMA synchronous", 2), ("PRAGMA foreign_keys", 1), ("PRAGMA busy_timeout", 5_000)]
        {
            let rows = transaction.rows(sqlx::query(pragma)).await.expect("an answer");
            assert_eq!(rows[0].try_get::<i64, _>(0).expect("a number"), expected, "{pragma}");
        }
        // Dropped: the next round has another connection.
    }
    store.close().await.expect("closed");
}
