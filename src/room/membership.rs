//! One session's place in one conversation, shared by the hub that grants it and the writer that reads there.

use super::sync::{Arc, AtomicU64, Ordering, fence};

/// A bit of a position: nobody reads there now, and nobody waits for it.
const HELD: u64 = 1 << 63;

/// Where a member stands, and where its right to read ends.
pub struct Membership {
    /// The last line taken; written by the member's own writer, read by the hub.
    position: AtomicU64,
    /// The last line the member may read.
    end: AtomicU64,
    pace: Arc<Pace>,
}

/// The line that a room waits for its slow members to pass, and whom to tell when one does.
pub struct Pace {
    /// 0 while the room waits for nobody.
    awaited: AtomicU64,
    passed: Box<dyn Fn() + Send + Sync>,
}

impl Pace {
    /// A room that waits for nobody yet. `passed` is called by a member's writer each time the member passes
    /// the awaited line.
    pub fn new(passed: impl Fn() + Send + Sync + 'static) -> Self {
        Self { awaited: AtomicU64::new(0), passed: Box::new(passed) }
    }

    /// Asks members that stand before `seq` to tell when they pass it; 0 asks nobody.
    pub fn await_line(&self, seq: u64) {
        self.awaited.store(seq, Ordering::Relaxed);
        // With the fence in `Membership::advance`: either the member sees the question, or the asker, looking
        // at positions afterwards, sees the member's new place.
        fence(Ordering::SeqCst);
    }
}

impl Membership {
    /// A member that has taken everything up to `position`.
    #[must_use]
    pub fn new(position: u64, pace: Arc<Pace>) -> Self {
        Self { position: AtomicU64::new(position), end: AtomicU64::new(u64::MAX), pace }
    }

    /// The last line taken. Of a place that is [held](Self::hold) more than any.
    pub fn position(&self) -> u64 {
        self.position.load(Ordering::Relaxed)
    }

    /// Nobody reads here for now, and no room waits for it: the connection is lost, or has not said yet from where it
    /// reads on.
    pub fn hold(&self) {
        self.position.store(self.position() | HELD, Ordering::Relaxed);
    }

    /// Where it stood when it was held; `None` while it is read.
    pub fn held_at(&self) -> Option<u64> {
        let position = self.position();
        (position & HELD != 0).then_some(position & !HELD)
    }

    /// Whether no more may be read than has been said: whoever has this place is out.
    pub fn has_ended(&self) -> bool {
        self.end.load(Ordering::Acquire) != u64::MAX
    }

    /// The member has taken everything up to `position`. Only its own writer says so.
    pub fn advance(&self, position: u64) {
        let before = self.position.load(Ordering::Relaxed);
        self.position.store(position, Ordering::Relaxed);
        // Before looking whether anybody asks: see `Pace::await_line`.
        fence(Ordering::SeqCst);
        let awaited = self.pace.awaited.load(Ordering::Relaxed);
        if before < awaited && position >= awaited {
            (self.pace.passed)();
        }
    }

    /// Ends the right to read after `seq`. The hub says so before it appends the next line.
    pub fn end_after(&self, seq: u64) {
        self.end.store(seq, Ordering::Release);
    }

    /// The last line it may read, if it may not read on.
    pub fn end(&self) -> Option<u64> {
        Some(self.end.load(Ordering::Acquire)).filter(|end| *end != u64::MAX)
    }

    /// The last line this member may read of a log whose last line is `head`. `head` must have been read
    /// before: whoever sees a line appended after the end sees the end too.
    pub fn readable(&self, head: u64) -> u64 {
        head.min(self.end.load(Ordering::Acquire))
    }
}
