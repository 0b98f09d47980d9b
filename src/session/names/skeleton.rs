//! What a name looks like.

use chat_proto::NameKey;
use icu_casemap::CaseMapper;
use icu_normalizer::{ComposingNormalizerBorrowed, DecomposingNormalizerBorrowed};
use unicode_security::confusable_detection::skeleton;

/// What a name looks like: names of equal skeletons can be mistaken for each other.
///
/// It is made of the skeleton of UTS #39 (section 4), and goes further where that is not enough for names that are
/// compared without case:
///
/// - **A look has no case.** To UTS #39, 0 looks like O and not like o, and the small Cyrillic н like no Latin
///   letter. Here a character outside ASCII looks like its capital if that looks like something of ASCII (НАТА is
///   HATA), and else like itself (г is r); then the look is folded.
/// - **i is l**, as I is l and 1: Nell is the same name as `NElL`, and Neil the same as NEIL. So of Neil and Nell the
///   second to come has to choose another name. No other two letters of Latin become one by themselves; m is rn.
/// - **A jamo is itself.** A look does not tell whether it ends a syllable or begins the next: 국가 would be 구까.
///
/// What it does not see: the small ν and υ of Greek and յ of Armenian as v, u and j, which their capitals do not look
/// like. A name with other Latin letters cannot have them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Skeleton(Box<str>);

impl Skeleton {
    pub(super) fn of(key: &NameKey) -> Self {
        let mut looks = String::with_capacity(key.as_str().len());
        for c in DecomposingNormalizerBorrowed::new_nfd().normalize(key.as_str()).chars() {
            push_look(c, &mut looks);
        }
        Self(ComposingNormalizerBorrowed::new_nfc().normalize(&looks).into())
    }

    /// The skeleton as it is stored: not for people to read.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn without_separators(&self) -> String {
        self.0.replace(['_', '-', '.'], "")
    }
}

/// Appends what a character of a key looks like.
fn push_look(c: char, looks: &mut String) {
    if is_jamo(c) {
        return looks.push(c);
    }
    let capital = if c.is_ascii() { c } else { CaseMapper::new().simple_uppercase(c) };
    let start = looks.len();
    if capital != c {
        push_prototype(capital, looks);
        if looks[start..].is_ascii() {
            return;
        }
        looks.truncate(start);
    }
    push_prototype(c, looks);
}

/// Appends the prototype of UTS #39, without case.
fn push_prototype(c: char, looks: &mut String) {
    for c in skeleton(c.encode_utf8(&mut [0; 4])) {
        match CaseMapper::new().simple_fold(c) {
            'i' => looks.push('l'),
            // A prototype may be a capital M, and folded it has a look again.
            'm' => looks.push_str("rn"),
            c => looks.push(c),
        }
    }
}

fn is_jamo(c: char) -> bool {
    matches!(c, '\u{1100}'..='\u{11ff}')
}
