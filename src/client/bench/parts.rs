//! What a generator for another protocol can be made of, so that both count and check in the same way.
//!
//! `benches/peers` is one: it measures other servers beside ours.

pub use super::{
    allow_connections,
    checker::{Checker, Fault, Verdict},
    found::{Found, Measured},
    latency::Latency,
    member::Phase,
    process::{Server, own_cpu},
    scan::{Broken, Fields, Heard, Packets},
    schedule::{EARLY, Schedule, wait_until},
    talk::nanoseconds,
    talker::Pace,
    tally::{Clock, Row, Tally},
};
