//! What the fan-out task is asked to do, and in whose order it has a place.

use std::sync::Arc;

use bytes::Bytes;

use chat_proto::{
    Announce, CloseRoom, CreateRoom, ErrorCode, JoinRoom, LOBBY, LeaveReason, LeaveRoom, Moderate, Remark,
    RequestId, ResumeToken, RoomName, RoomPassword, Rooms, SetRoom, SetTopic, Text, Username, Who,
};

use tokio::sync::oneshot;

use super::{Attachment, Lock, Log, SessionId, Slot, Subscriber, Survey};

/// What the fan-out task is asked to do.
pub enum Command {
    /// A session that has just logged in comes into the lobby; it is answered with its welcome.
    Enter {
        /// For the welcome.
        slot: Slot,
        /// The login.
        request: RequestId,
        /// What it is given to come back with, if anything.
        grant: Option<Box<Grant>>,
    },
    /// A session goes on by another connection; it is answered with its welcome.
    Resume {
        /// For the welcome.
        slot: Slot,
        /// The resume.
        request: RequestId,
        /// What it is given to come back with the next time.
        grant: Box<Grant>,
    },
    /// A resumed session asks where it stands.
    Locate {
        /// Which.
        session: Arc<Subscriber>,
        /// Where it is told.
        reply: oneshot::Sender<Vec<Standpoint>>,
    },
    /// Lines from before are sent again to a resumed session, if it is still in the conversation.
    Replay {
        /// Whose, given back when they have been taken.
        slot: Slot,
        /// The conversation.
        conversation: u64,
        /// Whole packets.
        packets: Bytes,
    },
    /// A resumed session reads a conversation on, if it is still in it.
    Attach {
        /// Which.
        session: Arc<Subscriber>,
        /// The conversation.
        conversation: u64,
        /// The last line it has; `None`: as it was told by its welcome.
        after: Option<u64>,
    },
    /// A session says something to a conversation it is in.
    Say {
        /// For the receipt.
        slot: Slot,
        /// The type of the request.
        kind: u16,
        /// The request.
        request: RequestId,
        /// The conversation.
        conversation: u64,
        /// The session's own number of it, or 0.
        message_id: u64,
        /// What is said.
        text: Text,
    },
    /// A session asks who is in a conversation.
    Who {
        /// For the page.
        slot: Slot,
        /// The question.
        request: Who,
    },
    /// A session asks to read back what was said in a conversation.
    Consult {
        /// Which.
        asker: Arc<Subscriber>,
        /// The conversation.
        conversation: u64,
        /// Where it is told by what, or why not.
        reply: oneshot::Sender<Result<Past, ErrorCode>>,
    },
    /// A session asks something of rooms or of people in them.
    Room(Box<RoomCommand>),
    /// The operator says something to everybody.
    Announce {
        /// What is said.
        text: Text,
    },
    /// Somebody is put out of the server.
    Expel {
        /// Who.
        session: Arc<Subscriber>,
        /// What they hear.
        code: ErrorCode,
        /// What the others hear.
        reason: LeaveReason,
        /// Who does it; empty: the operator.
        by: Box<str>,
        /// Why.
        words: Remark,
    },
    /// A room has been stored: its maker comes in.
    Admit {
        /// For the answer.
        slot: Slot,
        /// The request.
        request: RequestId,
        /// Which.
        conversation: u64,
    },
    /// A room that could not be stored is no more.
    Withdraw {
        /// Which.
        conversation: u64,
    },
    /// What was done to a room could not be stored, and is in force all the same.
    Unstored {
        /// Which.
        conversation: u64,
    },
    /// The operator asks something of all conversations.
    Survey(Survey),
    /// A session has ended: it leaves every conversation.
    Depart {
        /// Which. Another connection may have gone on with it.
        session: Arc<Subscriber>,
        /// Why.
        reason: LeaveReason,
    },
}

/// What a session is given to come back with.
pub struct Grant {
    /// The token.
    pub token: ResumeToken,
    /// How long its places are kept, in milliseconds.
    pub grace_ms: u32,
}

/// Where a session stands in a conversation.
pub struct Standpoint {
    /// The conversation.
    pub attachment: Attachment,
    /// Whether its lines are waiting for the session to say from where.
    pub held: bool,
}

/// What was said in a conversation so far.
pub struct Past {
    /// Its last lines.
    pub log: Arc<Log>,
    /// The last line that may be read.
    pub head: u64,
}

/// A request about rooms or people in them.
pub struct RoomCommand {
    /// For the answer.
    pub slot: Slot,
    /// What is asked.
    pub request: RoomRequest,
}

/// What a session asks of rooms or of people in them. Rare, beside lines.
pub enum RoomRequest {
    /// Make a room.
    Create {
        /// Which.
        request: CreateRoom<RoomName, RoomPassword, Remark>,
        /// What a name that looks like its name has in common with it.
        look: Box<str>,
        /// What its password opens.
        lock: Option<Lock>,
    },
    /// Come into a room.
    Join(JoinRoom<RoomName, RoomPassword>),
    /// Leave a room.
    Leave(LeaveRoom),
    /// See which there are.
    List(Rooms),
    /// Say what a room is about.
    SetTopic(SetTopic<Remark>),
    /// Change how a room is.
    SetRoom {
        /// How.
        request: SetRoom<RoomPassword>,
        /// What its password opens; the outer `None`: as before.
        lock: Option<Option<Lock>>,
    },
    /// Do something to a person in a room.
    Moderate(Moderate<Username, Remark>),
    /// End a room.
    Close(CloseRoom),
    /// Say something to everybody.
    Announce(Announce<Text>),
}

impl Command {
    /// The conversation in whose order the command has a place, if it has one.
    #[must_use]
    pub fn ordered_in(&self) -> Option<u64> {
        match self {
            Self::Enter { .. } | Self::Depart { .. } | Self::Announce { .. } => Some(LOBBY),
            // Or the question right behind a login would come before it, from nobody.
            Self::Who { request, .. } => Some(request.conversation),
            Self::Say { conversation, .. } | Self::Consult { conversation, .. } => Some(*conversation),
            Self::Room(command) => command.request.ordered_in(),
            Self::Resume { .. }
            | Self::Locate { .. }
            | Self::Replay { .. }
            | Self::Attach { .. }
            | Self::Expel { .. }
            | Self::Admit { .. }
            | Self::Withdraw { .. }
            | Self::Unstored { .. }
            | Self::Survey(_) => None,
        }
    }

    /// Whose it is: what one session asks is done in the order asked, in whichever conversations.
    #[must_use]
    pub fn session(&self) -> Option<SessionId> {
        match self {
            Self::Enter { slot, .. } | Self::Say { slot, .. } | Self::Who { slot, .. } => {
                Some(slot.subscriber().id())
            }
            Self::Consult { asker, .. } => Some(asker.id()),
            Self::Room(command) => Some(command.slot.subscriber().id()),
            Self::Locate { session, .. } | Self::Depart { session, .. } => Some(session.id()),
            // At once: nobody waits for a connection that another has taken over.
            Self::Resume { .. }
            | Self::Announce { .. }
            | Self::Replay { .. }
            | Self::Attach { .. }
            | Self::Expel { .. }
            | Self::Admit { .. }
            | Self::Withdraw { .. }
            | Self::Unstored { .. }
            | Self::Survey(_) => None,
        }
    }
}

impl RoomRequest {
    pub(super) fn ordered_in(&self) -> Option<u64> {
        match self {
            Self::Create { .. } | Self::Join(_) | Self::List(_) => None,
            Self::Leave(request) => Some(request.conversation),
            Self::SetTopic(request) => Some(request.conversation),
            Self::SetRoom { request, .. } => Some(request.conversation),
            Self::Moderate(request) => Some(request.conversation),
            Self::Close(request) => Some(request.conversation),
            Self::Announce(_) => Some(LOBBY),
        }
    }
}
