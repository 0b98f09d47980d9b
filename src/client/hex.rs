//! Bytes as text: two hexadecimal digits each.

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};

/// In lower case.
#[must_use]
pub fn write(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

/// In either case; `None` of what is something else.
#[must_use]
pub fn read(text: &str) -> Option<Vec<u8>> {
    HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_and_nothing_else_does() {
        let all: Vec<u8> = (0..=u8::MAX).collect();
        assert_eq!(read(&write(&all)), Some(all));
        assert_eq!(read("0Fa0"), Some(vec![0x0f, 0xa0]));
        for text in ["0", "0g", "+1", "0x00", "김"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
