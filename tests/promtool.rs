//! What Prometheus' own tool says of a server's metrics and of the alerts.

use std::{
    io::Write as _,
    process::{Command, Output, Stdio},
};

use chat_proto::Credential;
use iocp_chat::client::Client;

#[path = "common/folder.rs"]
mod folder;
#[path = "common/page.rs"]
mod page;
#[path = "common/process.rs"]
mod process;
use folder::Folder;
use process::ServerProcess;

const ALERTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/alerts.yml");
const ALERT_TESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/alerts.test.yml");

/// Runs promtool, which must find nothing to complain of; a warning is a complaint.
fn promtool(args: &[&str], input: &str) {
    let mut command = Command::new("promtool");
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("promtool starts: Debian has it in the package prometheus");
    child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("taken");
    let Output { status, stdout, stderr } = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned();
    assert!(status.success(), "{args:?}: {said}");
    assert!(args[0] != "check" || args[1] != "metrics" || said.is_empty(), "{said}");
}

#[tokio::test]
async fn metrics_after_some_traffic_are_as_prometheus_wants_them() {
    let folder = Folder::new("chat promtool");
    let server = ServerProcess::with_accounts(&folder, &["--set", "admin.listen=127.0.0.1:0"]);
    let mut people = Vec::new();
    for number in 0..5 {
        let client = Client::connect(server.address).await.expect("it listens");
        people.push(client.log_in(&format!("guest{number}"), Credential::None).await.expect("free"));
    }
    for (session, _) in &people {
        session.broadcast("hello").await.expect("said");
        assert!(session.whisper("nobody", "hello").await.is_err());
    }
    drop(people.pop());
    let mut refused = Client::connect(server.address).await.expect("it listens");
    let _ = refused.register("kim", Credential::Password(b"correct horse".as_slice().into()), "none").await;
    assert!(refused.log_in("guest0", Credential::None).await.is_err());
    let (status, page) = page::get(&server.admin, "/metrics");
    assert_eq!(status, 200);
    for moved in ["chat_messages_delivered_total", "chat_fanout_wait_seconds_count", "chat_db_seconds_count"]
    {
        let value = page.lines().find_map(|line| line.strip_prefix(moved)).expect(moved);
        assert!(value.trim().parse::<f64>().expect("a number") > 0.0, "{moved}{value}");
    }
    promtool(&["check", "metrics"], &page);
}

#[test]
fn the_alerts_are_rules_and_come_when_they_are_due() {
    promtool(&["check", "rules", ALERTS], "");
    promtool(&["test", "rules", ALERT_TESTS], "");
}

#[tokio::test]
async fn every_metric_that_an_alert_asks_for_is_there() {
    let server = ServerProcess::start(&["--set", "admin.listen=127.0.0.1:0"]);
    let page = page::get(&server.admin, "/metrics").1;
    let alerts = std::fs::read_to_string(ALERTS).expect("it is there");
    let words = alerts.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let asked: Vec<_> = words.filter(|word| word.starts_with("chat_")).collect();
    assert!(asked.len() >= 8, "{asked:?}");
    for metric in asked {
        let told = page
            .lines()
            .any(|line| line.strip_prefix(metric).is_some_and(|rest| rest.starts_with([' ', '{'])));
        assert!(told, "no {metric}");
    }
}
