//! Conversations, who is in them, and how a line gets from one speaker to every reader.
//!
//! ```text
//!  readers ──Command──▶ Inbox ──▶ fan-out task ── Directory ── Hub ──append──▶ Log ◀──read── each writer's cursor
//!                                     └──────────────────mark──▶ ReadySet ──wake──▶ that writer
//! ```

mod charter;
mod coming_back;
mod command;
mod control;
mod devices;
mod directory;
mod entering;
mod fanout;
mod feed;
mod hearing;
mod hub;
mod keeping;
mod leaving;
mod listing;
mod lock;
mod log;
mod mailbox;
mod membership;
mod message_ids;
mod moderation;
mod places;
mod ready_set;
mod record;
mod requests;
mod ring;
#[expect(clippy::module_inception, reason = "the floor is named for what it is made of")]
mod room;
mod settings;
mod settling;
mod slot;
mod standing;
mod subscriber;
mod survey;
mod sync;

pub use charter::{Charter, FOR_GOOD, NAMES_MAX, Sanction, until};
pub use command::{Command, Grant, Past, RoomCommand, RoomRequest, Standpoint};
pub use control::{Attachment, Control};
pub use devices::Devices;
pub use directory::{Directory, NewRoom, NoteRooms, SLOW_S_MAX};
pub use fanout::{FanOut, Find, Inbox, Ledger, PARKED_COMMANDS_MAX};
pub use feed::{End, Feed, Tail, Verdict};
pub use hearing::{Hearing, Ignored};
pub use hub::Hub;
pub use lock::Lock;
pub use log::{Closed, Draft, Log, Read};
pub use mailbox::{Mailbox, Whispered};
pub use membership::{Membership, Pace};
pub use message_ids::{MESSAGE_IDS, MessageIds, fingerprint};
pub use moderation::{SECONDS_MAX, Target, check_act, end_of};
pub use ready_set::ReadySet;
pub use record::{Deed, Kept, Record};
pub use requests::{Conclusion, Entry};
pub use ring::LogLine;
pub use room::Room;
pub use slot::Slot;
pub use standing::{Right, Standing};
pub use subscriber::{CONTROL_BIT, LOBBY_BIT, MAILBOX_BIT, ROOMS_MAX, SLOTS_MAX, SessionId, Subscriber};
pub use survey::{Behind, SLOW_MAX, SURVEY_PAGE, Survey, Totals, Whereabouts};
