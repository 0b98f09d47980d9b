//! The real `chat-client` against a scripted server on loopback.

mod accounts;
#[cfg(unix)]
mod asking;
mod encoding;
mod endings;
mod fake;
mod messages;
#[path = "../common/process.rs"]
mod process;
mod talking;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;
