//! The form of a name: of people and of rooms.

use std::{fmt, sync::Arc};

use icu_casemap::CaseMapper;
use icu_normalizer::ComposingNormalizerBorrowed;
use serde::{Serialize, Serializer};

use crate::{
    ErrorCode,
    limits::{NAME_BYTES_MAX, NAME_CHARS_MAX},
    unicode::{Marks, is_invisible, is_letter_or_digit, is_mark, is_spacing_mark, ordinary_width},
};

/// Marks without room of their own that one base character of a name may carry.
const MARKS_MAX: u32 = 2;

/// A person's name in NFC, as it is shown: 1 to 32 letters, digits, marks, `_`, `-` or `.`, at most 96 bytes.
/// Cheap to clone. Which scripts, look-alikes and reserved names a server takes is not a matter of form.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Username(Arc<str>);

/// A room's name: the same form as a person's.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RoomName(Arc<str>);

/// What two names are compared by: in ordinary widths, case-folded, in NFC. Equal keys are one name. This is
/// PRECIS `UsernameCaseMapped` (RFC 8265, section 3.3) with case folding in the place of lower case, so that
/// "Straße" is "STRASSE".
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NameKey(Box<str>);

impl NameKey {
    /// The key as it is stored.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Username {
    /// The only way in. Composes to NFC, then refuses with [`ErrorCode::NameInvalid`] what has not the form.
    pub fn parse(name: &str) -> Result<Self, ErrorCode> {
        parse(name).map(Self).ok_or(ErrorCode::NameInvalid)
    }

    /// The name as it is shown.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What it is compared by.
    #[must_use]
    pub fn key(&self) -> NameKey {
        key(&self.0)
    }
}

impl RoomName {
    /// The only way in. Composes to NFC, then refuses with [`ErrorCode::RoomNameInvalid`] what has not the form.
    pub fn parse(name: &str) -> Result<Self, ErrorCode> {
        parse(name).map(Self).ok_or(ErrorCode::RoomNameInvalid)
    }

    /// The name as it is shown.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What it is compared by.
    #[must_use]
    pub fn key(&self) -> NameKey {
        key(&self.0)
    }
}

macro_rules! shown_as_str {
    ($($name:ident)*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }
    )*};
}

shown_as_str!(Username RoomName);

fn parse(name: &str) -> Option<Arc<str>> {
    // ASCII is NFC, and has neither marks nor what is invisible: the same rules without a table.
    if name.is_ascii() {
        let formed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        let fits = (1..=NAME_CHARS_MAX.into()).contains(&name.len());
        return (fits && name.bytes().all(formed)).then(|| name.into());
    }
    parse_any(name)
}

fn parse_any(name: &str) -> Option<Arc<str>> {
    // Composing never makes a name longer than three times its code points: longer than this cannot fit, and
    // is not worth normalising.
    if name.len() > 4 * usize::from(NAME_BYTES_MAX) {
        return None;
    }
    let name = ComposingNormalizerBorrowed::new_nfc().normalize(name);
    let mut marks = Marks::at_most(MARKS_MAX);
    let fits = name.len() <= NAME_BYTES_MAX.into() && name.chars().count() <= NAME_CHARS_MAX.into();
    // Half-width voiced marks are letters, and marks in the key.
    let starts_on_a_base = name.chars().next().is_some_and(|c| !is_mark(ordinary_width(c)));
    let formed = name.chars().all(|c| {
        (is_letter_or_digit(c) || is_mark(c) || matches!(c, '_' | '-' | '.'))
            && !is_invisible(c)
            && (is_spacing_mark(c) || marks.push(ordinary_width(c)))
    });
    (fits && starts_on_a_base && formed).then(|| name.into())
}

fn key(name: &str) -> NameKey {
    // What the tables would make of it, without asking them.
    if name.is_ascii() {
        return NameKey(name.to_ascii_lowercase().into());
    }
    let ordinary: String = name.chars().map(ordinary_width).collect();
    // Both steps can undo NFC (half-width voiced marks, U+0345 and others), so compose again.
    let nfc = ComposingNormalizerBorrowed::new_nfc();
    NameKey(nfc.normalize(&CaseMapper::new().fold_string(&ordinary)).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_normal_forms_and_all_cases_are_one_name() {
        let composed = Username::parse("김철수").expect("valid");
        let decomposed = Username::parse("\u{1100}\u{1175}\u{11b7}\u{110e}\u{1165}\u{11af}\u{1109}\u{116e}")
            .expect("valid");
        assert_eq!(composed, decomposed);
        assert_eq!(decomposed.as_str(), "김철수");
        for (one, other) in
            [("Alice", "aLICE"), ("Straße", "STRASSE"), ("É", "e\u{301}"), ("ΣΊΣΥΦΟΣ", "σίσυφος")]
        {
            let key = |name| Username::parse(name).expect("valid").key();
            assert_eq!(key(one), key(other), "{one} {other}");
        }
    }

    #[test]
    fn ascii_has_the_form_that_any_other_name_has() {
        for c in (0..128_u8).map(char::from) {
            for name in [
                format!("{c}"),
                format!("a{c}B"),
                "a".repeat(31) + &c.to_string(),
                "a".repeat(32) + &c.to_string(),
            ] {
                assert_eq!(parse(&name), parse_any(&name), "{name:?}");
            }
        }
    }

    #[test]
    fn full_and_half_width_forms_are_the_same_name_and_are_shown_as_typed() {
        for (typed, ordinary) in [
            ("ａｌｉｃｅ", "alice"),
            ("Ａｌｉｃｅ０１", "alice01"),
            ("ｱﾘｽ", "アリス"),
            ("ﾊﾟﾄﾞ", "パド"),
            ("ﾊ\u{309a}ﾄ\u{3099}", "パド"),
            ("ｰｱ", "ーア"),
            ("ﾡￂﾤ", "ㄱㅏㄴ"),
            ("ￜﾾ", "ㅣㅎ"),
        ] {
            let name = Username::parse(typed).expect("valid");
            assert_eq!(name.as_str(), typed);
            assert_eq!(name.key(), Username::parse(ordinary).expect("valid").key(), "{typed}");
        }
        let key = |name| Username::parse(name).expect("valid").key();
        assert_ne!(key("ﾡￂ"), key("가"), "jamo that stand side by side are no syllable");
        for marks_alone in ["ﾞ", "ﾞア", "ﾟ"] {
            assert_eq!(Username::parse(marks_alone), Err(ErrorCode::NameInvalid), "{marks_alone:?}");
        }
        assert!(Username::parse("アﾞﾟ").is_ok());
        assert!(Username::parse("アﾞﾟﾞ").is_err());
    }

    #[test]
    fn the_key_of_a_key_is_itself() {
        let again = |name: &str| key(key(name).as_str());
        for c in (char::MIN..=char::MAX).filter(|&c| is_letter_or_digit(c) || is_mark(c)) {
            let name = c.to_string();
            assert_eq!(again(&name), key(&name), "{c:?}");
        }
        for name in ["İstanbul", "ᾳ\u{301}", "ŉ", "ΐ", "ﬃ", "ﾊﾟ", "q\u{323}\u{307}", "가\u{11a8}"]
        {
            assert_eq!(again(name), key(name), "{name}");
        }
    }

    #[test]
    fn the_short_way_to_an_ascii_key_is_what_the_tables_say() {
        for c in '\0'..='\x7f' {
            assert_eq!(key(&c.to_string()).as_str(), CaseMapper::new().fold_string(&c.to_string()));
        }
    }

    #[test]
    fn names_have_their_exact_limits() {
        assert!(Username::parse(&"가".repeat(32)).is_ok());
        assert!(Username::parse(&"가".repeat(33)).is_err());
        assert!(Username::parse(&"𐐷".repeat(24)).is_ok());
        assert!(Username::parse(&"𐐷".repeat(25)).is_err());
        assert!(
            Username::parse(&"\u{1100}\u{1161}\u{11a8}".repeat(32)).is_ok(),
            "limits count the composed name"
        );
    }

    #[test]
    fn invisible_and_structural_characters_are_refused() {
        for bad in
            ["", " ", "a b", " a", "a ", "a\u{200b}b", "\u{3164}", "\u{115f}a", "\u{202e}a", "a\u{e0041}"]
        {
            assert_eq!(Username::parse(bad), Err(ErrorCode::NameInvalid), "{bad:?}");
        }
        for c in "@#/\\:,*?!<>\"'%&\0\n\u{7f}\u{2028}\u{fe0f}".chars() {
            assert!(Username::parse(&format!("a{c}b")).is_err(), "{c:?}");
        }
        for bad in
            ["\u{301}a", "\u{103b}က", "a\u{301}\u{302}\u{303}\u{304}", "က\u{103d}\u{102c}\u{1036}\u{1037}"]
        {
            assert!(Username::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn marks_side_by_side_are_not_piled_up() {
        // Kyaw, the commonest of Burmese names, has four marks on its one letter.
        for name in ["ကျော်", "ज़ीं", "ស្រ៊ី"] {
            assert!(Username::parse(name).is_ok(), "{name}");
        }
    }
}
