//! The log as a whole, in memory: its lines, their fields, what changes while it runs.

use std::{
    panic::catch_unwind,
    sync::{LazyLock, Mutex},
};

use serde_json::Value;
use tracing::{
    Dispatch,
    subscriber::{NoSubscriber, with_default},
};

use super::*;
use crate::config::{LogAddresses, LogFormat, log_filter};

/// As in `tests/common/heard.rs`: with one subscriber alone, a thread without any could say for all that nobody listens.
static NOBODY: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(NoSubscriber::new()));

/// Keeps what it is given.
struct Memory(Arc<Mutex<String>>);

impl Output for Memory {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("whole").push_str(str::from_utf8(lines).expect("text"));
        Ok(lines.len())
    }

    fn reopen(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is logged by `work`, which has a hold on the log.
fn logged(format: LogFormat, addresses: LogAddresses, level: &str, work: impl FnOnce(&LogControl)) -> String {
    LazyLock::force(&NOBODY);
    let text = Arc::<Mutex<String>>::default();
    let queue = Queue::start("memory".into(), QUEUE_BYTES_MAX, Memory(Arc::clone(&text))).expect("a thread");
    let format = LineFormat { format, colour: false, addresses };
    let destinations = vec![Destination { format, queue, is_file: true }];
    let (subscriber, control) = assemble(destinations, None, log_filter(level).expect("a level"), Vec::new());
    with_default(subscriber, || work(&control));
    for destination in &*control.0.destinations.0 {
        destination.queue.flush(Duration::from_mins(5));
    }
    drop(Log(control));
    let text = text.lock().expect("whole");
    text.clone()
}

fn as_text(work: impl FnOnce()) -> String {
    logged(LogFormat::Text, LogAddresses::Full, "trace", |_| work())
}

/// The lines for machines of what `work` logs, at any level.
pub fn as_json(work: impl FnOnce()) -> Vec<Value> {
    let text = logged(LogFormat::Json, LogAddresses::Full, "trace", |_| work());
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

/// Without the time, which is checked.
fn timeless(line: &str) -> &str {
    let (time, rest) = line.split_at(24);
    assert!(humantime::parse_rfc3339(time).is_ok() && time.ends_with('Z'), "{line}");
    rest
}

#[test]
fn a_line_for_people_has_the_time_the_level_the_message_and_its_fields() {
    let user = "kim";
    let text = as_text(|| {
        tracing::info!(event = "session_start", conn = 7_u64, %user, "logged in");
        tracing::warn!(
            event = "store_failed",
            err = "disk is full",
            code = None::<u16>,
            "the \"store\" failed"
        );
        tracing::debug!(target: "sqlx::query", rows = -1, "asked");
    });
    let lines: Vec<_> = text.lines().map(timeless).collect();
    assert_eq!(
        lines,
        [
            "  INFO logged in event=session_start conn=7 user=kim",
            r#"  WARN the \"store\" failed event=store_failed err="disk is full""#,
            " DEBUG asked rows=-1 target=sqlx::query",
        ]
    );
}

#[test]
fn a_line_for_machines_is_an_object_with_the_fields_by_their_names_and_kinds() {
    let lines = as_json(|| {
        tracing::info!(
            event = "session_end",
            conn = 7_u64,
            session = 1_u64,
            user = %"이순신",
            dur_ms = 90_u128,
            kept = true,
            share = 0.5,
            odd = f64::NAN,
            err = ?io::ErrorKind::NotFound,
            "left"
        );
    });
    let mut line = lines[0].clone();
    let object = line.as_object_mut().expect("an object");
    let time = object.remove("ts").expect("a time");
    timeless(time.as_str().expect("text"));
    assert_eq!(
        line,
        serde_json::json!({
            "level": "INFO", "target": module_path!(), "msg": "left", "event": "session_end", "conn": 7, "session": 1,
            "user": "이순신", "dur_ms": 90, "kept": true, "share": 0.5, "odd": "NaN", "err": "NotFound",
        })
    );
    let text = logged(LogFormat::Json, LogAddresses::Full, "info", |_| tracing::info!(event = "e", "m"));
    assert!(
        text.starts_with(r#"{"ts":"20"#) && text.contains(r#","msg":"m","event":"e"}"#),
        "in this order: {text}"
    );
}

#[test]
fn nothing_that_others_wrote_ends_a_line_forges_one_or_acts_on_a_terminal() {
    let hostile = [
        "kim\n2026-07-25T10:11:12.345Z ERROR panic event=panic",
        "kim\r\n{\"ts\":\"2026-07-25T10:11:12.345Z\",\"level\":\"ERROR\"}",
        "\u{1b}[2J\u{1b}]0;title\u{7}\u{9b}31m\0\u{7f}\u{85}",
        "\u{202e}nimda\u{2066}\u{61c}\u{200f}\u{2028}\u{2029}\u{feff}\u{e0041}",
        "\",\"event\":\"panic\",\"x\":\"",
        "x\" event=\"panic\" y=\"",
        "x event=panic",
        "\\",
        "${jndi:ldap://x/a} %s%n {} {0}",
    ];
    let log = |name: &str| {
        let (user, err) = (name, name);
        tracing::info!(event = "session_end", %user, reason = name, ?err, "left");
    };
    for name in hostile {
        let text = as_text(|| log(name));
        assert_eq!(text.matches('\n').count(), 1, "{text}");
        assert!(!text.trim_end_matches('\n').chars().any(escape::acts), "{text:?}");
        assert!(
            !text.contains(" event=panic ") && text.contains(" left event=session_end user=\""),
            "{text}"
        );
        let lines = as_json(|| log(name));
        assert_eq!((lines.len(), &lines[0]["event"]), (1, &"session_end".into()));
        assert_eq!((&lines[0]["user"], &lines[0]["reason"]), (&name.into(), &name.into()));
        assert_eq!(lines[0].as_object().expect("an object").len(), 8);
    }
}

#[test]
fn a_long_value_is_cut_off() {
    let lines = as_json(|| tracing::info!(event = "e", err = "가".repeat(5_000), "m"));
    assert_eq!(lines[0]["err"].as_str().expect("text").chars().count(), 2_049);
}

#[test]
fn addresses_are_cut_to_their_networks_where_that_is_configured() {
    let work = |_: &LogControl| {
        for peer in
            ["192.0.2.77:5000", "192.0.2.77", "[2001:db8:1:2::3]:5000", "::ffff:192.0.2.77", "nowhere"]
        {
            tracing::info!(event = "e", peer, "m");
        }
    };
    let text = logged(LogFormat::Text, LogAddresses::Truncated, "info", work);
    let peers: Vec<_> =
        text.lines().filter_map(|line| line.split_once("peer=")).map(|(_, peer)| peer).collect();
    assert_eq!(peers, ["192.0.2.0/24", "192.0.2.0/24", "2001:db8:1::/48", "192.0.2.0/24", "nowhere"]);
    assert!(logged(LogFormat::Text, LogAddresses::Full, "info", work).contains("peer=192.0.2.77:5000"));
}

#[test]
fn the_level_changes_while_it_runs_and_a_wrong_one_changes_nothing() {
    let text = logged(LogFormat::Text, LogAddresses::Full, "info", |control| {
        let try_both = |when: &str| {
            tracing::debug!(event = "detail", when);
            tracing::info!(event = "news", when);
        };
        try_both("first");
        control.set_level("debug").expect("a level");
        try_both("second");
        assert!(control.set_level("inof").expect_err("none").contains("inof"));
        assert!(control.set_level("a=b=c").is_err());
        try_both("third");
        control.set_level("warn,iocp_chat::host::log=debug").expect("directives");
        try_both("fourth");
        control.set_level("off").expect("a level");
        try_both("fifth");
        assert_eq!(control.dropped(), 0);
    });
    let seen: Vec<_> =
        text.lines().filter_map(|line| line.split_once("event=")).map(|(_, rest)| rest).collect();
    assert_eq!(
        seen,
        [
            "news when=first",
            "detail when=second",
            "news when=second",
            "detail when=third",
            "news when=third",
            "detail when=fourth",
            "news when=fourth",
        ]
    );
}

#[test]
fn a_panic_is_logged_and_told() {
    let told = Arc::new(Mutex::new(String::new()));
    let also = Arc::clone(&told);
    tell_panics(move |panic| also.lock().expect("whole").push_str(&panic.to_string()));
    let text = as_text(|| assert!(catch_unwind(|| panic!("impossible")).is_err()));
    // The other tests' own.
    let _ = std::panic::take_hook();
    assert!(text.contains("event=panic") && text.contains("impossible"), "{text}");
    assert!(told.lock().expect("whole").contains("impossible"));
}
