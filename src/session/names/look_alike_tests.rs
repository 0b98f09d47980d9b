//! Which names look alike, and which do not.

use std::collections::{BTreeSet, HashSet};

use chat_proto::Username;
use proptest::{prelude::ProptestConfig, prop_assert_eq, proptest};
use unicode_security::{GeneralSecurityProfile as _, skeleton};

use super::{NAMES_VERSION, NameForms};

/// The forms of a name, allowed or not.
fn forms(typed: &str) -> NameForms {
    NameForms::of(&Username::parse(typed).unwrap_or_else(|_| panic!("{typed:?} is no name")))
}

/// B-160.
#[test]
fn look_alikes_have_the_same_skeleton_and_keys_of_their_own() {
    for alike in [
        "alice аlice aliсе al1ce aiice аlісе αlιce",
        "modern rnodern modem m0dern",
        "bob b0b bοb",
        "il1 111 lll ІІ1 ا11 ııı",
        // Whole names of another script, in capitals or small.
        "scope ѕсоре",
        "hata ната",
        "anna αννα",
        "toke токе τοκε",
        "ロ 口",
        "タト 夕卜",
    ] {
        let all: Vec<_> = alike.split(' ').map(forms).collect();
        assert_eq!(all.iter().map(|forms| &forms.skeleton).collect::<HashSet<_>>().len(), 1, "{alike}");
        assert_eq!(all.iter().map(|forms| &forms.key).collect::<HashSet<_>>().len(), all.len(), "{alike}");
    }
}

#[test]
fn names_that_do_not_look_alike_have_skeletons_of_their_own() {
    let names =
        "alice alina nick vick sam fam may mar roy ron hans nans bob dob john 3ohn u2 y2 Eva Ena j_b j-b jb
        김철수 김절수 작가 자까 국가 구까 각아 가각 さくら サクラ Иван Роман Νίκη";
    let names: Vec<_> = names.split_whitespace().collect();
    let skeletons: HashSet<_> = names.iter().map(|name| forms(name).skeleton).collect();
    assert_eq!(skeletons.len(), names.len());
    let latin: HashSet<_> = ('a'..='z').map(|c| forms(&c.to_string()).skeleton).collect();
    assert_eq!(latin.len(), 25, "of the letters of Latin, i and l alone are one");
    let hangul: HashSet<_> = ('가'..='힣').map(|c| forms(&c.to_string()).skeleton).collect();
    assert_eq!(hangul.len(), 11_172);
}

/// B-166.
#[test]
fn fifty_confusable_spellings_of_one_name_have_one_skeleton() {
    let letters = ["sSѕЅｓ", "cCсСϲ", "oO0оОοΟօ", "pPрРρΡ", "eEеЕｅ", "1lIІӏا"];
    let mut typed = BTreeSet::new();
    for n in 0..400 {
        let pick = |(at, of): (usize, &&str)| of.chars().cycle().nth(n * (at + 1) % 60 + n / 60);
        typed.insert(letters.iter().enumerate().filter_map(pick).collect::<String>());
    }
    let all: Vec<_> = typed.iter().map(|name| forms(name)).collect();
    assert_eq!(all.iter().map(|forms| &forms.skeleton).collect::<HashSet<_>>().len(), 1);
    let keys = all.iter().map(|forms| &forms.key).collect::<HashSet<_>>().len();
    assert!(keys >= 50, "{keys} names");
}

#[test]
fn all_that_looks_like_ascii_to_the_standard_does_so_here_but_for_three_letters() {
    let mut missed = String::new();
    for c in (char::MIN..=char::MAX).filter(|c| c.identifier_allowed()) {
        let look: String = skeleton(&c.to_string()).collect();
        if let (Ok(name), Ok(look)) = (Username::parse(&c.to_string()), Username::parse(&look))
            && look.as_str().is_ascii()
            && NameForms::of(&name).skeleton != NameForms::of(&look).skeleton
        {
            missed.push(c);
        }
    }
    assert_eq!(missed, "νυյ");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn equal_keys_have_equal_skeletons(
        typed in "[a-zA-Zａ-ｚＡ-Ｚa-яА-ЯёЁα-ωΑ-Ωա-ֆԱ-Ֆ0-9０-９ｦ-ﾟ가-힣ﬀ-ﬆſ\u{300}-\u{30c}]{1,12}",
    ) {
        let Ok(name) = Username::parse(&typed) else { return Ok(()) };
        for other in [typed.to_lowercase(), typed.to_uppercase(), name.key().as_str().into()] {
            let Ok(other) = Username::parse(&other) else { continue };
            if other.key() == name.key() {
                prop_assert_eq!(NameForms::of(&other), NameForms::of(&name));
            }
        }
    }
}

/// B-169: what is stored is made anew when [`NAMES_VERSION`] changes. When this fails after an update of the tables,
/// raise the version, and take over the sum.
#[test]
fn forms_change_only_with_their_version() {
    let mut sum = Sum(0xcbf2_9ce4_8422_2325);
    // Every character of the first two planes, and a sample of the ideographs beyond.
    for c in ('\0'..='\u{1ffff}').chain(('\u{20000}'..='\u{3ffff}').step_by(61)) {
        let typed = [c.to_string(), format!("a{c}")];
        if let Some(name) = typed.iter().find_map(|typed| Username::parse(typed).ok()) {
            let NameForms { key, skeleton } = NameForms::of(&name);
            for form in [name.as_str(), key.as_str(), skeleton.as_str()] {
                sum.add(form);
            }
        }
    }
    assert_eq!((NAMES_VERSION, sum.0), (1, 17_877_141_873_962_513_685));
}

/// FNV-1a, 64 bits.
struct Sum(u64);

impl Sum {
    fn add(&mut self, text: &str) {
        for byte in text.bytes().chain([0xff]) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
    }
}
