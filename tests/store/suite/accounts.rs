//! Accounts: nobody has another's name, and what is done stays done.

use std::{collections::HashSet, time::Duration};

use iocp_chat::store::{Account, AccountId, PAGE_ACCOUNTS_MAX, Role, StoreError};
use tokio::{runtime::Handle, task::yield_now, time::timeout};

use super::{HASH, NOW, PATIENCE, account, forms, hash, in_turn, open};
use crate::fresh;

#[tokio::test]
async fn an_account_is_found_by_its_key_as_it_was_made_also_after_a_restart() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let mut made = Vec::new();
    for (name, role) in [("Kim", Role::User), ("홍길동", Role::Moderator), ("Ǆ🐉", Role::Admin)] {
        let made_one = store.accounts().create(&account(name), role).await.expect(name);
        assert_eq!(made_one.name, name);
        assert_eq!((made_one.role, made_one.disabled), (role, false));
        assert_eq!((made_one.created_ms, made_one.last_login_ms), (NOW, None));
        assert_eq!(made_one.password.as_str(), HASH);
        made.push(made_one);
    }
    store.close().await.expect("closed");

    let store = open(&fresh).await;
    for account in &made {
        let found = store.accounts().find(&forms(&account.name).key).await.expect("an answer");
        assert_eq!(found.as_ref(), Some(account));
    }
    assert_eq!(store.accounts().count().await.expect("a count"), 3);
    assert_eq!(store.accounts().find("kimm").await.expect("an answer"), None);
    store.close().await.expect("closed");
}

#[tokio::test]
async fn a_name_is_taken_by_its_key_and_by_its_looks() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let accounts = store.accounts();
    accounts.create(&account("bob"), Role::User).await.expect("free");
    for name in ["bob", "BOB", "b0b"] {
        let error = accounts.create(&account(name), Role::User).await.expect_err(name);
        assert!(matches!(error, StoreError::Taken), "{name}: {error}");
        let forms = forms(name);
        assert!(accounts.is_taken(&forms.key, &forms.skeleton).await.expect("an answer"), "{name}");
    }
    assert!(!accounts.is_taken("rob", "rob").await.expect("an answer"));
    assert!(accounts.is_taken("rob", "bob").await.expect("an answer"), "looks alone");
    assert!(accounts.is_taken("bob", "rob").await.expect("an answer"), "key alone");
    store.close().await.expect("closed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_fifty_claims_of_one_name_at_once_one_wins() {
    let fresh = fresh().await;
    // Two servers on one database.
    let stores = [open(&fresh).await, open(&fresh).await];
    let claims: Vec<_> = (0..50)
        .map(|n| {
            let accounts = stores[n % 2].accounts().clone();
            // Half of them by looks only.
            let new = account(if n % 4 < 2 { "bob" } else { "b0b" });
            tokio::spawn(async move { in_turn(|| accounts.create(&new, Role::User)).await })
        })
        .collect();
    let mut won = 0;
    for claim in claims {
        match claim.await.expect("no panic") {
            Ok(_) => won += 1,
            Err(StoreError::Taken) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(won, 1);
    assert_eq!(stores[0].accounts().count().await.expect("a count"), 1);
    for store in stores {
        store.close().await.expect("closed");
    }
}

#[tokio::test]
async fn sql_text_in_a_name_is_text() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let names = [
        "'; DROP TABLE accounts; --",
        "\" OR \"\"=\"",
        "$1",
        "?1 :name @name %s {}",
        "\\'; SELECT pg_sleep(9)--",
        "a\u{202e}b\r\n",
    ];
    for name in names {
        store.accounts().create(&account(name), Role::User).await.expect(name);
        let found = store.accounts().find(&forms(name).key).await.expect("an answer");
        assert_eq!(found.map(|account| account.name).as_deref(), Some(name));
    }
    assert_eq!(store.accounts().count().await.expect("a count"), names.len() as u64);
    store.close().await.expect("closed");
}

#[tokio::test]
async fn a_password_that_was_changed_is_not_brought_back_by_a_rehash_of_the_old_one() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let accounts = store.accounts();
    let id = accounts.create(&account("kim"), Role::User).await.expect("free").id;
    let (old, rehashed, changed) = (hash(HASH), hash("$argon2id$old-again"), hash("$argon2id$changed"));

    assert!(accounts.rehash_password(id, &old, &rehashed).await.expect("an answer"));
    accounts.set_password(id, &changed).await.expect("it exists");
    assert!(!accounts.rehash_password(id, &rehashed, &old).await.expect("an answer"));
    assert_eq!(accounts.find("kim").await.expect("an answer").expect("kim").password, changed);
    store.close().await.expect("closed");
}

#[tokio::test]
async fn what_an_operator_changes_is_changed_and_a_deleted_accounts_number_is_never_anothers() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let accounts = store.accounts();
    let kim = accounts.create(&account("kim"), Role::User).await.expect("free");
    accounts.set_disabled(kim.id, true).await.expect("it exists");
    accounts.set_role(kim.id, Role::Admin).await.expect("it exists");
    let found = accounts.find("kim").await.expect("an answer").expect("kim");
    assert_eq!(found, Account { disabled: true, role: Role::Admin, ..kim.clone() });

    accounts.delete(kim.id).await.expect("it exists");
    let again = accounts.create(&account("kim"), Role::User).await.expect("free again");
    assert!(again.id > kim.id);
    for done in [
        accounts.delete(kim.id).await,
        accounts.set_disabled(kim.id, false).await,
        accounts.set_role(kim.id, Role::User).await,
        accounts.set_password(kim.id, &hash(HASH)).await,
    ] {
        assert!(matches!(done, Err(StoreError::NotFound)), "{done:?}");
    }
    assert!(!accounts.rehash_password(kim.id, &hash(HASH), &hash(HASH)).await.expect("an answer"));
    store.close().await.expect("closed");
}

#[tokio::test]
async fn pages_hold_every_account_once() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let accounts = store.accounts();
    for n in 0..25 {
        accounts.create(&account(&format!("user{n}")), Role::User).await.expect("free");
    }
    let (mut seen, mut after, mut pages) = (Vec::new(), None, 0);
    loop {
        let page = accounts.list(after, 10).await.expect("a page");
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        seen.extend(page.into_iter().map(|account| account.id));
        pages += 1;
    }
    let different: HashSet<AccountId> = seen.iter().copied().collect();
    assert_eq!((seen.len(), different.len(), pages), (25, 25, 3));
    assert!(seen.is_sorted());
    assert_eq!(accounts.list(None, PAGE_ACCOUNTS_MAX + 1).await.expect("a page").len(), 25);
    assert!(accounts.list(None, 0).await.expect("a page").is_empty());
    store.close().await.expect("closed");
}

#[tokio::test]
async fn the_last_login_is_written_when_flushed_or_closed_and_never_goes_back() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let kim = store.accounts().create(&account("kim"), Role::User).await.expect("free").id;
    let lee = store.accounts().create(&account("lee"), Role::User).await.expect("free").id;
    store.accounts().note_login(kim, NOW + 2);
    store.accounts().note_login(kim, NOW + 1);
    assert_eq!(store.accounts().find("kim").await.expect("an answer").expect("kim").last_login_ms, None);
    store.accounts().flush_logins().await.expect("written");
    assert_eq!(
        store.accounts().find("kim").await.expect("an answer").expect("kim").last_login_ms,
        Some(NOW + 2)
    );

    store.accounts().note_login(kim, NOW);
    store.accounts().note_login(lee, NOW + 3);
    store.accounts().delete(lee).await.expect("it exists");
    store.close().await.expect("closed");
    let store = open(&fresh).await;
    assert_eq!(
        store.accounts().find("kim").await.expect("an answer").expect("kim").last_login_ms,
        Some(NOW + 2)
    );
    store.close().await.expect("closed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_that_go_away_in_the_middle_hold_nobody_up() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let accounts = store.accounts();
    for n in 0..60 {
        let name = format!("user{n}");
        // From "before the first poll" to "done".
        let patience = Duration::from_micros(50 * n);
        let done = timeout(patience, accounts.create(&account(&name), Role::User)).await;
        let found = accounts.find(&name).await.expect("an answer");
        if let Ok(done) = done {
            assert_eq!(Some(done.expect("free")), found);
        }
    }
    let last = account("last");
    in_turn(|| accounts.create(&last, Role::User)).await.expect("nobody holds the writer");
    store.close().await.expect("closed");
}

#[tokio::test]
async fn a_closed_store_is_unavailable_to_all_its_clones() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let accounts = store.accounts().clone();
    accounts.note_login(AccountId::new(1), NOW);
    store.close().await.expect("closed");
    for done in [
        accounts.find("kim").await.map(drop),
        accounts.create(&account("kim"), Role::User).await.map(drop),
        store.invites().list().await.map(drop),
    ] {
        assert!(matches!(done, Err(StoreError::Unavailable(_))), "{done:?}");
    }
    store.close().await.expect("closing again does nothing");
}

#[tokio::test]
async fn no_task_is_left_behind_by_a_closed_store() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let create = |name| {
        let accounts = store.accounts().clone();
        tokio::spawn(async move { accounts.create(&account(name), Role::User).await })
    };
    let (done, gone) = (create("kim"), create("lee"));
    done.await.expect("no panic").expect("free");
    gone.abort();
    store.close().await.expect("closed");
    let none = async {
        while Handle::current().metrics().num_alive_tasks() > 0 {
            yield_now().await;
        }
    };
    timeout(PATIENCE, none).await.expect("every task ends");
}
