//! All that one person said, gone on their wish, with an entry in the audit log.

use iocp_chat::store::{
    AccountId, Batch, Erased, Letter, LetterLimits, NewLine, Role, Store, StoredMailbox, StoredResume,
};

use super::{NOW, account, actions, batch, entry, kept, line, open, person, places, resume};
use crate::fresh;

const LIMITS: LetterLimits = LetterLimits { letters: 9, bytes: 999, of_one_sender: 9, age_ms: 999 };

fn by(seq: u64, sender: &str, account: Option<AccountId>) -> NewLine {
    NewLine { sender: sender.into(), account, ..line(seq) }
}

fn letter(sender: &str, session: u64) -> Letter {
    Letter { sender: sender.into(), session, message_id: None, time_ms: NOW, text: "psst".into() }
}

async fn erase(store: &Store, name: &str) -> Erased {
    store.history().erase(&person(name), &entry("erase")).await.expect("erased")
}

#[tokio::test]
async fn an_owners_lines_and_whispers_go_and_those_of_others_stay() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let kim = store.accounts().create(&account("Kim"), Role::User).await.expect("free").id;
    let lee = store.accounts().create(&account("Lee"), Role::User).await.expect("free").id;
    let lines = vec![
        by(1, "Kim", Some(kim)),
        by(2, "Lee", Some(lee)),
        by(3, "Kim", None),
        by(4, "Kimberly", None),
        by(5, "", None),
        by(6, "Kim", Some(AccountId::new(99))),
    ];
    let lobby = Batch { lines, ..batch(1, 77, []) };
    let room = Batch { lines: vec![by(1, "Kim", Some(kim)), by(2, "Lee", Some(lee))], ..batch(5, 78, []) };
    store.history().write(&[lobby, room]).await.expect("written");
    for (to, from) in [(kim, "Lee"), (lee, "Kim"), (lee, "Park")] {
        store.whispers().keep(to, &letter(from, 7), &LIMITS).await.expect("kept");
    }
    let kims = StoredResume { account: Some(kim), ..resume(20, "Kim") };
    store.resumes().put(&[kims, resume(21, "Park")]).await.expect("stored");
    let mailbox = |session, from: &[&str]| StoredMailbox {
        session,
        epoch: 1,
        head: 9,
        lines: (1..).zip(from.iter().map(|from| letter(from, 7))).collect(),
    };
    let mailboxes = [mailbox(20, &["Lee", "Park"]), mailbox(21, &["Kim", "Lee"])];
    store.whispers().put_mailboxes(&mailboxes).await.expect("stored");

    assert_eq!(erase(&store, "KIM").await, Erased { lines: 3, whispers: 5 });
    let left = kept(&store, 1).await;
    assert_eq!(places(&left), [2, 4, 5, 6].map(|seq| (77, seq)), "an earlier Kim's is not this Kim's");
    assert_eq!(places(&kept(&store, 5).await), [(78, 2)]);
    assert!(store.whispers().take(kim, 0, &[]).await.expect("taken").is_empty());
    assert_eq!(store.whispers().take(lee, 0, &[]).await.expect("taken"), [letter("Park", 7)]);
    let mailboxes = store.whispers().load_mailboxes().await.expect("loaded");
    assert_eq!(
        mailboxes,
        [mailbox(20, &[]), { StoredMailbox { lines: vec![(2, letter("Lee", 7))], ..mailbox(21, &[]) } }]
    );
    assert_eq!(actions(&store).await, ["erase"]);
    assert_eq!(erase(&store, "Kim").await, Erased::default(), "nothing is left");
    store.close().await.expect("closed");
}

#[tokio::test]
async fn a_guests_lines_go_by_the_name_and_so_do_those_of_an_account_that_is_gone() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let kim = store.accounts().create(&account("Kim"), Role::User).await.expect("free").id;
    let lines = vec![by(1, "Kim", Some(kim)), by(2, "guest", None), by(3, "Kim", None), by(4, "Lee", None)];
    store.history().write(&[Batch { lines, ..batch(1, 77, []) }]).await.expect("written");
    assert_eq!(erase(&store, "guest").await.lines, 1);
    store.accounts().delete(kim).await.expect("it exists");
    assert_eq!(kept(&store, 1).await.len(), 3, "what was said stays when an account goes");
    assert_eq!(erase(&store, "kim").await.lines, 0, "nobody spoke under exactly this name");
    assert_eq!(erase(&store, "Kim").await.lines, 2);
    assert_eq!(places(&kept(&store, 1).await), [(77, 4)]);
    store.close().await.expect("closed");
}

#[tokio::test]
async fn thousands_of_lines_are_looked_through_in_steps() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    for (conversation, epoch) in [(1, 90), (5, 77)] {
        let who = |seq| if seq % 3 == 0 { "Kim" } else { "Lee" };
        let lines = (1..=1_500).map(|seq| by(seq, who(seq), None)).collect();
        store.history().write(&[Batch { lines, ..batch(conversation, epoch, []) }]).await.expect("written");
    }
    assert_eq!(erase(&store, "Kim").await.lines, 1_000);
    assert_eq!(erase(&store, "Lee").await.lines, 2_000);
    store.close().await.expect("closed");
}
