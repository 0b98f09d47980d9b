//! What a measured line says: who said it, which of theirs it is, and since when it was due.

use iocp_chat::client::bench::stamp::{self, STAMP_BYTES};

/// Bytes that every text begins with; the rest is filler.
pub const HEAD_BYTES: usize = 2 * STAMP_BYTES;
/// Talkers that a text can tell apart.
pub const TALKERS_MAX: usize = 1 << TALKER_BITS;

const TALKER_BITS: u32 = 12;

/// The head of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said {
    pub talker: usize,
    /// From 1 on; 36 bits.
    pub number: u64,
    /// In nanoseconds since the run began.
    pub due: u64,
}

/// Appends a text of `size` bytes.
pub fn put(said: Said, size: usize, out: &mut Vec<u8>) {
    let end = out.len() + size.max(HEAD_BYTES);
    out.extend_from_slice(&stamp::write(said.due));
    out.extend_from_slice(&stamp::write(said.number << TALKER_BITS | said.talker as u64));
    out.resize(end, b'x');
}

/// Reads what `put` wrote; `None` of a text that is none of ours.
#[inline]
pub fn read(text: &[u8]) -> Option<Said> {
    let due = stamp::read(text)?;
    let line = stamp::read(&text[STAMP_BYTES..])?;
    let talker = usize::try_from(line % TALKERS_MAX as u64).ok()?;
    Some(Said { talker, number: line >> TALKER_BITS, due })
}
