//! The generator of `benches/peers`: that it hears each protocol right, finds our server right and broken ones wrong.

#[path = "../../benches/peers/dialect/mod.rs"]
mod dialect;
mod dialects;
#[path = "../../benches/peers/load/mod.rs"]
mod load;
#[path = "../common/process.rs"]
mod process;
mod servers;
mod talkers;
