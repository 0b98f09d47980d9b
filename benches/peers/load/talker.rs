//! Who talks: which of its lines are due, and the bytes of each.

use iocp_chat::client::bench::parts::Pace;

use super::text::{self, Said};
use crate::dialect::Frame;

/// Somebody who talks.
///
/// A line is outstanding until the talker's own listener has heard it. That is the rule for every server, so that
/// none pays for an acknowledgement that another does not send.
pub struct Talker {
    /// The connection that it says its lines on.
    pub member: usize,
    /// The connection that hears them for it.
    pub listener: usize,
    number: usize,
    pace: Pace,
    frame: Frame,
    size: usize,
    window: u64,
    sent: u64,
}

impl Talker {
    /// Number `number`, who may have `window` lines of `size` bytes outstanding.
    pub fn new(number: usize, at: [usize; 2], pace: Pace, frame: Frame, size: usize, window: usize) -> Self {
        let [member, listener] = at;
        Self { member, listener, number, pace, frame, size, window: window as u64, sent: 0 }
    }

    /// Its place among the talkers, which its lines tell.
    pub fn number(&self) -> usize {
        self.number
    }

    /// Lines sent in all.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// When its next line is due, its listener having heard this many; `None` while the window is full.
    pub fn due(&self, heard: u64) -> Option<u64> {
        if self.sent - heard >= self.window {
            return None;
        }
        Some(match &self.pace {
            Pace::Window => 0,
            Pace::Open(schedule) => schedule.due(),
        })
    }

    /// Appends every line that is due.
    pub fn talk(&mut self, heard: u64, now: u64, out: &mut Vec<u8>) {
        while self.sent - heard < self.window {
            let due = match &mut self.pace {
                Pace::Window => Some(now),
                Pace::Open(schedule) => schedule.take(now),
            };
            let Some(due) = due else { return };
            self.sent += 1;
            out.extend_from_slice(&self.frame.before);
            text::put(Said { talker: self.number, number: self.sent, due }, self.size, out);
            out.extend_from_slice(&self.frame.after);
        }
    }
}
