//! The client: a library to log in, talk and listen with, and the netcat-style program made of it.
//!
//! A connection is a value that moves through states: [`Client`] has greeted the server and read its limits,
//! [`Client::log_in`] turns it into a [`Session`], which talks, and [`Events`], which listens.
//!
//! ```no_run
//! # async fn example() -> Result<(), iocp_chat::client::Error> {
//! use chat_proto::Credential;
//! use iocp_chat::client::{Client, Event};
//!
//! let client = Client::connect("127.0.0.1:11021").await?;
//! let (session, mut events) = client.log_in("kim", Credential::None).await?;
//! let receipt = session.broadcast("hello").await?;
//! println!("said as line {}", receipt.seq);
//! while let Some(event) = events.next().await {
//!     if let Event::Whisper(line) = event {
//!         session.whisper(&line.sender, "heard").await?;
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # When nobody takes the events
//!
//! Answers and events share one stream of bytes, so an answer can stand behind events that nobody has taken.
//! The rule, in order:
//!
//! 1. Up to [`EVENT_BYTES_RESTED`] of events wait to be taken. Beyond that the connection is not read, the
//!    server's bytes stay in the socket, and the server deals with a slow reader as it always does.
//! 2. While a request is unanswered, reading goes on up to [`EVENT_BYTES_ASKING`], so that asking and only then
//!    listening, in one task, works for all ordinary amounts. No event is dropped and no answer is lost.
//! 3. Beyond that even answers wait until events are taken. Calls such as [`Session::broadcast`] then end with
//!    [`Error::Timeout`]; a [`Pending`] waits on. Whoever floods takes events in another task meanwhile.
//! 4. Dropping [`Events`] means "I do not listen": events are thrown away unread and answers always come.

mod backoff;
#[cfg(test)]
mod backpressure_tests;
pub mod bench;
pub mod cli;
#[cfg(test)]
mod connection_tests;
mod continuation;
#[cfg(test)]
mod continuation_tests;
#[cfg(test)]
mod cut_tests;
mod drive;
mod error;
mod events;
mod greet;
mod hex;
mod history;
mod inbox;
mod keys;
mod lasting;
mod link;
mod members;
mod pace;
mod packets;
mod pending;
mod places;
mod rebind;
mod receive;
mod reconnect;
#[cfg(test)]
mod reconnect_tests;
mod recovery;
mod requests;
mod room_pages;
#[cfg(test)]
mod room_tests;
mod rooms;
mod saved;
pub mod seal;
mod session;
#[cfg(test)]
mod testing;
pub mod tls;

pub use continuation::{Recipient, Restarted, Resumed, Unanswered};
pub use error::{Error, ProtocolError};
pub use events::{Event, Events};
pub use greet::{Client, Timeouts};
pub use history::HistoryFrom;
pub use inbox::{EVENT_BYTES_ASKING, EVENT_BYTES_RESTED};
pub use members::Members;
pub use pace::Pace;
pub use pending::Pending;
pub use reconnect::{Connect, Reconnect};
pub use requests::Requests;
pub use room_pages::RoomPages;
pub use saved::Saved;
pub use session::Session;
