//! The fan-out task under paused time: whom it waits for and for how long, whom it refuses, and how it ends.

mod fairness;
mod lobby;
mod pacing;
mod rooms;
mod stopping;
mod succession;
