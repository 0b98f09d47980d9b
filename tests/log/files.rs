//! Where the log goes: files that are full, files that are moved away, no file.

use std::{fs, net::SocketAddr, process::Command};

use chat_proto::Credential;
use iocp_chat::client::Client;
use serde_json::Value;

use crate::{
    Logging,
    folder::Folder,
    is, lines,
    process::{self, ServerProcess},
};

async fn come_and_go(address: SocketAddr, name: &str) {
    let client = Client::connect(address).await.expect("it listens");
    let (session, _events) = client.log_in(name, Credential::None).await.expect("the name is free");
    session.log_out().await.expect("bye");
}

#[tokio::test]
async fn files_are_put_aside_when_they_are_full_and_the_newest_are_kept() {
    let mut log = Logging::with(&["log.rotate_bytes=4096", "log.keep=2", "database.url=none"]);
    for number in 0..60 {
        come_and_go(log.server.address, &format!("guest{number}")).await;
    }
    log.stop();
    let folder = log.folder.join("log");
    let mut files: Vec<_> =
        fs::read_dir(&folder).expect("a folder").map(|file| file.expect("an entry").path()).collect();
    // The names have the time, and that of the last has none.
    files.sort();
    assert_eq!(files.len(), 3, "{files:?}");
    assert_eq!(files[2], log.file());
    let mut users = Vec::new();
    for file in files {
        assert!(file.metadata().expect("there").len() <= 4_096, "{file:?}");
        users.extend(lines(file).iter().filter(is("session_end")).map(|line| line["user"].clone()));
    }
    let last: Vec<Value> = (60 - users.len()..60).map(|number| format!("guest{number}").into()).collect();
    assert!(users.len() > 10 && users == last, "none is missing between those kept: {users:?}");
    assert_eq!(lines(log.file()).last().expect("it is the last")["event"], "stopped");
}

#[tokio::test]
async fn who_has_moved_the_file_away_has_it_opened_anew() {
    let mut log = Logging::with(&["database.url=none"]);
    come_and_go(log.server.address, "first").await;
    let moved = log.folder.join("chat.log.1");
    fs::rename(log.file(), &moved).expect("also while it is written");
    come_and_go(log.server.address, "second").await;
    assert_eq!(log.told(&["ctl", "reopen-log"]), format!("the log goes on in {}\n", log.file().display()));
    come_and_go(log.server.address, "third").await;
    log.stop();
    let users = |lines: &[Value]| -> Vec<Value> {
        lines.iter().filter(is("session_start")).map(|line| line["user"].clone()).collect()
    };
    let (old, new) = (lines(moved), lines(log.file()));
    assert_eq!((users(&old), users(&new)), (vec!["first".into(), "second".into()], vec!["third".into()]));
    // Whoever leaves at that moment may be told before it.
    assert_eq!(new.iter().filter(is("log_reopened")).count(), 1);
}

#[test]
fn a_file_that_cannot_be_opened_anew_is_told_and_the_log_goes_on_in_the_old_one() {
    let mut log = Logging::with(&["database.url=none"]);
    let moved = log.folder.join("chat.log.1");
    fs::rename(log.file(), &moved).expect("also while it is written");
    fs::create_dir(log.file()).expect("its place is free");
    let (done, said) = log.tell(&["ctl", "reopen-log"]);
    assert!(!done && said.starts_with("chat-server: "), "{said}");
    log.stop();
    let events: Vec<_> = lines(moved).iter().map(|line| line["event"].clone()).collect();
    assert_eq!(events, ["started", "log_not_reopened", "stopping", "stopped"]);
}

#[test]
fn a_server_whose_log_file_cannot_be_does_not_start() {
    let mut log = Logging::with(&["database.url=none"]);
    let setting = format!("log.file={}", log.folder.join("log").display());
    let (done, said) = log.tell(&["--set", &setting, "--listen", "127.0.0.1:0"]);
    assert!(!done && said.contains("the log cannot be written to"), "{said}");
    log.stop();
}

/// As people write who have a container.
#[cfg(unix)]
#[test]
fn what_is_no_file_is_refused_at_the_start_and_not_waited_for() {
    let mut log = Logging::with(&["database.url=none"]);
    for device in ["/dev/stdout", "/dev/null"] {
        let setting = format!("log.file={device}");
        let (done, said) = log.tell(&["--set", &setting, "--listen", "127.0.0.1:0"]);
        assert!(!done && said.contains(device) && said.contains("`log.console`"), "{said}");
    }
    log.stop();
}

#[test]
fn a_log_without_a_file_has_nothing_to_be_opened_anew() {
    let folder = Folder::new("chat no log");
    let _server = ServerProcess::with_accounts(&folder, &["--set", "database.url=none"]);
    let mut command = Command::new(process::program());
    let output = command.arg("--data").arg(&*folder).args(["ctl", "reopen-log"]).output().expect("it runs");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "the log goes to no file\n");
}
