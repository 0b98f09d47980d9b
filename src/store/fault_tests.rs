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
    ACQUIRE_TIMEOUT, ANSWER_TIMEOUT, AuditEntry, Batch, Cursor, Letter, LetterLimits, NameForms, NewAccount,
    NewLine, NewRoom, OPERATOR, PAGE_ENTRIES_MAX, PageLimit, PasswordHash, Person, Place, Role, Room,
    RoomSettings, Store, StoreError, StoredResume, Told,
};

use crate::metrics::StoreErrorKind;

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
        let metrics = store.metrics();
        assert_eq!((metrics.errors.get(StoreErrorKind::Full), metrics.write_fails.get()), (round + 1, 1));
        for name in &stored {
            assert!(is_there(&store, name).await, "{name}");
        }
        assert!(!is_there(&store, &format!("round{round}-{}", stored.len())).await);
        // That connection went with its transaction, and its fault with it.
        register(&store, &format!("after{round}")).await.expect("room");
        assert_eq!(store.metrics().write_fails.get(), 0, "that is over");
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
async fn on_a_full_disk_a_batch_is_refused_whole_and_can_be_written_when_there_is_room() {
    let fresh = fresh_with_epoch().await;
    let store = fresh.open().await;
    let mut seq = 1;
    for _ in 0..3 {
        store.history().database.tell_writer("PRAGMA max_page_count = 1").await;
        let error = loop {
            match store.history().write(&[batch(seq)]).await {
                Ok(stored) => assert_eq!(stored, BATCH_LINES),
                Err(error) => break error,
            }
            seq += BATCH_LINES;
        };
        assert!(matches!(error, StoreError::Full(_)), "{error}");
        assert_eq!(lines(&store).await, seq - 1, "reading goes on, and of the last batch there is nothing");
        assert_eq!(store.history().write(&[batch(seq)]).await.expect("room"), BATCH_LINES);
        seq += BATCH_LINES;
    }
    assert_eq!(lines(&store).await, seq - 1);
    fresh.place.check().await.expect("whole");
    store.close().await.expect("closed");
}

#[tokio::test]
async fn on_a_full_disk_no_token_and_no_whisper_is_half_stored() {
    let fresh = Fresh::new();
    let store = fresh.open().await;
    register(&store, "kim").await.expect("room");
    let kim = store.accounts().find("kim").await.expect("an answer").expect("made").id;
    let limits = LetterLimits { letters: 999, bytes: 1 << 30, of_one_sender: 999, age_ms: 1 };
    for round in 0..3 {
        store.history().database.tell_writer("PRAGMA max_page_count = 1").await;
        let mut put = 0;
        let error = loop {
            let first = round * 1_000 + 2 * put;
            match store.resumes().put(&[resume(first), resume(first + 1)]).await {
                Ok(_) => put += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(error, StoreError::Full(_)), "{error}");
        let here = store.resumes().load_here().await.expect("loaded").len() as u64;
        assert_eq!(here, 2 * put, "each with the other");
        store.history().database.tell_writer("PRAGMA max_page_count = 1").await;
        let mut kept = 0;
        let error = loop {
            match store.whispers().keep(kim, &letter(), &limits).await {
                Ok(_) => kept += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(error, StoreError::Full(_)), "{error}");
        assert_eq!(store.whispers().take(kim, 0, &[]).await.expect("taken").len(), kept);
        store.resumes().expire(u64::MAX, 0).await.expect("room");
    }
    fresh.place.check().await.expect("whole");
    store.close().await.expect("closed");
}

/// Lines of a batch: two statements.
const BATCH_LINES: u64 = 110;

/// A database that has the epoch of [`batch`].
async fn fresh_with_epoch() -> Fresh {
    let fresh = Fresh::new();
    let store = fresh.open().await;
    let epoch = Batch { conversation: 1, epoch: 77, ..Batch::default() };
    assert_eq!(store.history().write(&[epoch]).await.expect("room"), 0);
    store.close().await.expect("closed");
    fresh
}

fn batch(first: u64) -> Batch {
    let line = |seq| NewLine {
        seq,
        time_ms: 0,
        session: Some(7),
        account: None,
        sender: "kim".into(),
        message_id: Some(seq),
        text: "x".repeat(100),
    };
    let lines = (first..first + BATCH_LINES).map(line).collect();
    Batch { conversation: 1, epoch: 77, lines, ..Batch::default() }
}

/// The number of the last, where none is missing.
async fn lines(store: &Store) -> u64 {
    let mut cursor = Cursor { conversation: 1, epoch: 77, seq: 0 };
    loop {
        let limit = PageLimit { lines: 1_000, bytes: usize::MAX };
        let page = store.history().after(cursor, limit).await.expect("a page");
        for told in page.told {
            let Told::Line(line) = told else { panic!("{told:?}") };
            assert_eq!(line.seq, cursor.seq + 1);
            cursor.seq = line.seq;
        }
        if !page.more {
            return cursor.seq;
        }
    }
}

fn resume(session: u64) -> StoredResume {
    StoredResume {
        family: session.to_be_bytes(),
        session,
        account: None,
        person: Person { key: "lee".into(), shown: "x".repeat(300) },
        token_hash: [1; 32],
        previous_hash: None,
        issued_ms: 0,
        expires_ms: 1,
        here: true,
    }
}

fn letter() -> Letter {
    Letter { sender: "lee".into(), session: 7, message_id: None, time_ms: 1, text: "x".repeat(500).into() }
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
    // SQLite counts the naps it takes, and not how long each becomes on a busy machine.
    let in_time = matches!(first.0, Err(StoreError::Busy(_))) || first.1 >= ANSWER_TIMEOUT;
    assert!(in_time && first.0.is_err(), "{first:?}");
    assert!(matches!(second.0, Err(StoreError::Unavailable(_))), "{second:?}");
    assert!((ACQUIRE_TIMEOUT..ANSWER_TIMEOUT).contains(&second.1), "{second:?}");
    assert!(login.0 && login.1 < Duration::from_secs(5), "{login:?}");
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
