//! What the log and the metrics tell of handshakes, each by its name.

use std::time::{Duration, UNIX_EPOCH};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{
    common::unthrottled,
    heard::Heard,
    hello::Hello,
    scraped::Scraped,
    stage::{DAY, PIPE_BYTES, Stage, answer_to, in_days},
};

const METRICS: [&str; 4] = [
    "chat_disconnects_total",
    "chat_misdirected_connections_total",
    "chat_tls_handshake_failures_total",
    "chat_tls_handshakes_total",
];

#[tokio::test(start_paused = true)]
async fn a_handshake_is_told_by_what_came_of_it_in_the_log_and_in_the_metrics() {
    let heard = Heard::here();
    let stage = Stage::set(&unthrottled());
    let before = Scraped::of(&stage.server).await;
    answer_to(&stage.server, &[(b"GET / HTTP/1.1\r\n\r\n", Duration::ZERO)]).await;
    let old = Hello { record: 0x0301, version: 0x0301, ..Hello::tls12(&[0xc013]) };
    answer_to(&stage.server, &[(&old.bytes(), Duration::ZERO)]).await;
    let mut silent = stage.server.connect_in_memory_tls(PIPE_BYTES);
    silent.read_to_end(&mut Vec::new()).await.expect("closed when its time is over");
    let mut leaving = stage.server.connect_in_memory_tls(PIPE_BYTES);
    leaving.write_all(b"\x16\x03\x01").await.expect("a pipe");
    drop(leaving);
    stage.nobody_is_left().await;
    let _kim = stage.guest("kim").await;

    let now = Scraped::of(&stage.server).await;
    let failed = |reason: &str| (format!("{}{{reason=\"{reason}\"}}", METRICS[2]), 1);
    let expected = [
        (format!("{}{{reason=\"NoHandshake\"}}", METRICS[0]), 4),
        (METRICS[1].to_owned(), 1),
        failed("io"),
        failed("not_tls"),
        failed("protocol"),
        failed("timeout"),
        (METRICS[3].to_owned(), 1),
    ];
    let moved = now.moved_since(&before, &METRICS);
    assert_eq!(moved, expected.each_ref().map(|(name, by)| (name.as_str(), *by)));
    let expiry = now.get("chat_tls_certificate_expiry_timestamp_seconds");
    let expected = in_days(100).duration_since(UNIX_EPOCH).expect("later").as_secs();
    assert!(expiry.abs_diff(expected) < DAY.cast_unsigned(), "{expiry}, not {expected}");

    let failures = heard.all("tls_failed");
    let reasons: Vec<_> = failures.iter().map(|event| event["reason"].as_str().expect("a word")).collect();
    assert_eq!(reasons, ["not_tls", "protocol", "timeout", "io"]);
    for failure in &failures {
        assert!(failure["level"] == "DEBUG" && failure["peer"].is_string(), "{failure}");
        assert_eq!(failure["err"].is_string(), failure["reason"] != "timeout", "{failure}");
    }
    assert_eq!(heard.only("session_start")["transport"], "tls");
}
