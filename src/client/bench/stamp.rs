//! The moment a line counts from, in the first eight characters of its text: so its size is the same always.

/// Bytes of a stamp, which is the least a measured text has.
pub const STAMP_BYTES: usize = 8;

/// Six bits a character, from '0' on: all of them printable.
const ZERO: u64 = 0x3030_3030_3030_3030;
const SIX_BITS: u64 = 0x3f3f_3f3f_3f3f_3f3f;

/// Writes nanoseconds since the run began; 48 bits, so 78 hours.
#[must_use]
pub fn write(nanoseconds: u64) -> [u8; STAMP_BYTES] {
    std::array::from_fn(|at| b'0' + (nanoseconds >> (6 * at)).to_le_bytes()[0] % 64)
}

/// Reads what `write` wrote; `None` of a text that is none of ours.
#[must_use]
#[inline]
pub fn read(text: &[u8]) -> Option<u64> {
    let digits = u64::from_le_bytes(*text.first_chunk()?).wrapping_sub(ZERO);
    if digits & !SIX_BITS != 0 {
        return None;
    }
    // Neighbours are put together: 8 x 6 bits, 4 x 12, 2 x 24, 48.
    let pairs = digits & 0x003f_003f_003f_003f | (digits & 0x3f00_3f00_3f00_3f00) >> 2;
    let fours = pairs & 0x0000_0fff_0000_0fff | (pairs & 0x0fff_0000_0fff_0000) >> 4;
    Some(fours & 0x00ff_ffff | fours >> 32 << 24)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for nanoseconds in [0, 1, 63, 64, 4_095, 4_096, 0x1234_5678_9abc, (1 << 48) - 1] {
            let stamp = write(nanoseconds);
            assert_eq!(read(&stamp), Some(nanoseconds));
            assert!(stamp.iter().all(u8::is_ascii_graphic), "{stamp:?}");
        }
    }

    #[test]
    fn a_text_without_a_stamp_has_none() {
        for text in [&b""[..], b"0123456", b"hi there", b"xxxxxxxx", "안녕안녕".as_bytes()] {
            assert_eq!(read(text), None);
        }
    }
}
