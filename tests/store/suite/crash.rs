//! A process that is killed while people register: whoever was told that they are registered, is.

use std::{
    env,
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
};

use iocp_chat::store::{Place, Role, Store};

use super::{account, forms, open};
use crate::fresh;

/// Where the child registers, and with what its names begin.
const PLACE: &str = "CHAT_STORE_TEST_PLACE";
const PREFIX: &str = "CHAT_STORE_TEST_PREFIX";
const STORED: &str = "stored ";
/// How many names each child lives for.
const LIVES: [usize; 6] = [1, 2, 10, 40, 80, 150];
/// People who register at once.
const AT_ONCE: usize = 4;

#[tokio::test]
async fn whoever_was_told_that_they_are_registered_is_so_after_kill_9() {
    let fresh = fresh().await;
    open(&fresh).await.close().await.expect("closed");
    for (round, lives) in LIVES.into_iter().enumerate() {
        let mut child = Command::new(env::current_exe().expect("this test"))
            .args(["suite::crash::a_child_registers_until_it_is_killed", "--exact", "--nocapture"])
            .env(PLACE, fresh.url())
            .env(PREFIX, format!("round{round}-"))
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
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
async fn a_child_registers_until_it_is_killed() {
    let (Ok(url), Ok(prefix)) = (env::var(PLACE), env::var(PREFIX)) else {
        // Nobody's child: one of the suite's tests like the others.
        return;
    };
    let place = if url.starts_with("postgres:") { Place::postgres(&url) } else { Place::file(url.as_ref()) };
    let store = Store::open(&place.expect("a place")).await.expect("it opens");
    let people: Vec<_> = (0..AT_ONCE)
        .map(|person| {
            let (store, prefix) = (store.clone(), prefix.clone());
            tokio::spawn(async move {
                for n in 0..10_000 {
                    let name = format!("{prefix}{person}-{n}");
                    store.accounts().create(&account(&name), Role::User).await.expect("free");
                    println!("{STORED}{name}");
                }
            })
        })
        .collect();
    for person in people {
        person.await.expect("no panic");
    }
}
