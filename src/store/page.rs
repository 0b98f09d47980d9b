//! A page of the history that is being filled.

use super::PageLimit;

/// Entries that one page has at most.
pub const PAGE_LINES_MAX: usize = 1_000;

/// A page that is being filled.
pub(super) struct Page<T> {
    pub entries: Vec<T>,
    bytes: usize,
    limit: PageLimit,
    /// Whether something did not fit any more.
    pub more: bool,
}

impl<T> Page<T> {
    pub fn new(PageLimit { lines, bytes }: PageLimit) -> Self {
        let limit = PageLimit { lines: lines.clamp(1, PAGE_LINES_MAX), bytes };
        Self { entries: Vec::new(), bytes: 0, limit, more: false }
    }

    /// Entries that fit, and the one by which it is known that there is more.
    pub fn wanted(&self) -> usize {
        self.limit.lines - self.entries.len() + 1
    }

    /// False: it did not fit.
    pub fn push(&mut self, bytes: usize, entry: T) -> bool {
        let full = self.entries.len() == self.limit.lines || self.bytes + bytes > self.limit.bytes;
        if full && !self.entries.is_empty() {
            self.more = true;
            return false;
        }
        self.bytes += bytes;
        self.entries.push(entry);
        true
    }
}
