//! What a password is: which are refused, and the form in which all spellings of one are the same.

use std::fmt;

use chat_proto::{
    ErrorCode,
    limits::{CREDENTIAL_BYTES_MAX, PASSWORD_BYTES_MAX, PASSWORD_BYTES_MIN},
};
use icu_normalizer::ComposingNormalizerBorrowed;
use icu_properties::{
    CodePointMapData, CodePointSetData,
    props::{DefaultIgnorableCodePoint, GeneralCategory, GeneralCategoryGroup, HangulSyllableType},
};
use zeroize::Zeroizing;

/// Bytes of UTF-8 become at most so many times more when they are composed to NFC.
const NFC_GROWTH_MAX: usize = 3;

/// A password as it is hashed: an `OpaqueString` (RFC 8265, section 4.2) of 8 to 128 bytes. Both normal forms of what
/// somebody types are one, and so are all kinds of spaces. Wiped when it is dropped, and never shown.
pub struct Password(Zeroizing<String>);

impl Password {
    /// The only way in. Prepares what was typed, then refuses with [`ErrorCode::PasswordInvalid`] what is not UTF-8,
    /// is too short or too long, or has a character that no password has: a control, an invisible or unassigned
    /// one, or a lone jamo. What PRECIS allows in some contexts only is judged without them: joiners, which cannot
    /// be seen, are refused, and signs that only look odd elsewhere are taken.
    ///
    /// That is the answer to somebody who sets a password. To somebody who logs in it is a wrong password like any
    /// other: [`ErrorCode::AuthFailed`], after as long as the others take.
    pub fn parse(typed: &[u8]) -> Result<Self, ErrorCode> {
        prepare(typed).map(Self).ok_or(ErrorCode::PasswordInvalid)
    }

    /// What is hashed.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Password {
    /// Not even its length.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}

fn prepare(typed: &[u8]) -> Option<Zeroizing<String>> {
    // The longest password, decomposed, is not longer than this.
    if typed.len() > CREDENTIAL_BYTES_MAX.into() {
        return None;
    }
    let typed = str::from_utf8(typed).ok()?;
    let spaced = typed.chars().map(|c| if category(c) == GeneralCategory::SpaceSeparator { ' ' } else { c });
    // Never grows, which would leave a copy behind.
    let mut password = Zeroizing::new(String::with_capacity(NFC_GROWTH_MAX * typed.len()));
    // Composed before it is judged, unlike in the RFC: to it, every decomposed Hangul syllable is three old jamo.
    password.extend(ComposingNormalizerBorrowed::new_nfc().normalize_iter(spaced));
    let fits = (usize::from(PASSWORD_BYTES_MIN)..=PASSWORD_BYTES_MAX.into()).contains(&password.len());
    (fits && password.chars().all(is_free)).then_some(password)
}

fn category(c: char) -> GeneralCategory {
    CodePointMapData::<GeneralCategory>::new().get(c)
}

/// Whether the `FreeformClass` has the character (RFC 8264, sections 4.3 and 9), in whatever context.
fn is_free(c: char) -> bool {
    const WRITING: [GeneralCategoryGroup; 5] = [
        GeneralCategoryGroup::Letter,
        GeneralCategoryGroup::Mark,
        GeneralCategoryGroup::Number,
        GeneralCategoryGroup::Punctuation,
        GeneralCategoryGroup::Symbol,
    ];
    let category = category(c);
    (c == ' ' || WRITING.iter().any(|group| group.contains(category)))
        && !CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
        && !is_lone_jamo(c)
        && !is_exception(c)
}

/// A jamo that conjoins, and found nothing to conjoin with.
fn is_lone_jamo(c: char) -> bool {
    use HangulSyllableType as Type;
    matches!(CodePointMapData::<Type>::new().get(c), Type::LeadingJamo | Type::VowelJamo | Type::TrailingJamo)
}

/// Lengthening, tone and repeat marks that no class has (RFC 8264, section 9.6).
fn is_exception(c: char) -> bool {
    matches!(c, '\u{640}' | '\u{7fa}' | '\u{302e}' | '\u{302f}' | '\u{3031}'..='\u{3035}' | '\u{303b}')
}

#[cfg(test)]
mod tests {
    use proptest::{collection, prelude::any, prop_assert, prop_assert_eq, proptest};

    use super::*;

    fn prepared(typed: &str) -> Result<String, ErrorCode> {
        Password::parse(typed.as_bytes())
            .map(|password| String::from_utf8(password.as_bytes().to_vec()).expect("UTF-8"))
    }

    /// B-067.
    #[test]
    fn a_password_has_8_to_128_bytes_once_it_is_prepared() {
        for (typed, taken) in [
            (String::new(), false),
            ("a".repeat(7), false),
            ("a".repeat(8), true),
            ("a".repeat(128), true),
            ("a".repeat(129), false),
            ("a".repeat(4_096), false),
            ("가".repeat(2), false),
            ("가".repeat(3), true),
            ("\u{1100}\u{1161}\u{11a8}".repeat(2), false),
            ("\u{1100}\u{1161}\u{11a8}".repeat(42), true),
            ("e\u{301}".repeat(3), false),
            ("e\u{301}".repeat(4), true),
            ("e\u{301}".repeat(64), true),
            ("e\u{301}".repeat(65), false),
            (" ".repeat(8), true),
        ] {
            assert_eq!(prepared(&typed).is_ok(), taken, "{} bytes typed: {typed:?}", typed.len());
        }
    }

    /// B-067.
    #[test]
    fn every_spelling_of_a_password_is_that_password() {
        for (one, other) in [
            ("비밀번호", "\u{1107}\u{1175}\u{1106}\u{1175}\u{11af}\u{1107}\u{1165}\u{11ab}\u{1112}\u{1169}"),
            ("crème brûlée", "cre\u{300}me bru\u{302}le\u{301}e"),
            ("correct horse", "correct\u{a0}horse"),
            ("correct horse", "correct\u{3000}horse"),
            ("correct horse", "correct\u{2003}horse"),
            ("Å-Å-Å-Å-", "\u{212b}-A\u{30a}-\u{c5}-\u{212b}-"),
        ] {
            assert_eq!(prepared(one), prepared(other), "{one}");
            assert_eq!(prepared(one), Ok(one.into()));
        }
    }

    #[test]
    fn case_width_and_compatible_forms_stay_apart_in_a_password() {
        let all = ["password", "PASSWORD", "ｐａｓｓｗｏｒｄ", "paſſword", "ﬁﬁﬁpassword", "fififipassword"];
        for typed in all {
            assert_eq!(prepared(typed), Ok(typed.into()));
        }
    }

    #[test]
    fn passwords_of_many_languages_and_of_signs_are_taken() {
        for typed in [
            "correct horse battery staple",
            "~!@#$%^&*()_+{}|:\"<>?`-=[]\\;',./",
            "비밀번호1234",
            "ㅋㅋㅋㅋ",
            "пароль-2024",
            "パスワード・秘密",
            "كلمة السر",
            "पासवर्ड",
            "l·l·l·l·",
            "👍🤔🇰🇷🥹",
            "½Ⅷ①²ªﬁ",
            "\u{301}1234567",
        ] {
            assert_eq!(prepared(typed), Ok(typed.into()));
        }
    }

    #[test]
    fn what_cannot_be_seen_or_is_no_character_is_in_no_password() {
        for c in "\0\t\n\r\u{1b}\u{7f}\u{85}\u{9b}\u{ad}\u{34f}\u{61c}\u{115f}\u{200b}\u{200c}\u{200d}\u{202e}\u{2028}\u{2029}\
            \u{2060}\u{2066}\u{3164}\u{fe0f}\u{feff}\u{ffa0}\u{fff9}\u{e000}\u{fdd0}\u{fffe}\u{e0041}\u{e0100}\u{10ffff}\
            \u{378}\u{600}\u{640}\u{1100}\u{1161}\u{11a8}\u{302e}"
            .chars()
        {
            let typed = format!("passw{c}ord-passw{c}ord");
            assert_eq!(prepared(&typed), Err(ErrorCode::PasswordInvalid), "{c:?}");
        }
        for typed in [&b"password\xff"[..], b"\xc0\xafpassword", b"password\xed\xa0\x80", b"passwor\xc3"] {
            assert_eq!(Password::parse(typed).err(), Some(ErrorCode::PasswordInvalid), "{typed:?}");
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        let password = Password::parse(b"correct horse").expect("a password");
        assert_eq!(
            format!("{password:?} {:#?}", Some(&password)).replace(['\n', ' ', ','], ""),
            "PasswordSome(Password)"
        );
    }

    proptest! {
        #[test]
        fn whatever_is_typed_gets_an_answer_and_what_is_prepared_stays(typed in "\\PC{0,200}") {
            if let Ok(once) = prepared(&typed) {
                prop_assert!((8..=128).contains(&once.len()));
                prop_assert_eq!(prepared(&once), Ok(once));
            }
        }

        #[test]
        fn any_bytes_get_an_answer(typed in collection::vec(any::<u8>(), 0..500)) {
            let _ = Password::parse(&typed);
        }
    }
}
