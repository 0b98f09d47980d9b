//! Mailboxes: as they were put last, or added to whisper by whisper, of sessions that may come back.

use iocp_chat::store::{
    AccountId, Keeping, Letter, LetterLimits, MailboxCut, NewWhispers, Role, SentWhisper, Store,
    StoredMailbox, StoredResume,
};

use super::{NOW, account, open, resume};
use crate::fresh;

const EPOCH: u64 = u64::MAX - 7;

/// One from session 1, that says its number, and was sent under it.
fn letter(seq: u64) -> Letter {
    let (sender, text) = ("a".into(), seq.to_string().into());
    Letter { sender, session: 1, message_id: Some(seq), time_ms: NOW + seq, text }
}

fn lines(seqs: impl IntoIterator<Item = u64>) -> Vec<(u64, Letter)> {
    seqs.into_iter().map(|seq| (seq, letter(seq))).collect()
}

fn mailbox(session: u64, head: u64, seqs: impl IntoIterator<Item = u64>) -> StoredMailbox {
    StoredMailbox { session, epoch: EPOCH, head, lines: lines(seqs) }
}

fn new(session: u64, forgotten: u64, seqs: impl IntoIterator<Item = u64>) -> NewWhispers {
    NewWhispers { session, forgotten, lines: lines(seqs) }
}

async fn add(store: &Store, new: &[NewWhispers]) {
    store.whispers().add_to_mailboxes(new).await.expect("stored");
}

async fn all(store: &Store) -> Vec<StoredMailbox> {
    store.whispers().load_mailboxes().await.expect("loaded")
}

/// A store with an empty mailbox of each of these sessions, which are there.
async fn begun(fresh: &crate::Fresh, sessions: &[u64]) -> Store {
    let store = open(fresh).await;
    let resumes: Vec<_> = sessions.iter().map(|session| resume(*session, &format!("kim{session}"))).collect();
    store.resumes().put(&resumes).await.expect("stored");
    let epochs: Vec<_> = sessions.iter().map(|session| (*session, EPOCH)).collect();
    store.whispers().begin_mailboxes(&epochs).await.expect("begun");
    store
}

#[tokio::test]
async fn mailboxes_are_as_they_were_put_last_by_those_who_may_come_back_until_they_are_forgotten() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    store.resumes().put(&[resume(7, "kim"), resume(8, "lee"), resume(9, "park")]).await.expect("stored");
    let first = [mailbox(7, 1_300, 1..=20), mailbox(8, 1_300, []), mailbox(99, 3, 1..=3)];
    store.whispers().put_mailboxes(&first).await.expect("stored");
    // More than a page.
    let second = [mailbox(7, 1_300, 30..=1_100), mailbox(9, 1, [1])];
    store.whispers().put_mailboxes(&second).await.expect("stored");
    store.close().await.expect("closed");

    let store = open(&fresh).await;
    let expected = [mailbox(7, 1_300, 30..=1_100), mailbox(8, 1_300, []), mailbox(9, 1, [1])];
    assert_eq!(all(&store).await, expected);
    assert_eq!(all(&store).await, expected, "they stay");
    store.whispers().forget_mailboxes().await.expect("forgotten");
    assert!(all(&store).await.is_empty());
    fresh.place.check().await.expect("whole");
    store.close().await.expect("closed");
}

#[tokio::test]
async fn what_is_whispered_is_added_behind_what_is_there_and_what_a_mailbox_keeps_no_more_goes() {
    let fresh = fresh().await;
    let store = begun(&fresh, &[7, 8]).await;
    // Of 99 nobody knows anything.
    add(&store, &[new(7, 0, 1..=150), new(99, 0, 1..=2), new(8, 0, [1])]).await;
    add(&store, &[new(7, 149, 151..=152)]).await;
    store.whispers().begin_mailboxes(&[(7, 1), (99, 1)]).await.expect("passed over");
    store.close().await.expect("closed");

    let store = open(&fresh).await;
    assert_eq!(all(&store).await, [mailbox(7, 152, 150..=152), mailbox(8, 1, [1])]);
    assert_eq!(store.history().highest_session().await.expect("a number"), 8, "of whoever whispered too");
    fresh.place.check().await.expect("whole");
    store.close().await.expect("closed");
}

#[tokio::test]
async fn the_mailbox_of_who_has_lapsed_is_found_by_who_comes_back_and_by_nobody_else() {
    let fresh = fresh().await;
    let store = begun(&fresh, &[7, 8]).await;
    add(&store, &[new(7, 0, 1..=3), new(8, 0, [1])]).await;
    store.resumes().set_here(&[(7, false)]).await.expect("set");
    assert_eq!(all(&store).await, [mailbox(8, 1, [1])]);
    let found = store.whispers().load_mailbox(7).await.expect("loaded");
    assert_eq!(found, Some(mailbox(7, 3, 1..=3)));
    assert_eq!(store.whispers().load_mailbox(9).await.expect("an answer"), None);
    // It goes with the session.
    store.resumes().revoke(resume(7, "").family).await.expect("revoked");
    assert_eq!(store.whispers().load_mailbox(7).await.expect("an answer"), None);
    store.close().await.expect("closed");
}

#[tokio::test]
async fn what_is_kept_for_an_account_moves_into_a_mailbox_once_and_back_if_that_is_in_doubt() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let kim = store.accounts().create(&account("kim"), Role::User).await.expect("free").id;
    let of_kim = StoredResume { account: Some(kim), ..resume(7, "kim") };
    store.resumes().put(&[of_kim]).await.expect("stored");
    store.whispers().begin_mailboxes(&[(7, EPOCH)]).await.expect("begun");
    add(&store, &[new(7, 0, 1..=2)]).await;
    let limits = LetterLimits { letters: 9, bytes: 99, of_one_sender: 9, age_ms: 1_000 };
    for seq in 3..=5 {
        let kept = store.whispers().keep(kim, &letter(seq), &limits).await.expect("an answer");
        assert_eq!(kept, Keeping::Kept);
    }
    let move_all = || store.whispers().move_to_mailbox((kim, NOW), &[], (7, 2));
    assert_eq!(move_all().await.expect("moved"), [letter(3), letter(4), letter(5)]);
    assert_eq!(all(&store).await, [mailbox(7, 5, 1..=5)]);
    assert_eq!(move_all().await.expect("an answer"), [], "there is no more");

    let cut = |kept_for| MailboxCut { session: 7, head: 2, kept_for };
    for _ in 0..2 {
        store.whispers().cut_mailboxes(&[cut(Some(kim))]).await.expect("put right");
        assert_eq!(all(&store).await, [mailbox(7, 2, 1..=2)]);
    }
    assert_eq!(move_all().await.expect("moved"), [letter(3), letter(4), letter(5)]);
    // What nobody had kept is gone, and so is what was kept for an account that is.
    for kept_for in [None, Some(AccountId::new(99))] {
        store.whispers().cut_mailboxes(&[cut(kept_for)]).await.expect("put right");
        assert_eq!(all(&store).await, [mailbox(7, 2, 1..=2)]);
        assert_eq!(move_all().await.expect("an answer"), []);
        add(&store, &[new(7, 0, 3..=5)]).await;
    }
    fresh.place.check().await.expect("whole");
    store.close().await.expect("closed");
}

#[tokio::test]
async fn what_a_session_whispered_under_numbers_is_known_as_long_as_it_is_in_a_mailbox_or_kept() {
    let fresh = fresh().await;
    let store = begun(&fresh, &[7, 8]).await;
    let kim = store.accounts().create(&account("kim"), Role::User).await.expect("free").id;
    add(&store, &[new(7, 0, 1..=2), new(8, 0, [3])]).await;
    let limits = LetterLimits { letters: 9, bytes: 99, of_one_sender: 9, age_ms: 1_000 };
    store.whispers().keep(kim, &letter(4), &limits).await.expect("kept");
    // One under no number, and one of somebody else.
    let others = vec![
        (4, Letter { message_id: None, ..letter(5) }),
        (5, Letter { session: 2, message_id: Some(u64::MAX), ..letter(6) }),
    ];
    add(&store, &[NewWhispers { lines: others, ..new(8, 0, []) }]).await;
    let sent = |seq: u64, recipient: &str, kept| SentWhisper {
        message_id: seq,
        recipient: recipient.into(),
        time_ms: NOW + seq,
        text: seq.to_string().into(),
        kept,
    };
    let by = |session, limit| store.whispers().whispered_by(session, limit);
    let expected =
        [sent(4, "kim", true), sent(3, "kim8", false), sent(2, "kim7", false), sent(1, "kim7", false)];
    assert_eq!(by(1, 100).await.expect("an answer"), expected);
    assert_eq!(by(1, 2).await.expect("an answer"), expected[..2]);
    assert_eq!(by(2, 100).await.expect("an answer")[0].message_id, u64::MAX);
    assert_eq!(by(3, 100).await.expect("an answer"), []);
    store.close().await.expect("closed");
}

#[tokio::test]
async fn what_is_too_old_goes_from_mailboxes_too() {
    let fresh = fresh().await;
    let store = begun(&fresh, &[7]).await;
    add(&store, &[new(7, 0, 1..=3)]).await;
    assert_eq!(store.whispers().expire(NOW + 2).await.expect("done"), 2);
    assert_eq!(all(&store).await, [mailbox(7, 3, [3])]);
    store.close().await.expect("closed");
}
