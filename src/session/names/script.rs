//! The writing of a name: which scripts it may have, and which together.

use chat_proto::{NameKey, Username};
use icu_properties::{
    CodePointMapData,
    props::{BidiClass, GeneralCategory},
};
use unicode_security::{RestrictionLevel, RestrictionLevelDetection as _};

use crate::config::NamePolicy;

/// Whether a policy takes a name, whose key is given. What people read decides under the narrow policies; under
/// [`NamePolicy::Precis`] the key does, so that a ligature or a full-width letter is what it stands for.
pub fn is_allowed(policy: NamePolicy, name: &Username, key: &NameKey) -> bool {
    let (name, key) = (name.as_str(), key.as_str());
    let written = match policy {
        NamePolicy::Ascii => name.is_ascii(),
        NamePolicy::Korean => name.chars().all(|c| c.is_ascii() || matches!(c, '가'..='힣')),
        NamePolicy::Precis => key.is_ascii() || is_precis(key),
    };
    // Nobody can say "..", and "-" is an option to many a program.
    written && key.chars().any(char::is_alphanumeric)
}

/// What UTS #39 takes at the level "highly restrictive" is a subset of what the PRECIS `IdentifierClass` (RFC 8264,
/// section 9) does, but for the rules that need the whole name: digits of one kind, and those of directions.
fn is_precis(key: &str) -> bool {
    key.check_restriction_level(RestrictionLevel::HighlyRestrictive)
        && has_digits_of_one_kind(key)
        && keeps_its_order(key)
}

/// Whether all decimal digits are of one number system (UTS #39, section 5.3): "১" of Bengali looks like a 9.
fn has_digits_of_one_kind(key: &str) -> bool {
    let category = CodePointMapData::<GeneralCategory>::new();
    let digits = || key.chars().filter(|&c| category.get(c) == GeneralCategory::DecimalNumber).map(u32::from);
    // The ten digits of a system follow each other (a promise of Unicode), and no two systems in use touch.
    digits().max().unwrap_or(0) - digits().min().unwrap_or(0) <= 9
}

/// Whether the order in which a name is shown tells the order in which it is written: the Bidi Rule (RFC 5893,
/// section 2), which names without right-to-left characters need not heed.
fn keeps_its_order(key: &str) -> bool {
    let class = CodePointMapData::<BidiClass>::new();
    let classes = || key.chars().map(|c| class.get(c));
    let is_letter = |class| matches!(class, BidiClass::RightToLeft | BidiClass::ArabicLetter);
    let is_number = |class| matches!(class, BidiClass::EuropeanNumber | BidiClass::ArabicNumber);
    let is_neutral = |class| {
        matches!(
            class,
            BidiClass::EuropeanSeparator
                | BidiClass::CommonSeparator
                | BidiClass::EuropeanTerminator
                | BidiClass::OtherNeutral
                | BidiClass::BoundaryNeutral
                | BidiClass::NonspacingMark
        )
    };
    if !classes().any(|class| is_letter(class) || class == BidiClass::ArabicNumber) {
        return true;
    }
    let ends = |class: BidiClass| is_letter(class) || is_number(class);
    classes().next().is_some_and(is_letter)
        && classes().all(|class| is_letter(class) || is_number(class) || is_neutral(class))
        && classes().rfind(|&class| class != BidiClass::NonspacingMark).is_some_and(ends)
        && !(classes().any(|class| class == BidiClass::EuropeanNumber)
            && classes().any(|class| class == BidiClass::ArabicNumber))
}
