//! What a session's writer is told beside the lines of its logs, in the order in which it takes it.

use std::{collections::VecDeque, sync::Arc};

use bytes::BytesMut;
use chat_proto::{ErrorCode, LeaveReason};
use parking_lot::Mutex;

use super::{Ignored, Log, Membership};

/// Bytes of packets that wait as one piece; a packet that comes after begins another.
const PIECE_BYTES: usize = 4 * 1024;

/// What a writer needs to read a conversation: its log, its place there, and the bit that says it has news.
#[derive(Clone)]
pub struct Attachment {
    /// The bit of the session's ready set.
    pub bit: u32,
    /// The conversation's lines.
    pub log: Arc<Log>,
    /// This session's place.
    pub member: Arc<Membership>,
}

/// What a session's writer is told, in this order, beside the lines of its logs.
pub enum Control {
    /// Send these packets: answers, notices, pings.
    Packets(BytesMut),
    /// Read this conversation from now on.
    Attach(Attachment),
    /// Read this conversation to its end, and then no more.
    Detach {
        /// Its bit, free again when this has been done.
        bit: u32,
    },
    /// Pass over what these people say from now on.
    Ignore(Ignored),
    /// The last whisper that there was when the session was resumed.
    HoldMailbox(u64),
    /// Read the mailbox from now on, if it is not read yet.
    OpenMailbox {
        /// The last whisper that the client has; `None`: as it was told.
        after: Option<u64>,
    },
    /// Send nothing more but a goodbye with this code.
    Close(ErrorCode, LeaveReason),
}

/// What has not been taken yet.
#[derive(Default)]
pub(super) struct ControlQueue(Mutex<VecDeque<Queued>>);

struct Queued {
    /// `None`: an answer that is still to be decided.
    control: Option<Control>,
    /// How many slots it gives back when it is taken.
    slots: usize,
}

impl ControlQueue {
    /// Adds something that gives back no slot.
    pub fn push(&self, control: Control) {
        self.0.lock().push_back(Queued { control: Some(control), slots: 0 });
    }

    /// What comes next, and how many slots it gives back; nothing while that is still to be decided.
    pub fn pop(&self) -> Option<(Control, usize)> {
        let mut queue = self.0.lock();
        let Queued { control, slots } = queue.pop_front_if(|next| next.control.is_some())?;
        if queue.is_empty() {
            // The silent majority keeps no queue.
            *queue = VecDeque::new();
        }
        control.map(|control| (control, slots))
    }

    /// Adds the packet that `write` appends, behind its neighbours in the same piece: what is answered together leaves
    /// together.
    pub fn write(&self, slots: usize, write: impl FnOnce(&mut BytesMut)) {
        let mut queue = self.0.lock();
        match queue.back_mut() {
            Some(Queued { control: Some(Control::Packets(piece)), slots: held })
                if piece.len() < PIECE_BYTES =>
            {
                write(piece);
                *held += slots;
            }
            _ => {
                let mut piece = BytesMut::with_capacity(64);
                write(&mut piece);
                queue.push_back(Queued { control: Some(Control::Packets(piece)), slots });
            }
        }
    }

    /// Keeps a place for an answer that is still to be decided. What is added after that comes after it.
    pub fn reserve(&self) {
        self.0.lock().push_back(Queued { control: None, slots: 1 });
    }

    /// Puts packets into the first place that is kept, and what is read after them.
    pub fn fill(&self, packets: BytesMut, attachment: Option<Attachment>) {
        let mut queue = self.0.lock();
        let at = queue.iter().position(|one| one.control.is_none()).expect("a place is kept");
        queue[at].control = Some(Control::Packets(packets));
        if let Some(attachment) = attachment {
            queue.insert(at + 1, Queued { control: Some(Control::Attach(attachment)), slots: 0 });
        }
    }

    /// Keeps the first place no longer.
    pub fn give_up(&self) {
        let mut queue = self.0.lock();
        let at = queue.iter().position(|one| one.control.is_none()).expect("a place is kept");
        queue.remove(at);
    }
}
