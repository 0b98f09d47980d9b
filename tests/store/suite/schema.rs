//! Versions: forward only, once, never into what a newer program made.

use iocp_chat::store::{
    Letter, Migrated, NewInvite, NewRoom, Place, Role, STEPS, Schema, Step, Store, StoreError, StoredMailbox,
};
use sqlx::{Connection as _, raw_sql};

use super::{NOW, account, actions, batch, entry, in_turn, open, resume, room};
use crate::{Fresh, fresh};

/// A version that is not there yet.
const NEXT: Step = Step {
    sqlite: "CREATE TABLE later (id INTEGER PRIMARY KEY) STRICT; ALTER TABLE accounts ADD COLUMN motto TEXT;",
    postgres: "CREATE TABLE later (id BIGINT PRIMARY KEY); ALTER TABLE accounts ADD COLUMN motto TEXT;",
};
/// One that does not succeed, after it has begun.
const BROKEN: Step = Step {
    sqlite: "CREATE TABLE later (id INTEGER PRIMARY KEY); INSERT INTO nothing VALUES (1);",
    postgres: "CREATE TABLE later (id BIGINT PRIMARY KEY); INSERT INTO nothing VALUES (1);",
};

/// The newest version.
fn known() -> u32 {
    u32::try_from(STEPS.len()).expect("few steps")
}

async fn open_with(place: &Place, next: Step) -> Result<Store, StoreError> {
    Store::open_with(place, &[STEPS, &[next]].concat()).await
}

async fn run(fresh: &Fresh, sql: &'static str) {
    let mut connection = fresh.connect().await;
    raw_sql(sql).execute(&mut connection).await.expect(sql);
    connection.close().await.expect("closed");
}

#[tokio::test]
async fn a_new_database_is_brought_to_this_version_once() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    assert_eq!(*store.migrated(), Migrated { from: 0, to: known(), backup: None });
    assert_eq!(fresh.place.schema().await.expect("a version"), Schema { applied: known(), known: known() });
    store.close().await.expect("closed");
    let store = open(&fresh).await;
    assert_eq!(*store.migrated(), Migrated { from: known(), to: known(), backup: None });
    fresh.place.check().await.expect("whole");
    store.close().await.expect("closed");
}

#[tokio::test]
async fn a_database_of_the_version_before_goes_forward_with_its_accounts() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    store.accounts().create(&account("kim"), Role::Admin).await.expect("free");
    store.close().await.expect("closed");

    let store = open_with(&fresh.place, NEXT).await.expect("it goes forward");
    assert_eq!((store.migrated().from, store.migrated().to), (known(), known() + 1));
    assert!(store.accounts().find("kim").await.expect("an answer").is_some());
    run(&fresh, "INSERT INTO later VALUES (1); UPDATE accounts SET motto = 'hi'").await;
    store.close().await.expect("closed");
    // This program's own version does not know that one.
    let error = Store::open(&fresh.place).await.err().expect("refused");
    assert!(matches!(error, StoreError::TooNew { found, known: 1.. } if found == known() + 1), "{error}");
}

#[tokio::test]
async fn a_database_from_before_there_were_rooms_goes_forward_with_its_accounts_and_invites() {
    let fresh = fresh().await;
    let store = Store::open_with(&fresh.place, &STEPS[..1]).await.expect("it opens");
    let kim = store.accounts().create(&account("Kim"), Role::Admin).await.expect("free");
    let invite = NewInvite { role: Role::User, uses: 1, created_ms: NOW, expires_ms: None };
    let token = store.invites().create(&invite).await.expect("made");
    fresh.place.check().await.expect("whole, as it is");
    store.close().await.expect("closed");

    let store = open(&fresh).await;
    assert_eq!((store.migrated().from, store.migrated().to), (1, known()));
    assert_eq!(store.accounts().find("kim").await.expect("an answer"), Some(kim));
    store.invites().redeem(&token, &account("lee")).await.expect("redeemed");
    let new = NewRoom { roles: vec![("kim".into(), 2), ("lee".into(), 1)], ..room(2, "games") };
    store.rooms().create(&new, &entry("create")).await.expect("free");
    fresh.place.check().await.expect("whole");
    store.close().await.expect("closed");
}

#[tokio::test]
async fn a_database_from_before_there_was_a_history_goes_forward_with_its_rooms_and_audit_log() {
    let fresh = fresh().await;
    let store = Store::open_with(&fresh.place, &STEPS[..2]).await.expect("it opens");
    store.accounts().create(&account("Kim"), Role::Admin).await.expect("free");
    let new = NewRoom { roles: vec![("kim".into(), 2)], ..room(5, "games") };
    store.rooms().create(&new, &entry("create")).await.expect("free");
    let before = store.rooms().load(NOW).await.expect("loaded");
    store.close().await.expect("closed");

    let store = open(&fresh).await;
    assert_eq!((store.migrated().from, store.migrated().to), (2, known()));
    assert_eq!(store.rooms().load(NOW).await.expect("loaded"), before);
    assert_eq!(actions(&store).await, ["create"]);
    assert!(store.history().open_epochs().await.expect("opened").is_empty());
    assert_eq!(store.history().highest_session().await.expect("a number"), 0);
    store.history().write(&[batch(5, 77, 1..=3)]).await.expect("written");
    store.resumes().put(&[resume(7, "lee")]).await.expect("stored");
    fresh.place.check().await.expect("whole");
    store.close().await.expect("closed");
}

#[tokio::test]
async fn a_database_from_before_whispers_were_stored_first_goes_forward_with_its_mailboxes() {
    let fresh = fresh().await;
    let store = Store::open_with(&fresh.place, &STEPS[..3]).await.expect("it opens");
    store.resumes().put(&[resume(7, "lee")]).await.expect("stored");
    // What writes them today knows columns that there were not yet.
    run(
        &fresh,
        "INSERT INTO mailboxes (session, epoch, head) VALUES (7, 5, 9); \
         INSERT INTO mailbox_lines (session, seq, sender, sender_session, message_id, time_ms, text) \
         VALUES (7, 9, 'Kim', 8, 1, 70, 'hi')",
    )
    .await;
    store.close().await.expect("closed");

    let store = open(&fresh).await;
    assert_eq!((store.migrated().from, store.migrated().to), (3, known()));
    let letter =
        Letter { sender: "Kim".into(), session: 8, message_id: Some(1), time_ms: 70, text: "hi".into() };
    let mailbox = StoredMailbox { session: 7, epoch: 5, head: 9, lines: vec![(9, letter)] };
    assert_eq!(store.whispers().load_mailboxes().await.expect("loaded"), [mailbox]);
    assert_eq!(store.whispers().whispered_by(8, 9).await.expect("an answer").len(), 1);
    fresh.place.check().await.expect("whole");
    store.close().await.expect("closed");
}

#[tokio::test]
async fn a_step_that_fails_leaves_the_database_as_it_was() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    store.accounts().create(&account("kim"), Role::Admin).await.expect("free");
    store.close().await.expect("closed");
    for _ in 0..2 {
        open_with(&fresh.place, BROKEN).await.err().expect("it fails");
    }
    assert_eq!(fresh.place.schema().await.expect("a version").applied, known());
    let store = open_with(&fresh.place, NEXT).await.expect("later are not there yet");
    assert!(store.accounts().find("kim").await.expect("an answer").is_some());
    store.close().await.expect("closed");
}

#[tokio::test]
async fn a_newer_programs_database_is_refused_in_one_line_and_not_touched() {
    let fresh = fresh().await;
    open(&fresh).await.close().await.expect("closed");
    run(&fresh, "INSERT INTO schema_versions VALUES (99, 0)").await;
    let error = Store::open(&fresh.place).await.err().expect("refused").to_string();
    assert!(error.contains("99") && error.contains("newer") && !error.contains('\n'), "{error}");
    assert_eq!(fresh.place.schema().await.expect("a version"), Schema { applied: 99, known: known() });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_programs_that_start_at_once_migrate_once() {
    let fresh = fresh().await;
    for (next, from) in [(None, 0), (Some(NEXT), known())] {
        let starts: Vec<_> = (0..8)
            .map(|_| {
                let place = fresh.place.clone();
                let steps = [STEPS, next.as_slice()].concat();
                tokio::spawn(async move { in_turn(|| Store::open_with(&place, &steps)).await })
            })
            .collect();
        let mut stores = Vec::new();
        for start in starts {
            stores.push(start.await.expect("no panic").expect("it starts"));
        }
        let migrations = stores.iter().filter(|store| store.migrated().from == from).count();
        assert_eq!(migrations, 1, "from {from}");
        for store in stores {
            store.close().await.expect("closed");
        }
    }
}
