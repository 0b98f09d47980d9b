//! What the server's log says: the catalogue of events against the source and the tests, and events that no other test hears.

mod catalogue;
#[path = "../common/mod.rs"]
mod common;
#[path = "../common/folder.rs"]
mod folder;
#[path = "../common/heard.rs"]
mod heard;
#[path = "../common/page.rs"]
mod page;
#[path = "../resume/peer.rs"]
#[allow(dead_code, reason = "the tests of resuming use all of it")]
mod peer;
mod people;
#[path = "../common/process.rs"]
mod process;
mod programs;
#[path = "../resume/stage.rs"]
#[allow(dead_code, reason = "the tests of resuming use all of it")]
mod stage;
mod stored;
