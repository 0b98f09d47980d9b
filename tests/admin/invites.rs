//! Invites that an operator makes and revokes.

use crate::Data;

#[test]
fn an_invite_is_one_line_to_pass_on_and_is_listed_without_its_code() {
    let data = Data::new();
    let said = data.run(&["invite", "create", "--role", "moderator", "--uses", "3", "--expires", "12h"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let code = said.out.trim_end();
    assert!(code.len() == 19 && code.split('-').all(|group| group.len() == 4), "{code}");
    assert!(said.err.contains(&format!("--invite {code}")) && said.err.contains("3 times"), "{said:?}");
    data.done(&["invite", "create", "--expires", "never"]);
    let list = data.done(&["invite", "list"]);
    assert!(!list.contains(code), "{list}");
    let lines: Vec<_> = list.lines().collect();
    assert!(lines.len() == 3 && lines[1].contains("moderator") && lines[1].contains("3 / 3"), "{list}");
    assert!(lines[2].ends_with("never"), "{list}");
    let json = data.done(&["invite", "list", "--json"]);
    let first: serde_json::Value =
        serde_json::from_str(json.lines().next().expect("two lines")).expect("JSON");
    assert_eq!((&first["role"], &first["uses_left"]), (&"moderator".into(), &3.into()));
    let id = first["id"].to_string();
    assert_eq!(data.done(&["invite", "revoke", &id]), format!("invite {id} is void\n"));
    let said = data.run(&["invite", "revoke", &id]);
    assert!(said.code == Some(1) && said.err.contains("there is no invite"), "{said:?}");
    assert_eq!(data.done(&["invite", "list", "--json"]).lines().count(), 1);
}

#[test]
fn an_invite_for_an_admin_expires_and_none_is_for_nobody() {
    let data = Data::new();
    for args in [
        &["--role", "admin", "--expires", "never"][..],
        &["--uses", "0"],
        &["--role", "guest"],
        &["--expires", "soon"],
    ] {
        let said = data.run(&[&["invite", "create"], args].concat());
        assert_eq!(said.code, Some(2), "{args:?}: {said:?}");
    }
    data.done(&["invite", "create", "--role", "admin"]);
}
