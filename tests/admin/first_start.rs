//! A server's first starts, until there is an admin.

use crate::{Data, process::ServerProcess};

/// Starts the server and stops it; the codes it told, and its log.
fn start(data: &Data, args: &[&str]) -> (Vec<String>, String) {
    #[cfg_attr(unix, expect(unused_mut, reason = "it is asked, not killed"))]
    let mut server = ServerProcess::with_accounts(&data.folder, args);
    #[cfg(unix)]
    server.interrupt();
    #[cfg(windows)]
    server.kill();
    let (_, log) = server.ended();
    let codes = log.split("--invite ").skip(1).map(|rest| rest.chars().take(19).collect()).collect();
    (codes, log)
}

fn invites(data: &Data) -> Vec<serde_json::Value> {
    let lines = data.done(&["invite", "list", "--json"]);
    lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn the_first_start_tells_once_how_to_become_the_admin_and_the_next_tells_anew() {
    let data = Data::new();
    let (first, log) = start(&data, &[]);
    assert_eq!(first.len(), 1, "{log}");
    let line = log.lines().find(|line| line.contains("--invite")).expect("told");
    assert!(line.starts_with("chat-server: there are no accounts yet"), "{line}");
    assert!(line.contains("`chat-client -u NAME --register --invite "), "{line}");
    assert!(first[0].split('-').all(|group| group.len() == 4), "{first:?}");
    assert!(log.contains(r#""database":""#) && log.contains("chat.db"), "{log}");
    let (second, log) = start(&data, &[]);
    assert_eq!(second.len(), 1, "{log}");
    assert_ne!(first, second);
    let open = invites(&data);
    assert_eq!(open.len(), 1, "the first is void: {open:?}");
    assert_eq!((&open[0]["role"], &open[0]["uses_left"]), (&"admin".into(), &1.into()));
    #[cfg(unix)]
    assert_eq!(data.folder.files(), ["chat.db"], "it was closed");
}

#[test]
fn the_invite_of_a_start_is_void_once_there_is_an_admin_and_at_the_next_start() {
    let data = Data::new();
    assert_eq!(start(&data, &[]).0.len(), 1);
    assert_eq!(data.add("kim", &[]).code, Some(0));
    assert_eq!(invites(&data).len(), 1, "a user is no admin");
    assert_eq!(data.add("boss", &["--role", "admin"]).code, Some(0));
    assert!(invites(&data).is_empty());
    let data = Data::new();
    assert_eq!(start(&data, &[]).0.len(), 1);
    assert_eq!(data.add("kim", &[]).code, Some(0));
    assert_eq!(start(&data, &[]).0.len(), 0);
    assert!(invites(&data).is_empty());
}

#[test]
fn whoever_made_an_account_or_an_admins_invite_is_told_nothing() {
    let data = Data::with(&[("kim", "user")]);
    assert_eq!(start(&data, &[]).0.len(), 0);
    assert!(invites(&data).is_empty());
    let data = Data::new();
    data.done(&["invite", "create", "--role", "admin"]);
    assert_eq!(start(&data, &[]).0.len(), 0);
    assert_eq!(invites(&data).len(), 1, "the operator's is still good");
    let data = Data::new();
    assert_eq!(start(&data, &["--set", "accounts.registration=closed"]).0.len(), 0);
    assert!(invites(&data).is_empty());
}

#[test]
fn a_server_without_a_database_has_no_accounts_and_says_so() {
    let data = Data::new();
    let (codes, log) = start(&data, &["--set", "database.url=none"]);
    assert!(codes.is_empty() && log.contains(r#""database":"none""#), "{log}");
    assert!(data.folder.files().is_empty());
}
