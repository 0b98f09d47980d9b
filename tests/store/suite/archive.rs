//! Archives: all of one database in another, or nothing of it.

use iocp_chat::store::{
    ARCHIVE_LINE_BYTES_MAX, ArchiveError, AuditEntry, AuditRecord, Batch, Cursor, EpochEnd, FOR_GOOD, Letter,
    LetterLimits, LinePage, NewInvite, NewLine, NewRoom, PageLimit, PasswordDigest, Place, Role, RoomChange,
    RoomSanction, ServerSanction, Store, Subject,
};

use super::{
    NOW, SPEAKER, account, actions, batch, entry, line, log, open, person, resume, room, sanction, told,
};
use crate::fresh;

async fn export(store: &Store) -> String {
    let mut out = Vec::new();
    store.export(&mut out).await.expect("exported");
    String::from_utf8(out).expect("text")
}

fn whisper() -> Letter {
    Letter { sender: "Lee".into(), session: 9, message_id: None, time_ms: NOW, text: "psst".into() }
}

/// Something in every table, and what was deleted before.
async fn fill(store: &Store) {
    let gone = store.accounts().create(&account("gone"), Role::User).await.expect("free");
    store.accounts().delete(gone.id).await.expect("it exists");
    let kim = store.accounts().create(&account("Kim"), Role::User).await.expect("free").id;
    store.accounts().create(&account("홍길동"), Role::Admin).await.expect("free");
    store.accounts().note_login(kim, NOW + 5);
    store.accounts().flush_logins().await.expect("written");
    let invite = NewInvite { role: Role::Moderator, uses: 3, created_ms: NOW, expires_ms: None };
    store.invites().create(&invite).await.expect("made");
    store.ignores().add(kim, &person("Park")).await.expect("added");

    let mut new = NewRoom {
        roles: vec![("kim".into(), 2)],
        sanctions: vec![RoomSanction { person: person("Lee"), sanction: sanction(Some(FOR_GOOD), None) }],
        invited: vec![person("Choi")],
        ..room(5, "games")
    };
    new.room.settings.topic = "\"quoted\"\n🐉".into();
    new.room.settings.password = PasswordDigest::new(&[0, 255]);
    store.rooms().create(&new, &entry("room.create")).await.expect("free");
    store.rooms().create(&room(9, "old"), &entry("room.create")).await.expect("free");
    let full = AuditEntry {
        conversation: Some(9),
        room: Some("old".into()),
        target: Some(String::new()),
        seconds: Some(u64::MAX),
        ..entry("room.delete")
    };
    store.rooms().apply(9, &[RoomChange::Gone], &full).await.expect("it exists");
    for subject in [Subject::Name(person("Lee")), Subject::Network("2001:db8::/32".into())] {
        let new = ServerSanction { subject, sanction: sanction(None, Some(NOW + 1)) };
        store.sanctions().set(&new, &entry("mute")).await.expect("set");
    }
    let said = NewLine { account: Some(kim), message_id: Some(u64::MAX), ..line(3) };
    let lobby = Batch { lines: vec![said], gaps: vec![1..=2], ..batch(1, u64::MAX, []) };
    // More than a page.
    store.history().write(&[lobby, batch(5, 1 << 63, 1..=1_100)]).await.expect("written");
    store
        .history()
        .close_epochs(&[EpochEnd { conversation: 5, epoch: 1 << 63, head: 1_200 }])
        .await
        .expect("closed");
    store.history().open_epochs().await.expect("opened");
    let limits = LetterLimits { letters: 9, bytes: 99, of_one_sender: 9, age_ms: 99 };
    for _ in 0..2 {
        store.whispers().keep(kim, &whisper(), &limits).await.expect("kept");
    }
    store.resumes().put(&[resume(2_000, "park")]).await.expect("stored");
    store.switches().set_registration_frozen(true, &entry("freeze")).await.expect("set");
    // More than a page.
    for n in 0..1_001 {
        store.audit().append(&entry(&n.to_string())).await.expect("written");
    }
}

#[tokio::test]
async fn all_of_one_database_is_in_another_also_of_the_other_kind_and_back() {
    let (one, other) = (fresh().await, fresh().await);
    let (one, other) = (open(&one).await, open(&other).await);
    let memory = Store::open(&Place::memory()).await.expect("it opens");
    fill(&one).await;
    let archive = export(&one).await;
    for to in [&memory, &other] {
        let rows = to.import(&mut archive.as_bytes()).await.expect("imported");
        assert_eq!(rows + 2, archive.lines().count() as u64);
        assert_eq!(export(to).await, archive);
        let [mut there, mut here] =
            [one.rooms().load(NOW).await.expect("loaded"), to.rooms().load(NOW).await.expect("loaded")];
        // Each database has its own numbers of accounts, and roles find theirs.
        let kim = to.accounts().find("kim").await.expect("an answer").expect("imported").id;
        assert_eq!(here[0].roles[0].account, kim);
        there[0].roles[0].account = kim;
        assert_eq!(here.remove(0), there.remove(0));
        assert_eq!(to.ignores().load(kim).await.expect("loaded"), [person("Park")]);
        assert_eq!(to.rooms().last_number().await.expect("a number"), 9);
        assert!(to.switches().registration_frozen().await.expect("an answer"));
        assert_eq!(to.invites().list().await.expect("a list")[0].uses_left, 3);
        assert_eq!(told(to, 1).await, told(&one, 1).await);
        assert_eq!(kept_of_room(to).await, kept_of_room(&one).await);
        assert_eq!(to.history().sent_by(SPEAKER, 9).await.expect("a list").len(), 1);
        assert_eq!(to.history().highest_session().await.expect("a number"), 2_000);
        assert!(to.resumes().load_here().await.expect("loaded").is_empty(), "everybody logs in anew");
        let entries = |log: Vec<AuditRecord>| log.into_iter().map(|record| record.entry).collect::<Vec<_>>();
        assert_eq!(entries(log(to).await), entries(log(&one).await));
        to.audit().append(&entry("later")).await.expect("it goes on");
        assert_eq!(to.whispers().take(kim, 0, &[]).await.expect("taken"), [whisper(), whisper()]);
        let erased = to.history().erase(&person("Kim"), &entry("erase")).await.expect("erased");
        assert_eq!(erased.lines, 1_101, "theirs, and what nobody else can have said under the name");
    }
    for store in [one, other, memory] {
        store.close().await.expect("closed");
    }
}

async fn kept_of_room(store: &Store) -> LinePage {
    let end = Cursor { conversation: 5, epoch: 0, seq: 0 };
    store.history().before(end, PageLimit { lines: 1_000, bytes: usize::MAX }).await.expect("a page")
}

#[tokio::test]
async fn a_database_with_something_in_it_is_not_filled() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let empty = export(&store).await;
    assert_eq!(store.import(&mut empty.as_bytes()).await.expect("nothing into nothing"), 0);
    store.audit().append(&entry("kick")).await.expect("written");
    let error = store.import(&mut empty.as_bytes()).await.expect_err("not empty");
    assert!(matches!(error, ArchiveError::NotEmpty("audit")), "{error}");
    store.close().await.expect("closed");
}

#[tokio::test]
async fn of_an_archive_that_is_not_whole_nothing_is_imported() {
    let (one, other) = (fresh().await, fresh().await);
    let (one, other) = (open(&one).await, open(&other).await);
    one.accounts().create(&account("kim"), Role::User).await.expect("free");
    let new = NewRoom { roles: vec![("kim".into(), 2)], ..room(5, "games") };
    one.rooms().create(&new, &entry("room.create")).await.expect("free");
    let whole = export(&one).await;
    let lines: Vec<_> = whole.lines().collect();
    let without = |at: usize| {
        let mut lines = lines.clone();
        lines.remove(at);
        lines.join("\n").into_bytes()
    };
    let mut bad: Vec<_> = (0..lines.len()).map(without).collect();
    bad.extend([
        Vec::new(),
        vec![0xff; 9],
        vec![b'['; 3 * usize::try_from(ARCHIVE_LINE_BYTES_MAX).expect("small")],
        [lines[0], lines[1], &whole].join("\n").into_bytes(),
        [lines[0], lines[1], lines[1], lines[2]].join("\n").into_bytes(),
    ]);
    for (from, to) in [
        ("\"schema\":", "\"schema\":9"),
        ("\"rooms\"", "\"songs\""),
        ("\"name\":\"games\"", "\"nom\":\"games\""),
        ("\"name\":\"games\"", "\"name\":7"),
        ("\"capacity\":100", "\"capacity\":1.5"),
        ("\"password\":null", "\"password\":\"0\""),
        ("\"account\":\"kim\"", "\"account\":\"lee\""),
    ] {
        assert!(whole.contains(from), "{from}");
        bad.push(whole.replace(from, to).into_bytes());
    }
    for text in bad {
        let error = other.import(&mut &*text).await.expect_err("not whole");
        let shown = String::from_utf8_lossy(&text[..text.len().min(2_000)]).into_owned();
        assert!(
            matches!(error, ArchiveError::Line { .. } | ArchiveError::Version { .. }),
            "{error}: {shown}"
        );
        assert_eq!(other.accounts().count().await.expect("a count"), 0, "{shown}");
        assert!(actions(&other).await.is_empty(), "{shown}");
    }
    other.import(&mut whole.as_bytes()).await.expect("this one is");
    for store in [one, other] {
        store.close().await.expect("closed");
    }
}
