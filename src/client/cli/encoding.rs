//! The encoding of the program's pipes and files: bytes in, text out, and the other way round.

use std::{
    borrow::Cow,
    fmt::{self, Write},
    io::IsTerminal,
};

use encoding_rs::{EUC_KR, EncoderResult, UTF_8};

/// How text is written as bytes: one of those where the byte 0x0A is a line feed wherever it stands, and no part of
/// a longer character, so that lines are cut before they are decoded.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Encoding(&'static encoding_rs::Encoding);

impl Encoding {
    /// What everything is in unless somebody asks for something else.
    pub const UTF_8: Self = Self(UTF_8);
    /// Korean Windows: KS X 1001 and the syllables it lacks, also called UHC.
    pub const CP949: Self = Self(EUC_KR);

    /// By its name, in any case: the labels of the WHATWG Encoding Standard, and what Windows people say.
    ///
    /// Refuses UTF-16, which is no stream of lines that end with a byte, and what switches character sets by escape
    /// sequences.
    pub fn parse(name: &str) -> Result<Self, String> {
        let label = match name.to_ascii_lowercase().as_str() {
            // The standard knows it as `euc-kr`, `ks_c_5601-1987`, `windows-949` and others, all the same table.
            "cp949" | "949" | "uhc" | "ms949" => return Ok(Self::CP949),
            "65001" | "cp65001" => return Ok(Self::UTF_8),
            label => encoding_rs::Encoding::for_label(label.as_bytes()),
        };
        match label {
            Some(encoding) if encoding.is_ascii_compatible() => Ok(Self(encoding)),
            Some(encoding) => Err(format!("{} cannot be used for lines of text", encoding.name())),
            None => Err("utf-8, cp949, or another name of the WHATWG Encoding Standard".to_owned()),
        }
    }

    /// What a stream really takes. A terminal is not asked: a console of Windows has UTF-16, whatever `chcp` says,
    /// and the standard library makes it of UTF-8.
    #[must_use]
    pub fn of_stream(self, stream: &impl IsTerminal) -> Self {
        if stream.is_terminal() { Self::UTF_8 } else { self }
    }

    /// The text of some whole characters, and whether it is all that was written. What is of no character becomes
    /// U+FFFD.
    #[must_use]
    pub fn decode(self, bytes: &[u8]) -> (Cow<'_, str>, bool) {
        let (text, broken) = self.0.decode_without_bom_handling(bytes);
        (text, !broken)
    }

    /// The bytes of a text. A character that the encoding lacks is shown as one that would act on a terminal is:
    /// `\u{1f600}`.
    #[must_use]
    pub fn encode(self, text: &str) -> Cow<'_, [u8]> {
        if self == Self::UTF_8 {
            return Cow::Borrowed(text.as_bytes());
        }
        let mut encoder = self.0.new_encoder();
        let (mut rest, mut bytes) = (text, Vec::with_capacity(text.len()));
        loop {
            let (result, read) = encoder.encode_from_utf8_to_vec_without_replacement(rest, &mut bytes, true);
            rest = &rest[read..];
            match result {
                EncoderResult::InputEmpty => return Cow::Owned(bytes),
                EncoderResult::OutputFull => bytes.reserve(rest.len() + ROOM),
                EncoderResult::Unmappable(c) => {
                    let mut shown = String::new();
                    let _ = write!(shown, "\\u{{{:x}}}", u32::from(c));
                    bytes.extend_from_slice(shown.as_bytes());
                }
            }
        }
    }
}

/// Bytes that are enough for any one character of any encoding.
const ROOM: usize = 16;

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // EUC-KR proper is smaller, and is not what Windows means.
        f.write_str(if *self == Self::CP949 { "cp949" } else { self.0.name() })
    }
}

impl fmt::Debug for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_have_the_names_that_people_use() {
        for name in ["cp949", "CP949", "949", "uhc", "euc-kr", "EUC-KR", "ks_c_5601-1987", "windows-949"] {
            assert_eq!(Encoding::parse(name), Ok(Encoding::CP949), "{name}");
        }
        for name in ["utf-8", "UTF8", "65001"] {
            assert_eq!(Encoding::parse(name), Ok(Encoding::UTF_8), "{name}");
        }
        assert_eq!(Encoding::parse("shift_jis").map(|encoding| encoding.to_string()), Ok("Shift_JIS".into()));
        for name in ["", "utf-16", "utf-16be", "unicode", "iso-2022-kr", "iso-2022-jp", "johab", "cp-949"] {
            assert!(Encoding::parse(name).is_err(), "{name}");
        }
    }

    #[test]
    fn every_syllable_of_korean_goes_to_cp949_and_back() {
        let syllables: String = ('가'..='힣').collect();
        let bytes = Encoding::CP949.encode(&syllables);
        assert_eq!(bytes.len(), 2 * 11_172);
        assert_eq!(Encoding::CP949.decode(&bytes), (syllables.as_str().into(), true));
        // Two of them by their published bytes: one of KS X 1001, and one that only cp949 has.
        assert_eq!(*Encoding::CP949.encode("가똠"), [0xb0, 0xa1, 0x8c, 0x63]);
    }

    #[test]
    fn a_line_feed_is_one_whatever_bytes_stand_before_it() {
        for name in ["utf-8", "cp949", "shift_jis", "gbk", "gb18030", "big5", "euc-jp", "windows-1252"] {
            let encoding = Encoding::parse(name).expect("a name");
            for pair in 0..=u16::MAX {
                let [a, b] = pair.to_be_bytes();
                for bytes in [&[a, b, b'\n'][..], &[0x81, 0x30, b, b'\n']] {
                    assert!(encoding.decode(bytes).0.ends_with('\n'), "{name}: {bytes:x?}");
                }
            }
        }
    }

    #[test]
    fn what_cp949_lacks_is_shown_as_an_escape_and_the_rest_as_it_is() {
        let bytes = Encoding::CP949.encode("안녕 👍 <é> ok");
        assert_eq!(*bytes, *b"\xbe\xc8\xb3\xe7 \\u{1f44d} <\\u{e9}> ok");
        let many = "😀".repeat(1_000);
        assert_eq!(*Encoding::CP949.encode(&many), *"\\u{1f600}".repeat(1_000).as_bytes());
    }

    #[test]
    fn broken_characters_are_mended_and_said_to_be() {
        for (bytes, text) in [
            (&b"\xb0\xa1\xb0"[..], "가\u{fffd}"),
            (b"\xb0\nb", "\u{fffd}\nb"),
            (b"a\xff\x80b", "a\u{fffd}\u{fffd}b"),
            (b"\xc9\xa1", "\u{fffd}"),
        ] {
            assert_eq!(Encoding::CP949.decode(bytes), (text.into(), false), "{bytes:x?}");
        }
        assert_eq!(Encoding::UTF_8.decode(b"\xed\xa0\x80!"), ("\u{fffd}\u{fffd}\u{fffd}!".into(), false));
        assert_eq!(Encoding::UTF_8.decode("\u{feff}한".as_bytes()), ("\u{feff}한".into(), true));
    }
}
