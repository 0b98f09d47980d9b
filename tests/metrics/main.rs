//! What a server says of itself in numbers: that each thing moves its own, and that all of them are documented.

mod catalogue;
#[path = "../common/mod.rs"]
mod common;
mod ends;
mod names;
#[path = "../resume/peer.rs"]
#[allow(dead_code, reason = "the tests of resuming use all of it")]
mod peer;
mod people;
mod refusals;
mod scraped;
mod store;
