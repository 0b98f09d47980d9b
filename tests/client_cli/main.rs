//! The real `chat-client` against a scripted server on loopback.

mod endings;
mod fake;
mod messages;
mod talking;
#[cfg(unix)]
mod unix;
