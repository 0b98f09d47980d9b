//! Accounts that an operator makes, changes and deletes.

use crate::{Data, process::ServerProcess};

#[test]
fn an_account_that_is_made_is_listed() {
    let data = Data::with(&[("Kim", "admin"), ("김철수", "user")]);
    let accounts = data.accounts();
    assert_eq!(accounts.len(), 2);
    assert_eq!((&accounts[0]["name"], &accounts[0]["role"]), (&"Kim".into(), &"admin".into()));
    assert_eq!((&accounts[1]["name"], &accounts[1]["role"]), (&"김철수".into(), &"user".into()));
    assert!(accounts[1]["last_login"].is_null() && accounts[1]["disabled"] == false);
    let list = data.done(&["user", "list"]);
    let lines: Vec<_> = list.lines().collect();
    assert_eq!(lines.len(), 3, "{list}");
    assert!(lines[0].ends_with("NAME") && lines[1].ends_with("never                 Kim"), "{list}");
    assert!(
        lines[2].contains("user") && lines[2].contains("enabled") && lines[2].ends_with("김철수"),
        "{list}"
    );
}

#[test]
fn a_role_that_is_none_and_a_missing_name_are_wrong_command_lines() {
    let data = Data::new();
    for args in [&["user", "add", "kim", "--role", "boss"][..], &["user", "add", "kim", "--role", "guest"]] {
        let said = data.run(args);
        assert_eq!(said.code, Some(2), "{said:?}");
        assert!(said.err.contains("user, moderator or admin"), "{said:?}");
    }
    assert_eq!(data.run(&["user", "add"]).code, Some(2));
    assert!(data.folder.files().is_empty());
}

#[test]
fn a_look_alike_is_refused_with_the_name_it_looks_like() {
    let data = Data::with(&[("Neil", "user")]);
    for name in ["neil", "NEIL", "Nell", "ｎｅｉｌ"] {
        let said = data.add(name, &[]);
        assert_eq!(said.code, Some(1), "{name}: {said:?}");
        assert!(said.err.contains("looks like Neil"), "{name}: {said:?}");
    }
    assert_eq!(data.accounts().len(), 1);
}

#[test]
fn an_operator_may_give_a_reserved_name_away_but_not_one_that_the_policy_has_not() {
    let data = Data::with(&[("운영자", "admin"), ("server", "user")]);
    let said = data.add("аlice", &[]);
    assert!(said.code == Some(1) && said.err.contains("`accounts.names` is \"precis\""), "{said:?}");
    let said = data.add("김철수", &["--set", "accounts.names=ascii"]);
    assert!(said.code == Some(1) && said.err.contains("\"ascii\""), "{said:?}");
    let said = data.add("two words", &[]);
    assert!(said.code == Some(1) && said.err.contains("is no name"), "{said:?}");
}

#[test]
fn a_password_file_may_come_from_any_editor() {
    let data = Data::new();
    let files: [(&str, &[u8]); 3] =
        [("kim", b"correct horse"), ("lee", b"correct horse\n"), ("park", b"\xef\xbb\xbfcorrect horse\r\n")];
    for (name, bytes) in files {
        let file = data.put("password.txt", bytes);
        let said = data.run(&["user", "add", name, "--password-file", file.to_str().expect("UTF-8")]);
        assert_eq!(said.code, Some(0), "{said:?}");
    }
    assert_eq!(data.accounts().len(), 3);
}

#[test]
fn a_password_that_cannot_be_is_refused_with_its_reason() {
    let data = Data::new();
    for (password, reason) in [
        (&b"short\n"[..], "has 5 bytes, and needs at least 8"),
        (&[b'x'; 129], "has 129 bytes, and may have at most 128"),
        (b"\xff\xfec\0o\0r\0r\0e\0c\0t\0", "is not in UTF-8"),
        (b"correct\nhorse\n", "more than one line"),
        (&[b'x'; 10_000], "at most 128"),
    ] {
        let said = data.run_with(&["user", "add", "kim", "--password-file", "-"], password);
        assert!(said.code == Some(1) && said.err.contains(reason), "{said:?}");
        assert_eq!(said.err.lines().count(), 1, "{said:?}");
    }
    let said = data.run(&["user", "add", "kim", "--password-file", "no-such-file"]);
    assert!(said.code == Some(1) && said.err.contains("no-such-file"), "{said:?}");
    assert!(data.folder.files().is_empty(), "a refused password makes no database");
}

#[test]
fn without_a_terminal_nobody_is_asked() {
    let data = Data::with(&[("kim", "user")]);
    for args in [&["user", "passwd", "kim"][..], &["user", "add", "lee"], &["user", "delete", "kim"]] {
        let said = data.run(args);
        assert_eq!(said.code, Some(2), "{said:?}");
        assert!(said.err.contains("--password-file") || said.err.contains("--yes"), "{said:?}");
    }
    assert_eq!(data.accounts().len(), 1);
}

#[test]
fn accounts_are_changed_by_any_spelling_of_their_names() {
    let data = Data::with(&[("Boss", "admin"), ("Kim", "user")]);
    let kim = |key: &str| data.accounts()[1][key].clone();
    assert_eq!(data.done(&["user", "role", "KIM", "moderator"]), "Kim has the role moderator\n");
    assert_eq!(kim("role"), "moderator");
    assert_eq!(data.done(&["user", "disable", "ｋｉｍ"]), "Kim is disabled\n");
    assert_eq!(kim("disabled"), true);
    assert_eq!(data.done(&["user", "enable", "kim"]), "Kim is enabled\n");
    assert_eq!(kim("disabled"), false);
    let said = data.run_with(&["user", "passwd", "kim", "--password-file", "-"], b"another horse");
    assert_eq!((said.code, &*said.out), (Some(0), "Kim has another password\n"));
    assert_eq!(data.done(&["user", "delete", "kim", "--yes"]), "Kim is deleted\n");
    assert_eq!(data.accounts().len(), 1);
    let said = data.run(&["user", "disable", "kim"]);
    assert!(said.code == Some(1) && said.err.contains("nobody is called kim"), "{said:?}");
}

#[test]
fn the_last_admin_who_can_log_in_stays_unless_that_is_meant() {
    let data = Data::with(&[("boss", "admin"), ("deputy", "admin"), ("kim", "user")]);
    data.done(&["user", "disable", "deputy"]);
    for args in [
        &["user", "disable", "boss"][..],
        &["user", "role", "boss", "user"],
        &["user", "delete", "boss", "--yes"],
    ] {
        let said = data.run(args);
        assert!(said.code == Some(1) && said.err.contains("the last admin"), "{said:?}");
    }
    data.done(&["user", "role", "boss", "admin"]);
    data.done(&["user", "delete", "deputy", "--yes"]);
    data.done(&["user", "role", "boss", "user", "--force"]);
    // Who is none is not the last one.
    data.done(&["user", "disable", "boss"]);
    data.done(&["user", "delete", "boss", "--yes"]);
}

#[test]
fn accounts_are_made_and_changed_while_the_server_runs() {
    let data = Data::with(&[("boss", "admin")]);
    let server = ServerProcess::with_accounts(&data.folder, &[]);
    assert_eq!(data.add("kim", &[]).code, Some(0));
    data.done(&["user", "disable", "kim"]);
    data.done(&["db", "check"]);
    data.done(&["db", "backup"]);
    assert_eq!(data.accounts().len(), 2);
    drop(server);
    assert_eq!(data.accounts().len(), 2, "also when it was killed");
}
