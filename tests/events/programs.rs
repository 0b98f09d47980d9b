//! What only the server as a program logs: at its start, at its end, and of its log.

use std::{fs, path::Path, process::Command};

use chat_proto::Credential;
use iocp_chat::{
    client::Client,
    store::{Place, STEPS, Store},
};
use serde_json::Value;
use sqlx::{Connection as _, SqliteConnection, raw_sql, sqlite::SqliteConnectOptions};

use crate::{
    folder::Folder,
    process::{self, ServerProcess},
};

/// Says something to the database beside the server.
async fn connect(data: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(data.join("chat.db"));
    SqliteConnection::connect_with(&options).await.expect("a database")
}

async fn tell(data: &Path, sql: &'static str) {
    let mut somebody = connect(data).await;
    raw_sql(sql).execute(&mut somebody).await.expect(sql);
    somebody.close().await.expect("closed");
}

fn run(data: &Path, args: &[&str]) -> String {
    let output =
        Command::new(process::program()).arg("--data").arg(data).args(args).output().expect("it runs");
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {said}");
    said
}

/// Those lines of a log that are whole: it may be being written.
fn parsed(log: &str) -> Vec<Value> {
    log.split_inclusive('\n')
        .filter(|line| line.starts_with('{') && line.ends_with('\n'))
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

#[track_caller]
fn only<'a>(log: &'a [Value], event: &str) -> &'a Value {
    let mut all = log.iter().filter(|line| line["event"] == event);
    match (all.next(), all.next()) {
        (Some(one), None) => one,
        _ => panic!("not one {event}: {log:#?}"),
    }
}

/// Stops it by its operator; its log.
fn stop(data: &Path, server: ServerProcess) -> Vec<Value> {
    run(data, &["ctl", "stop"]);
    let (status, log) = server.ended();
    assert!(status.success(), "{log}");
    parsed(&log)
}

#[tokio::test]
async fn a_database_is_told_when_it_is_made_and_when_its_names_or_its_form_are_of_another_time() {
    let data = Folder::new("chat made");
    let start = || ServerProcess::with_accounts(&data, &["--set", "admin.listen=none"]);
    let log = stop(&data, start());
    let made = only(&log, "database_made");
    let file = data.join("chat.db").display().to_string();
    assert_eq!((&made["level"], &made["database"]), (&"INFO".into(), &file.into()));
    let started = only(&log, "started");
    assert_eq!((&started["level"], &started["admin"]), (&"INFO".into(), &"none".into()));

    // Two accounts and two rooms whose names newer rules take for one.
    tell(
        &data,
        "INSERT INTO accounts (name, name_key, skeleton, names_version, password, role, disabled, created_ms) VALUES \
         ('kim', 'kim', 'kim', 0, '$x', 1, 0, 1), ('KIM', 'x', 'x', 0, '$x', 1, 0, 1); \
         INSERT INTO rooms (conversation, name, name_key, skeleton, names_version, capacity, flags, slow_s, topic, \
         created_ms) VALUES (2, 'games', 'games', 'games', 0, 9, 0, 0, '', 1), (3, 'GAMES', 'x', 'x', 0, 9, 0, 0, '', 1)",
    )
    .await;
    let log = stop(&data, start());
    assert!(log.iter().all(|line| line["event"] != "database_made"), "it is there");
    for (event, number, shown, other) in
        [("name_misfit", "account", "KIM", "kim"), ("room_misfit", "conversation", "GAMES", "games")]
    {
        let misfit = only(&log, event);
        assert_eq!((&misfit["level"], &misfit["name"]), (&"WARN".into(), &shown.into()));
        assert!(misfit["collides_with"] == other && misfit[number].is_u64(), "{misfit}");
    }
}

#[tokio::test]
async fn a_database_that_is_brought_to_this_version_is_told_with_the_copy_that_was_made_before() {
    let data = Folder::new("chat migrated");
    let place = Place::in_folder(&data).expect("a place");
    let store = Store::open_with(&place, &STEPS[..1]).await.expect("an old database");
    store.close().await.expect("closed");
    let log = stop(&data, ServerProcess::with_accounts(&data, &["--set", "admin.listen=none"]));
    let migrated = only(&log, "database_migrated");
    assert_eq!((&migrated["level"], &migrated["from"]), (&"INFO".into(), &1.into()));
    assert_eq!(migrated["to"], STEPS.len());
    assert!(Path::new(migrated["backup"].as_str().expect("a file")).exists(), "{migrated}");
}

#[tokio::test]
async fn a_database_that_takes_no_changes_is_told_of_without_an_admin_too_and_at_the_end() {
    let data = Folder::new("chat locked");
    let log_file = data.join("chat.log");
    let setting = format!("log.file={}", log_file.display());
    let server = ServerProcess::with_accounts(&data, &["--set", "admin.listen=none", "--set", &setting]);
    run(&data, &["user", "add", "kim", "--password-file", &password_file(&data)]);
    let mut somebody = connect(&data).await;
    raw_sql("BEGIN IMMEDIATE").execute(&mut somebody).await.expect("a lock");
    let freeze = Command::new(process::program()).arg("--data").arg(&*data).args(["ctl", "freeze"]).output();
    assert!(!freeze.expect("it runs").status.success(), "nothing can be written");
    let until = async |event: &str| {
        for _ in 0..1_800 {
            let log = parsed(&fs::read_to_string(&log_file).expect("text"));
            if let Some(found) = log.into_iter().find(|line| line["event"] == event) {
                return found;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        panic!("no {event}");
    };
    assert_eq!(until("store_not_writable").await["level"], "ERROR");
    raw_sql("ROLLBACK").execute(&mut somebody).await.expect("free");
    assert_eq!(until("store_writable").await["level"], "INFO");
    // And again, so that when kim logs in now is not written: not at the end either.
    raw_sql("BEGIN IMMEDIATE").execute(&mut somebody).await.expect("a lock");
    let client = Client::connect(server.address).await.expect("it listens");
    let password = Credential::Password(b"correct horse battery".as_slice().into());
    let (kim, _events) = client.log_in("kim", password).await.expect("hers");
    kim.log_out().await.expect("bye");
    run(&data, &["ctl", "stop"]);
    let (_, log) = server.ended();
    let mut end = parsed(&log);
    // It is tried once a minute, too.
    end.drain(..end.iter().position(|line| line["event"] == "stopping").expect("told"));
    let unwritten = only(&end, "logins_not_written");
    assert!(unwritten["level"] == "WARN" && unwritten["err"].is_string(), "{unwritten}");
}

fn password_file(data: &Path) -> String {
    let file = data.join("password");
    fs::write(&file, "correct horse battery\n").expect("written");
    file.display().to_string()
}

/// A disk that is full is told where there is room.
#[cfg(target_os = "linux")]
#[test]
fn a_log_that_cannot_be_written_is_told_in_the_other_and_counted() {
    use crate::page;
    let data = Folder::new("chat full");
    let file = data.join("chat.log");
    let full = fs::File::options().write(true).open("/dev/full").expect("Linux has it");
    let mut server = Command::new(process::program())
        .args(["--listen", "127.0.0.1:0", "--set", "database.url=none", "--set", "admin.listen=127.0.0.1:0"])
        .args(["--set", "log.format=json", "--set", &format!("log.file={}", file.display())])
        .arg("--data")
        .arg(&*data)
        .stderr(full)
        .spawn()
        .expect("it starts");
    // Whoever fails to write one line says so, and may be in the file before it.
    let log = loop {
        let log = parsed(&fs::read_to_string(&file).unwrap_or_default());
        let told = ["started", "log_failing"].map(|event| log.iter().any(|line| line["event"] == event));
        if told == [true; 2] {
            break log;
        }
        assert!(server.try_wait().expect("a child").is_none(), "it runs on");
        std::thread::sleep(std::time::Duration::from_millis(50));
    };
    let admin = only(&log, "started")["admin"].as_str().expect("it listens").to_owned();
    let failing = only(&log, "log_failing");
    assert_eq!((&failing["level"], &failing["log"]), (&"ERROR".into(), &"stderr".into()));
    assert!(failing["err"].is_string(), "{failing}");
    let metrics = page::get(&admin, "/metrics").1;
    let lost =
        metrics.lines().find_map(|line| line.strip_prefix("chat_log_lines_dropped_total ")).expect("told");
    assert!(lost.parse::<u64>().expect("a number") >= 1, "{lost}");
    run(&data, &["ctl", "stop"]);
    assert!(server.wait().expect("a child").success());
}
