//! The scenario in which connections log in, log out, and come again, as fast as the server takes them.

use std::time::Duration;

use super::{
    Error, Progress, Watch, found::Measured, latency::Latency, member::Phase, plan::Plan, process::Server,
    sampler::Sampler, schedule::wait_until, swarm::Swarm, talk::nanoseconds,
};

/// Comes and goes for the plan's time. The connections are there already.
pub fn run(
    plan: &Plan,
    swarm: &mut Swarm,
    server: &Server,
    watch: &mut Watch<'_>,
) -> Result<Measured, Error> {
    let measured_from = swarm.clock.now() + nanoseconds(plan.warm_up);
    while swarm.clock.now() < measured_from {
        turn(swarm, Duration::from_millis(5))?;
    }
    let before = swarm.tally.log_ins;
    let mut sampler = Sampler::start(server, swarm, nanoseconds(plan.duration), log_ins);
    let until = swarm.clock.now() + nanoseconds(plan.duration);
    while swarm.clock.now() < until {
        let now = swarm.clock.now();
        if sampler.tick(swarm, now, log_ins)
            && let Some(sample) = sampler.series.last()
        {
            watch(&Progress::Measuring { of: plan.duration, sample });
        }
        turn(swarm, wait_until(until.min(sampler.next()), now) + Duration::from_millis(1))?;
    }
    let (seconds, cpu) = sampler.finish(swarm, log_ins);
    let deliveries = swarm.tally.log_ins - before;
    let series = std::mem::take(&mut sampler.series);
    Ok(Measured { seconds, lines: 0, deliveries, cpu, series, latency: sampler.delivery })
}

fn log_ins(swarm: &mut Swarm) -> (u64, &mut Latency) {
    (swarm.tally.log_ins, &mut swarm.tally.log_in_latency)
}

fn turn(swarm: &mut Swarm, wait: Duration) -> Result<(), Error> {
    for number in 0..swarm.members.len() {
        match swarm.members[number].phase {
            Phase::Here => swarm.members[number].log_out(&mut swarm.tally),
            Phase::Gone => swarm.reconnect(number)?,
            Phase::Connecting | Phase::LoggingIn | Phase::Leaving => {}
        }
    }
    swarm.poll(wait)?;
    if swarm.tally.check.cut > 0 { Err(swarm.refused()) } else { Ok(()) }
}
