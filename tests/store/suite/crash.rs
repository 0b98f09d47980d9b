//! A process that is killed while people register, make rooms and talk: what they were told is done, is.

use std::{
    collections::BTreeSet,
    env,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

use iocp_chat::store::{AuditEntry, Cursor, NewRoom, PageLimit, Place, Role, RoomChange, Store, Told};

use super::{NOW, account, batch, entry, forms, in_turn, log, open, room};
use crate::fresh;

/// Where the child registers, and the how manieth it is.
const PLACE: &str = "CHAT_STORE_TEST_PLACE";
const ROUND: &str = "CHAT_STORE_TEST_ROUND";
const STORED: &str = "stored ";
const MADE: &str = "made ";
const DELETED: &str = "deleted ";
const WRITTEN: &str = "written ";
/// Lines of a batch: statements of several sizes.
const LINES: u64 = 125;
/// Rooms that one person of one round may make.
const ROOMS: u64 = 10_000;
/// How many names each child lives for.
const LIVES: [usize; 6] = [1, 2, 10, 40, 80, 150];
/// People who register at once.
const AT_ONCE: usize = 4;

#[tokio::test]
async fn whoever_was_told_that_they_are_registered_is_so_after_kill_9() {
    let fresh = fresh().await;
    open(&fresh).await.close().await.expect("closed");
    for (round, lives) in LIVES.into_iter().enumerate() {
        let mut child = child("suite::crash::a_child_registers_until_it_is_killed", &fresh.url(), round);
        let mut stored = Vec::new();
        for line in BufReader::new(child.stdout.take().expect("piped")).lines() {
            let line = line.expect("text");
            // The test harness may have its own words before it.
            if let Some((_, name)) = line.split_once(STORED) {
                stored.push(name.to_owned());
            }
            if stored.len() == lives {
                child.kill().expect("SIGKILL, or its like on Windows");
            }
        }
        assert!(!child.wait().expect("a child").success(), "it was killed");
        assert!(stored.len() >= lives, "{stored:?}");

        fresh.place.check().await.expect("whole");
        let store = open(&fresh).await;
        for name in &stored {
            let found = store.accounts().find(&forms(name).key).await.expect("an answer");
            assert!(found.is_some(), "{name} was stored, and is not there");
        }
        // Nothing that the dead one held is in the way.
        store.accounts().create(&account(&format!("after{round}")), Role::User).await.expect("free");
        store.close().await.expect("closed");
    }
}

#[tokio::test]
async fn a_room_and_its_entry_are_both_there_or_neither_after_kill_9() {
    let fresh = fresh().await;
    open(&fresh).await.close().await.expect("closed");
    let (mut made, mut deleted) = (BTreeSet::new(), BTreeSet::new());
    for (round, lives) in LIVES.into_iter().enumerate() {
        let mut child = child("suite::crash::a_child_makes_rooms_until_it_is_killed", &fresh.url(), round);
        let mut told = 0;
        for line in BufReader::new(child.stdout.take().expect("piped")).lines() {
            let line = line.expect("text");
            let number = |text: &str| text.parse::<u64>().expect("a number");
            if let Some((_, room)) = line.split_once(MADE) {
                made.insert(number(room));
            } else if let Some((_, room)) = line.split_once(DELETED) {
                deleted.insert(number(room));
            } else {
                continue;
            }
            told += 1;
            if told == lives {
                child.kill().expect("SIGKILL, or its like on Windows");
            }
        }
        assert!(!child.wait().expect("a child").success(), "it was killed");
        assert!(told >= lives, "{told}");

        fresh.place.check().await.expect("whole");
        let store = open(&fresh).await;
        let rooms = store.rooms().load(NOW).await.expect("loaded");
        assert!(rooms.iter().all(|stored| stored.roles.len() == 1), "a room without its owner");
        let there: BTreeSet<u64> = rooms.into_iter().map(|stored| stored.room.conversation).collect();
        let (mut entered, mut left) = (BTreeSet::new(), BTreeSet::new());
        for record in log(&store).await {
            let which = if record.entry.action == "create" { &mut entered } else { &mut left };
            assert!(which.insert(record.entry.conversation.expect("a room")), "twice: {record:?}");
        }
        assert!(made.is_subset(&entered) && deleted.is_subset(&left), "what was told is not there");
        assert_eq!(there, &entered - &left, "one without the other");
        assert_eq!(store.rooms().last_number().await.expect("a number"), *entered.last().expect("one"));
        store.close().await.expect("closed");
    }
}

#[tokio::test]
async fn a_batch_of_lines_is_there_whole_or_not_at_all_after_kill_9_and_its_epochs_have_no_known_end() {
    let fresh = fresh().await;
    open(&fresh).await.close().await.expect("closed");
    for (round, lives) in LIVES.into_iter().enumerate() {
        let mut child = child("suite::crash::a_child_writes_lines_until_it_is_killed", &fresh.url(), round);
        let mut written = 0;
        for line in BufReader::new(child.stdout.take().expect("piped")).lines() {
            if let Some((_, batch)) = line.expect("text").split_once(WRITTEN) {
                written = batch.parse().expect("a number");
            }
            if written == lives as u64 {
                child.kill().expect("SIGKILL, or its like on Windows");
            }
        }
        assert!(!child.wait().expect("a child").success(), "it was killed");
        assert!(written >= lives as u64, "{written}");

        fresh.place.check().await.expect("whole");
        let store = open(&fresh).await;
        store.rooms().replace(&room(5, "games"), &entry("create")).await.expect("free");
        let epoch = round as u64 + 1;
        for last in store.history().open_epochs().await.expect("opened") {
            assert_eq!((last.epoch, last.head), (epoch, None));
        }
        let mut of_both = Vec::new();
        for conversation in [1, 5] {
            let mut cursor = Cursor { conversation, epoch, seq: 0 };
            let mut count = 0;
            loop {
                let limit = PageLimit { lines: 1_000, bytes: usize::MAX };
                let page = store.history().after(cursor, limit).await.expect("a page");
                for told in page.told {
                    match told {
                        Told::Line(line) => {
                            count += 1;
                            assert_eq!(line.seq, count, "a hole");
                            cursor.seq = line.seq;
                        }
                        Told::Missed { from, to, .. } => assert_eq!((from, to), (count + 1, u64::MAX)),
                    }
                }
                if !page.more {
                    break;
                }
            }
            of_both.push(count);
        }
        assert!(
            of_both[0].is_multiple_of(LINES) && of_both[0] >= written * LINES,
            "{of_both:?} of {written}"
        );
        assert_eq!(of_both[0], of_both[1], "one without the other");
        store.close().await.expect("closed");
    }
}

fn child(test: &str, url: &str, round: usize) -> Child {
    Command::new(env::current_exe().expect("this test"))
        .args([test, "--exact", "--nocapture"])
        .env(PLACE, url)
        .env(ROUND, round.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts")
}

/// The store and the round of a test that is a child. Nobody's child has none: it is a test like the others.
async fn as_child() -> Option<(Store, u64)> {
    let (url, round) = (env::var(PLACE).ok()?, env::var(ROUND).ok()?);
    let place = if url.starts_with("postgres:") { Place::postgres(&url) } else { Place::file(url.as_ref()) };
    let store = Store::open(&place.expect("a place")).await.expect("it opens");
    Some((store, round.parse().expect("a number")))
}

#[tokio::test]
async fn a_child_registers_until_it_is_killed() {
    let Some((store, round)) = as_child().await else { return };
    let people: Vec<_> = (0..AT_ONCE)
        .map(|person| {
            let store = store.clone();
            tokio::spawn(async move {
                for n in 0..10_000 {
                    let name = format!("round{round}-{person}-{n}");
                    let new = account(&name);
                    in_turn(|| store.accounts().create(&new, Role::User)).await.expect("free");
                    println!("{STORED}{name}");
                }
            })
        })
        .collect();
    for person in people {
        person.await.expect("no panic");
    }
}

#[tokio::test]
async fn a_child_makes_rooms_until_it_is_killed() {
    let Some((store, round)) = as_child().await else { return };
    let owner = format!("owner{round}");
    store.accounts().create(&account(&owner), Role::User).await.expect("free");
    let people: Vec<_> = (0..AT_ONCE as u64)
        .map(|person| {
            let (store, owner) = (store.clone(), owner.clone());
            tokio::spawn(async move {
                let first = (round * AT_ONCE as u64 + person) * ROOMS;
                for number in first..first + ROOMS {
                    let about = |action| AuditEntry { conversation: Some(number), ..entry(action) };
                    let roles = vec![(owner.clone(), 2)];
                    let new = NewRoom { roles, ..room(number, &format!("room {number}")) };
                    let (made, gone) = (about("create"), about("delete"));
                    in_turn(|| store.rooms().create(&new, &made)).await.expect("free");
                    println!("{MADE}{number}");
                    if number % 3 == 0 {
                        let delete = || store.rooms().apply(number, &[RoomChange::Gone], &gone);
                        in_turn(delete).await.expect("it exists");
                        println!("{DELETED}{number}");
                    }
                }
            })
        })
        .collect();
    for person in people {
        person.await.expect("no panic");
    }
}

#[tokio::test]
async fn a_child_writes_lines_until_it_is_killed() {
    let Some((store, round)) = as_child().await else { return };
    for n in 0..10_000 {
        let seqs = n * LINES + 1..=(n + 1) * LINES;
        let batches = [batch(1, round + 1, seqs.clone()), batch(5, round + 1, seqs)];
        store.history().write(&batches).await.expect("written");
        println!("{WRITTEN}{}", n + 1);
    }
}
