//! The history: written beside what is said, or before anybody hears it, and read back.

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/folder.rs"]
mod folder;
#[path = "../store/fresh.rs"]
#[allow(dead_code, reason = "the tests of the store use all of it")]
mod fresh;
mod full;
mod house;
#[path = "../fan_out/lobby.rs"]
#[allow(dead_code, reason = "the tests of the fan-out use all of it")]
mod lobby;
mod model;
mod pages;
mod places;
mod places_model;
mod process;
mod replays;
mod restarts;
mod shelf;
mod whispers;
