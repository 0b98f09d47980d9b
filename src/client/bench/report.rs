//! What a run found, as `--json` writes it: times in milliseconds or seconds, memory in KiB.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    latency::Percentiles,
    plan::Plan,
    process::{Cpu, Executable, Memory},
};

/// A whole run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What was asked for.
    pub plan: Plan,
    /// What was measured with what.
    pub subject: Subject,
    /// The log-ins; in `churn` those of the measured time alone.
    pub log_ins: LogInReport,
    /// The measured time, in seconds.
    pub seconds: f64,
    /// Lines accepted in it.
    pub lines: u64,
    /// Lines delivered in it.
    pub deliveries: u64,
    /// The same, a second.
    pub deliveries_per_second: f64,
    /// From when a line was due until a receiver had it.
    pub delivery: Percentiles,
    /// From when a line was due until its talker had the answer.
    pub answer: Percentiles,
    /// From when a line was due until its last receiver had it; where there is one line at a time.
    pub last_delivery: Option<Percentiles>,
    /// CPU time within the measured time.
    pub cpu: CpuReport,
    /// The server's memory.
    pub memory: MemoryReport,
    /// What every receiver checked, from the first line to the last.
    pub check: CheckReport,
    /// Lines refused, by code.
    pub refused: BTreeMap<u64, u64>,
    /// Members that did not read.
    pub stalled: Option<StalledReport>,
    /// Those beside the crowd.
    pub pairs: Option<PairsReport>,
    /// How all came back.
    pub back: Option<BackReport>,
    /// The measured time, piece by piece.
    pub series: Vec<Sample>,
    /// What the figures do not say by themselves.
    pub notes: Vec<String>,
    /// What should not have been; empty when all is well.
    pub failures: Vec<String>,
}

/// What was measured with what.
#[derive(Clone, Debug, Serialize)]
pub struct Subject {
    /// When the run began: seconds since 1970 UTC.
    pub time_s: u64,
    /// The generator's version.
    pub client_version: &'static str,
    /// The commit it was built from, when known.
    pub client_commit: Option<&'static str>,
    /// The generator's executable, when known.
    pub client: Option<Executable>,
    /// The server's executables, when they are on this machine.
    pub server: Vec<Executable>,
    /// Operating system and processor.
    pub machine: String,
    /// Processors this process may use.
    pub processors: usize,
}

/// How members came in.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct LogInReport {
    /// How many.
    pub count: u64,
    /// A second.
    pub per_second: f64,
    /// From connecting to the welcome.
    pub latency: Percentiles,
    /// The server's CPU time for each, in microseconds.
    pub server_us: Option<f64>,
}

/// CPU time of both sides.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct CpuReport {
    /// The server's.
    pub server: Option<Cpu>,
    /// The generator's.
    pub generator: Option<Cpu>,
    /// The server's for one delivery, in microseconds.
    pub server_us_per_delivery: Option<f64>,
    /// The generator's.
    pub generator_us_per_delivery: Option<f64>,
}

/// The server's memory; all of it `None` when it is elsewhere.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct MemoryReport {
    /// Before anybody came.
    pub before: Option<Memory>,
    /// When all had logged in and nobody had spoken.
    pub logged_in: Option<Memory>,
    /// The most that was seen while measuring.
    pub peak_pss_kib: Option<u64>,
    /// What one silent member adds, in KiB of PSS.
    pub pss_kib_per_member: Option<f64>,
}

/// What every receiver checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CheckReport {
    /// Lines sent.
    pub sent: u64,
    /// Lines accepted.
    pub accepted: u64,
    /// Lines refused.
    pub refused: u64,
    /// Deliveries that the accepted lines make due.
    pub expected: u64,
    /// Deliveries.
    pub delivered: u64,
    /// Lines that never came, and that nobody told of.
    pub lost: u64,
    /// Lines that came twice.
    pub doubled: u64,
    /// Lines that came behind a later one.
    pub reordered: u64,
    /// Lines that the server said it will not send: a receiver was too slow.
    pub missed: u64,
    /// Lines that came back to who said them.
    pub echoed: u64,
    /// Lines that came to who is not in the room in which they were said.
    pub stray: u64,
    /// Lines of another epoch.
    pub of_other_epochs: u64,
    /// Lines that are none of ours: somebody else talks here.
    pub foreign: u64,
    /// Answers to what was not asked.
    pub unasked: u64,
    /// Lines that were never answered.
    pub unanswered: u64,
    /// Connections that the server ended.
    pub cut: u64,
    /// Joined, Left, and the operator's lines; they take a place in the order too.
    pub notices: u64,
}

/// Members that did not read.
#[derive(Clone, Debug, Default, Serialize)]
pub struct StalledReport {
    /// How many.
    pub members: usize,
    /// How many of them the server had cut by the end.
    pub cut: usize,
    /// Lines that reached them when they read at last.
    pub lines: u64,
    /// Lines they were told they missed.
    pub missed: u64,
}

/// Pairs in rooms of their own, beside a crowd.
#[derive(Clone, Debug, Serialize)]
pub struct PairsReport {
    /// How many.
    pub rooms: usize,
    /// From when a line was due until the other had it, before the crowd came.
    pub alone: Percentiles,
    /// The same, while the crowd's room was flooded.
    pub crowded: Percentiles,
    /// What they checked, from their first line to their last.
    pub check: CheckReport,
}

/// How all came back who had lost their connections at once.
#[derive(Clone, Debug, Serialize)]
pub struct BackReport {
    /// Those who did.
    pub sessions: u64,
    /// Of these, those whose sessions had to begin again.
    pub anew: u64,
    /// Connections that were tried.
    pub attempts: u64,
    /// From the first loss until the last was back, in seconds; `None` if not all came back.
    pub all_s: Option<f64>,
    /// From the loss of a connection until the session went on.
    pub times: Percentiles,
}

/// A piece of the measured time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Sample {
    /// Its end, in seconds since measuring began.
    pub at_s: f64,
    /// Deliveries a second; in `churn` log-ins.
    pub per_second: f64,
    /// Times within it; in `churn` those of log-ins.
    pub latency: Percentiles,
    /// The server's memory at its end.
    pub memory: Option<Memory>,
    /// Of one processor, what the server used.
    pub server_cpu: Option<f64>,
}

impl CheckReport {
    /// What should not have been.
    #[must_use]
    pub fn failures(&self) -> Vec<String> {
        let mut failures: Vec<String> = [
            (self.lost, "lost"),
            (self.doubled, "doubled"),
            (self.reordered, "reordered"),
            (self.missed, "missed: a receiver was too slow and was told so"),
            (self.echoed, "sent back to who said them"),
            (self.stray, "in a room in which they were not said"),
            (self.of_other_epochs, "of another epoch"),
            (self.unanswered, "never answered"),
            (self.unasked, "answered that were not asked, or twice"),
        ]
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} lines {what}"))
        .collect();
        if self.cut > 0 {
            failures.push(format!("{} connections were cut", self.cut));
        }
        if self.foreign == 0 && self.delivered != self.expected {
            failures.push(format!("{} deliveries, not {}", self.delivered, self.expected));
        }
        failures
    }
}
