//! Who may come back to which session: as it was stored, gone with the account, and never after its end.

use iocp_chat::store::{
    AccountId, Letter, Owner, Resumable, Role, Store, StoreError, StoredMailbox, StoredResume,
};

use super::{NOW, account, open, resume};
use crate::fresh;

async fn find(store: &Store, session: u64) -> Option<Resumable> {
    store.resumes().find(session.to_be_bytes()).await.expect("an answer")
}

fn guest(resume: StoredResume) -> Resumable {
    Resumable { resume, owner: None, rooms: Vec::new() }
}

async fn member(store: &Store, name: &str) -> AccountId {
    store.accounts().create(&account(name), Role::Moderator).await.expect("free").id
}

#[tokio::test]
async fn a_session_is_found_by_its_family_as_it_was_stored_last_also_after_a_restart() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let kim = member(&store, "홍길동").await;
    let first = StoredResume {
        family: [0xff; 8],
        account: Some(kim),
        previous_hash: Some([0; 32]),
        expires_ms: u64::MAX >> 1,
        ..resume(i64::MAX as u64, "홍길동")
    };
    assert_eq!(store.resumes().put(&[first.clone(), resume(8, "lee")]).await.expect("stored"), 2);
    let second = StoredResume { token_hash: [9; 32], previous_hash: Some([1; 32]), here: false, ..first };
    assert_eq!(store.resumes().put(std::slice::from_ref(&second)).await.expect("stored"), 1);
    store.close().await.expect("closed");

    let store = open(&fresh).await;
    let found = store.resumes().find([0xff; 8]).await.expect("an answer").expect("it is there");
    let owner = Some(Owner { role: Role::Moderator, disabled: false });
    assert_eq!(found, Resumable { resume: second, owner, rooms: Vec::new() });
    assert_eq!(find(&store, 8).await, Some(guest(resume(8, "lee"))));
    assert_eq!(find(&store, 9).await, None);
    assert_eq!(store.history().highest_session().await.expect("a number"), i64::MAX as u64);
    store.accounts().set_disabled(kim, true).await.expect("it exists");
    store.accounts().set_role(kim, Role::User).await.expect("it exists");
    let found = store.resumes().find([0xff; 8]).await.expect("an answer").expect("it is there");
    assert_eq!(found.owner, Some(Owner { role: Role::User, disabled: true }), "as it is now");
    store.close().await.expect("closed");
}

#[tokio::test]
async fn a_session_has_one_family_and_is_stored_with_the_others_or_not_at_all() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    store.resumes().put(&[resume(8, "lee")]).await.expect("stored");
    let other = StoredResume { family: [9; 8], ..resume(8, "lee") };
    let error = store.resumes().put(&[resume(7, "kim"), other]).await.expect_err("another has it");
    assert!(matches!(error, StoreError::Taken), "{error}");
    let error = store.resumes().put(&[resume(7, "kim"), resume(1 << 63, "x")]).await.expect_err("too large");
    assert!(matches!(error, StoreError::Unusable(_)), "{error}");
    assert_eq!(find(&store, 7).await, None);
    store.close().await.expect("closed");
}

#[tokio::test]
async fn one_whose_account_is_gone_is_passed_over_and_one_whose_account_goes_goes_with_all_it_had() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let kim = member(&store, "kim").await;
    let of = |account, session| StoredResume { account: Some(account), ..resume(session, "kim") };
    let stored = store.resumes().put(&[of(AccountId::new(99), 7), of(kim, 8), resume(9, "lee")]).await;
    assert_eq!(stored.expect("stored"), 2);
    assert_eq!(find(&store, 7).await, None);
    store.resumes().set_rooms(&[(8, vec![5]), (9, vec![5])]).await.expect("set");
    let letter =
        Letter { sender: "lee".into(), session: 9, message_id: None, time_ms: NOW, text: "hi".into() };
    let mailbox = |session| StoredMailbox { session, epoch: 1, head: 1, lines: vec![(1, letter.clone())] };
    store.whispers().put_mailboxes(&[mailbox(8), mailbox(9)]).await.expect("stored");
    store.accounts().delete(kim).await.expect("it exists");
    assert_eq!(find(&store, 8).await, None);
    assert_eq!(store.whispers().load_mailboxes().await.expect("loaded"), [mailbox(9)]);
    let lee = Resumable { rooms: vec![5], ..guest(resume(9, "lee")) };
    assert_eq!(store.resumes().load_here().await.expect("loaded"), [lee]);
    fresh.place.check().await.expect("whole");
    store.close().await.expect("closed");
}

#[tokio::test]
async fn whoever_was_here_is_found_by_a_server_that_starts_with_the_rooms_they_were_in() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let resumes = store.resumes();
    let kim = member(&store, "kim").await;
    let kims = StoredResume { account: Some(kim), ..resume(8, "kim") };
    let gone = StoredResume { here: false, ..resume(10, "park") };
    resumes.put(&[resume(11, "choi"), kims.clone(), resume(9, "lee"), gone.clone()]).await.expect("stored");
    let rooms = [(8, vec![6, 5]), (9, vec![5]), (10, vec![5]), (12, vec![5])];
    resumes.set_rooms(&rooms).await.expect("set");
    resumes.set_rooms(&[(8, vec![7, 5, 7]), (9, Vec::new())]).await.expect("set");
    resumes.set_here(&[(11, false), (12, true)]).await.expect("set");
    store.close().await.expect("closed");

    let store = open(&fresh).await;
    let owner = Some(Owner { role: Role::Moderator, disabled: false });
    let expected = [Resumable { resume: kims, owner, rooms: vec![5, 7] }, guest(resume(9, "lee"))];
    assert_eq!(store.resumes().load_here().await.expect("loaded"), expected);
    assert_eq!(find(&store, 8).await, Some(expected[0].clone()));
    // A new token leaves the rooms alone.
    store.resumes().put(&[StoredResume { here: true, ..gone }]).await.expect("stored");
    assert_eq!(find(&store, 10).await.expect("it is there").rooms, [5]);
    assert_eq!(store.resumes().load_here().await.expect("loaded").len(), 3);
    store.close().await.expect("closed");
}

#[tokio::test]
async fn more_than_a_page_of_sessions_were_here() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let all: Vec<_> = (1..=1_001).map(|session| resume(session, "kim")).collect();
    assert_eq!(store.resumes().put(&all).await.expect("stored"), 1_001);
    let rooms: Vec<_> = (1..=1_001).map(|session| (session, vec![session + 5, 3])).collect();
    store.resumes().set_rooms(&rooms).await.expect("set");
    let here = store.resumes().load_here().await.expect("loaded");
    assert_eq!(here.len(), 1_001);
    for (found, session) in here.into_iter().zip(1..) {
        assert_eq!((found.resume.session, found.rooms), (session, vec![3, session + 5]));
    }
    assert_eq!(store.resumes().expire(NOW + 999, u32::MAX).await.expect("done"), 0);
    assert_eq!(store.resumes().expire(NOW + 1_000, u32::MAX).await.expect("done"), 1_001);
    assert!(store.resumes().load_here().await.expect("loaded").is_empty());
    store.close().await.expect("closed");
}

#[tokio::test]
async fn of_guests_who_have_left_as_many_are_kept_as_are_wanted_and_the_last_of_them() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let kim = member(&store, "kim").await;
    let gone = |session| StoredResume { here: false, expires_ms: NOW + session, ..resume(session, "lee") };
    let mut all: Vec<_> = (1..=1_200).map(gone).collect();
    all.extend([StoredResume { account: Some(kim), ..gone(1_201) }, resume(1_202, "park")]);
    store.resumes().put(&all).await.expect("stored");
    assert_eq!(store.resumes().expire(NOW, 1_200).await.expect("done"), 0);
    assert_eq!(store.resumes().expire(NOW + 1, 2).await.expect("done"), 1_198);
    for (session, kept) in
        [(1, false), (1_198, false), (1_199, true), (1_200, true), (1_201, true), (1_202, true)]
    {
        assert_eq!(find(&store, session).await.is_some(), kept, "{session}");
    }
    store.close().await.expect("closed");
}

#[tokio::test]
async fn a_family_that_is_revoked_is_gone_and_so_are_an_accounts_but_for_one() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let resumes = store.resumes();
    let (kim, lee) = (member(&store, "kim").await, member(&store, "lee").await);
    let of = |account, session| StoredResume { account: Some(account), ..resume(session, "x") };
    let all = [of(kim, 1), of(kim, 2), of(kim, 3), of(lee, 4), resume(5, "park")];
    resumes.put(&all).await.expect("stored");
    resumes.revoke(5_u64.to_be_bytes()).await.expect("done");
    resumes.revoke(5_u64.to_be_bytes()).await.expect("there is none");
    assert_eq!(find(&store, 5).await, None);
    let mut void = resumes.revoke_account(kim, Some(2_u64.to_be_bytes())).await.expect("done");
    void.sort_unstable();
    assert_eq!(void, [1_u64, 3].map(u64::to_be_bytes));
    assert!(find(&store, 2).await.is_some() && find(&store, 4).await.is_some());
    assert_eq!(resumes.revoke_account(kim, None).await.expect("done"), [2_u64.to_be_bytes()]);
    assert_eq!(resumes.load_here().await.expect("loaded").len(), 1);
    store.close().await.expect("closed");
}
