//! Export and import: what went out comes in again, and bad lines are told by number.

use iocp_chat::store::{
    IMPORT_LINE_BYTES_MAX, Imported, REFUSED_LINES_MAX, Refusal, Role, Store, TransferError,
};

use super::{HASH, NOW, account, forms, open};
use crate::fresh;

async fn import(store: &Store, text: &[u8]) -> Result<Imported, TransferError> {
    let names = |name: &str| (!name.contains('!')).then(|| forms(name));
    store.accounts().import(&mut &*text, names).await
}

async fn export(store: &Store) -> String {
    let mut out = Vec::new();
    store.accounts().export(&mut out).await.expect("exported");
    String::from_utf8(out).expect("text")
}

#[tokio::test]
async fn what_is_exported_from_one_database_is_the_same_in_another() {
    let (one, other) = (fresh().await, fresh().await);
    let (one, other) = (open(&one).await, open(&other).await);
    for n in 0..1_203 {
        one.accounts().create(&account(&format!("사용자 \"{n}\"")), Role::User).await.expect("free");
    }
    let boss = one.accounts().create(&account("Boss"), Role::Admin).await.expect("free");
    one.accounts().set_disabled(boss.id, true).await.expect("it exists");
    one.accounts().note_login(boss.id, NOW + 5);
    one.accounts().flush_logins().await.expect("written");

    let lines = export(&one).await;
    let imported = import(&other, lines.as_bytes()).await.expect("imported");
    assert_eq!(imported, Imported { added: 1_204, ..Imported::default() });
    let found = other.accounts().find("boss").await.expect("an answer").expect("imported");
    assert_eq!((found.role, found.disabled, found.last_login_ms), (Role::Admin, true, Some(NOW + 5)));
    assert_eq!(found.password.as_str(), HASH);
    assert_eq!(export(&other).await, lines);

    // Once more: every line is refused by name, and nothing changes.
    let again = import(&other, lines.as_bytes()).await.expect("imported");
    assert_eq!((again.added, again.refused, again.refusals.len()), (0, 1_204, REFUSED_LINES_MAX));
    assert_eq!(again.refusals[1], (2, Refusal::Taken("사용자 \"1\"".into())));
    assert_eq!(export(&other).await, lines);
    for store in [one, other] {
        store.close().await.expect("closed");
    }
}

#[tokio::test]
async fn bad_lines_are_told_by_number_and_the_others_come_in() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let line = |name: &str, rest: &str| {
        format!(r#"{{"name":"{name}","password":"{HASH}","role":"user","created_ms":1{rest}}}"#)
    };
    let lines = [
        "\u{feff}".to_owned() + &line("kim", "") + "\r",
        String::new(),
        line("KIM", ""),
        line("k!m", ""),
        r#"{"name":"lee","password":"secret","role":"user","created_ms":1}"#.into(),
        "not json".into(),
        line("lee", r#","god":true"#),
        line("lee", "").replace("\"user\"", "\"god\""),
        line(&"x".repeat(5_000), ""),
        line("lee", r#","disabled":true"#),
    ];
    let imported = import(&store, lines.join("\n").as_bytes()).await.expect("imported");
    assert_eq!((imported.added, imported.refused), (2, 7));
    let (numbers, refusals): (Vec<_>, Vec<_>) = imported.refusals.into_iter().unzip();
    assert_eq!(numbers, [4, 5, 6, 7, 8, 9, 3]);
    assert_eq!(refusals[0], Refusal::Name("k!m".into()));
    assert_eq!(refusals[1], Refusal::Password("lee".into()));
    assert!(refusals[2..5].iter().all(|refusal| matches!(refusal, Refusal::NotAnAccount(_))), "{refusals:?}");
    assert_eq!(refusals[5], Refusal::TooLong);
    assert_eq!(refusals[6], Refusal::Taken("KIM".into()));
    assert!(store.accounts().find("lee").await.expect("an answer").expect("imported").disabled);
    store.close().await.expect("closed");
}

#[tokio::test]
async fn bytes_that_are_no_lines_import_nothing_and_end() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let limit = usize::try_from(IMPORT_LINE_BYTES_MAX).expect("small");
    for (text, refused) in [
        (vec![], 0),
        (b"\n\n\r\n".to_vec(), 0),
        (vec![0xff; 10], 1),
        (vec![b'['; limit - 1], 1),
        (vec![b'['; limit], 1),
        (vec![b'['; 3 * limit + 1], 1),
        ([vec![b'{'; limit - 1], vec![b'\n'; 3]].concat(), 1),
    ] {
        let imported = import(&store, &text).await.expect("imported");
        assert_eq!((imported.added, imported.refused), (0, refused), "{} bytes", text.len());
    }
    store.close().await.expect("closed");
}
