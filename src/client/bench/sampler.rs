//! The measured time in pieces: what was delivered in each, how late, and what the server used.

use super::{
    latency::Latency,
    process::{Cpu, Server, own_cpu},
    report::{CpuReport, Sample},
    swarm::Swarm,
};

/// Pieces at most, and the shortest of them in nanoseconds: looking at memory costs the server time too.
const PIECES: u64 = 60;
const PIECE_MIN: u64 = 200_000_000;

/// Looks at a run while it goes on.
pub struct Sampler<'a> {
    server: &'a Server,
    started: u64,
    piece: u64,
    next: u64,
    count_before: u64,
    since: u64,
    cpu_at_start: (Option<Cpu>, Option<Cpu>),
    cpu_before: Option<Cpu>,
    pub delivery: Latency,
    pub series: Vec<Sample>,
}

/// A count that grows, and the times since the last look, whatever is measured.
pub type Look = fn(&mut Swarm) -> (u64, &mut Latency);

impl<'a> Sampler<'a> {
    /// Begins now; `duration` is in nanoseconds.
    pub fn start(server: &'a Server, swarm: &mut Swarm, duration: u64, look: Look) -> Self {
        let (count_before, latency) = look(swarm);
        *latency = Latency::new();
        let piece = (duration / PIECES).max(PIECE_MIN);
        let cpu = server.cpu();
        let started = swarm.clock.now();
        Self {
            server,
            started,
            piece,
            next: started + piece,
            count_before,
            since: started,
            cpu_at_start: (cpu, own_cpu()),
            cpu_before: cpu,
            delivery: Latency::new(),
            series: Vec::new(),
        }
    }

    /// When it wants to look again.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Looks, if it is time.
    pub fn tick(&mut self, swarm: &mut Swarm, now: u64, look: Look) -> bool {
        if now < self.next {
            return false;
        }
        self.look(swarm, now, look);
        self.next = now + self.piece;
        true
    }

    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    fn look(&mut self, swarm: &mut Swarm, now: u64, look: Look) {
        let seconds = (now - self.since) as f64 / 1e9;
        let (count, latency) = look(swarm);
        let cpu = self.server.cpu();
        let used = cpu.zip(self.cpu_before).map(|(now, before)| (now - before).total_s() / seconds);
        self.series.push(Sample {
            at_s: (now - self.started) as f64 / 1e9,
            per_second: (count - self.count_before) as f64 / seconds,
            latency: latency.percentiles(),
            memory: self.server.memory(),
            server_cpu: used,
        });
        self.delivery.take_over(latency);
        (self.count_before, self.since, self.cpu_before) = (count, now, cpu);
    }

    /// Looks for the last time: the seconds measured, and the CPU time used in them.
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    pub fn finish(&mut self, swarm: &mut Swarm, look: Look) -> (f64, CpuReport) {
        let now = swarm.clock.now();
        let (server, generator) = (self.server.cpu(), own_cpu());
        if now > self.since + self.piece / 4 || self.series.is_empty() {
            self.look(swarm, now, look);
        } else {
            self.delivery.take_over(look(swarm).1);
        }
        let used = |now: Option<Cpu>, before: Option<Cpu>| now.zip(before).map(|(now, before)| now - before);
        let cpu = CpuReport {
            server: used(server, self.cpu_at_start.0),
            generator: used(generator, self.cpu_at_start.1),
            ..CpuReport::default()
        };
        ((now - self.started) as f64 / 1e9, cpu)
    }
}
