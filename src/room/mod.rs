//! Conversations, who is in them, and how a line gets from one speaker to every reader.
//!
//! ```text
//!  readers ──Command──▶ Inbox ──▶ fan-out task ── Directory ── Hub ──append──▶ Log ◀──read── each writer's cursor
//!                                     └──────────────────mark──▶ ReadySet ──wake──▶ that writer
//! ```

mod charter;
mod command;
mod directory;
mod fanout;
mod hearing;
mod hub;
mod leaving;
mod listing;
mod lock;
mod log;
mod mailbox;
mod membership;
mod moderation;
mod ready_set;
mod record;
mod requests;
#[expect(clippy::module_inception, reason = "the floor is named for what it is made of")]
mod room;
mod settings;
mod standing;
mod subscriber;
mod survey;
mod sync;

pub use charter::{Charter, FOR_GOOD, NAMES_MAX, Sanction, until};
pub use command::{Command, RoomCommand, RoomRequest};
pub use directory::{Directory, NewRoom, SLOW_S_MAX};
pub use fanout::{FanOut, Inbox, Ledger, PARKED_COMMANDS_MAX};
pub use hearing::{Hearing, Ignored};
pub use hub::Hub;
pub use lock::Lock;
pub use log::{Closed, Draft, Log, Read};
pub use mailbox::Mailbox;
pub use membership::{Membership, Pace};
pub use moderation::{SECONDS_MAX, Target, check_act, end_of};
pub use ready_set::ReadySet;
pub use record::{Deed, Kept, Record};
pub use requests::{Conclusion, Entry};
pub use room::Room;
pub use standing::{Right, Standing};
pub use subscriber::{
    Attachment, CONTROL_BIT, Control, LOBBY_BIT, MAILBOX_BIT, ROOMS_MAX, SLOTS_MAX, SessionId, Slot,
    Subscriber,
};
pub use survey::{Behind, SLOW_MAX, SURVEY_PAGE, Survey, Totals, Whereabouts};
