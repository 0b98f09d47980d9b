//! What goes through the sockets of people: counted by whoever writes or reads, on a cache line that no other thread writes to.

use std::{
    cell::Cell,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
};

use super::{Label, Message, Sample, Value};

/// Lines of counters. Threads take turns with them, so that up to so many never meet.
const STRIPES: usize = 16;

thread_local! {
    /// Which of them this thread adds to.
    static STRIPE: Cell<usize> = Cell::new({
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        NEXT.fetch_add(1, Ordering::Relaxed) % STRIPES
    });
}

/// What goes through the sockets of people.
///
/// A write has many deliveries, and all workers write at once: one number for all of them would go from processor to
/// processor with each write.
#[derive(Default)]
pub struct Traffic {
    stripes: Box<[Stripe; STRIPES]>,
}

/// As wide as two cache lines, which processors fetch together.
#[derive(Default)]
#[repr(align(128))]
struct Stripe {
    writes: AtomicU64,
    delivered: AtomicU64,
    bytes_sent: AtomicU64,
    bytes_received: AtomicU64,
    messages: [AtomicU64; Message::ALL.len()],
}

impl Traffic {
    /// One write has taken these bytes, and with them the last of so many lines.
    pub fn sent(&self, lines: u64, bytes: u64) {
        let stripe = self.stripe();
        stripe.writes.fetch_add(1, Ordering::Relaxed);
        stripe.delivered.fetch_add(lines, Ordering::Relaxed);
        stripe.bytes_sent.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes have come.
    pub fn received(&self, bytes: u64) {
        self.stripe().bytes_received.fetch_add(bytes, Ordering::Relaxed);
    }

    /// A packet has come, of somebody who is logged in.
    pub fn message(&self, message: Message) {
        self.stripe().messages[message.index()].fetch_add(1, Ordering::Relaxed);
    }

    /// Writes to sockets.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.sum(|stripe| &stripe.writes)
    }

    /// Lines of conversations that were written to somebody's socket.
    #[must_use]
    pub fn delivered(&self) -> u64 {
        self.sum(|stripe| &stripe.delivered)
    }

    /// Bytes written to sockets.
    #[must_use]
    pub fn bytes_sent(&self) -> u64 {
        self.sum(|stripe| &stripe.bytes_sent)
    }

    /// Bytes read from sockets.
    #[must_use]
    pub fn bytes_received(&self) -> u64 {
        self.sum(|stripe| &stripe.bytes_received)
    }

    /// Packets of one kind that have come.
    #[must_use]
    pub fn messages(&self, message: Message) -> u64 {
        self.sum(|stripe| &stripe.messages[message.index()])
    }

    /// Lines that people have sent, served or not.
    #[must_use]
    pub fn lines_received(&self) -> u64 {
        let lines = [Message::Broadcast, Message::Room, Message::Whisper];
        lines.into_iter().map(|message| self.messages(message)).sum()
    }

    /// Packets of each kind, as they are told.
    #[must_use]
    pub fn message_samples(&self) -> Vec<Sample> {
        let sample = |message: Message| Sample {
            labels: message.labels(),
            value: Value::Count(self.messages(message)),
        };
        Message::all().map(sample).collect()
    }

    fn stripe(&self) -> &Stripe {
        &self.stripes[STRIPE.get()]
    }

    fn sum(&self, number: impl Fn(&Stripe) -> &AtomicU64) -> u64 {
        self.stripes.iter().map(|stripe| number(stripe).load(Ordering::Relaxed)).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn nothing_is_lost_when_many_threads_count() {
        let traffic = Traffic::default();
        thread::scope(|scope| {
            for _ in 0..2 * STRIPES {
                scope.spawn(|| (0..1_000).for_each(|_| traffic.sent(2, 3)));
            }
        });
        let threads = 2_000 * STRIPES as u64;
        assert_eq!(
            (traffic.writes(), traffic.delivered(), traffic.bytes_sent()),
            (threads, 2 * threads, 3 * threads)
        );
        assert!(size_of::<Stripe>() == 128, "a stripe shares no cache line with another");
    }
}
