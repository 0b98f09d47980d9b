//! Accounts that move from one server to another.

use std::fs;

use crate::Data;

#[test]
fn what_is_exported_is_imported_elsewhere_with_everything_but_its_number() {
    let old = Data::with(&[("Boss", "admin"), ("김철수", "moderator"), ("운영자", "user")]);
    old.done(&["user", "disable", "김철수"]);
    let exported = old.run(&["user", "export", "-"]);
    assert_eq!((exported.code, &*exported.err), (Some(0), "exported 3 accounts\n"));
    let new = Data::with(&[("kim", "user")]);
    let imported = new.run_with(&["user", "import", "-"], exported.out.as_bytes());
    assert_eq!((imported.code, &*imported.out), (Some(0), "imported 3 accounts\n"), "{imported:?}");
    let without_number = |data: &Data| {
        let mut accounts = data.accounts();
        accounts.retain(|account| account["name"] != "kim");
        for account in &mut accounts {
            account["id"].take();
        }
        accounts
    };
    assert_eq!(without_number(&old), without_number(&new));
    let again = new.run(&["user", "export", "-"]).out;
    assert!(exported.out.lines().all(|line| again.contains(line)), "the passwords are the same");
}

#[test]
fn a_file_is_written_once_and_for_its_owner_alone() {
    let data = Data::with(&[("kim", "user")]);
    let file = data.folder.join("accounts.jsonl");
    let name = file.to_str().expect("UTF-8");
    data.done(&["user", "export", name]);
    let said = data.run(&["user", "export", name]);
    assert!(said.code == Some(1) && said.err.contains("accounts.jsonl"), "{said:?}");
    assert_eq!(fs::read_to_string(&file).expect("written").lines().count(), 1);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(file.metadata().expect("written").permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn lines_that_make_no_account_are_told_by_number_and_the_others_are_imported() {
    let data = Data::with(&[("Neil", "user")]);
    let line = |name: &str, role: &str| {
        format!(r#"{{"name":"{name}","password":"$argon2id$v=19$m=8$x$y","role":"{role}","created_ms":0}}"#)
            + "\n"
    };
    let lines =
        [line("kim", "user"), line("nell", "user"), line("lee", "guest"), line("a b", "user"), "{\n".into()];
    let said = data.run_with(&["user", "import", "-"], lines.concat().as_bytes());
    assert_eq!((said.code, &*said.out), (Some(1), "imported 1 account\n"), "{said:?}");
    let told: Vec<_> = said.err.lines().collect();
    assert_eq!(told.len(), 5, "{said:?}");
    for (told, expected) in
        told.iter().zip(["line 2: ", "line 3: ", "line 4: ", "line 5: ", "chat-server: 4 lines"])
    {
        assert!(told.starts_with(expected), "{told}");
    }
    assert_eq!(data.run(&["user", "import", "no-such-file"]).code, Some(1));
}
