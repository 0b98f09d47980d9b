//! Whispers that no server reads: the directory of keys, what is handed on and kept, and where nothing of it can be found.

mod canary;
#[path = "../common/mod.rs"]
mod common;
mod devices;
mod directory;
#[path = "../common/folder.rs"]
mod folder;
#[path = "../store/fresh.rs"]
#[allow(dead_code, reason = "the tests of the store use all of it")]
mod fresh;
#[path = "../common/process.rs"]
mod process;
mod programs;
mod stage;
mod stored;
mod two_devices;
mod whispers;
