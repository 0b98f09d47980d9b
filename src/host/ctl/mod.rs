//! `chat-server ctl`: an operator's way to a running server, on its own machine alone.
//!
//! ```text
//!  chat-server ctl ──a line of JSON──▶ ctl.sock, or a named pipe ─▶ Channel ─▶ Operator ─▶ the server
//!                  ◀──records, then an end── (who may open it: the system decides)
//! ```

mod answer;
mod args;
mod ask;
mod channel;
mod lines;
#[cfg(windows)]
mod pipe;
mod request;
mod show;
#[cfg(unix)]
mod socket;

#[cfg(windows)]
use pipe as local;
#[cfg(unix)]
use socket as local;

pub use answer::status as status_record;
pub use args::CtlArgs;
pub use ask::{NO_CHANNEL, PutOut, put_out, run};
pub use channel::Channel;
