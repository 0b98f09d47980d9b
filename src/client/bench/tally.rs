//! What all members of a run count together.

use std::{collections::BTreeMap, time::Instant};

use chat_proto::{Code, Limits};

use super::{checker::Fault, latency::Latency, report::CheckReport};

/// Nanoseconds since the run began.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Instant);

impl Clock {
    /// Begins now.
    #[must_use]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Nanoseconds since then.
    #[must_use]
    pub fn now(self) -> u64 {
        u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// Reasons of lost connections that are told one by one; the rest is only counted.
const REASONS_MAX: usize = 8;

/// The counts, from the run's first moment to its last, and the times of what is measured.
pub struct Tally {
    /// What the server has announced, if it announces anything.
    pub limits: Option<Limits>,
    /// What was said and heard, and what was wrong with it.
    pub check: CheckReport,
    /// Lines refused, by code.
    pub refused: BTreeMap<u64, u64>,
    /// Why connections broke.
    pub reasons: Vec<String>,
    /// The lobby's highest line that anybody knows of.
    pub end: u64,
    /// Log-ins that were answered.
    pub log_ins: u64,
    /// From connecting to the welcome.
    pub log_in_latency: Latency,
    /// Members who have come into a room.
    pub entered: u64,
    /// Why somebody was not let into one.
    pub kept_out: Option<Code>,
    /// Whether times are recorded now.
    pub measuring: bool,
    /// From when a line was due until a receiver had it.
    pub delivery_latency: Latency,
    /// From when a line was due until its talker had the answer.
    pub answer_latency: Latency,
    /// From when a line was due to when the last of its receivers had it; for scenarios with one line at a time.
    pub last_latency: Latency,
    /// Who hears each line.
    pub receivers: u64,
    /// The line being heard, by its stamp, and by how many so far.
    current: (u64, u64),
}

/// Lines in a row that took equally long, as those of one read often did.
#[derive(Default)]
pub struct Row {
    stamp: u64,
    count: u64,
}

impl Tally {
    /// Nothing counted yet; each line has `receivers`.
    #[must_use]
    pub fn new(receivers: usize) -> Self {
        Self {
            limits: None,
            check: CheckReport::default(),
            refused: BTreeMap::new(),
            reasons: Vec::new(),
            end: 0,
            log_ins: 0,
            log_in_latency: Latency::new(),
            entered: 0,
            kept_out: None,
            measuring: false,
            delivery_latency: Latency::new(),
            answer_latency: Latency::new(),
            last_latency: Latency::new(),
            receivers: receivers as u64,
            current: (0, 0),
        }
    }

    /// Whether a conversation's members are told who comes.
    #[must_use]
    pub fn joins_are_told(&self) -> bool {
        self.limits.is_some_and(|limits| limits.notice_members > 0)
    }

    /// A line was delivered; its time is recorded with its neighbours'.
    #[inline]
    pub fn delivered(&mut self, stamp: Option<u64>, row: &mut Row, now: u64) {
        self.check.delivered += 1;
        match stamp {
            Some(stamp) if stamp == row.stamp => row.count += 1,
            Some(stamp) => {
                self.record(row, now);
                *row = Row { stamp, count: 1 };
            }
            None => self.check.foreign += 1,
        }
    }

    /// Records what [`delivered`](Self::delivered) collected.
    pub fn record(&mut self, row: &Row, now: u64) {
        if row.count == 0 || !self.measuring {
            return;
        }
        let took = now.saturating_sub(row.stamp);
        self.delivery_latency.record(took, row.count);
        if self.current.0 == row.stamp {
            self.current.1 += row.count;
        } else {
            self.current = (row.stamp, row.count);
        }
        if self.current.1 == self.receivers {
            self.last_latency.record(took, 1);
        }
    }

    /// A line is accepted: everyone is due to hear it.
    pub fn accepted(&mut self, took: u64) {
        self.check.accepted += 1;
        self.check.expected += self.receivers;
        if self.measuring {
            self.answer_latency.record(took, 1);
        }
    }

    /// A receiver found something wrong with a line.
    pub fn fault(&mut self, fault: Fault) {
        match fault {
            Fault::Doubled => self.check.doubled += 1,
            Fault::Reordered => self.check.reordered += 1,
            Fault::Epoch => self.check.of_other_epochs += 1,
        }
    }

    /// The server ended a connection, and why.
    pub fn broken(&mut self, reason: String) {
        self.check.cut += 1;
        if self.reasons.len() < REASONS_MAX {
            self.reasons.push(reason);
        }
    }
}
