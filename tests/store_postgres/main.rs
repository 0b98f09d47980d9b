//! The store on PostgreSQL: the suite that every database passes, restarts of the server over it, and what only it suffers.

#[path = "../common/mod.rs"]
mod common;
mod fresh;
#[path = "../rooms/lasting/mod.rs"]
mod lasting;
#[path = "../resume/peer.rs"]
#[allow(dead_code, reason = "the tests of coming back use all of it")]
mod peer;
#[path = "../resume/restart.rs"]
mod restart;
mod server;
#[path = "../store/suite/mod.rs"]
mod suite;
mod troubles;
#[path = "../resume/whispers.rs"]
mod whispers;

use fresh::{Fresh, SERVER, fresh, fresh_on};
