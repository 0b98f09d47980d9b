//! What Unicode says of a character, where names and texts need to know.

use icu_properties::{
    CodePointMapData, CodePointSetData,
    props::{DefaultIgnorableCodePoint, GeneralCategory, GeneralCategoryGroup},
};

/// A mark that is drawn on the character before it.
pub(crate) fn is_mark(c: char) -> bool {
    GeneralCategoryGroup::Mark.contains(CodePointMapData::<GeneralCategory>::new().get(c))
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
