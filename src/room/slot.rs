//! The right to be answered: a session has a bounded number of them, so that its answers need no waiting.

use std::sync::Arc;

use bytes::BytesMut;
use chat_proto::{Refusal, RequestId, ServerPacket};

use super::{Attachment, Subscriber};

/// The right to answer one request without waiting. Dropped unused, it goes back.
pub struct Slot {
    subscriber: Arc<Subscriber>,
    held: bool,
}

/// The right to answer one request later, in the place that it has now among what its session is told: all that comes
/// after waits for it. Those of one session are kept in their order. Dropped unused, it goes back.
pub(super) struct Promise {
    subscriber: Arc<Subscriber>,
    open: bool,
}

impl Slot {
    /// One of a session's slots, which it has taken.
    pub(super) fn of(subscriber: &Arc<Subscriber>) -> Self {
        Self { subscriber: Arc::clone(subscriber), held: true }
    }

    /// Whose request it answers.
    #[must_use]
    pub fn subscriber(&self) -> &Arc<Subscriber> {
        &self.subscriber
    }

    /// Answers the request.
    pub fn answer(self, packet: &ServerPacket) {
        self.write(|out| packet.encode(out));
    }

    /// Sends whole packets, of which none is an answer.
    pub fn pass_on(self, packets: &[u8]) {
        self.write(|out| out.extend_from_slice(packets));
    }

    /// Refuses the request, of the given type and id.
    pub fn refuse(self, kind: u16, id: Option<RequestId>, refusal: Refusal) {
        self.write(|out| refusal.encode(kind, id, out));
    }

    /// Keeps the answer's place.
    pub(super) fn promise(mut self) -> Promise {
        self.held = false;
        self.subscriber.reserve();
        Promise { subscriber: Arc::clone(&self.subscriber), open: true }
    }

    fn write(mut self, write: impl FnOnce(&mut BytesMut)) {
        self.held = false;
        self.subscriber.write(1, write);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if self.held {
            self.subscriber.give_back(1);
        }
    }
}

impl Promise {
    /// Whose request it answers.
    pub fn subscriber(&self) -> &Arc<Subscriber> {
        &self.subscriber
    }

    /// Answers the request by what `write` appends, and has the session read there after that.
    pub fn keep(mut self, attachment: Option<Attachment>, write: impl FnOnce(&mut BytesMut)) {
        self.open = false;
        let mut packets = BytesMut::with_capacity(64);
        write(&mut packets);
        self.subscriber.fill(packets, attachment);
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        if self.open {
            self.subscriber.give_up();
        }
    }
}
