//! The real `chat-client` against a scripted server on loopback.

mod accounts;
#[cfg(unix)]
mod asking;
mod encoding;
mod endings;
mod fake;
mod fake_resume;
mod fake_rooms;
mod listing;
mod messages;
mod moderating;
#[path = "../common/process.rs"]
mod process;
mod reconnecting;
mod rooms;
mod state;
mod talking;
#[cfg(unix)]
mod terminal_reconnects;
#[cfg(unix)]
mod terminal_rooms;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;
