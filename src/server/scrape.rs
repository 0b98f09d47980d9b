//! All numbers of a running server at one moment: what it has counted, what there is, what its process takes.

use std::time::Duration;

use tokio::{task::spawn_blocking, time::timeout};

use super::Operator;
use crate::{
    metrics::{Distribution, Family, Histogram, Kind, LATENCY_SECONDS, Sample, StoreMetrics, Value, hashing},
    platform::{self, Usage},
    room::Survey,
    session::AccountDesk,
};

/// Bounds for how many are in a room.
const MEMBERS: &[f64] =
    &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 2_000.0, 5_000.0, 10_000.0];
/// How long the fan-out is waited for. Longer: the rest is told without what it knows.
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// What only the program knows that runs the server.
#[derive(Clone, Copy, Debug, Default)]
pub struct OfHost {
    /// Lines of the log that were dropped, because whoever takes them was too slow.
    pub log_lines_dropped: u64,
}

impl Operator {
    /// Every metric of the server. `docs/METRICS.md` says what each means.
    pub async fn scrape(&self, host: OfHost) -> Vec<Family> {
        // It takes milliseconds where many sockets are open.
        let usage = spawn_blocking(platform::usage).await.unwrap_or_default();
        let mut families = vec![build()];
        families.extend(self.counters().families());
        families.extend(self.people());
        families.extend(self.rooms_now().await);
        families.extend(self.hashing());
        match self.store_metrics() {
            Some(metrics) => families.extend(metrics.families()),
            None => families.extend(StoreMetrics::new().families()),
        }
        families.push(Family::count(
            "chat_log_lines_dropped_total",
            "Lines of the log dropped because whoever takes them was too slow.",
            host.log_lines_dropped,
        ));
        families.extend(process(&usage));
        families
    }

    fn people(&self) -> Vec<Family> {
        let (connections, guests, sessions, absent) = self.counts();
        let members = connections.saturating_sub(guests);
        let connected = sessions.saturating_sub(absent);
        vec![
            Family::gauges(
                "chat_connections",
                "Connections there are: not logged in, and logged in.",
                "state",
                &[("guest", guests as u64), ("member", members as u64)],
            ),
            Family::gauges(
                "chat_sessions",
                "Sessions there are: with a connection, and those that wait for their owners to come back.",
                "state",
                &[("connected", connected as u64), ("absent", absent as u64)],
            ),
            Family::gauge(
                "chat_history_queue_length",
                "Conversations with lines that the history has still to take.",
                self.history_waiting() as u64,
            ),
        ]
    }

    /// What the fan-out knows; nothing where it does not say so: a zero would be a lie.
    async fn rooms_now(&self) -> Vec<Family> {
        let asked = async { (self.totals().await, self.ask(Survey::Sizes).await) };
        let Ok((Some(totals), Ok(sizes))) = timeout(ANSWER_MAX, asked).await else { return Vec::new() };
        let slowest = totals.slowest.as_ref().map_or(0, |slowest| slowest.lines);
        vec![
            Family::gauge("chat_rooms", "Rooms there are, beside the lobby.", totals.rooms as u64),
            Family::distribution(
                "chat_room_members",
                "Members of the rooms there are now, the lobby among them.",
                Distribution::of(sizes.into_iter(), MEMBERS),
            ),
            Family::gauge(
                "chat_slowest_reader_lines",
                "Lines that the reader who is furthest behind has still to take.",
                slowest,
            ),
        ]
    }

    fn hashing(&self) -> Vec<Family> {
        match self.doorkeeper().accounts().map(AccountDesk::hasher) {
            Some(hasher) => hashing(hasher.waiting(), hasher.seconds()),
            None => hashing(0, &Histogram::new(LATENCY_SECONDS)),
        }
    }
}

/// Which program this is.
fn build() -> Family {
    let labels = vec![
        ("version", env!("CARGO_PKG_VERSION").into()),
        ("commit", option_env!("CHAT_COMMIT").unwrap_or("unknown").into()),
        ("target", env!("CHAT_TARGET").into()),
    ];
    Family {
        samples: vec![Sample { labels, value: Value::Count(1) }],
        ..Family::gauge("chat_build_info", "Which program this is; always 1.", 1)
    }
}

/// What the process takes, under the names that all client libraries use. What the system does not tell is left out.
fn process(usage: &Usage) -> Vec<Family> {
    let whole = |name, help, value: Option<u64>| value.map(|value| Family::gauge(name, help, value));
    let real = |name, help, kind, value: Option<f64>| {
        value.map(|value| Family { name, help, kind, samples: vec![Sample::plain(Value::Real(value))] })
    };
    let families = [
        real(
            "process_cpu_seconds_total",
            "Processor time taken, in seconds.",
            Kind::Counter,
            usage.cpu.map(|cpu| cpu.as_secs_f64()),
        ),
        whole("process_resident_memory_bytes", "Memory taken.", usage.resident_bytes),
        whole(
            "process_virtual_memory_bytes",
            "Addresses taken; on Windows, memory committed.",
            usage.virtual_bytes,
        ),
        whole("process_open_fds", "Descriptors open; on Windows, handles.", usage.open),
        whole("process_max_fds", "Descriptors that may be open.", usage.open_max),
        whole("process_threads", "Threads.", usage.threads),
        real(
            "process_start_time_seconds",
            "When the process was started, in seconds since 1970.",
            Kind::Gauge,
            usage.since,
        ),
    ];
    families.into_iter().flatten().collect()
}
