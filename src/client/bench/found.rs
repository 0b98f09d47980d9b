//! What a run found, and the report that it comes to.

use super::{
    latency::{Latency, Percentiles},
    plan::{Plan, Scenario},
    process::{self, Cpu, Memory, Server},
    report::{
        BackReport, CpuReport, LogInReport, MemoryReport, PairsReport, Report, Sample, StalledReport, Subject,
    },
    tally::Tally,
};

/// CPU time of which a share is told, in microseconds: the system counts in steps of 10,000.
const CPU_US_MIN: f64 = 100_000.0;

/// What a run found; [`Found::report`] is what it comes to.
pub struct Found {
    /// When the run began: seconds since 1970 UTC.
    pub time_s: u64,
    /// The server's memory before anybody came.
    pub before: Option<Memory>,
    /// The server's memory when all had logged in and nobody had spoken.
    pub logged_in: Option<Memory>,
    /// How they came in.
    pub log_ins: LogInReport,
    /// The measured time.
    pub measured: Measured,
    /// Members that did not read.
    pub stalled: Option<StalledReport>,
    /// Those beside the crowd.
    pub pairs: Option<PairsReport>,
    /// How all came back.
    pub back: Option<BackReport>,
}

/// What the measured time came to.
pub struct Measured {
    /// Its length, in seconds.
    pub seconds: f64,
    /// Lines accepted in it.
    pub lines: u64,
    /// Lines delivered in it; in `churn` log-ins.
    pub deliveries: u64,
    /// CPU time of both sides, without the shares.
    pub cpu: CpuReport,
    /// The measured time, piece by piece.
    pub series: Vec<Sample>,
    /// From when a line was due until a receiver had it; in `churn` those of log-ins.
    pub latency: Latency,
}

impl LogInReport {
    /// Of `count` log-ins that took so many seconds, and the server this much CPU time; the times are `tally`'s.
    #[must_use]
    pub fn new(count: u64, seconds: f64, cpu: Option<Cpu>, tally: &Tally) -> Self {
        let used = cpu.map(|cpu| cpu.total_s() * 1e6);
        Self {
            count,
            per_second: rate(count, seconds),
            latency: tally.log_in_latency.percentiles(),
            server_us: per(used.filter(|us| *us >= CPU_US_MIN), count),
        }
    }
}

impl Found {
    /// The report; the reasons in `tally` go into it.
    #[must_use]
    pub fn report(self, plan: &Plan, server: &Server, tally: &mut Tally) -> Report {
        let Self { time_s, before, logged_in, mut log_ins, mut measured, stalled, pairs, back } = self;
        let is_churn = plan.scenario == Scenario::Churn;
        let latency = measured.latency.percentiles();
        let each_us = |cpu: Option<Cpu>| per(cpu.map(|cpu| cpu.total_s() * 1e6), measured.deliveries);
        let (server_us, generator_us) = (each_us(measured.cpu.server), each_us(measured.cpu.generator));
        if is_churn {
            log_ins = LogInReport {
                count: measured.deliveries,
                per_second: rate(measured.deliveries, measured.seconds),
                latency,
                server_us,
            };
            measured.deliveries = 0;
        } else {
            measured.cpu.server_us_per_delivery = server_us;
            measured.cpu.generator_us_per_delivery = generator_us;
        }
        let mut failures = tally.check.failures();
        let of_pairs = pairs.iter().flat_map(|pairs| pairs.check.failures());
        failures.extend(of_pairs.map(|failure| format!("of the pairs: {failure}")));
        failures.append(&mut tally.reasons);
        let pss = measured.series.iter().filter_map(|sample| sample.memory).map(|memory| memory.pss_kib);
        let memory = MemoryReport {
            before,
            logged_in,
            peak_pss_kib: pss.max(),
            pss_kib_per_member: growth(before, logged_in, plan.connections() as u64),
        };
        let one_at_a_time = plan.scenario == Scenario::Idle;
        let mut report = Report {
            plan: plan.clone(),
            subject: subject(time_s, server),
            log_ins,
            seconds: measured.seconds,
            lines: measured.lines,
            deliveries: measured.deliveries,
            deliveries_per_second: rate(measured.deliveries, measured.seconds),
            delivery: if is_churn { Percentiles::default() } else { latency },
            answer: tally.answer_latency.percentiles(),
            last_delivery: one_at_a_time.then(|| tally.last_latency.percentiles()),
            cpu: measured.cpu,
            memory,
            check: tally.check,
            refused: std::mem::take(&mut tally.refused),
            stalled,
            pairs,
            back,
            series: measured.series,
            notes: Vec::new(),
            failures,
        };
        report.notes = notes(&report);
        report
    }
}

fn subject(time_s: u64, server: &Server) -> Subject {
    Subject {
        time_s,
        client_version: env!("CARGO_PKG_VERSION"),
        client_commit: option_env!("CHAT_COMMIT"),
        client: process::own_executable(),
        server: server.executables(),
        machine: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        processors: std::thread::available_parallelism().map_or(1, Into::into),
    }
}

/// What the figures do not say by themselves.
fn notes(report: &Report) -> Vec<String> {
    let mut notes = Vec::new();
    if report.plan.scenario == Scenario::Crowded {
        notes.push(
            "the crowd's times are those at full load; a line of the pairs counts from when it was due"
                .into(),
        );
    } else if report.plan.rate > 0.0 {
        let note = "open loop: a line's time counts from when it was due, so nothing is omitted when the server is late";
        notes.push(note.to_owned());
    } else if report.plan.scenario != Scenario::Churn {
        notes.push("closed loop: times are those at full load, from when a line was sent; --rate is for what users see".into());
    }
    if let (Some(server), Some(generator)) = (report.cpu.server, report.cpu.generator)
        && generator.total_s() > server.total_s()
    {
        notes.push(
            "generator CPU > server CPU: the figures are the generator's limit, not the server's".into(),
        );
    }
    if report.cpu.server.is_none() {
        notes.push(
            "the server's CPU and memory are not known: it is elsewhere, or belongs to somebody else".into(),
        );
    }
    if report.check.foreign > 0 {
        notes.push(format!("{} lines were said by others: this is not a quiet server", report.check.foreign));
    }
    notes
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn rate(count: u64, seconds: f64) -> f64 {
    count as f64 / seconds.max(1e-9)
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn per(total: Option<f64>, count: u64) -> Option<f64> {
    total.filter(|_| count > 0).map(|total| total / count as f64)
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn growth(before: Option<Memory>, after: Option<Memory>, members: u64) -> Option<f64> {
    let (before, after) = before.zip(after)?;
    Some((after.pss_kib as f64 - before.pss_kib as f64) / members as f64)
}
