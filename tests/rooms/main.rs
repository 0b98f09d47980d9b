//! Rooms as the people in them meet them, over pipes: making, finding, joining, talking, leaving, keeping order.

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/folder.rs"]
mod folder;
#[path = "../store/fresh.rs"]
#[allow(dead_code, reason = "the tests of the store use all of it")]
mod fresh;
mod going;
mod hearing;
mod keeping_order;
mod lasting;
mod limits;
mod moving;
mod server_wide;

use chat_proto::{ErrorCode, Presence, RoomSettings, room_flag};
use common::next;
use fresh::{Fresh, fresh};
use iocp_chat::client::{Error, Event, Events, Session};

/// An ordinary room.
pub const OPEN: RoomSettings = RoomSettings { capacity: 100, flags: 0, slow_s: 0 };
/// One that is in no list.
pub const HIDDEN: RoomSettings = RoomSettings { flags: room_flag::HIDDEN, ..OPEN };
/// One that only the invited may come into.
pub const INVITE_ONLY: RoomSettings = RoomSettings { flags: room_flag::INVITE_ONLY, ..OPEN };

/// The code that a request is refused with.
pub fn refused<T: std::fmt::Debug>(outcome: Result<T, Error>) -> ErrorCode {
    match outcome.expect_err("it is refused") {
        Error::Refused(refusal) => refusal.code.error().expect("a known code"),
        error => panic!("{error}"),
    }
}

/// After how long what is refused may be tried again, in milliseconds.
pub fn retry_ms<T: std::fmt::Debug>(outcome: Result<T, Error>) -> u32 {
    match outcome.expect_err("it is refused") {
        Error::Refused(refusal) => refusal.retry_ms,
        error => panic!("{error}"),
    }
}

/// Makes an ordinary room.
pub async fn make(session: &Session, name: &str) -> Presence {
    session.create_room(name, "", OPEN, "").await.expect("made").place
}

/// What is heard next, in words; the numbers of rooms as `#2`.
pub async fn told(events: &mut Events) -> String {
    match next(events).await {
        Event::Broadcast(line) => format!("#{} {}: {}", line.head.conversation, line.sender, line.text),
        Event::Whisper(line) => format!("* {}: {}", line.sender, line.text),
        Event::Joined(line) => format!("#{} + {}", line.head.conversation, line.name),
        Event::Left(line) => format!("#{} - {} {}", line.head.conversation, line.name, line.reason),
        Event::System(line) => format!("#{} ! {}", line.head.conversation, line.text),
        Event::RoomChanged(line) => {
            let (place, settings) = (line.head.conversation, line.settings);
            let RoomSettings { capacity, flags, slow_s } = settings;
            format!("#{place} = {capacity} {flags} {slow_s} {:?} by {}", line.topic, line.by)
        }
        Event::Removed(removed) => {
            let back: Vec<u64> = removed.entered.0.iter().map(|place| place.conversation).collect();
            let (place, reason, by) = (removed.conversation, removed.reason, removed.by);
            format!("out of #{place}: {reason} {by} {:?} {back:?}", removed.text)
        }
        Event::Moderated(done) => {
            let (place, room, act, seconds) = (done.conversation, done.room, done.act, done.seconds);
            format!("#{place} {room}: act {act} by {} for {seconds} {:?}", done.by, done.text)
        }
        Event::Goodbye(goodbye) => format!("goodbye {}", goodbye.code.0),
        other => panic!("{other:?}"),
    }
}
