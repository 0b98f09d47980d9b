//! Conversations, who is in them, and how a line gets from one speaker to every reader.
//!
//! ```text
//!  readers ──Command──▶ Inbox ──▶ fan-out task ── Hub ──append──▶ Log ◀──read── each writer's cursor
//!                                     └───────────mark──▶ ReadySet ──wake──▶ that writer
//! ```

mod fanout;
mod hub;
mod log;
mod mailbox;
mod membership;
mod ready_set;
mod subscriber;
mod sync;

pub use fanout::{Command, FanOut, Inbox, PARKED_COMMANDS_MAX};
pub use hub::Hub;
pub use log::{Closed, Draft, Log, Read};
pub use mailbox::Mailbox;
pub use membership::{Membership, Pace};
pub use ready_set::ReadySet;
pub use subscriber::{
    Attachment, CONTROL_BIT, Control, LOBBY_BIT, MAILBOX_BIT, SLOTS_MAX, SessionId, Slot, Subscriber,
};
