//! What a session hears without asking, as a stream.

use std::{sync::Arc, time::Duration};

use chat_proto::{
    ErrorNotice, Goodbye, Joined, Left, Line, Missed, Moderated, Removed, RoomChanged, RoomEntered, RoomLeft,
    SealedLine, SystemText,
};

use super::{
    Error,
    continuation::{Restarted, Resumed},
    link::Taken,
    session::Handle,
};

/// Something a session hears without asking. [`Goodbye`](Event::Goodbye) or
/// [`Disconnected`](Event::Disconnected) is the last.
#[derive(Clone, Debug)]
pub enum Event {
    /// Something said to the lobby, or to a room.
    Broadcast(Line<String>),
    /// Somebody's whisper to this session.
    Whisper(Line<String>),
    /// Somebody's whisper to this session, for whoever has the [key](super::seal) to open it.
    Sealed(SealedLine<String>),
    /// A line from the operator.
    System(SystemText<String>),
    /// Somebody came into a conversation.
    Joined(Joined<String>),
    /// Somebody left a conversation.
    Left(Left<String>),
    /// This session has come into a room, as the answer to its request says. Told to whoever asks for it with
    /// [`Events::tell_own_rooms`].
    RoomEntered(RoomEntered),
    /// This session has left a room, as the answer to its request says. Told as the above.
    RoomLeft {
        /// The room.
        conversation: u64,
        /// The answer.
        left: RoomLeft,
    },
    /// A room's topic or settings are others.
    RoomChanged(RoomChanged<String>),
    /// This session is no longer in a conversation, by no request of its own.
    Removed(Removed<String>),
    /// Somebody has done this to whom the session is of.
    Moderated(Moderated<String>),
    /// Lines this session will not get.
    Missed(Missed),
    /// The server refused a packet that no pending request stands for.
    Error(ErrorNotice),
    /// The connection is lost, and another is tried. Told by sessions that
    /// [outlive their connections](super::Reconnect), before each attempt.
    Reconnecting {
        /// Attempts in a row, with the one to come.
        attempt: u32,
        /// How long it is waited for.
        wait: Duration,
        /// Why the connection was lost, or why the last attempt came to nothing.
        why: Error,
    },
    /// The session is here again. What was missed meanwhile follows.
    Resumed(Resumed),
    /// The session could not be resumed: this is another one. What was said to the old one meanwhile does not follow.
    Restarted(Restarted),
    /// The server said why it ends the connection.
    Goodbye(Goodbye<String>),
    /// The connection ended without a goodbye.
    Disconnected(Error),
}

/// The stream of a session's events. Dropping it means "I do not listen"; see the
/// [module](super#when-nobody-takes-the-events).
pub struct Events {
    handle: Arc<Handle>,
    end_told: bool,
}

impl Events {
    pub(super) fn new(handle: Arc<Handle>) -> Self {
        Self { handle, end_told: false }
    }

    /// From now on the answers by which this session comes into rooms and leaves them are events too, each at its
    /// place among the rooms' lines: for whoever listens in another task than the one that asks. Off at first.
    pub fn tell_own_rooms(&self) {
        self.handle.link.tell_own_rooms();
    }

    /// The event that was taken last is dealt with: [`Session::saved`](super::Session::saved) goes on after it. Taking the
    /// next says the same.
    pub fn settle(&self) {
        self.handle.link.settle();
    }

    /// The next event; `None` after the last. May be dropped and called again.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            match self.handle.link.take_event() {
                Taken::Event(event) => return Some(event),
                Taken::End(why) => return self.tell_end(why),
                Taken::Empty => self.handle.link.news.notified().await,
            }
        }
    }

    /// An event that is already here.
    pub fn try_next(&mut self) -> Option<Event> {
        match self.handle.link.take_event() {
            Taken::Event(event) => Some(event),
            Taken::End(why) => self.tell_end(why),
            Taken::Empty => None,
        }
    }

    fn tell_end(&mut self, why: Error) -> Option<Event> {
        if std::mem::replace(&mut self.end_told, true) {
            return None;
        }
        Some(match why {
            Error::Closed(goodbye) => Event::Goodbye(goodbye),
            why => Event::Disconnected(why),
        })
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.handle.link.stop_listening();
    }
}
