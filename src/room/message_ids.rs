//! The last lines that one session said by numbers of its own, so that one said again is said once.

use std::{
    collections::VecDeque,
    hash::{DefaultHasher, Hasher as _},
};

use chat_proto::{ErrorCode, Receipt};
use parking_lot::Mutex;

/// Lines of one session that are remembered. A client has at most [`SLOTS_MAX`](super::SLOTS_MAX) unanswered, and sends
/// no other again; twice that, because some of them may have been refused.
pub const MESSAGE_IDS: u32 = 128;

/// What a session has said by numbers of its own. Empty, it takes a pointer.
#[derive(Default)]
pub struct MessageIds(Mutex<Option<Box<Window>>>);

#[derive(Default)]
struct Window {
    /// The last said, at the end.
    said: VecDeque<Said>,
    /// No number is higher: most clients count, and what they say is found to be new at a glance.
    highest: u64,
}

struct Said {
    message_id: u64,
    /// What it was, to tell another line by.
    line: u64,
    receipt: Receipt,
}

/// What tells a line from another: where it was said, or to whom, and its words.
#[must_use]
pub fn fingerprint(to: impl std::hash::Hash, words: impl std::hash::Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    to.hash(&mut hasher);
    words.hash(&mut hasher);
    hasher.finish()
}

impl MessageIds {
    /// What a line was answered with that was said before by this number; [`ErrorCode::RangeInvalid`] if that was
    /// another line. `None`: it is new. 0 is the number of none.
    pub fn find(&self, message_id: u64, line: impl FnOnce() -> u64) -> Option<Result<Receipt, ErrorCode>> {
        if message_id == 0 {
            return None;
        }
        let window = self.0.lock();
        let window = window.as_ref().filter(|window| message_id <= window.highest)?;
        let said = window.said.iter().rev().find(|said| said.message_id == message_id)?;
        Some(if said.line == line() { Ok(said.receipt) } else { Err(ErrorCode::RangeInvalid) })
    }

    /// A line has been said by this number.
    pub fn note(&self, message_id: u64, line: impl FnOnce() -> u64, receipt: Receipt) {
        if message_id == 0 {
            return;
        }
        let mut window = self.0.lock();
        let window = window.get_or_insert_default();
        if window.said.len() == MESSAGE_IDS as usize {
            window.said.pop_front();
        }
        window.said.push_back(Said { message_id, line: line(), receipt });
        window.highest = window.highest.max(message_id);
    }

    /// A line that was noted has not been said after all.
    pub fn forget(&self, message_id: u64) {
        if let Some(window) = self.0.lock().as_mut() {
            window.said.retain(|said| said.message_id != message_id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipt(seq: u64) -> Receipt {
        Receipt { epoch: 1, seq, time_ms: 2 }
    }

    #[test]
    fn a_line_said_again_gets_its_first_answer_and_another_by_its_number_none() {
        let ids = MessageIds::default();
        assert_eq!(ids.find(7, || 1), None);
        ids.note(7, || 1, receipt(3));
        assert_eq!(ids.find(7, || 1), Some(Ok(receipt(3))));
        assert_eq!(ids.find(7, || 2), Some(Err(ErrorCode::RangeInvalid)));
        assert_eq!(ids.find(6, || 1), None);
        ids.forget(7);
        assert_eq!(ids.find(7, || 1), None);
    }

    #[test]
    fn a_line_without_a_number_is_never_said_again() {
        let ids = MessageIds::default();
        ids.note(0, || 1, receipt(3));
        assert_eq!(ids.find(0, || 1), None);
    }

    #[test]
    fn a_million_numbers_take_the_room_of_the_last() {
        let ids = MessageIds::default();
        for number in 1..=1_000_000 {
            ids.note(number, || number, receipt(number));
        }
        let oldest = 1_000_001 - u64::from(MESSAGE_IDS);
        assert_eq!(ids.find(oldest - 1, || oldest - 1), None);
        assert_eq!(ids.find(oldest, || oldest), Some(Ok(receipt(oldest))));
        assert_eq!(ids.0.lock().as_ref().map(|window| window.said.len()), Some(MESSAGE_IDS as usize));
    }

    #[test]
    fn a_fingerprint_is_of_the_place_and_of_the_words() {
        assert_eq!(fingerprint(1_u64, "hi"), fingerprint(1_u64, "hi"));
        assert_ne!(fingerprint(1_u64, "hi"), fingerprint(2_u64, "hi"));
        assert_ne!(fingerprint(1_u64, "hi"), fingerprint(1_u64, "ho"));
    }
}
