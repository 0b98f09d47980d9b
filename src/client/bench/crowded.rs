//! The scenario in which one room is flooded, while pairs in rooms of their own talk at a steady rate.

use std::{
    sync::mpsc::{Receiver, TryRecvError, sync_channel},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::{
    Error, Watch, come_in,
    found::Found,
    latency::Percentiles,
    plan::{Plan, Scenario},
    process::Server,
    report::{PairsReport, Report},
    server_of,
    swarm::Swarm,
    talk::{self, nanoseconds},
    tally::{Clock, Tally},
};

/// How long the pairs talk between two looks at whether the crowd has come.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Those whose times tell whether a crowd delays them. While it talks they have a thread of their own: in the
/// crowd's loop they would wait for the generator, and it would look as if they waited for the server.
struct Pairs {
    plan: Plan,
    swarm: Swarm,
    talkers: Vec<usize>,
}

/// The pairs are measured alone, then the crowd comes in beside them, and both are measured together.
pub fn run(plan: &Plan, watch: &mut Watch<'_>) -> Result<Report, Error> {
    let crowd = Plan { scenario: Scenario::Rooms, rooms: 1, rate: 0.0, ..plan.clone() };
    let time_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let server = server_of(plan);
    let before = server.memory();
    let mut pairs = Pairs::come_in(plan, &server, watch)?;
    let alone = pairs.alone()?;
    thread::scope(|scope| {
        let (begin, begins) = sync_channel(1);
        let clock = pairs.swarm.clock;
        let beside = scope.spawn(move || pairs.beside(&begins));
        let (mut swarm, log_ins) = come_in(&crowd, clock, &server, watch)?;
        let logged_in = server.memory();
        // If they have ended, it is with an error, and that comes below.
        let _ = begin.send(clock.now() + nanoseconds(plan.warm_up));
        let measured = talk::run(&crowd, &mut swarm, &server, watch)?;
        let (crowded, mut tally) = beside.join().expect("the pairs do not panic")?;
        swarm.tally.reasons.append(&mut tally.reasons);
        let pairs = PairsReport { rooms: plan.rooms, alone, crowded, check: tally.check };
        let found = Found {
            time_s,
            before,
            logged_in,
            log_ins,
            measured,
            stalled: None,
            pairs: Some(pairs),
            back: None,
        };
        Ok(found.report(plan, &server, &mut swarm.tally))
    })
}

impl Pairs {
    fn come_in(plan: &Plan, server: &Server, watch: &mut Watch<'_>) -> Result<Self, Error> {
        let plan = Plan { scenario: Scenario::Rooms, clients: 2 * plan.rooms, talkers: 2, ..plan.clone() };
        let (mut swarm, _) = come_in(&plan, Clock::start(), server, watch)?;
        let talkers = talk::give_talkers(&plan, &mut swarm);
        Ok(Self { plan, swarm, talkers })
    }

    /// Their times with nobody else there.
    fn alone(&mut self) -> Result<Percentiles, Error> {
        self.measure(self.swarm.clock.now() + nanoseconds(self.plan.warm_up))?;
        self.swarm.tally.measuring = false;
        Ok(self.times())
    }

    /// Their times beside the crowd, and what they checked from their first line to their last. They talk all the
    /// time, and are measured from the moment that is told.
    fn beside(mut self, begins: &Receiver<u64>) -> Result<(Percentiles, Tally), Error> {
        let from = loop {
            match begins.try_recv() {
                Ok(from) => break Some(from),
                Err(TryRecvError::Empty) => self.talk(self.swarm.clock.now() + nanoseconds(LOOK_EVERY))?,
                // The crowd did not come.
                Err(TryRecvError::Disconnected) => break None,
            }
        };
        if let Some(from) = from {
            self.measure(from)?;
            // What is late at the end is late all the same, and is measured too.
            talk::drain(&self.plan, &mut self.swarm, &self.talkers)?;
        }
        Ok((self.times(), self.swarm.tally))
    }

    fn measure(&mut self, from: u64) -> Result<(), Error> {
        self.talk(from)?;
        self.swarm.tally.measuring = true;
        self.talk(from + nanoseconds(self.plan.duration))
    }

    fn talk(&mut self, until: u64) -> Result<(), Error> {
        talk::talk_until(&self.plan, &mut self.swarm, &self.talkers, until, None, &mut |_| {})
    }

    fn times(&mut self) -> Percentiles {
        std::mem::take(&mut self.swarm.tally.delivery_latency).percentiles()
    }
}
