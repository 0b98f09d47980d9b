//! Sessions that go on by another connection, over pipes and with the clock in hand: tokens, places, lines said once.

mod coming_back;
#[path = "../common/mod.rs"]
mod common;
#[path = "../common/folder.rs"]
mod folder;
#[path = "../store/fresh.rs"]
#[allow(dead_code, reason = "the tests of the store use all of it")]
mod fresh;
mod grace;
mod letters;
mod peer;
mod restart;
mod said_once;
mod stage;
mod tokens;
mod void;
mod whispers;
