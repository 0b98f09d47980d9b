//! Somebody is always left who may do everything.

use iocp_chat::store::{AccountId, AdminStep, Role, StoreError};

use super::{account, open};
use crate::fresh;

#[tokio::test]
async fn the_last_admin_who_can_log_in_keeps_everything() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let accounts = store.accounts();
    let boss = accounts.create(&account("boss"), Role::Admin).await.expect("free").id;
    let out = accounts.create(&account("out"), Role::Admin).await.expect("free").id;
    let kim = accounts.create(&account("kim"), Role::User).await.expect("free").id;
    assert!(accounts.keep_an_admin(out, AdminStep::Disable).await.expect("there is another"));
    for step in [AdminStep::Disable, AdminStep::Delete, AdminStep::Role(Role::User)] {
        assert!(!accounts.keep_an_admin(boss, step).await.expect("answered"), "{step:?}");
    }
    let found = accounts.find("boss").await.expect("answered").expect("still there");
    assert_eq!((found.role, found.disabled), (Role::Admin, false));
    assert!(accounts.keep_an_admin(boss, AdminStep::Role(Role::Admin)).await.expect("nothing changes"));
    assert!(accounts.keep_an_admin(out, AdminStep::Delete).await.expect("who cannot log in is not the last"));
    assert!(accounts.keep_an_admin(kim, AdminStep::Role(Role::Admin)).await.expect("a second"));
    assert!(
        accounts.keep_an_admin(boss, AdminStep::Role(Role::Moderator)).await.expect("no longer the last")
    );
    assert!(accounts.keep_an_admin(boss, AdminStep::Delete).await.expect("no admin"));
    assert!(matches!(
        accounts.keep_an_admin(AccountId::new(999), AdminStep::Disable).await,
        Err(StoreError::NotFound)
    ));
    store.close().await.expect("closed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_admins_who_are_taken_away_at_once_one_stays() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let accounts = store.accounts();
    let one = accounts.create(&account("one"), Role::Admin).await.expect("free").id;
    let other = accounts.create(&account("other"), Role::Admin).await.expect("free").id;
    for round in 0..20 {
        let tasks = [one, other].map(|id| {
            let accounts = accounts.clone();
            tokio::spawn(async move { accounts.keep_an_admin(id, AdminStep::Disable).await })
        });
        let mut done = 0;
        for task in tasks {
            done += u32::from(task.await.expect("no panic").expect("answered"));
        }
        assert_eq!(done, 1, "round {round}");
        for id in [one, other] {
            accounts.set_disabled(id, false).await.expect("there");
        }
    }
    store.close().await.expect("closed");
}

#[tokio::test]
async fn a_guest_has_no_account() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let accounts = store.accounts();
    let kim = accounts.create(&account("kim"), Role::User).await.expect("free").id;
    assert!(matches!(accounts.create(&account("lee"), Role::Guest).await, Err(StoreError::Unusable(_))));
    assert!(matches!(accounts.set_role(kim, Role::Guest).await, Err(StoreError::Unusable(_))));
    assert_eq!(accounts.count().await.expect("a count"), 1);
    store.close().await.expect("closed");
}
