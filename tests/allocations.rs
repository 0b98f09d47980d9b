//! What a delivery allocates: nothing, counted by the allocator itself.
// A counting allocator is an implementation of an unsafe trait; it only counts and passes on.
#![allow(unsafe_code)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    sync::Arc,
};

use chat_proto::{LOBBY, Text, Username};
use iocp_chat::{
    config::Bounds,
    net::Outbound,
    room::{Charter, Control, Hub, LOBBY_BIT, Log, Mailbox, Pace, SessionId, Subscriber},
};

struct Counting;

thread_local! {
    /// Of this thread: the one that waits for the test's end may do something meanwhile.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    ALLOCATIONS.set(ALLOCATIONS.get() + 1);
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as for our caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: as for our caller.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as for our caller.
        unsafe { System.realloc(ptr, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const LINES: u64 = 128;

/// A room, and the writers of its members.
struct Room {
    hub: Hub,
    outbounds: Vec<Outbound>,
    text: Text,
}

impl Room {
    fn of(members: u64) -> Self {
        let bounds = Bounds { lines: 4_096, bytes: 1 << 20 };
        let mut hub = Hub::new(0);
        hub.open(Log::new(LOBBY, 1, bounds), Pace::new(|| {}), Charter::lobby());
        let outbounds = (1..=members).map(|number| {
            let name = Username::parse(&format!("member{number}")).expect("valid");
            let subscriber = Arc::new(Subscriber::new(
                SessionId(number),
                name,
                chat_proto::Role::Guest,
                Mailbox::new(1, bounds),
            ));
            let (_, attachment) = hub.join(LOBBY, &subscriber, LOBBY_BIT, 0).expect("a new member");
            subscriber.tell(Control::Attach(attachment));
            Outbound::new(subscriber)
        });
        let outbounds = outbounds.collect();
        Self { hub, outbounds, text: Text::parse(&"x".repeat(64)).expect("valid") }
    }

    /// Four members say a batch; allocations of saying and publishing it, and of everybody's gathering it.
    fn turn(&mut self) -> (u64, u64) {
        let before = ALLOCATIONS.get();
        for line in 0..LINES {
            self.hub.say(LOBBY, SessionId(line % 4 + 1), (&self.text, 0), 0).expect("a member speaks");
        }
        self.hub.publish();
        let said = ALLOCATIONS.get();
        for outbound in &mut self.outbounds {
            outbound.gather(outbound.subscriber().take_ready());
            while outbound.has_pieces() {
                outbound.advance(usize::MAX);
                outbound.gather(outbound.subscriber().take_ready());
            }
        }
        (said - before, ALLOCATIONS.get() - said)
    }
}

#[test]
fn a_delivery_allocates_nothing_and_a_batch_the_same_for_a_hundred_and_a_thousand() {
    let mut small = Room::of(100);
    let mut large = Room::of(1_000);
    // The rings and queues reach the size they keep.
    for _ in 0..64 {
        small.turn();
        large.turn();
    }
    for _ in 0..64 {
        let (said_to_few, taken_by_few) = small.turn();
        let (said_to_many, taken_by_many) = large.turn();
        assert_eq!((taken_by_few, taken_by_many), (0, 0), "gathering allocates");
        assert!(said_to_few <= LINES / 8 && said_to_many <= LINES / 8, "{said_to_few}, {said_to_many}");
    }
}
