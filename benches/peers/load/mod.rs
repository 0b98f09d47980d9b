//! The load: members come in, some of them talk, and every one checks what it hears.
//!
//! As `chat-client bench`, of whose parts it is made: one thread, one `Poll`, one read buffer, and lines are read where
//! they lie. What differs is that the server may be any that a [`Dialect`] speaks to, and the rule of the window, which
//! is [`Talker`]'s.

mod member;
mod swarm;
pub mod talker;
pub mod text;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use iocp_chat::client::bench::{
    Cpu, CpuReport, Error, LogInReport, Plan, Report, Scenario,
    parts::{
        Found, Latency, Measured, Pace, Schedule, Server, allow_connections, nanoseconds, own_cpu, wait_until,
    },
};

use self::{swarm::Swarm, talker::Talker};
use crate::dialect::{Dialect, To};

/// After the last delivery that was due: how long one too many is waited for.
const AFTERMATH: Duration = Duration::from_millis(20);

/// Runs a plan in this thread; members come in so many at a time. In `Idle` nobody speaks: it measures memory alone.
pub fn run<D: Dialect>(plan: &Plan, at_once: usize) -> Result<Report, Error> {
    check::<D>(plan).map_err(Error::Plan)?;
    allow_connections(plan.clients)?;
    let time_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let server = Server::find(&plan.server_pids, plan.server, plan.server.ip().is_loopback());
    let before = server.memory();
    let mut swarm = Swarm::<D>::new(plan.server, receivers::<D>(plan))?;
    let log_ins = log_in(plan, at_once, &mut swarm, &server)?;
    if plan.scenario == Scenario::Idle {
        // With nobody who talks, it takes what comes.
        talk_for(plan.warm_up, &mut swarm)?;
    }
    let logged_in = server.memory();
    let measured = match plan.scenario {
        Scenario::Churn => {
            churn_for(plan.warm_up, &mut swarm)?;
            measure(&server, &mut swarm, log_ins_and_times, |swarm| churn_for(plan.duration, swarm))?
        }
        Scenario::Idle => measure(&server, &mut swarm, deliveries_and_times, |_| Ok(()))?,
        _ => talk(plan, &mut swarm, &server)?,
    };
    let found =
        Found { time_s, before, logged_in, log_ins, measured, stalled: None, pairs: None, back: None };
    Ok(found.report(plan, &server, &mut swarm.tally))
}

/// What cannot be measured here, besides what no plan may say.
fn check<D: Dialect>(plan: &Plan) -> Result<(), String> {
    plan.check()?;
    if plan.scenario == Scenario::Stalled {
        return Err("stalled is for chat-client bench: other servers do not say what was missed".into());
    }
    if plan.scenario == Scenario::Reconnect {
        return Err("reconnect is for chat-client bench: other servers have no sessions that go on".into());
    }
    if matches!(plan.scenario, Scenario::Rooms | Scenario::Crowded) {
        return Err("rooms and crowded are for chat-client bench: here there is one room".into());
    }
    if plan.size < text::HEAD_BYTES {
        return Err(format!("--size must be at least {}", text::HEAD_BYTES));
    }
    if plan.talkers >= plan.clients.min(text::TALKERS_MAX) {
        return Err("--talkers must be fewer than --clients: each needs somebody who only listens".into());
    }
    Ok(())
}

/// Who hears each line.
fn receivers<D: Dialect>(plan: &Plan) -> usize {
    match plan.scenario {
        Scenario::Whisper => 1,
        _ if D::TALKERS_LISTEN => plan.clients - 1,
        _ => plan.clients - plan.talkers,
    }
}

/// The talkers' members and their listeners. Whispering pairs are neighbours. A room's talkers come first, and their
/// listeners are spread over it, so that no server gains by the order in which it serves its members.
fn pairs(plan: &Plan) -> Vec<[usize; 2]> {
    let listeners = plan.clients - plan.talkers;
    match plan.scenario {
        Scenario::Churn | Scenario::Idle => Vec::new(),
        Scenario::Whisper => (0..plan.talkers).map(|talker| [2 * talker, 2 * talker + 1]).collect(),
        _ => (0..plan.talkers)
            .map(|talker| [talker, plan.talkers + ((talker + 1) * listeners).div_ceil(plan.talkers) - 1])
            .collect(),
    }
}

fn log_in<D: Dialect>(
    plan: &Plan,
    at_once: usize,
    swarm: &mut Swarm<D>,
    server: &Server,
) -> Result<LogInReport, Error> {
    let mut listens = vec![true; plan.clients];
    for [talker, _] in pairs(plan) {
        listens[talker] = D::TALKERS_LISTEN;
    }
    let (started, cpu) = (swarm.clock.now(), server.cpu());
    swarm.log_in(&listens, at_once.max(1))?;
    let took = seconds(swarm.clock.now() - started);
    Ok(LogInReport::new(plan.clients as u64, took, used(cpu, server.cpu()), &swarm.tally))
}

/// Talks for the plan's time, and then until all that was said is heard.
fn talk<D: Dialect>(plan: &Plan, swarm: &mut Swarm<D>, server: &Server) -> Result<Measured, Error> {
    give_talkers(plan, swarm);
    talk_for(plan.warm_up, swarm)?;
    swarm.tally.measuring = true;
    let measured = measure(server, swarm, deliveries_and_times, |swarm| talk_for(plan.duration, swarm))?;
    swarm.tally.measuring = false;
    drain(plan, swarm)?;
    Ok(measured)
}

fn give_talkers<D: Dialect>(plan: &Plan, swarm: &mut Swarm<D>) {
    let start = swarm.clock.now();
    let pairs = pairs(plan);
    if plan.scenario == Scenario::Whisper {
        for (number, [_, listener]) in pairs.iter().enumerate() {
            swarm.members[*listener].listen(number, 1, None);
        }
    } else {
        for (member, own) in
            swarm.members.iter_mut().zip((0..plan.talkers).map(Some).chain(std::iter::repeat(None)))
        {
            member.listen(0, plan.talkers, own);
        }
    }
    for (number, at) in pairs.iter().copied().enumerate() {
        let pace = if plan.rate > 0.0 {
            Pace::Open(Schedule::new(start, plan.rate, number, plan.talkers))
        } else {
            Pace::Window
        };
        let to = match plan.scenario {
            Scenario::Whisper => To::One(swarm.members[at[1]].name()),
            _ => To::Room,
        };
        let frame = D::frame(to, plan.size);
        swarm.talkers.push(Talker::new(number, at, pace, frame, plan.size, plan.window));
    }
}

fn talk_for<D: Dialect>(time: Duration, swarm: &mut Swarm<D>) -> Result<(), Error> {
    let until = swarm.clock.now() + nanoseconds(time);
    loop {
        let now = swarm.clock.now();
        if now >= until {
            return Ok(());
        }
        let stop = wait_until(until, now) + Duration::from_millis(1);
        let wait = swarm.talk(now).map_or(stop, |due| stop.min(wait_until(due, now)));
        swarm.poll(wait)?;
    }
}

fn churn_for<D: Dialect>(time: Duration, swarm: &mut Swarm<D>) -> Result<(), Error> {
    let until = swarm.clock.now() + nanoseconds(time);
    loop {
        let now = swarm.clock.now();
        if now >= until {
            return Ok(());
        }
        swarm.churn(wait_until(until, now) + Duration::from_millis(1))?;
    }
}

/// Nobody says anything new; waits until what is due has come, or nothing comes any more.
fn drain<D: Dialect>(plan: &Plan, swarm: &mut Swarm<D>) -> Result<(), Error> {
    let sent: Vec<u64> = swarm.talkers.iter().map(Talker::sent).collect();
    let check = &mut swarm.tally.check;
    (check.sent, check.accepted) = (sent.iter().sum(), sent.iter().sum());
    check.expected = check.sent * swarm.tally.receivers;
    let mut heard = swarm.clock.now();
    loop {
        let check = &swarm.tally.check;
        // One that came twice is not another that was due.
        let is_complete = check.delivered >= check.expected + check.doubled;
        let came = swarm.poll(if is_complete { AFTERMATH } else { Duration::from_millis(100) })?;
        let now = swarm.clock.now();
        if came {
            heard = now;
        } else if is_complete || now - heard > nanoseconds(plan.patience) {
            break;
        }
    }
    for member in &swarm.members {
        member.finish(|talker| sent[talker], &mut swarm.tally);
    }
    Ok(())
}

/// A count that grows, and its times.
type Count<D> = fn(&mut Swarm<D>) -> (u64, &mut Latency);

fn deliveries_and_times<D>(swarm: &mut Swarm<D>) -> (u64, &mut Latency) {
    (swarm.tally.check.delivered, &mut swarm.tally.delivery_latency)
}

fn log_ins_and_times<D>(swarm: &mut Swarm<D>) -> (u64, &mut Latency) {
    (swarm.tally.log_ins, &mut swarm.tally.log_in_latency)
}

/// Runs `run`, and tells what it came to.
fn measure<D: Dialect>(
    server: &Server,
    swarm: &mut Swarm<D>,
    count: Count<D>,
    run: impl FnOnce(&mut Swarm<D>) -> Result<(), Error>,
) -> Result<Measured, Error> {
    let lines = |swarm: &Swarm<D>| swarm.talkers.iter().map(Talker::sent).sum::<u64>();
    let lines_before = lines(swarm);
    let (count_before, times) = count(swarm);
    *times = Latency::new();
    let (started, own, servers) = (swarm.clock.now(), own_cpu(), server.cpu());
    run(swarm)?;
    let took = seconds(swarm.clock.now() - started);
    let cpu = CpuReport {
        server: used(servers, server.cpu()),
        generator: used(own, own_cpu()),
        ..CpuReport::default()
    };
    let lines = lines(swarm) - lines_before;
    let (count, times) = count(swarm);
    let latency = std::mem::take(times);
    Ok(Measured { seconds: took, lines, deliveries: count - count_before, cpu, series: Vec::new(), latency })
}

fn used(before: Option<Cpu>, after: Option<Cpu>) -> Option<Cpu> {
    after.zip(before).map(|(after, before)| after - before)
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn seconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e9
}
