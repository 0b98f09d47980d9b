//! The database under an operator's hands: whole, damaged, too new, and nowhere.

use std::fs;

use sqlx::{Connection as _, SqliteConnection, raw_sql, sqlite::SqliteConnectOptions};

use crate::Data;

/// Says SQL to the database, as somebody who knows the file and not the program.
#[tokio::main(flavor = "current_thread")]
async fn tell(data: &Data, sql: &'static str) {
    let options = SqliteConnectOptions::new().filename(data.folder.join("chat.db"));
    let mut connection = SqliteConnection::connect_with(&options).await.expect("a database");
    raw_sql(sql).execute(&mut connection).await.expect(sql);
    connection.close().await.expect("closed");
}

#[test]
fn a_database_is_made_looked_at_checked_and_copied() {
    let data = Data::new();
    let file = data.folder.join("chat.db").display().to_string();
    assert_eq!(data.done(&["db", "migrate"]), format!("{file}: from schema version 0 to 5\n"));
    assert_eq!(data.done(&["db", "migrate"]), format!("{file} has schema version 5 already\n"));
    assert_eq!(data.add("kim", &[]).code, Some(0));
    data.done(&["invite", "create"]);
    let status = data.done(&["db", "status"]);
    for line in
        [&format!("database  {file}"), "schema    5 (this program has 5)", "accounts  1", "invites   1"]
    {
        assert!(status.lines().any(|said| said == line), "{line}: {status}");
    }
    assert_eq!(data.done(&["db", "check"]), format!("{file} is whole\n"));
    let backup = data.done(&["db", "backup"]);
    let name = backup.trim_end().rsplit(['/', '\\']).next().expect("a name");
    assert!(name.starts_with("chat.2") && name.ends_with("Z.db") && !name.contains(':'), "{name}");
    assert_eq!(data.folder.files(), [name, "chat.db"]);
    let other = Data::new();
    fs::copy(backup.trim_end(), other.folder.join("chat.db")).expect("copied");
    assert_eq!(other.accounts(), data.accounts());
    let said = data.run(&["db", "backup", backup.trim_end()]);
    assert!(said.code == Some(5) && said.err.contains(name), "never over another file: {said:?}");
}

#[test]
fn a_damaged_database_is_one_clear_line_and_exit_code_5() {
    let data = Data::new();
    data.put("chat.db", &b"this is no database at all. ".repeat(200));
    for args in [
        &["db", "check"][..],
        &["db", "status"],
        &["db", "backup"],
        &["db", "migrate"],
        &["user", "list"],
        &["invite", "list"],
        &["run", "--listen", "127.0.0.1:0"],
    ] {
        let said = data.run(args);
        assert_eq!(said.code, Some(5), "{args:?}: {said:?}");
        assert!(
            said.err.lines().count() == 1 && said.err.contains("chat.db: the database is damaged"),
            "{said:?}"
        );
    }
    assert_eq!(data.folder.files(), ["chat.db"]);
}

#[test]
fn damage_within_is_found_by_check() {
    let data = Data::with(&[("kim", "user")]);
    let mut bytes = fs::read(data.folder.join("chat.db")).expect("a file");
    // All pages but the first.
    bytes[4096..].fill(0x5a);
    data.put("chat.db", &bytes);
    let said = data.run(&["db", "check"]);
    assert!(said.code == Some(5) && said.err.contains("damaged"), "{said:?}");
}

#[test]
fn a_newer_programs_database_is_refused_untouched() {
    let data = Data::with(&[("kim", "user")]);
    tell(&data, "INSERT INTO schema_versions (version, applied_ms) VALUES (7, 0)");
    let before = fs::read(data.folder.join("chat.db")).expect("a file");
    for args in
        [&["user", "list"][..], &["db", "status"], &["db", "migrate"], &["run", "--listen", "127.0.0.1:0"]]
    {
        let said = data.run(args);
        assert_eq!(said.code, Some(5), "{args:?}: {said:?}");
        assert!(said.err.contains("schema version 7") && said.err.contains("newer program"), "{said:?}");
    }
    assert_eq!(fs::read(data.folder.join("chat.db")).expect("a file"), before);
}

#[test]
fn names_by_older_rules_are_made_anew_before_anything_is_looked_up() {
    let data = Data::with(&[("Kim", "user"), ("Lee", "user")]);
    tell(
        &data,
        "UPDATE accounts SET names_version = 0, name_key = 'old', skeleton = 'old' WHERE name = 'Kim'",
    );
    let said = data.run(&["user", "disable", "kim"]);
    assert!(said.code == Some(5) && said.err.contains("chat-server db migrate"), "{said:?}");
    tell(
        &data,
        "UPDATE accounts SET names_version = 0, name = 'LEE', name_key = 'x', skeleton = 'x' WHERE name = 'Kim'",
    );
    let said = data.done(&["db", "migrate"]);
    assert!(said.contains("account 1, LEE, has the name of Lee"), "{said}");
    tell(&data, "UPDATE accounts SET name = 'Kim' WHERE name = 'LEE'");
    data.done(&["db", "migrate"]);
    data.done(&["user", "disable", "kim"]);
}

#[test]
fn where_no_database_is_only_what_needs_one_makes_one() {
    let data = Data::new();
    for args in [
        &["user", "list"][..],
        &["user", "disable", "kim"],
        &["user", "export", "-"],
        &["invite", "list"],
        &["db", "status"],
        &["db", "check"],
        &["db", "backup"],
    ] {
        let said = data.run(args);
        assert!(said.code == Some(5) && said.err.contains("is --data right?"), "{args:?}: {said:?}");
    }
    assert!(data.folder.files().is_empty());
    let said = data.run(&["user", "list", "--set", "database.url=none"]);
    assert!(said.code == Some(3) && said.err.contains("`database.url` is \"none\""), "{said:?}");
    let said = data.run(&["user", "list", "--set", "database.url=postgres://chat:secret@127.0.0.1:1/chat"]);
    assert_eq!(said.code, Some(5), "{said:?}");
    assert!(said.err.contains("postgres://127.0.0.1:1/chat: ") && !said.err.contains("secret"), "{said:?}");
}
