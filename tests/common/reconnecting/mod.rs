//! People whose connections are cut all the time, what they hear, and whether it is all there is to hear.
#![allow(dead_code, reason = "each test target uses its own part of it")]

mod crowd;
mod ear;
mod person;
pub mod proxy;
mod shares;
mod truth;

#[allow(unused_imports, reason = "each test target uses its own part of it")]
pub use crowd::{Crowd, History, Played, Terms};
pub use shares::share_out;
