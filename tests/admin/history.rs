//! What was said, under an operator's hands.

use std::time::SystemTime;

use iocp_chat::store::{Batch, Cursor, NewLine, PageLimit, Place, Store, StoredResume, Told};

use crate::Data;

const DAY_MS: u64 = 86_400_000;

/// Says these lines in a conversation, so many days ago each.
async fn say(data: &Data, conversation: u64, lines: &[(&str, u64)]) {
    let store = open(data).await;
    let now = SystemTime::UNIX_EPOCH.elapsed().expect("after 1970").as_millis();
    let now = u64::try_from(now).expect("this age");
    let lines = lines.iter().zip(1..).map(|((sender, days), seq)| NewLine {
        seq,
        time_ms: now - DAY_MS * days,
        session: Some(7),
        account: None,
        sender: (*sender).into(),
        message_id: None,
        text: "hi".into(),
    });
    let batch = Batch { conversation, epoch: 77, lines: lines.collect(), ..Batch::default() };
    store.history().write(&[batch]).await.expect("written");
    store.close().await.expect("closed");
}

/// The senders of what is kept of a conversation.
async fn senders(data: &Data, conversation: u64) -> Vec<String> {
    let store = open(data).await;
    let from = Cursor { conversation, epoch: 0, seq: 0 };
    let page = store.history().after(from, PageLimit { lines: 100, bytes: 10_000 }).await.expect("a page");
    store.close().await.expect("closed");
    let sender = |told| if let Told::Line(line) = told { Some(line.sender) } else { None };
    page.told.into_iter().filter_map(sender).collect()
}

async fn open(data: &Data) -> Store {
    Store::open(&Place::in_folder(&data.folder).expect("a place")).await.expect("it opens")
}

#[tokio::test]
async fn all_that_one_person_said_is_erased_and_the_audit_log_shows_it() {
    let data = Data::with(&[("Kim", "user")]);
    say(&data, 1, &[("Kim", 0), ("lee", 0), ("Kim", 0)]).await;
    say(&data, 5, &[("Kim", 0)]).await;
    let said = data.run(&["history", "erase", "kim"]);
    assert!(said.code == Some(2) && said.err.contains("--yes"), "{said:?}");
    let said = data.run(&["history", "erase", "k m", "--yes"]);
    assert!(said.code == Some(1) && said.err.contains("is no name"), "{said:?}");
    assert_eq!(senders(&data, 1).await.len(), 3);
    assert_eq!(data.done(&["history", "erase", "kim", "--yes"]), "erased 3 lines and 0 whispers of kim\n");
    assert_eq!((senders(&data, 1).await, senders(&data, 5).await), (vec!["lee".to_owned()], Vec::new()));
    assert_eq!(data.done(&["history", "erase", "lee", "--yes"]), "erased 1 line and 0 whispers of lee\n");
    let shown = data.done(&["audit"]);
    let acts: Vec<_> = shown.lines().map(|line| line.rsplit("  ").next().expect("an act")).collect();
    assert_eq!(acts, ["erase lee", "erase kim"]);
    assert!(shown.contains("operator"), "{shown}");
}

#[tokio::test]
async fn what_is_too_old_or_too_much_is_pruned_of_every_conversation() {
    let data = Data::with(&[("kim", "user")]);
    say(&data, 1, &[("a", 40), ("b", 20), ("c", 10), ("d", 0)]).await;
    say(&data, 5, &[("a", 40), ("b", 20)]).await;
    assert_eq!(data.done(&["history", "prune"]), "pruned 2 lines\n");
    assert_eq!(senders(&data, 1).await, ["b", "c", "d"]);
    // As the server would do it.
    let set = ["history", "prune", "--set", "history.lines=2"];
    assert_eq!(data.done(&set), "pruned 1 line\n");
    assert_eq!((senders(&data, 1).await.len(), senders(&data, 5).await.len()), (2, 1));
    assert_eq!(data.done(&["history", "prune", "--age", "7d"]), "pruned 2 lines\n");
    assert_eq!((senders(&data, 1).await, senders(&data, 5).await), (vec!["d".to_owned()], Vec::new()));
    assert_eq!(data.run(&["history", "prune", "--age", "soon"]).code, Some(2));
}

#[tokio::test]
async fn who_has_another_password_logs_in_with_it_and_resumes_nothing() {
    let data = Data::with(&[("kim", "user")]);
    let store = open(&data).await;
    let kim = store.accounts().find("kim").await.expect("an answer").expect("made").id;
    let person = iocp_chat::store::Person { key: "kim".into(), shown: "kim".into() };
    let resume = StoredResume {
        family: [1; 8],
        session: 7,
        account: Some(kim),
        person,
        token_hash: [1; 32],
        previous_hash: None,
        issued_ms: 0,
        expires_ms: u64::MAX,
        here: true,
    };
    store.resumes().put(&[resume]).await.expect("stored");
    let said = data.run_with(&["user", "passwd", "kim", "--password-file", "-"], b"battery staple\n");
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(store.resumes().find([1; 8]).await.expect("an answer"), None);
    store.close().await.expect("closed");
}
