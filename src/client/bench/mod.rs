//! A load generator that checks what it measures: `chat-client bench`.
//!
//! One thread and one `Poll` drive all connections, and packets are read where they lie in the read buffer, so
//! that the generator costs less than the server. The parts that decide something are plain values without a
//! socket or a clock: `schedule` when lines are due, `talker` which are sent, `checker` what a receiver
//! must see, `latency` how long it took, `report` what it came to. Around them: `member` one connection,
//! `swarm` all of them, `talk` and `churn` the scenarios.
//!
//! # Latency without omission
//!
//! In the open loop (`rate` above 0) each line carries in its text the moment at which it was due by its talker's
//! schedule, whenever it could be sent, so a server that stops for a second is a second late for every line of
//! that second. In the closed loop a line carries the moment at which it was sent: the talkers wait for the
//! server, so that those times say how long a line takes at full load, not what a user at a fixed rate would see.

mod checker;
mod churn;
mod html;
mod latency;
mod member;
mod plan;
mod plot;
mod process;
mod report;
mod sampler;
mod scan;
mod schedule;
mod stamp;
mod swarm;
mod table;
mod talk;
mod talker;
mod tally;

use std::{
    io,
    net::UdpSocket,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

pub use html::page;
pub use latency::Percentiles;
pub use plan::{Plan, Scenario};
pub use process::{Cpu, Executable, Memory};
pub use report::{CheckReport, CpuReport, LogInReport, MemoryReport, Report, Sample, StalledReport, Subject};
pub use table::table;
use thiserror::Error;

use self::{process::Server, swarm::Swarm};
use crate::platform;

/// Descriptors this process needs besides its connections.
const OTHER_DESCRIPTORS: u64 = 32;

/// CPU time of which a share is told, in microseconds: the system counts in steps of 10,000.
const CPU_US_MIN: f64 = 100_000.0;

/// Why there is no report.
#[derive(Debug, Error)]
pub enum Error {
    /// The plan cannot be run, here or with this server.
    #[error("{0}")]
    Plan(String),
    /// No connection, or no answer.
    #[error("{0}")]
    Network(#[source] io::Error),
    /// The server ended a connection that was needed to go on.
    #[error("the server ended a connection: {0}")]
    Refused(String),
}

/// How far a run is.
#[derive(Debug)]
pub enum Progress<'a> {
    /// Members come in.
    LoggingIn {
        /// Those here.
        members: usize,
        /// Those wanted.
        of: usize,
    },
    /// Lines are said and heard.
    Measuring {
        /// The whole measured time.
        of: Duration,
        /// The last piece of it.
        sample: &'a Sample,
    },
}

/// Is told how far a run is, several times a second.
pub type Watch<'a> = dyn FnMut(&Progress<'_>) + 'a;

/// Runs a plan in this thread. A report comes out even of a server that fails the checks: see
/// [`Report::failures`].
pub fn run(plan: &Plan, watch: &mut Watch<'_>) -> Result<Report, Error> {
    plan.check().map_err(Error::Plan)?;
    let wanted = (plan.clients + plan.stalled) as u64;
    if let Some(limit) =
        platform::raise_descriptor_limit().filter(|limit| *limit < wanted + OTHER_DESCRIPTORS)
    {
        return Err(Error::Plan(format!("this process may have only {limit} descriptors (ulimit -n)")));
    }
    let time_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let server = Server::find(&plan.server_pids, plan.server, is_local(plan));
    let before = server.memory();
    let mut swarm = Swarm::new(plan.server, plan.receivers())?;
    let mut log_ins = log_in(plan, &mut swarm, &server, watch)?;
    let logged_in = server.memory();
    check_limits(plan, &swarm)?;
    let is_churn = plan.scenario == Scenario::Churn;
    let run = if is_churn { churn::run } else { talk::run };
    let mut measured = run(plan, &mut swarm, &server, watch)?;
    let stalled =
        (plan.stalled > 0 && !is_churn).then(|| talk::wake_stalled(plan, &mut swarm)).transpose()?;
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
    let tally = &mut swarm.tally;
    let mut failures = tally.check.failures();
    failures.append(&mut tally.reasons);
    let memory = MemoryReport {
        before,
        logged_in,
        peak_pss_kib: measured
            .series
            .iter()
            .filter_map(|sample| sample.memory)
            .map(|memory| memory.pss_kib)
            .max(),
        pss_kib_per_member: growth(before, logged_in, wanted),
    };
    let one_at_a_time = plan.scenario == Scenario::Idle;
    let mut report = Report {
        plan: plan.clone(),
        subject: subject(time_s, &server),
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
        series: measured.series,
        notes: Vec::new(),
        failures,
    };
    report.notes = notes(&report);
    Ok(report)
}

fn log_in(
    plan: &Plan,
    swarm: &mut Swarm,
    server: &Server,
    watch: &mut Watch<'_>,
) -> Result<LogInReport, Error> {
    let (count, started, cpu) = (plan.clients + plan.stalled, swarm.clock.now(), server.cpu());
    swarm.log_in(count, plan.ramp, &mut |members| watch(&Progress::LoggingIn { members, of: count }))?;
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    let seconds = (swarm.clock.now() - started) as f64 / 1e9;
    if plan.scenario != Scenario::Churn {
        for member in &mut swarm.members[plan.clients..] {
            member.is_stalled = true;
        }
    }
    let used = server.cpu().zip(cpu).map(|(after, before)| (after - before).total_s() * 1e6);
    Ok(LogInReport {
        count: count as u64,
        per_second: rate(count as u64, seconds),
        latency: swarm.tally.log_in_latency.percentiles(),
        server_us: per(used.filter(|us| *us >= CPU_US_MIN), count as u64),
    })
}

/// Whether what is planned is what the server takes.
fn check_limits(plan: &Plan, swarm: &Swarm) -> Result<(), Error> {
    let Some(limits) = swarm.tally.limits else { return Ok(()) };
    let longest = usize::from(limits.text_bytes.min(limits.text_chars));
    if plan.size > longest {
        return Err(Error::Plan(format!("--size: the server takes texts of at most {longest} characters")));
    }
    let allowed = limits.chat_per_second;
    if plan.scenario != Scenario::Churn && allowed > 0 && (plan.rate == 0.0 || plan.rate > f64::from(allowed))
    {
        return Err(Error::Plan(format!(
            "the server takes {allowed} lines a second of each member; start it with \
             --set rates.chat.per_second=0"
        )));
    }
    Ok(())
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
    if report.plan.rate > 0.0 {
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

/// Whether the server is on this machine: then the way to it begins at its own address.
fn is_local(plan: &Plan) -> bool {
    let begins_at = || -> io::Result<_> {
        let any = if plan.server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = UdpSocket::bind(any)?;
        socket.connect(plan.server)?;
        socket.local_addr()
    };
    plan.server.ip().is_loopback() || begins_at().is_ok_and(|address| address.ip() == plan.server.ip())
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
