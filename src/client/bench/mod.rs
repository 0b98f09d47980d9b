//! A load generator that checks what it measures: `chat-client bench`.
//!
//! One thread and one `Poll` drive all connections, and packets are read where they lie in the read buffer, so
//! that the generator costs less than the server. The parts that decide something are plain values without a
//! socket or a clock: `schedule` when lines are due, `talker` which are sent, `checker` what a receiver
//! must see, `latency` how long it took, `report` what it came to. Around them: `member` one connection,
//! `swarm` all of them, `rooms` their way into rooms, `talk`, `churn` and `crowded` the scenarios; `reconnect` one
//! that is made of the client library, which is what comes back. `parts` is what another generator can be made of.
//!
//! # Latency without omission
//!
//! In the open loop (`rate` above 0) each line carries in its text the moment at which it was due by its talker's
//! schedule, whenever it could be sent, so a server that stops for a second is a second late for every line of
//! that second. In the closed loop a line carries the moment at which it was sent: the talkers wait for the
//! server, so that those times say how long a line takes at full load, not what a user at a fixed rate would see.

mod checker;
mod churn;
mod crowded;
mod found;
mod html;
mod latency;
mod member;
pub mod parts;
mod plan;
mod plot;
mod process;
mod reconnect;
mod report;
mod room;
mod rooms;
mod sampler;
mod scan;
mod schedule;
pub mod stamp;
mod swarm;
mod table;
mod talk;
mod talker;
mod tally;
mod wire;

use std::{
    io,
    net::UdpSocket,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

pub use html::page;
pub use latency::Percentiles;
pub use plan::{Plan, Scenario};
pub use process::{Cpu, Executable, Memory};
pub use report::{
    BackReport, CheckReport, CpuReport, LogInReport, MemoryReport, PairsReport, Report, Sample,
    StalledReport, Subject,
};
pub use table::table;
use thiserror::Error;

use self::{found::Found, process::Server, swarm::Swarm, tally::Clock};
use crate::platform;

/// Descriptors this process needs besides its connections.
const OTHER_DESCRIPTORS: u64 = 32;

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
    allow_connections(plan.connections())?;
    if plan.scenario == Scenario::Crowded {
        return crowded::run(plan, watch);
    }
    if plan.scenario == Scenario::Reconnect {
        return reconnect::run(plan, watch);
    }
    let time_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let server = server_of(plan);
    let before = server.memory();
    let (mut swarm, log_ins) = come_in(plan, Clock::start(), &server, watch)?;
    let logged_in = server.memory();
    let is_churn = plan.scenario == Scenario::Churn;
    let run = if is_churn { churn::run } else { talk::run };
    let measured = run(plan, &mut swarm, &server, watch)?;
    let stalled =
        (plan.stalled > 0 && !is_churn).then(|| talk::wake_stalled(plan, &mut swarm)).transpose()?;
    let found = Found { time_s, before, logged_in, log_ins, measured, stalled, pairs: None, back: None };
    Ok(found.report(plan, &server, &mut swarm.tally))
}

/// Lets this process have so many connections, or says that it may not.
pub fn allow_connections(count: usize) -> Result<(), Error> {
    let wanted = count as u64 + OTHER_DESCRIPTORS;
    match platform::raise_descriptor_limit() {
        Some(limit) if limit < wanted => {
            Err(Error::Plan(format!("this process may have only {limit} descriptors (ulimit -n)")))
        }
        _ => Ok(()),
    }
}

/// Lets all members log in, and come into their rooms.
fn come_in(
    plan: &Plan,
    clock: Clock,
    server: &Server,
    watch: &mut Watch<'_>,
) -> Result<(Swarm, LogInReport), Error> {
    let mut swarm = Swarm::new(plan, clock)?;
    let log_ins = log_in(plan, &mut swarm, server, watch)?;
    check_limits(plan, &swarm)?;
    if plan.rooms > 0 {
        rooms::enter(plan, &mut swarm)?;
    }
    Ok((swarm, log_ins))
}

fn log_in(
    plan: &Plan,
    swarm: &mut Swarm,
    server: &Server,
    watch: &mut Watch<'_>,
) -> Result<LogInReport, Error> {
    let (count, started, cpu) = (plan.connections(), swarm.clock.now(), server.cpu());
    swarm.log_in(count, plan.ramp, &mut |members| watch(&Progress::LoggingIn { members, of: count }))?;
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    let seconds = (swarm.clock.now() - started) as f64 / 1e9;
    if plan.scenario != Scenario::Churn {
        for member in &mut swarm.members[plan.clients..] {
            member.is_stalled = true;
        }
    }
    let used = server.cpu().zip(cpu).map(|(after, before)| after - before);
    Ok(LogInReport::new(count as u64, seconds, used, &swarm.tally))
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

/// The processes that are measured.
fn server_of(plan: &Plan) -> Server {
    Server::find(&plan.server_pids, plan.server, is_local(plan))
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
