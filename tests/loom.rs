//! Every interleaving of the few atomics the room floor stands on, tried by loom.
//!
//! The files under test are compiled here a second time, against loom's atomics instead of the real ones.

#[allow(dead_code, reason = "each model uses a part")]
#[path = "../src/room/membership.rs"]
mod membership;
#[allow(dead_code, reason = "each model uses a part")]
#[path = "../src/room/ready_set.rs"]
mod ready_set;

mod sync {
    use std::task::Waker;

    use loom::sync::Mutex;
    pub use loom::sync::{
        Arc,
        atomic::{AtomicU64, Ordering, fence},
    };

    /// What the real one promises and no more; loom's own prints every step it takes.
    pub struct AtomicWaker(Mutex<Option<Waker>>);

    impl AtomicWaker {
        pub fn new() -> Self {
            Self(Mutex::new(None))
        }

        pub fn register(&self, waker: &Waker) {
            *self.0.lock().expect("nobody panics") = Some(waker.clone());
        }

        pub fn wake(&self) {
            let waker = self.0.lock().expect("nobody panics").take();
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }
}

use std::future::poll_fn;

use loom::{
    future::block_on,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

use membership::{Membership, Pace};
use ready_set::ReadySet;

/// Every interleaving with up to three preemptions: what loom's authors found to catch nearly every mistake. All
/// of them would take minutes, and have been tried.
fn model(run: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(run);
}

/// A log as its readers see it: the number of its last line.
#[derive(Default)]
struct Head(AtomicU64);

impl Head {
    fn append(&self) {
        self.0.fetch_add(1, Ordering::Release);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

/// A session's ready set, and the two logs it reads.
#[derive(Default)]
struct Session {
    ready: ReadySet,
    logs: [Head; 2],
}

impl Session {
    fn publish(&self, bit: u32) {
        self.logs[bit as usize].append();
        self.ready.mark(bit);
    }

    /// Reads what is marked until both logs have been read to `ends`. A lost line or a lost wake-up leaves it
    /// asleep for ever, which loom calls a deadlock.
    fn read_to(&self, ends: [u64; 2]) {
        let mut seen = [0; 2];
        while seen != ends {
            let word = block_on(poll_fn(|cx| self.ready.poll_take(cx)));
            for bit in (0..2).filter(|bit| word & (1 << bit) != 0) {
                seen[bit] = self.logs[bit].get();
            }
        }
    }
}

/// Breaks when `publish` marks before it appends, when the reader reads before it takes, when `poll_take` does
/// not look again after it has registered, or when either access to the word is relaxed.
#[test]
fn a_reader_never_sleeps_on_the_last_line_of_either_of_two_publishers() {
    model(|| {
        let session = Arc::new(Session::default());
        let publishers = [0, 1].map(|bit| {
            let session = Arc::clone(&session);
            thread::spawn(move || session.publish(bit))
        });
        session.read_to([1, 1]);
        for publisher in publishers {
            publisher.join().expect("it publishes");
        }
    });
}

/// As above, where the second mark of one log may find the first still there and wake nobody.
#[test]
fn a_reader_never_sleeps_on_the_second_line_of_one_publisher() {
    model(|| {
        let session = Arc::new(Session::default());
        let publisher = thread::spawn({
            let session = Arc::clone(&session);
            move || {
                session.publish(0);
                session.publish(0);
            }
        });
        session.read_to([2, 0]);
        publisher.join().expect("it publishes");
    });
}

/// The room has two lines when the member comes, one more is said, the member leaves, and one more is said.
///
/// Breaks when `end_after` comes after the append, when `readable` looks at the end before the head was read, or
/// when either access to the head is relaxed.
#[test]
fn a_member_that_parts_reads_everything_before_its_end_and_nothing_after() {
    const ROOM: u32 = 0;
    const CONTROL: u32 = 1;
    const END: u64 = 3;
    model(|| {
        let session = Arc::new(Session::default());
        session.logs[0].append();
        session.logs[0].append();
        let member = Arc::new(Membership::new(2, Arc::new(Pace::new(|| {}))));
        let hub = thread::spawn({
            let (session, member) = (Arc::clone(&session), Arc::clone(&member));
            move || {
                session.publish(ROOM);
                member.end_after(END);
                session.logs[0].append();
                session.ready.mark(CONTROL);
            }
        });
        loop {
            let word = block_on(poll_fn(|cx| session.ready.poll_take(cx)));
            let readable = member.readable(session.logs[0].get());
            assert!((member.position()..=END).contains(&readable), "read to {readable}");
            member.advance(readable);
            if word & (1 << CONTROL) != 0 {
                assert_eq!(readable, END, "told to read to the end");
                break;
            }
        }
        hub.join().expect("it publishes");
    });
}

/// The flag stands for the attach in the control queue, which comes after the room's first line was marked.
///
/// Breaks when attaching does not count as a mark, or when the attach is marked before it is queued.
#[test]
fn a_member_that_joins_reads_the_first_line_said_after_it_came() {
    const ROOM: u32 = 0;
    const CONTROL: u32 = 1;
    model(|| {
        let session = Arc::new(Session::default());
        let attach = Arc::new(AtomicBool::new(false));
        let hub = thread::spawn({
            let (session, attach) = (Arc::clone(&session), Arc::clone(&attach));
            move || {
                session.publish(ROOM);
                attach.store(true, Ordering::Release);
                session.ready.mark(CONTROL);
            }
        });
        let (mut attached, mut seen) = (false, 0);
        while seen == 0 {
            let mut word = block_on(poll_fn(|cx| session.ready.poll_take(cx)));
            if word & (1 << CONTROL) != 0 && attach.load(Ordering::Acquire) {
                attached = true;
                word |= 1 << ROOM;
            }
            if attached && word & (1 << ROOM) != 0 {
                seen = session.logs[0].get();
            }
        }
        hub.join().expect("it publishes");
    });
}

/// Breaks when the hub looks before it asks, when the member looks for the question before it has moved, or
/// without either of the two fences.
#[test]
fn a_room_that_waits_sees_its_member_pass_or_is_told() {
    const HALF: u64 = 2;
    model(|| {
        let told = Arc::new(AtomicBool::new(false));
        let pace = Arc::new(Pace::new({
            let told = Arc::clone(&told);
            move || told.store(true, Ordering::Relaxed)
        }));
        let member = Arc::new(Membership::new(0, Arc::clone(&pace)));
        let writer = thread::spawn({
            let member = Arc::clone(&member);
            move || {
                member.advance(1);
                member.advance(3);
            }
        });
        pace.await_line(HALF);
        let seen = member.position() >= HALF;
        writer.join().expect("it advances");
        assert!(seen || told.load(Ordering::Relaxed), "neither seen nor told");
    });
}

/// Breaks when a writer tells of lines that it passed before anybody asked: the room would turn for nothing
/// with every write.
#[test]
fn a_member_that_is_not_waited_for_tells_nothing() {
    model(|| {
        let told = Arc::new(AtomicBool::new(false));
        let pace = Pace::new({
            let told = Arc::clone(&told);
            move || told.store(true, Ordering::Relaxed)
        });
        Membership::new(0, Arc::new(pace)).advance(5);
        assert!(!told.load(Ordering::Relaxed));
    });
}
