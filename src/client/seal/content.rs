//! What an envelope holds: a text and when it was said, of a length that tells little.

use chat_proto::{ErrorCode, Text};

/// Lengths that a content can have, in bytes: the next that is enough.
const STEPS: [usize; 6] = [128, 256, 512, 1_024, 2_048, 3_200];

/// Bytes before the text: its time and its length.
const HEAD_BYTES: usize = 8 + 2;

/// Something said, as its sender says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// When, by the sender's clock: milliseconds since 1970 UTC.
    pub time_ms: u64,
    /// What.
    pub text: Text,
}

impl Said {
    /// As bytes: `time_ms` in 8 and the text's length in 2, little-endian, the text, and zeros up to a step.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let text = self.text.as_str().as_bytes();
        let wanted = HEAD_BYTES + text.len();
        let step = STEPS.into_iter().find(|step| *step >= wanted).expect("the last is enough for any text");
        let length = u16::try_from(text.len()).expect("a text is short");
        let mut bytes = Vec::with_capacity(step);
        bytes.extend(self.time_ms.to_le_bytes());
        bytes.extend(length.to_le_bytes());
        bytes.extend(text);
        bytes.resize(step, 0);
        bytes
    }

    /// `None` of what no such bytes are: of another length than a step that is needed, with anything after the text, or
    /// with what no text may have.
    pub(super) fn of_bytes(bytes: &[u8]) -> Option<Self> {
        let (time_ms, rest) = bytes.split_first_chunk::<8>()?;
        let (length, rest) = rest.split_first_chunk::<2>()?;
        let (text, _) = rest.split_at_checked(u16::from_le_bytes(*length).into())?;
        let text: Result<Text, ErrorCode> = Text::parse(std::str::from_utf8(text).ok()?);
        let said = Self { time_ms: u64::from_le_bytes(*time_ms), text: text.ok()? };
        // One form for each: nothing can be hidden behind a text.
        (said.to_bytes() == bytes).then_some(said)
    }
}

#[cfg(test)]
mod tests {
    use chat_proto::limits::TEXT_BYTES_MAX;
    use proptest::{prelude::*, proptest};

    use super::*;

    fn said(text: &str) -> Said {
        Said { time_ms: 1_790_000_000_123, text: Text::parse(text).expect("a text") }
    }

    #[test]
    fn short_texts_are_of_one_length_and_the_longest_has_room() {
        for (text, step) in [("x", 128), (&"x".repeat(118), 128), (&"x".repeat(119), 256)] {
            assert_eq!(said(text).to_bytes().len(), step);
        }
        let longest = said(&"가".repeat(1_024));
        assert_eq!(longest.text.as_str().len(), usize::from(TEXT_BYTES_MAX));
        assert_eq!(longest.to_bytes().len(), 3_200);
        assert_eq!(Said::of_bytes(&longest.to_bytes()), Some(longest));
    }

    #[test]
    fn what_is_not_quite_so_is_nothing() {
        let whole = said("안녕").to_bytes();
        let changed = |at: usize, to: u8| {
            let mut bytes = whole.clone();
            bytes[at] = to;
            bytes
        };
        let mut longer = whole.clone();
        longer.resize(256, 0);
        for bytes in [
            Vec::new(),
            whole[..127].to_vec(),
            longer,
            changed(8, 200),
            changed(9, 1),
            changed(10, 0xff),
            changed(10, 0x1b),
            changed(127, 1),
        ] {
            assert_eq!(Said::of_bytes(&bytes), None);
        }
    }

    proptest! {
        #[test]
        fn any_text_comes_back(time_ms: u64, text in "\\PC{1,200}") {
            let Ok(text) = Text::parse(&text) else { return Ok(()) };
            let said = Said { time_ms, text };
            prop_assert_eq!(Said::of_bytes(&said.to_bytes()), Some(said));
        }

        #[test]
        fn no_bytes_are_too_strange(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Some(said) = Said::of_bytes(&bytes) {
                prop_assert_eq!(said.to_bytes(), bytes);
            }
        }
    }
}
