//! What the store promises on every database; each target says what a `fresh` one is.

mod accounts;
mod admins;
mod archive;
mod audit;
mod crash;
mod epochs;
mod erase;
mod history;
mod history_pages;
mod ignores;
mod invites;
mod mailboxes;
mod names;
mod resumes;
mod retention;
mod rooms;
mod sanctions;
mod schema;
mod sealed;
mod switches;
mod transfer;
mod whispers;

use std::time::{Duration, Instant};

use iocp_chat::store::{
    AuditEntry, AuditRecord, Batch, Cursor, Line, NameForms, NewAccount, NewLine, NewRoom, PAGE_ENTRIES_MAX,
    PageLimit, PasswordHash, Person, Room, RoomSettings, Sanction, Store, StoreError, StoredResume, Told,
};

use crate::Fresh;

pub const NOW: u64 = 1_784_974_272_000;
pub const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2g";

/// How long something may take that is not about how long it takes.
pub const PATIENCE: Duration = Duration::from_mins(5);

/// Asks for what many ask for at once, again while others keep whoever asks from the database: on a slow disk the last of
/// them wait longer than the store lets anybody wait.
pub async fn in_turn<T, F>(ask: impl Fn() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let begun = Instant::now();
    loop {
        match ask().await {
            Err(StoreError::Unavailable(_) | StoreError::Busy(_)) if begun.elapsed() < PATIENCE => {}
            done => return done,
        }
    }
}

pub async fn open(fresh: &Fresh) -> Store {
    Store::open(&fresh.place).await.expect("it opens")
}

/// Rules as plain as a test can use: case does not count, and 0 looks like o.
pub fn forms(name: &str) -> NameForms {
    let key = name.to_lowercase();
    NameForms { shown: name.into(), skeleton: key.replace('0', "o"), key, version: 1 }
}

pub fn account(name: &str) -> NewAccount {
    NewAccount { name: forms(name), password: hash(HASH), created_ms: NOW }
}

pub fn hash(text: &str) -> PasswordHash {
    PasswordHash::parse(text).expect("a PHC string")
}

pub fn person(name: &str) -> Person {
    Person { key: forms(name).key, shown: name.into() }
}

/// A room with nothing about it yet.
pub fn room(conversation: u64, name: &str) -> NewRoom {
    let settings = RoomSettings { capacity: 100, flags: 0, slow_s: 0, topic: String::new(), password: None };
    NewRoom {
        room: Room { conversation, name: forms(name), settings, created_ms: NOW },
        roles: Vec::new(),
        sanctions: Vec::new(),
        invited: Vec::new(),
    }
}

pub fn sanction(banned_until_ms: Option<u64>, muted_until_ms: Option<u64>) -> Sanction {
    Sanction { banned_until_ms, muted_until_ms, by: "Boss".into(), reason: "flooding".into(), since_ms: NOW }
}

pub fn entry(action: &str) -> AuditEntry {
    AuditEntry {
        time_ms: NOW,
        actor: "Boss".into(),
        actor_role: 3,
        action: action.into(),
        conversation: None,
        room: None,
        target: None,
        seconds: None,
        reason: String::new(),
    }
}

/// The whole log, newest first.
pub async fn log(store: &Store) -> Vec<AuditRecord> {
    let mut log: Vec<AuditRecord> = Vec::new();
    loop {
        let before = log.last().map(|oldest| oldest.id);
        let page = store.audit().page(before, PAGE_ENTRIES_MAX).await.expect("a page");
        if page.is_empty() {
            return log;
        }
        log.extend(page);
    }
}

/// What the log says was done, oldest first.
pub async fn actions(store: &Store) -> Vec<String> {
    log(store).await.into_iter().rev().map(|record| record.entry.action).collect()
}

/// The session that says everything in these tests, unless it matters.
pub const SPEAKER: u64 = 7;

/// A line of the speaker's that says its number, sent under no message id.
pub fn line(seq: u64) -> NewLine {
    NewLine {
        seq,
        time_ms: NOW + seq,
        session: Some(SPEAKER),
        account: None,
        sender: "Kim".into(),
        message_id: None,
        text: format!("line {seq}"),
    }
}

/// Lines with these numbers.
pub fn batch(conversation: u64, epoch: u64, seqs: impl IntoIterator<Item = u64>) -> Batch {
    Batch { conversation, epoch, lines: seqs.into_iter().map(line).collect(), ..Batch::default() }
}

/// Everything that is told of a conversation from its beginning.
pub async fn told(store: &Store, conversation: u64) -> Vec<Told> {
    let from = Cursor { conversation, epoch: 0, seq: 0 };
    let page = store.history().after(from, PageLimit { lines: 1_000, bytes: 1 << 20 }).await.expect("a page");
    assert!(!page.more, "more than a test should have");
    page.told
}

/// Every line that is kept of a conversation.
pub async fn kept(store: &Store, conversation: u64) -> Vec<Line> {
    let lines = told(store, conversation).await.into_iter();
    lines.filter_map(|told| if let Told::Line(line) = told { Some(line) } else { None }).collect()
}

/// The epoch and the number of each.
pub fn places(lines: &[Line]) -> Vec<(u64, u64)> {
    lines.iter().map(|line| (line.epoch, line.seq)).collect()
}

/// What lets a guest's session be resumed.
pub fn resume(session: u64, name: &str) -> StoredResume {
    StoredResume {
        family: session.to_be_bytes(),
        session,
        account: None,
        person: person(name),
        token_hash: [1; 32],
        previous_hash: None,
        issued_ms: NOW,
        expires_ms: NOW + 1_000,
        here: true,
    }
}
