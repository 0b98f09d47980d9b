//! The real `chat-client` against a scripted server on loopback.

mod accounts;
#[cfg(unix)]
mod asking;
#[path = "../common/certificates.rs"]
mod certificates;
mod encoding;
mod endings;
mod fake;
mod fake_resume;
mod fake_rooms;
#[path = "../common/folder.rs"]
mod folder;
mod listing;
mod messages;
mod moderating;
#[path = "../common/process.rs"]
mod process;
mod reconnecting;
mod rooms;
mod sealing;
mod sealing_anew;
mod sealing_hostile;
mod state;
mod talking;
#[cfg(unix)]
mod terminal_asks;
#[cfg(unix)]
mod terminal_reconnects;
#[cfg(unix)]
mod terminal_rooms;
mod tls;
mod tls_known_hosts;
mod tls_server;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;
