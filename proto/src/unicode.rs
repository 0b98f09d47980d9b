//! What Unicode says of a character, where names and texts need to know.

use std::iter;

use icu_normalizer::DecomposingNormalizerBorrowed;
use icu_properties::{
    CodePointMapData, CodePointSetData,
    props::{DefaultIgnorableCodePoint, GeneralCategory, GeneralCategoryGroup},
};

/// A mark that is drawn on the character before it.
pub(crate) fn is_mark(c: char) -> bool {
    GeneralCategoryGroup::Mark.contains(CodePointMapData::<GeneralCategory>::new().get(c))
}

/// A mark that takes room of its own, and so cannot be piled on others.
pub(crate) fn is_spacing_mark(c: char) -> bool {
    CodePointMapData::<GeneralCategory>::new().get(c) == GeneralCategory::SpacingMark
}

/// A letter or a decimal digit.
pub(crate) fn is_letter_or_digit(c: char) -> bool {
    let category = CodePointMapData::<GeneralCategory>::new().get(c);
    GeneralCategoryGroup::Letter.contains(category) || category == GeneralCategory::DecimalNumber
}

/// A character that is normally drawn as nothing: zero-width, filler, bidi control, tag, variation selector.
pub(crate) fn is_invisible(c: char) -> bool {
    CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
}

/// The ordinary form of a full- or half-width letter, digit or mark: what its decomposition of type `<wide>` or
/// `<narrow>` names (RFC 8265, section 3.3.2). Every other character is its own.
pub(crate) fn ordinary_width(c: char) -> char {
    match c {
        // One step only: the compatibility jamo this names would themselves decompose, to jamo that conjoin.
        'ﾡ'..='ﾾ' => moved(c, 'ﾡ', 'ㄱ'),
        'ￂ'..='ￇ' => moved(c, 'ￂ', 'ㅏ'),
        'ￊ'..='ￏ' => moved(c, 'ￊ', 'ㅕ'),
        'ￒ'..='ￗ' => moved(c, 'ￒ', 'ㅛ'),
        'ￚ'..='ￜ' => moved(c, 'ￚ', 'ㅡ'),
        // Latin, digits and Katakana, with the marks of the latter. Names hold no more of this block.
        '\u{ff01}'..='\u{ff9f}' => {
            DecomposingNormalizerBorrowed::new_nfkd().normalize_iter(iter::once(c)).next().unwrap_or(c)
        }
        _ => c,
    }
}

/// The character as far after `to` as `c` is after `from`.
fn moved(c: char, from: char, to: char) -> char {
    u32::from(c)
        .checked_sub(from.into())
        .and_then(|after| char::from_u32(u32::from(to) + after))
        .expect("both ranges are without a gap")
}

/// A code point that Unicode promises never to assign.
pub(crate) fn is_noncharacter(c: char) -> bool {
    let c = u32::from(c);
    (0xfdd0..=0xfdef).contains(&c) || c & 0xfffe == 0xfffe
}

/// Marks in a row allowed on one base before [`Marks::push`] says no.
pub(crate) struct Marks {
    run: u32,
    max: u32,
}

impl Marks {
    pub(crate) fn at_most(max: u32) -> Self {
        Self { run: 0, max }
    }

    /// Takes a character that is known to be no mark.
    pub(crate) fn base(&mut self) {
        self.run = 0;
    }

    /// Takes the next character; false when it is one mark too many.
    pub(crate) fn push(&mut self, c: char) -> bool {
        self.run = if is_mark(c) { self.run + 1 } else { 0 };
        self.run <= self.max
    }
}

#[cfg(test)]
mod tests {
    use icu_normalizer::ComposingNormalizerBorrowed;
    use icu_properties::props::EastAsianWidth;

    use super::*;

    #[test]
    fn exactly_full_and_half_width_characters_have_another_ordinary_form() {
        let width = CodePointMapData::<EastAsianWidth>::new();
        let nfkc = |c: char| ComposingNormalizerBorrowed::new_nfkc().normalize(&c.to_string()).into_owned();
        for c in (char::MIN..=char::MAX).filter(|&c| is_letter_or_digit(c) || is_mark(c)) {
            let ordinary = ordinary_width(c);
            let two_widths = matches!(width.get(c), EastAsianWidth::Fullwidth | EastAsianWidth::Halfwidth);
            // The filler is drawn as nothing: no name has it.
            assert_eq!(ordinary != c, two_widths && c != '\u{ffa0}', "{c:?}");
            assert_eq!(nfkc(ordinary), nfkc(c), "{c:?}");
            assert_eq!(ordinary_width(ordinary), ordinary, "{c:?}");
        }
    }
}
