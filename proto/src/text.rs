//! What a text may hold: refused or taken whole, never cut and never changed.

use std::{fmt, sync::Arc};

use serde::{Serialize, Serializer};

use crate::{
    ErrorCode,
    limits::{REMARK_BYTES_MAX, REMARK_CHARS_MAX, TEXT_BYTES_MAX, TEXT_CHARS_MAX},
    unicode::{Marks, is_invisible, is_noncharacter},
};

/// Marks that one base character of a text may carry; beyond it a line would paint over its neighbours.
const MARKS_MAX: u32 = 8;

/// What a [`Text`] may hold and a [`Remark`] may not: a tab, and what ends a line or a paragraph.
const NOT_ON_ONE_LINE: [char; 4] = ['\n', '\t', '\u{2028}', '\u{2029}'];

/// What a person says: 1 to 1,024 code points, at most 3,072 bytes, at least one of them visible. Byte for byte
/// what was sent. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Text(Arc<str>);

impl Text {
    /// The only way in. Refuses with [`ErrorCode::TextTooLong`], [`ErrorCode::TextForbidden`] (control
    /// characters but newline and tab, bidi overrides, embeddings and isolates that are not closed, tags,
    /// noncharacters, more than 8 marks on one base) or [`ErrorCode::TextEmpty`] (nothing visible).
    pub fn parse(text: &str) -> Result<Self, ErrorCode> {
        if text.len() > TEXT_BYTES_MAX.into() {
            return Err(ErrorCode::TextTooLong);
        }
        // The same rules, at a tenth of the cost: this is what most lines of many servers are.
        let visible = if text.is_ascii() { see_ascii(text.as_bytes()) } else { see(text) }?;
        if visible { Ok(Self(text.into())) } else { Err(ErrorCode::TextEmpty) }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A few words beside an act: a room's topic, a reason. At most 128 code points and 384 bytes on one line, else what
/// a [`Text`] may hold; perhaps nothing. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Remark(Arc<str>);

impl Remark {
    /// The only way in. Refuses with [`ErrorCode::TextTooLong`] whatever it says, then with
    /// [`ErrorCode::TextForbidden`] what a text may not hold, and what ends a line. What shows nothing is no words.
    pub fn parse(text: &str) -> Result<Self, ErrorCode> {
        if text.len() > REMARK_BYTES_MAX.into() || text.chars().count() > REMARK_CHARS_MAX.into() {
            return Err(ErrorCode::TextTooLong);
        }
        if text.contains(NOT_ON_ONE_LINE) {
            return Err(ErrorCode::TextForbidden);
        }
        match Text::parse(text) {
            Ok(Text(words)) => Ok(Self(words)),
            Err(ErrorCode::TextEmpty) => Ok(Self::default()),
            Err(code) => Err(code),
        }
    }

    /// The words, perhaps none.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Remark {
    /// No words.
    fn default() -> Self {
        Self("".into())
    }
}

/// Whether anything of the text is visible, if all of it may be said.
fn see(text: &str) -> Result<bool, ErrorCode> {
    let mut chars = 0;
    let mut visible = false;
    let mut marks = Marks::at_most(MARKS_MAX);
    let mut bidi = Bidi::default();
    for c in text.chars() {
        chars += 1;
        if chars > TEXT_CHARS_MAX {
            return Err(ErrorCode::TextTooLong);
        }
        // Hangul and letters are most of what is said, and need no table.
        if is_plain(c) {
            visible = true;
            marks.base();
            continue;
        }
        visible |= !(c.is_whitespace() || c == BRAILLE_BLANK || is_invisible(c));
        if is_forbidden(c) || !marks.push(c) || !bidi.push(c) {
            return Err(ErrorCode::TextForbidden);
        }
    }
    // Nothing visible is the first thing to say of a text that has nothing else.
    if visible && !bidi.is_closed() { Err(ErrorCode::TextForbidden) } else { Ok(visible) }
}

/// [`see`] for ASCII.
fn see_ascii(text: &[u8]) -> Result<bool, ErrorCode> {
    // What comes first tells the code: a control character beyond the longest text is not reached.
    let (within, beyond) = text.split_at(text.len().min(TEXT_CHARS_MAX.into()));
    // Both looked for to the end, without a way out, so that the compiler can take many bytes at a time.
    let forbidden = |byte: u8| byte.is_ascii_control() && !matches!(byte, b'\n' | b'\t');
    let (forbidden, visible) = within.iter().fold((false, false), |(bad, visible), byte| {
        (bad | forbidden(*byte), visible | byte.is_ascii_graphic())
    });
    match (forbidden, beyond) {
        (true, _) => Err(ErrorCode::TextForbidden),
        (false, [_, ..]) => Err(ErrorCode::TextTooLong),
        (false, []) => Ok(visible),
    }
}

/// A character that is visible, allowed and carries marks, and that no rule speaks of.
fn is_plain(c: char) -> bool {
    c.is_ascii_graphic() || matches!(c, '가'..='힣')
}

/// Not white space to Unicode, but nothing to see.
const BRAILLE_BLANK: char = '\u{2800}';

fn is_forbidden(c: char) -> bool {
    (c.is_control() && !matches!(c, '\n' | '\t'))
        || matches!(c, '\u{202d}' | '\u{202e}' | '\u{e0000}'..='\u{e007f}')
        || is_noncharacter(c)
}

/// Open embeddings and isolates (UAX #9); an unclosed one would reorder what is shown after the text.
#[derive(Default)]
struct Bidi {
    embeddings: u32,
    isolates: u32,
}

impl Bidi {
    /// Takes the next character; false when it closes what was never opened.
    fn push(&mut self, c: char) -> bool {
        let (open, step) = match c {
            '\u{202a}' | '\u{202b}' => (&mut self.embeddings, 1),
            '\u{202c}' => (&mut self.embeddings, -1),
            '\u{2066}'..='\u{2068}' => (&mut self.isolates, 1),
            '\u{2069}' => (&mut self.isolates, -1),
            _ => return true,
        };
        open.checked_add_signed(step).map(|now| *open = now).is_some()
    }

    fn is_closed(&self) -> bool {
        self.embeddings == 0 && self.isolates == 0
    }
}

impl fmt::Debug for Text {
    /// Its length only: what people say does not belong in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Text({} bytes)", self.0.len())
    }
}

impl fmt::Debug for Remark {
    /// Its length only, as of a text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Remark({} bytes)", self.0.len())
    }
}

impl Serialize for Remark {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_script_passes_byte_identical() {
        for text in [
            "안녕하세요, 여러분!",
            "السلام عليكم",
            "שלום עולם",
            "नमस्ते क्\u{200d}ष",
            "สวัสดีครับ",
            "👨\u{200d}👩\u{200d}👧\u{200d}👦 🇰🇷",
            "é e\u{301}",
            "a\u{2067}שלום\u{2069}b",
            "tab\tand\nnewline",
            "{} %s%n ${jndi:x} '; DROP TABLE users",
        ] {
            assert_eq!(Text::parse(text).map(|parsed| parsed.as_str() == text), Ok(true), "{text}");
        }
    }

    #[test]
    fn what_shows_nothing_is_empty() {
        for text in ["", " \t\n", "\u{200b}\u{feff}", "\u{3164}", "\u{2800}", "\u{2003}\u{200d}"] {
            assert_eq!(Text::parse(text), Err(ErrorCode::TextEmpty), "{text:?}");
        }
    }

    #[test]
    fn ascii_is_judged_as_any_other_text() {
        for byte in 0..128_u8 {
            let c = char::from(byte);
            for text in
                [format!("{c}"), format!("a{c}b"), format!(" {c}\t"), "a".repeat(1024) + &c.to_string()]
            {
                assert_eq!(see_ascii(text.as_bytes()), see(&text), "{text:?}");
            }
        }
    }

    #[test]
    fn plain_characters_are_those_that_the_tables_have_nothing_against() {
        for c in ('\0'..=char::MAX).filter(|c| is_plain(*c)) {
            let mut marks = Marks::at_most(0);
            assert!(marks.push(c) && Bidi::default().push(c), "{c:?}");
            assert!(!c.is_whitespace() && !is_invisible(c) && !is_forbidden(c), "{c:?}");
        }
        assert_eq!(Text::parse(&format!("가{0}가{0}", "\u{301}".repeat(8))).map(drop), Ok(()));
    }

    #[test]
    fn limits_are_exact_and_nothing_is_cut() {
        assert!(Text::parse(&"a".repeat(1024)).is_ok());
        assert_eq!(Text::parse(&"a".repeat(1025)), Err(ErrorCode::TextTooLong));
        assert!(Text::parse(&"가".repeat(1024)).is_ok());
        assert_eq!(
            Text::parse(&format!("{}👍", "가".repeat(1023))),
            Err(ErrorCode::TextTooLong),
            "3,073 bytes"
        );
    }

    #[test]
    fn a_remark_stands_on_one_line_and_may_be_empty() {
        for (words, taken) in [
            ("", ""),
            ("  ", ""),
            ("\u{2066}", ""),
            ("about 파이썬", "about 파이썬"),
            (&"가".repeat(128), &"가".repeat(128)),
        ] {
            assert_eq!(Remark::parse(words).map(|remark| remark.as_str() == taken), Ok(true), "{words:?}");
        }
        for (words, code) in [
            ("a\nb", ErrorCode::TextForbidden),
            ("\t", ErrorCode::TextForbidden),
            ("a\u{2028}b", ErrorCode::TextForbidden),
            ("a\u{2029}b", ErrorCode::TextForbidden),
            ("a\u{202e}b", ErrorCode::TextForbidden),
            ("a\u{2066}b", ErrorCode::TextForbidden),
            (&"a".repeat(129), ErrorCode::TextTooLong),
            (&" ".repeat(129), ErrorCode::TextTooLong),
            (&"\n".repeat(129), ErrorCode::TextTooLong),
            (&"😀".repeat(97), ErrorCode::TextTooLong),
        ] {
            assert_eq!(Remark::parse(words), Err(code), "{words:?}");
        }
    }

    #[test]
    fn what_would_act_on_a_terminal_or_reorder_others_is_forbidden() {
        for text in [
            "a\0b",
            "\u{7f}",
            "\u{9b}2J",
            "\u{1b}[2J",
            "a\rb",
            "a\u{202e}b",
            "a\u{202d}b",
            "a\u{2066}b",
            "a\u{2069}b",
            "a\u{202a}b",
            "a\u{202c}b",
            "\u{fffe}",
            "\u{fdd0}x",
            "x\u{e0041}",
            "\u{1ffff}",
        ] {
            assert_eq!(Text::parse(text), Err(ErrorCode::TextForbidden), "{text:?}");
        }
        assert!(Text::parse(&format!("a{}", "\u{301}".repeat(8))).is_ok());
        assert_eq!(Text::parse(&format!("a{}", "\u{301}".repeat(9))), Err(ErrorCode::TextForbidden));
    }
}
