//! What was said: written together or not at all, once however often it was sent, and there after a restart.

use std::time::Duration;

use iocp_chat::store::{Batch, Line, NewLine, Role, SentLine, StoreError};
use tokio::time::timeout;

use super::{NOW, SPEAKER, account, batch, in_turn, kept, line, open, places};
use crate::fresh;

#[tokio::test]
async fn lines_come_back_as_they_were_said_also_after_a_restart() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let kim = store.accounts().create(&account("kim"), Role::User).await.expect("free").id;
    let said = NewLine {
        seq: i64::MAX as u64,
        session: Some(i64::MAX as u64),
        account: Some(kim),
        sender: "홍길동".into(),
        message_id: Some(u64::MAX),
        text: "'; DROP TABLE lines; --\n🐉".into(),
        ..line(0)
    };
    let operators = NewLine { seq: 1, session: None, sender: String::new(), ..line(0) };
    let epoch = u64::MAX - 5;
    let lines = vec![said.clone(), operators.clone()];
    let written = store.history().write(&[Batch { lines, ..batch(1, epoch, []) }]).await.expect("written");
    assert_eq!(written, 2);
    store.close().await.expect("closed");

    let store = open(&fresh).await;
    let stored = |new: NewLine| Line {
        epoch,
        seq: new.seq,
        time_ms: new.time_ms,
        session: new.session,
        sender: new.sender,
        text: new.text,
    };
    assert_eq!(kept(&store, 1).await, [stored(operators), stored(said)]);
    assert_eq!(store.history().highest_session().await.expect("a number"), i64::MAX as u64);
    store.close().await.expect("closed");
}

#[tokio::test]
async fn what_is_written_twice_and_what_is_sent_twice_is_there_once() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let history = store.history();
    let sent = |seq, message_id| NewLine { message_id, text: format!("sent {seq}"), ..line(seq) };
    let first = Batch { lines: vec![sent(1, Some(9)), sent(2, None)], ..batch(5, 77, []) };
    assert_eq!(history.write(std::slice::from_ref(&first)).await.expect("written"), 2);
    assert_eq!(history.write(&[first]).await.expect("whether it was written was not known"), 0);
    let other = NewLine { session: Some(8), ..sent(4, Some(9)) };
    let lines = vec![sent(3, Some(9)), other, sent(5, None)];
    let elsewhere = Batch { lines: vec![sent(1, Some(9))], ..batch(6, 77, []) };
    let again = [Batch { lines, ..batch(5, 77, []) }, elsewhere];
    assert_eq!(history.write(&again).await.expect("written"), 2, "message 9 of session 7 is there");
    assert_eq!(places(&kept(&store, 5).await), [(77, 1), (77, 2), (77, 4), (77, 5)]);
    assert!(kept(&store, 6).await.is_empty());
    assert_eq!(history.write(&[]).await.expect("nothing"), 0);
    store.close().await.expect("closed");
}

#[tokio::test]
async fn what_was_void_goes_before_others_take_its_numbers() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let history = store.history();
    history.write(&[batch(5, 77, 1..=9), batch(6, 77, 1..=9)]).await.expect("written");
    let said = NewLine { text: "instead".into(), ..line(4) };
    let void = vec![4..=4, 7..=12];
    let batch = Batch { void, lines: vec![said], ..batch(5, 77, []) };
    assert_eq!(history.write(&[batch]).await.expect("written"), 1);
    let lines = kept(&store, 5).await;
    assert_eq!(places(&lines), [1, 2, 3, 4, 5, 6].map(|seq| (77, seq)));
    assert_eq!(lines[3].text, "instead");
    assert_eq!(kept(&store, 6).await.len(), 9);
    store.close().await.expect("closed");
}

#[tokio::test]
async fn many_lines_of_many_conversations_are_written_in_one_go() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    // Statements of a hundred rows, of ten, and of one.
    let batches: Vec<_> = (1..=9).map(|conversation| batch(conversation, 77, 1..=137)).collect();
    assert_eq!(store.history().write(&batches).await.expect("written"), 9 * 137);
    for conversation in 1..=9 {
        let expected: Vec<_> = (1..=137).map(|seq| (77, seq)).collect();
        assert_eq!(places(&kept(&store, conversation).await), expected, "{conversation}");
    }
    assert_eq!(store.history().conversations(0).await.expect("a page"), (1..=9).collect::<Vec<_>>());
    assert_eq!(store.history().conversations(7).await.expect("a page"), [8, 9]);
    store.close().await.expect("closed");
}

#[tokio::test]
async fn of_batches_of_which_one_cannot_be_nothing_is_written() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let history = store.history();
    for bad in [batch(1 << 63, 77, [1]), batch(6, 77, [1 << 63]), {
        let lines = vec![NewLine { session: Some(1 << 63), ..line(1) }];
        Batch { lines, ..batch(6, 77, []) }
    }] {
        let error = history.write(&[batch(5, 77, 1..=3), bad]).await.expect_err("too large a number");
        assert!(matches!(error, StoreError::Unusable(_)), "{error}");
        assert!(history.conversations(0).await.expect("a page").is_empty());
    }
    history.write(&[batch(5, 77, 1..=3)]).await.expect("the next is");
    store.close().await.expect("closed");
}

#[tokio::test]
async fn what_a_session_sent_last_is_known_by_its_message_ids() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let sent = |seq, message_id| NewLine { message_id: Some(message_id), ..line(seq) };
    let lobby = Batch { lines: vec![sent(1, 50), line(2), sent(3, u64::MAX)], ..batch(1, 77, []) };
    let others = NewLine { session: Some(8), ..sent(4, 50) };
    let room = Batch { lines: vec![sent(2, 3), others], ..batch(5, 78, []) };
    store.history().write(&[lobby, room]).await.expect("written");
    store.close().await.expect("closed");

    let store = open(&fresh).await;
    let expected = |message_id, conversation, epoch, seq| SentLine {
        message_id,
        conversation,
        epoch,
        seq,
        time_ms: NOW + seq,
        text: format!("line {seq}"),
    };
    let all = [expected(u64::MAX, 1, 77, 3), expected(3, 5, 78, 2), expected(50, 1, 77, 1)];
    assert_eq!(store.history().sent_by(SPEAKER, 128).await.expect("a list"), all);
    assert_eq!(store.history().sent_by(SPEAKER, 2).await.expect("a list"), all[..2]);
    assert!(store.history().sent_by(99, 128).await.expect("a list").is_empty());
    store.close().await.expect("closed");
}

#[tokio::test]
async fn a_sessions_number_is_never_lower_than_one_that_was() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let history = store.history();
    assert_eq!(history.highest_session().await.expect("a number"), 0);
    for (session, highest) in [(90, 90), (40, 90), (91, 91)] {
        let lines = vec![NewLine { session: Some(session), ..line(session) }];
        history.write(&[Batch { lines, ..batch(5, 77, []) }]).await.expect("written");
        assert_eq!(history.highest_session().await.expect("a number"), highest);
    }
    history.forget(5).await.expect("forgotten");
    store.close().await.expect("closed");
    let store = open(&fresh).await;
    assert_eq!(store.history().highest_session().await.expect("a number"), 91);
    store.close().await.expect("closed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_goes_away_in_the_middle_leaves_a_batch_whole_or_not_at_all() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    for n in 0..60 {
        // From "before the first poll" to "done".
        let patience = Duration::from_micros(50 * n);
        let first = [batch(n + 1, 77, 1..=25), batch(n + 101, 77, 1..=25)];
        in_turn(|| store.history().write(&first)).await.expect("written");
        let second = [batch(n + 1, 77, 26..=50), batch(n + 101, 77, 26..=50)];
        let _ = timeout(patience, store.history().write(&second)).await;
    }
    let last = [batch(99, 77, [1])];
    in_turn(|| store.history().write(&last)).await.expect("nobody holds the writer");
    for n in 0..60 {
        let (one, other) = (kept(&store, n + 1).await.len(), kept(&store, n + 101).await.len());
        assert!(one == other && [25, 50].contains(&one), "{one} and {other}");
    }
    store.close().await.expect("closed");
}
