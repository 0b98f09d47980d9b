//! Each number is told under the name that is its own: the numbers are raised, each by another amount, and read by name.

use std::time::Duration;

use iocp_chat::{
    metrics::{
        AuthAttempt, Counter, CounterBy, Disconnect, Family, Gauge, Histogram, Label, Message, Metrics,
        RateScope, ResumeResult, SlowAction, StoreErrorKind, StoreMetrics, TlsFailure, TransportKind, text,
    },
    server::OfHost,
};

use chat_proto::ErrorCode;

use crate::common::{quiet, serve};

/// Raises numbers, and remembers by how much and under which name.
#[derive(Default)]
struct Raised(Vec<(String, u64)>);

impl Raised {
    fn next(&mut self, name: String) -> u64 {
        let amount = 1_000 + self.0.len() as u64;
        self.0.push((name, amount));
        amount
    }

    fn counter(&mut self, name: &str, counter: &Counter) {
        counter.add(self.next(name.into()));
    }

    fn gauge(&mut self, name: &str, gauge: &Gauge) {
        gauge.set(self.next(name.into()));
    }

    fn by<L: Label>(&mut self, name: &str, counters: &CounterBy<L>) {
        for label in L::all() {
            counters.add_many(label, self.next(labelled(name, label)));
        }
    }

    fn histogram(&mut self, name: &str, histogram: &Histogram) {
        for _ in 0..self.next(format!("{name}_count")) {
            histogram.observe(Duration::from_micros(30));
        }
    }

    #[track_caller]
    fn assert_told(&self, families: Vec<Family>) {
        let text = text(families);
        for (name, amount) in &self.0 {
            let told = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
            assert_eq!(told, Some(&*amount.to_string()), "{name}");
        }
    }
}

fn labelled<L: Label>(name: &str, label: L) -> String {
    let labels: Vec<_> =
        label.labels().into_iter().map(|(label, word)| format!("{label}=\"{word}\"")).collect();
    format!("{name}{{{}}}", labels.join(","))
}

#[test]
fn every_number_of_a_server_is_told_under_its_own_name() {
    let (metrics, mut raised) = (Metrics::new(), Raised::default());
    for code in ErrorCode::ALL {
        let name = format!("chat_rejects_total{{code=\"{}\",name=\"{}\"}}", *code as u16, code.name());
        for _ in 0..raised.next(name) {
            metrics.reject(*code);
        }
    }
    raised.by::<TransportKind>("chat_connections_accepted_total", &metrics.accepted);
    raised.counter("chat_accept_errors_total", &metrics.accept_errors);
    raised.counter("chat_logins_total", &metrics.logins);
    raised.by::<AuthAttempt>("chat_auth_attempts_total", &metrics.auth_attempts);
    raised.by::<ResumeResult>("chat_resume_attempts_total", &metrics.resume_attempts);
    raised.by::<Disconnect>("chat_disconnects_total", &metrics.disconnects);
    raised.counter("chat_connections_cut_total", &metrics.cut);
    raised.counter("chat_lines_missed_total", &metrics.missed);
    raised.by::<SlowAction>("chat_slow_consumers_total", &metrics.slow_consumers);
    raised.by::<RateScope>("chat_rate_limited_total", &metrics.rate_limited);
    raised.histogram("chat_broadcast_fanout_seconds", &metrics.fan_out_seconds);
    raised.histogram("chat_fanout_wait_seconds", &metrics.fan_out_wait_seconds);
    raised.histogram("chat_history_write_seconds", &metrics.history_write_seconds);
    raised.counter("chat_history_lines_total", &metrics.history_lines);
    raised.counter("chat_history_gap_lines_total", &metrics.history_gap_lines);
    raised.counter("chat_tls_handshakes_total", &metrics.tls_handshakes);
    raised.by::<TlsFailure>("chat_tls_handshake_failures_total", &metrics.tls_failures);
    raised.counter("chat_misdirected_connections_total", &metrics.misdirected);
    raised.gauge("chat_tls_certificate_expiry_timestamp_seconds", &metrics.certificate_expiry);
    raised.counter("chat_config_reloads_total", &metrics.config_reloads);
    raised.counter("chat_config_reload_failures_total", &metrics.config_reload_failures);
    raised.gauge("chat_config_last_reload_success", &metrics.config_reload_success);
    raised.gauge("chat_config_last_reload_timestamp_seconds", &metrics.config_reload_time);
    let traffic = &metrics.traffic;
    let (lines, bytes) =
        (raised.next("chat_messages_delivered_total".into()), raised.next("chat_bytes_sent_total".into()));
    traffic.sent(lines, bytes);
    traffic.received(raised.next("chat_bytes_received_total".into()));
    for kind in Message::all() {
        for _ in 0..raised.next(labelled("chat_messages_received_total", kind)) {
            traffic.message(kind);
        }
    }
    raised.0.push(("chat_socket_writes_total".into(), 1));
    raised.assert_told(metrics.families());
    let names: std::collections::BTreeSet<_> = raised
        .0
        .iter()
        .map(|(name, _)| name.split('{').next().expect("a first").trim_end_matches("_count"))
        .collect();
    for family in metrics.families() {
        assert!(names.contains(family.name), "{} is raised by nothing here", family.name);
    }
}

#[test]
fn every_number_of_a_database_is_told_under_its_own_name() {
    let (metrics, mut raised) = (StoreMetrics::new(), Raised::default());
    raised.histogram("chat_db_seconds", &metrics.seconds);
    raised.by::<StoreErrorKind>("chat_db_errors_total", &metrics.errors);
    raised.counter("chat_db_commits_total", &metrics.commits);
    raised.0.push(("chat_db_writable".into(), 1));
    raised.assert_told(metrics.families());
    metrics.note_write(true);
    raised.0 = vec![("chat_db_writable".into(), 0)];
    raised.assert_told(metrics.families());
}

#[tokio::test]
async fn the_program_and_its_process_are_told_by_name() {
    let server = serve(&quiet());
    let told = async || text(server.operator().scrape(OfHost { log_lines_dropped: 77 }).await);
    let number_in = |told: &str, name: &str| -> f64 {
        let line =
            told.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("no {name}"));
        line.trim().parse().unwrap_or_else(|_| panic!("{name}{line}"))
    };
    // Systems count it in hundredths of a second, or larger pieces.
    while number_in(&told().await, "process_cpu_seconds_total ") <= 0.0 {}
    let told = told().await;
    let number = |name: &str| number_in(&told, name);
    assert!(told.contains("\nchat_log_lines_dropped_total 77\n"), "{told}");
    let build = told.lines().find(|line| line.starts_with("chat_build_info{")).expect("told");
    assert!(
        build.contains(concat!("version=\"", env!("CARGO_PKG_VERSION"), "\"")) && build.ends_with(" 1"),
        "{build}"
    );
    assert!(build.contains("commit=\"") && build.contains("target=\""), "{build}");
    assert!(number("process_resident_memory_bytes ") > 1e6);
    assert!(number("process_virtual_memory_bytes ") > 1e6);
    let open = number("process_open_fds ");
    if cfg!(unix) {
        assert!(open >= 3.0 && number("process_max_fds ") >= open);
    }
    assert!(number("process_threads ") >= 1.0);
    let now = std::time::UNIX_EPOCH.elapsed().expect("later").as_secs_f64();
    // By a clock that counts whole seconds.
    assert!((-2.0..600.0).contains(&(now - number("process_start_time_seconds "))), "within this test");
}

#[tokio::test(start_paused = true)]
async fn what_the_fan_out_does_not_tell_is_left_out_and_not_told_as_nothing() {
    let server = serve(&quiet());
    let operator = server.operator().clone();
    let of_rooms = ["chat_rooms", "chat_room_members", "chat_slowest_reader_lines"];
    let told = async || {
        let families = operator.scrape(OfHost::default()).await;
        of_rooms.map(|name| families.iter().any(|family| family.name == name))
    };
    assert_eq!(told().await, [true; 3]);
    server.stop(iocp_chat::stop::StopReason::Terminate).await;
    assert_eq!(told().await, [false; 3]);
}
