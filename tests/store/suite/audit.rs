//! The audit log: written once, in order, and never changed.

use iocp_chat::store::{AuditEntry, AuditId, PAGE_ENTRIES_MAX, Role, StoreError};
use sqlx::{Connection as _, raw_sql};

use super::{account, entry, log, open};
use crate::fresh;

#[tokio::test]
async fn an_entry_is_read_as_it_was_written_also_after_a_restart() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let full = AuditEntry {
        actor: "홍길동".into(),
        actor_role: u16::MAX,
        action: "room.ban".into(),
        conversation: Some(i64::MAX as u64),
        room: Some("'; DROP TABLE audit; --".into()),
        target: Some("192.0.2.0/24".into()),
        seconds: Some(u64::MAX),
        reason: "line\nend".into(),
        ..entry("")
    };
    let bare = entry("kick");
    for entry in [&full, &bare] {
        store.audit().append(entry).await.expect("written");
    }
    store.close().await.expect("closed");

    let store = open(&fresh).await;
    let read: Vec<_> = log(&store).await.into_iter().map(|record| record.entry).collect();
    assert_eq!(read, [bare, full]);
    store.close().await.expect("closed");
}

#[tokio::test]
async fn pages_hold_every_entry_once_newest_first() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let audit = store.audit();
    for n in 0..25 {
        audit.append(&entry(&n.to_string())).await.expect("written");
    }
    let (mut seen, mut before, mut pages) = (Vec::new(), None, 0);
    loop {
        let page = audit.page(before, 10).await.expect("a page");
        let Some(last) = page.last() else { break };
        before = Some(last.id);
        seen.extend(page.into_iter().map(|record| record.entry.action));
        pages += 1;
    }
    let expected: Vec<_> = (0..25).rev().map(|n| n.to_string()).collect();
    assert_eq!((seen, pages), (expected, 3));
    assert_eq!(audit.page(None, PAGE_ENTRIES_MAX + 1).await.expect("a page").len(), 25);
    assert!(audit.page(None, 0).await.expect("a page").is_empty());
    assert!(audit.page(Some(AuditId::new(0)), 10).await.expect("a page").is_empty());
    store.close().await.expect("closed");
}

#[tokio::test]
async fn nobody_who_knows_sql_changes_or_takes_away_what_is_written() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    store.audit().append(&entry("room.delete")).await.expect("written");
    let before = log(&store).await;
    let id = before[0].id;
    let mut somebody = fresh.connect().await;
    for sql in [
        "UPDATE audit SET actor = 'Nobody'".to_owned(),
        "DELETE FROM audit".to_owned(),
        // The first is SQLite's, the second PostgreSQL's: to the other each is no statement.
        format!("REPLACE INTO audit VALUES ({id}, 0, 'Nobody', 0, '', NULL, NULL, NULL, NULL, '')"),
        "TRUNCATE audit".to_owned(),
    ] {
        let done = raw_sql(sqlx::AssertSqlSafe(sql.clone())).execute(&mut somebody).await;
        assert!(done.is_err(), "{sql}");
    }
    somebody.close().await.expect("closed");
    assert_eq!(log(&store).await, before);
    store.audit().append(&entry("kick")).await.expect("it goes on");
    assert_eq!(log(&store).await.len(), 2);
    store.close().await.expect("closed");
}

#[tokio::test]
async fn what_was_done_stays_written_when_who_did_it_is_gone() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let boss = store.accounts().create(&account("Boss"), Role::Admin).await.expect("free");
    store.audit().append(&entry("kick")).await.expect("written");
    store.accounts().delete(boss.id).await.expect("it exists");
    assert_eq!(log(&store).await[0].entry, entry("kick"));
    store.close().await.expect("closed");
}

#[tokio::test]
async fn a_conversation_that_no_database_can_hold_is_refused() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let error = store.audit().append(&AuditEntry { conversation: Some(1 << 63), ..entry("kick") }).await;
    assert!(matches!(error, Err(StoreError::Unusable(_))), "{error:?}");
    assert!(log(&store).await.is_empty());
    store.audit().append(&entry("kick")).await.expect("written");
    store.close().await.expect("closed");
}
