//! The scenarios in which members stay and some of them talk: all but `churn`, and half of `crowded`.

use std::time::Duration;

use super::{
    Error, Progress, Watch,
    found::Measured,
    latency::Latency,
    member::Phase,
    plan::{Plan, Scenario},
    process::Server,
    report::StalledReport,
    rooms,
    sampler::Sampler,
    schedule::{Schedule, wait_until},
    swarm::Swarm,
    talker::{LinePacket, Pace, Talker},
};

/// After the last delivery that was due: how long one too many is waited for.
const AFTERMATH: Duration = Duration::from_millis(20);

/// Talks for the plan's time, and then until all that was said is heard.
pub fn run(
    plan: &Plan,
    swarm: &mut Swarm,
    server: &Server,
    watch: &mut Watch<'_>,
) -> Result<Measured, Error> {
    let talkers = give_talkers(plan, swarm);
    let measured_from = swarm.clock.now() + nanoseconds(plan.warm_up);
    talk_until(plan, swarm, &talkers, measured_from, None, watch)?;
    swarm.tally.measuring = true;
    let before = swarm.tally.check;
    let mut sampler = Sampler::start(server, swarm, nanoseconds(plan.duration), deliveries);
    let until = swarm.clock.now() + nanoseconds(plan.duration);
    talk_until(plan, swarm, &talkers, until, Some(&mut sampler), watch)?;
    let (seconds, cpu) = sampler.finish(swarm, deliveries);
    swarm.tally.measuring = false;
    let after = swarm.tally.check;
    drain(plan, swarm, &talkers)?;
    Ok(Measured {
        seconds,
        lines: after.accepted - before.accepted,
        deliveries: after.delivered - before.delivered,
        cpu,
        series: sampler.series,
        latency: sampler.delivery,
    })
}

fn deliveries(swarm: &mut Swarm) -> (u64, &mut Latency) {
    (swarm.tally.check.delivered, &mut swarm.tally.delivery_latency)
}

/// Makes those talk who shall, from now on. Returns their numbers.
pub fn give_talkers(plan: &Plan, swarm: &mut Swarm) -> Vec<usize> {
    let start = swarm.clock.now();
    let talkers: Vec<usize> = match plan.scenario {
        // Whispering pairs are neighbours: the first of each talks, the second listens.
        Scenario::Whisper => (0..plan.talkers).map(|talker| 2 * talker).collect(),
        // Those who came first are the first of each room.
        Scenario::Rooms => (0..plan.talkers * plan.rooms).collect(),
        _ => (0..plan.talkers).collect(),
    };
    for (turn, number) in talkers.iter().copied().enumerate() {
        let pace = if plan.rate > 0.0 {
            Pace::Open(Schedule::new(start, plan.rate, turn, talkers.len()))
        } else {
            Pace::Window
        };
        let packet = match (plan.scenario, swarm.members[number].room()) {
            (Scenario::Whisper, _) => LinePacket::whisper(swarm.members[number + 1].name.as_str(), plan.size),
            (_, Some(room)) => LinePacket::room_chat(room.conversation(), plan.size),
            (_, None) => LinePacket::broadcast(plan.size),
        };
        swarm.members[number].talker = Some(Talker::new(pace, packet, plan.window));
    }
    talkers
}

/// Talks until then, and lets `sampler` look.
pub fn talk_until(
    plan: &Plan,
    swarm: &mut Swarm,
    talkers: &[usize],
    until: u64,
    mut sampler: Option<&mut Sampler<'_>>,
    watch: &mut Watch<'_>,
) -> Result<(), Error> {
    loop {
        let now = swarm.clock.now();
        if now >= until {
            return Ok(());
        }
        let next_line = swarm.talk(talkers, now);
        let mut stop_at = until;
        if let Some(sampler) = &mut sampler {
            if sampler.tick(swarm, now, deliveries)
                && let Some(sample) = sampler.series.last()
            {
                watch(&Progress::Measuring { of: plan.duration, sample });
            }
            stop_at = stop_at.min(sampler.next());
        }
        let wait = wait_until(stop_at, now) + Duration::from_millis(1);
        let wait = next_line.map_or(wait, |due| wait.min(wait_until(due, now)));
        swarm.poll(wait)?;
    }
}

/// Nobody says anything new; waits until what is due has come, or nothing comes any more.
pub fn drain(plan: &Plan, swarm: &mut Swarm, talkers: &[usize]) -> Result<(), Error> {
    let talkers = |swarm: &Swarm, of: fn(&Talker) -> u64| -> u64 {
        talkers.iter().filter_map(|number| swarm.members[*number].talker.as_ref()).map(of).sum()
    };
    let mut heard = swarm.clock.now();
    loop {
        let check = &swarm.tally.check;
        let is_complete = check.delivered >= check.expected && talkers(swarm, Talker::unanswered) == 0;
        let came = swarm.poll(if is_complete { AFTERMATH } else { Duration::from_millis(100) })?;
        let now = swarm.clock.now();
        if came {
            heard = now;
        } else if is_complete || now - heard > nanoseconds(plan.patience) {
            break;
        }
    }
    let ends = rooms::ends(&swarm.members, swarm.tally.end);
    for member in swarm.members.iter().filter(|member| !member.is_stalled && member.phase == Phase::Here) {
        member.finish(&ends, &mut swarm.tally);
    }
    swarm.tally.check.sent = talkers(swarm, Talker::sent);
    swarm.tally.check.unanswered = talkers(swarm, Talker::unanswered);
    Ok(())
}

/// Lets those read who did not, until nothing comes any more: what they missed they must have been told.
pub fn wake_stalled(plan: &Plan, swarm: &mut Swarm) -> Result<StalledReport, Error> {
    let (before, reasons) = (swarm.tally.check, swarm.tally.reasons.len());
    let numbers: Vec<usize> =
        (0..swarm.members.len()).filter(|number| swarm.members[*number].is_stalled).collect();
    for number in &numbers {
        swarm.wake(*number);
    }
    let mut heard = swarm.clock.now();
    while swarm.clock.now() - heard < nanoseconds(plan.patience.min(Duration::from_secs(1))) {
        if swarm.poll(Duration::from_millis(50))? {
            heard = swarm.clock.now();
        }
    }
    let mut report = StalledReport {
        members: numbers.len(),
        lines: swarm.tally.check.delivered - before.delivered,
        ..StalledReport::default()
    };
    for number in numbers {
        let member = &swarm.members[number];
        let is_cut = member.phase == Phase::Gone || member.goodbye().is_some();
        report.cut += usize::from(is_cut);
        report.missed += member.missed();
    }
    // That they were cut, and late, is what they are there for; doubled or reordered lines are not.
    let after = &mut swarm.tally.check;
    (after.delivered, after.expected, after.cut) = (before.delivered, before.expected, before.cut);
    (after.missed, after.lost) = (before.missed, before.lost);
    swarm.tally.reasons.truncate(reasons);
    Ok(report)
}

/// A duration as the clock counts; what is longer than 584 years counts as that.
#[must_use]
pub fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
