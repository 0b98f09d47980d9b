//! Which of a session's logs have news, and the waking of the one task that reads them.

use std::task::{Context, Poll};

use super::sync::{AtomicU64, AtomicWaker, Ordering};

/// A set of 64 bits that publishers mark and one reader takes whole.
///
/// 1. A publisher appends, then marks. Only the one that finds the word zero wakes the reader.
/// 2. The reader takes the word, then reads the logs it names.
///
/// So a line appended before the take is read after it, and one appended later finds the word zero and wakes.
pub struct ReadySet {
    word: AtomicU64,
    reader: AtomicWaker,
}

impl ReadySet {
    /// An empty set.
    #[must_use]
    pub fn new() -> Self {
        Self { word: AtomicU64::new(0), reader: AtomicWaker::new() }
    }

    /// Says that `bit` has news.
    pub fn mark(&self, bit: u32) {
        if self.word.fetch_or(1 << bit, Ordering::AcqRel) == 0 {
            self.reader.wake();
        }
    }

    /// Takes what is marked; waits while nothing is. One task at a time may wait.
    pub fn poll_take(&self, cx: &mut Context<'_>) -> Poll<u64> {
        match self.take() {
            0 => {}
            word => return Poll::Ready(word),
        }
        self.reader.register(cx.waker());
        // A mark that came before the registration woke nobody.
        match self.take() {
            0 => Poll::Pending,
            word => Poll::Ready(word),
        }
    }

    /// Takes what is marked, perhaps nothing.
    pub fn take(&self) -> u64 {
        self.word.swap(0, Ordering::AcqRel)
    }
}

impl Default for ReadySet {
    fn default() -> Self {
        Self::new()
    }
}
