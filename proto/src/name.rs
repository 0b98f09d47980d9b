//! The form of a name: of people and of rooms.

use std::{fmt, sync::Arc};

use icu_casemap::CaseMapper;
use icu_normalizer::ComposingNormalizerBorrowed;
use serde::{Serialize, Serializer};

use crate::{
    ErrorCode,
    limits::{NAME_BYTES_MAX, NAME_CHARS_MAX},
    unicode::{Marks, is_invisible, is_letter_or_digit, is_mark},
};

/// Marks that one base character of a name may carry.
const MARKS_MAX: u32 = 2;

/// A person's name in NFC, as it is shown: 1 to 32 letters, digits, marks, `_`, `-` or `.`, at most 96 bytes.
/// Cheap to clone. Which scripts, look-alikes and reserved names a server takes is not a matter of form.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Username(Arc<str>);

/// A room's name: the same form as a person's.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RoomName(Arc<str>);

/// What two names are compared by: case-folded NFC. Equal keys are one name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NameKey(Box<str>);

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
    let starts_on_a_base = name.chars().next().is_some_and(|c| !is_mark(c));
    let formed = name.chars().all(|c| {
        (is_letter_or_digit(c) || is_mark(c) || matches!(c, '_' | '-' | '.'))
            && !is_invisible(c)
            && marks.push(c)
    });
    (fits && starts_on_a_base && formed).then(|| name.into())
}

fn key(name: &str) -> NameKey {
    if name.is_ascii() {
        return NameKey(name.to_ascii_lowercase().into());
    }
    key_of_any(name)
}

fn key_of_any(name: &str) -> NameKey {
    let nfc = ComposingNormalizerBorrowed::new_nfc();
    // Folding can undo NFC (U+0345 and others), so compose again.
    NameKey(nfc.normalize(&CaseMapper::new().fold_string(name)).into())
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
    fn ascii_is_judged_and_compared_as_any_other_name() {
        for c in (0..128_u8).map(char::from) {
            for name in [
                format!("{c}"),
                format!("a{c}B"),
                "a".repeat(31) + &c.to_string(),
                "a".repeat(32) + &c.to_string(),
            ] {
                assert_eq!(parse(&name), parse_any(&name), "{name:?}");
                assert_eq!(key(&name), key_of_any(&name), "{name:?}");
            }
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
        for bad in ["\u{301}a", "a\u{301}\u{302}\u{303}\u{304}"] {
            assert!(Username::parse(bad).is_err(), "{bad:?}");
        }
    }
}
