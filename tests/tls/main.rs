//! TLS on the server: what a handshake may be, what may be sent over it, which certificate is shown and when another.

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/folder.rs"]
mod folder;
#[path = "../common/heard.rs"]
mod heard;
#[path = "../common/process.rs"]
mod process;
#[path = "../metrics/scraped.rs"]
#[allow(dead_code, reason = "the tests of metrics use all of it")]
mod scraped;

mod certificates;
mod clients;
mod connections;
mod floods;
mod handshakes;
mod hello;
mod program;
mod stage;
mod told;
