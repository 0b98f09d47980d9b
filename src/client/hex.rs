//! Bytes as text: two hexadecimal digits each.

use std::fmt::Write as _;

/// In lower case.
#[must_use]
pub fn write(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes all");
        text
    })
}

/// In either case; `None` of what is something else.
#[must_use]
pub fn read(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    pairs.iter().map(|[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect()
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
