//! The real `chat-client` against a scripted server on loopback.

mod accounts;
#[cfg(unix)]
mod asking;
mod encoding;
mod endings;
mod fake;
mod fake_rooms;
mod listing;
mod messages;
mod moderating;
#[path = "../common/process.rs"]
mod process;
mod rooms;
mod talking;
#[cfg(unix)]
mod terminal_rooms;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;
