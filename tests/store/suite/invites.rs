//! Invites: as many accounts as they have uses, and none for those that are no good.

use iocp_chat::store::{INVITES_MAX, InviteId, InviteToken, NewInvite, Role, StoreError};

use super::{NOW, account, in_turn, open};
use crate::fresh;

const ONE: NewInvite = NewInvite { role: Role::User, uses: 1, created_ms: NOW, expires_ms: None };

#[tokio::test]
async fn an_invite_gives_its_role_as_often_as_it_has_uses_also_after_a_restart() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let new = NewInvite { role: Role::Moderator, uses: 3, ..ONE };
    let token = store.invites().create(&new).await.expect("made");
    let made = store.invites().redeem(&token, &account("kim")).await.expect("redeemed");
    assert_eq!(made.role, Role::Moderator);
    assert_eq!(store.accounts().find("kim").await.expect("an answer"), Some(made));
    store.close().await.expect("closed");

    let store = open(&fresh).await;
    let listed = store.invites().list().await.expect("a list");
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].uses, listed[0].uses_left, listed[0].role), (3, 2, Role::Moderator));
    assert_eq!((listed[0].created_ms, listed[0].expires_ms), (NOW, None));
    let token = InviteToken::parse(&token.to_string().to_lowercase()).expect("as typed");
    store.invites().redeem(&token, &account("lee")).await.expect("redeemed");
    store.invites().redeem(&token, &account("park")).await.expect("redeemed");
    let error = store.invites().redeem(&token, &account("choi")).await.expect_err("spent");
    assert!(matches!(error, StoreError::InviteRefused), "{error}");
    assert_eq!(store.accounts().count().await.expect("a count"), 3);
    store.close().await.expect("closed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_twenty_who_redeem_one_use_at_once_one_wins() {
    let fresh = fresh().await;
    let stores = [open(&fresh).await, open(&fresh).await];
    let token = stores[0].invites().create(&ONE).await.expect("made");
    let tries: Vec<_> = (0..20)
        .map(|n| {
            let (invites, token) = (stores[n % 2].invites().clone(), token.clone());
            let new = account(&format!("user{n}"));
            tokio::spawn(async move { in_turn(|| invites.redeem(&token, &new)).await })
        })
        .collect();
    let mut won = 0;
    for one in tries {
        match one.await.expect("no panic") {
            Ok(_) => won += 1,
            Err(StoreError::InviteRefused) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(won, 1);
    assert_eq!(stores[1].accounts().count().await.expect("a count"), 1);
    for store in stores {
        store.close().await.expect("closed");
    }
}

#[tokio::test]
async fn a_registration_that_fails_spends_nothing() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    store.accounts().create(&account("kim"), Role::User).await.expect("free");
    let token = store.invites().create(&ONE).await.expect("made");
    for _ in 0..2 {
        let error = store.invites().redeem(&token, &account("KIM")).await.expect_err("taken");
        assert!(matches!(error, StoreError::Taken), "{error}");
    }
    assert_eq!(store.invites().list().await.expect("a list")[0].uses_left, 1);
    store.invites().redeem(&token, &account("lee")).await.expect("redeemed");
    store.close().await.expect("closed");
}

#[tokio::test]
async fn an_unknown_an_expired_and_a_revoked_invite_are_refused_alike() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let invites = store.invites();
    let unknown = InviteToken::parse("0123456789ABCDEF").expect("a token");
    let expired = invites.create(&NewInvite { expires_ms: Some(NOW + 1), ..ONE }).await.expect("made");
    let revoked = invites.create(&ONE).await.expect("made");
    let id = invites.list().await.expect("a list")[1].id;
    invites.revoke(id).await.expect("it exists");
    let mut later = account("kim");
    later.created_ms = NOW + 1;
    for token in [unknown, expired.clone(), revoked] {
        let error = invites.redeem(&token, &later).await.expect_err("no good");
        assert!(matches!(error, StoreError::InviteRefused), "{error}");
    }
    for gone in [id, InviteId::new(-1)] {
        assert!(matches!(invites.revoke(gone).await, Err(StoreError::NotFound)));
    }
    invites.redeem(&expired, &account("kim")).await.expect("a millisecond before it expires");
    store.close().await.expect("closed");
}

#[tokio::test]
async fn invites_are_bounded_and_dead_ones_make_room() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let invites = store.invites();
    let short = invites.create(&NewInvite { expires_ms: Some(NOW + 1), ..ONE }).await.expect("made");
    for _ in 1..INVITES_MAX {
        invites.create(&ONE).await.expect("made");
    }
    let error = invites.create(&ONE).await.expect_err("full");
    assert!(matches!(error, StoreError::TooManyInvites), "{error}");
    invites.redeem(&short, &account("kim")).await.expect("redeemed");
    invites.create(&ONE).await.expect("a spent one went");
    assert_eq!(invites.list().await.expect("a list").len(), INVITES_MAX as usize);
    store.close().await.expect("closed");
}
