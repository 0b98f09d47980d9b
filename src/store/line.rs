//! What was said, as the history takes it and gives it back.

use std::ops::RangeInclusive;

use sqlx::{Row as _, any::AnyRow};

use super::{AccountId, StoreError, number, time::from_stored};

/// A line that is not stored yet.
#[derive(Clone, Debug)]
pub struct NewLine {
    /// Its number, below 2^63.
    pub seq: u64,
    /// When it was said: milliseconds since 1970 UTC.
    pub time_ms: u64,
    /// The sender's session, below 2^63. None: the operator.
    pub session: Option<u64>,
    /// The sender's account, where that is known: by it they are found when all of theirs is to be deleted.
    pub account: Option<AccountId>,
    /// The sender, as others saw them; empty: the operator.
    pub sender: String,
    /// What the sender's client called it. None: nothing, and it may be there any number of times.
    pub message_id: Option<u64>,
    /// What was said.
    pub text: String,
}

/// What is to be written of one epoch of one conversation.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// The conversation, below 2^63.
    pub conversation: u64,
    /// The epoch. Where it is not known yet it follows all the conversation had.
    pub epoch: u64,
    /// Lines that go first: they were void, and whether they had been written was not known.
    pub void: Vec<RangeInclusive<u64>>,
    /// Lines, in any order.
    pub lines: Vec<NewLine>,
    /// Numbers of lines that the history did not get, below 2^63.
    pub gaps: Vec<RangeInclusive<u64>>,
}

/// A place in a conversation: after this line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The conversation.
    pub conversation: u64,
    /// The epoch; 0, with a `seq` of 0: outside of all, at the beginning or the end.
    pub epoch: u64,
    /// The line's number.
    pub seq: u64,
}

/// How much a page has at most; the first line it has in any case.
#[derive(Clone, Copy, Debug)]
pub struct PageLimit {
    /// Entries; at most [`PAGE_LINES_MAX`](super::PAGE_LINES_MAX).
    pub lines: usize,
    /// Bytes of texts and names.
    pub bytes: usize,
}

/// A line as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its epoch.
    pub epoch: u64,
    /// Its number.
    pub seq: u64,
    /// When it was said: milliseconds since 1970 UTC.
    pub time_ms: u64,
    /// The sender's session. None: the operator.
    pub session: Option<u64>,
    /// The sender, as others saw them; empty: the operator.
    pub sender: String,
    /// What was said.
    pub text: String,
}

impl Line {
    pub(super) fn from_row(epoch: u64, row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            epoch,
            seq: number::in_column(row, "seq")?,
            time_ms: from_stored(row.try_get("time_ms")?),
            session: number::maybe_in_column(row, "session")?,
            sender: row.try_get("sender")?,
            text: row.try_get("text")?,
        })
    }

    pub(super) fn bytes(&self) -> usize {
        self.sender.len() + self.text.len()
    }
}

/// What somebody who comes back is told, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// A line.
    Line(Line),
    /// Lines that are not there: taken away, never written, or the unknown end of an epoch.
    Missed {
        /// Their epoch.
        epoch: u64,
        /// The first.
        from: u64,
        /// The last; [`u64::MAX`]: nobody knows how many there were.
        to: u64,
    },
}

/// What comes after a place, the oldest first. It goes on after the last entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToldPage {
    /// Lines, and what is missing between them.
    pub told: Vec<Told>,
    /// Whether there is more.
    pub more: bool,
}

/// What was said before a place, the oldest first. It goes on before the first line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinePage {
    /// Lines.
    pub lines: Vec<Line>,
    /// Whether there is more.
    pub more: bool,
}

/// A line that a session sent under a name of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentLine {
    /// What the sender's client called it.
    pub message_id: u64,
    /// Where it was said.
    pub conversation: u64,
    /// Its epoch.
    pub epoch: u64,
    /// Its number.
    pub seq: u64,
    /// When it was said: milliseconds since 1970 UTC.
    pub time_ms: u64,
    /// What was said.
    pub text: String,
}
