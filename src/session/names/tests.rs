//! Which names are taken: the rows of hostile names, and the names of ordinary people.

use std::{collections::HashSet, sync::LazyLock};

use chat_proto::{ErrorCode, Username};
use icu_normalizer::ComposingNormalizerBorrowed;
use icu_properties::{
    CodePointMapData,
    props::{GeneralCategory, HangulSyllableType},
};
use proptest::{
    prelude::{ProptestConfig, Strategy},
    prop_assert_eq, prop_oneof, proptest,
};

use unicode_security::GeneralSecurityProfile as _;

use super::{NameForms, NameRules, reserved};
use crate::config::NamePolicy;

const POLICIES: [NamePolicy; 3] = [NamePolicy::Ascii, NamePolicy::Korean, NamePolicy::Precis];

fn rules(policy: NamePolicy) -> &'static NameRules {
    static RULES: LazyLock<[NameRules; 3]> =
        LazyLock::new(|| POLICIES.map(|policy| NameRules::new(policy, &[])));
    &RULES[policy as usize]
}

fn name(typed: &str) -> Username {
    Username::parse(typed).unwrap_or_else(|_| panic!("{typed:?} is no name"))
}

/// What somebody gets who types this.
fn take(names: NamePolicy, typed: &str) -> Result<NameForms, ErrorCode> {
    rules(names).judge(&Username::parse(typed)?)
}

#[track_caller]
fn assert_taken(policy: NamePolicy, names: &str) {
    for typed in names.split_whitespace() {
        assert!(take(policy, typed).is_ok(), "{policy:?} {typed:?}");
    }
}

#[track_caller]
fn assert_refused<'a>(policy: NamePolicy, names: impl IntoIterator<Item = &'a str>) {
    for typed in names {
        assert_eq!(take(policy, typed).map(|_| ()), Err(ErrorCode::NameInvalid), "{policy:?} {typed:?}");
    }
}

#[test]
fn ordinary_names_of_many_languages_are_taken() {
    assert_taken(
        NamePolicy::Precis,
        "alice Bob_42 anna-lena j.r.r x 007 Ali Elia Gina Milo Herman Björn François Łukasz Zoë Ağaoğlu İpek Straße
         Þór Nguyễn Nguyễn_Văn_An ＡＬＩＣＥ 김철수 박서연 민수123 Kim철수 짱구_GM아님 뷁 힣 さくら サクラ 山田太郎
         田中サクラ タカシ99 ラーメン 佐々木 ｻｸﾗ 王小明 陳美玲 张伟2024 李Alex Иван Мария Ёлка Олександр Їжак Ніна
         Γιώργος Ελένη Αθηνά_7 Արամ Եւա ნინო محمد مريم فاطمة_٣ محمد123 علی۵ שרה דוד.ל สมชาย ที่รัก राहुल लक्ष्मी
         हिन्दी१२ রহিম தமிழ் తెలుగు ಕನ್ನಡ മലയാളം ਸਿੰਘ ગુજરાતી සිංහල ລາວ ខ្មែរ မောင် ကျော် አበበ",
    );
    assert_taken(NamePolicy::Korean, "김철수 Kim철수_1 alice A-1.b 힣");
    assert_taken(NamePolicy::Ascii, "alice A-1.b 007 _x_");
}

#[test]
fn a_policy_takes_no_more_than_it_says() {
    assert_refused(NamePolicy::Ascii, "김철수 é ａlice Иван ﬁsk".split(' '));
    assert_refused(NamePolicy::Korean, "é ａlice さくら 山田 Иван ㅋㅋㅋ ﾡ ᄀ 가\u{301} 김漢".split(' '));
    assert_refused(
        NamePolicy::Precis,
        "ㅋㅋㅋ ᄀ 𐌀𐌁 ꭰꮎ 𝐚lice 𝐚𝐥𝐢𝐜𝐞 aʰ ʇsoɥƃ א\u{591} مـ ﷺ a\u{489}".split(' '),
    );
    for policy in POLICIES {
        assert_refused(policy, "_ ... - -_- .. _\u{301}".split(' '));
    }
}

#[test]
fn every_character_of_a_name_that_is_taken_is_one_that_precis_takes() {
    let category = CodePointMapData::<GeneralCategory>::new();
    let syllable = CodePointMapData::<HangulSyllableType>::new();
    let nfkc = ComposingNormalizerBorrowed::new_nfkc();
    for c in (char::MIN..=char::MAX).filter(|c| c.identifier_allowed()) {
        // The key has what the character is compared as; that is what is judged.
        let Ok(key) = Username::parse(&c.to_string()).map(|name| name.key()) else { continue };
        for c in key.as_str().chars() {
            // RFC 8264, section 9.17: not HasCompat, not OldHangulJamo, not OtherLetterDigits; the exceptions of 9.6.
            let compatible = nfkc.normalize(&c.to_string()) != c.to_string();
            let jamo = matches!(
                syllable.get(c),
                HangulSyllableType::LeadingJamo
                    | HangulSyllableType::VowelJamo
                    | HangulSyllableType::TrailingJamo
            );
            let other =
                matches!(category.get(c), GeneralCategory::TitlecaseLetter | GeneralCategory::EnclosingMark);
            let exception = matches!(
                c,
                '\u{640}' | '\u{7fa}' | '\u{302e}' | '\u{302f}' | '\u{3031}'..='\u{3035}' | '\u{303b}'
            );
            assert!(!compatible && !jamo && !other && !exception, "{c:?}");
        }
    }
}

/// B-156, B-157.
#[test]
fn a_name_with_a_space_or_too_long_is_refused() {
    for policy in POLICIES {
        assert_refused(policy, ["", " ", "  ", " alice", "alice ", "al  ice", "\u{3000}", "alice\u{a0}"]);
        let long = ["a".repeat(33), "가".repeat(33), "𐐷".repeat(25), "가".repeat(31) + "𐐷"];
        assert_refused(policy, long.iter().map(String::as_str));
    }
    assert_taken(NamePolicy::Precis, &("a".repeat(32) + " " + &"가".repeat(32)));
}

/// B-158, B-067.
#[test]
fn every_spelling_of_a_name_is_that_name() {
    for spellings in [
        "éfisk e\u{301}fisk ÉFISK éﬁsk éfiſk ÉfisK éｆｉｓＫ",
        "alice Alice ａｌｉｃｅ ＡLICE",
        "김철수 \u{1100}\u{1175}\u{11b7}\u{110e}\u{1165}\u{11af}\u{1109}\u{116e}",
        "パク ﾊﾟｸ ﾊ\u{309a}ｸ ハ\u{309a}ク",
        "straße STRASSE Straſse",
        "Σίσυφος ΣΊΣΥΦΟΣ σίσυφοσ",
    ] {
        let all: HashSet<_> = spellings.split(' ').map(|typed| take(NamePolicy::Precis, typed)).collect();
        assert!(all.len() == 1 && all.iter().all(Result::is_ok), "{spellings}: {all:?}");
    }
}

/// B-161.
#[test]
fn scripts_and_digits_that_do_not_belong_together_are_refused() {
    let mixed = "Яndex ivanИ αlpha kимa 김Иван さ김 Иγ اa aا שa ไทยa हिa 김さくら ㄅさ Աa аlice pаypal ა김";
    assert_refused(NamePolicy::Precis, mixed.split(' '));
    assert_refused(NamePolicy::Precis, "１2٣ a٣ हि1१ রহিম৪4".split(' '));
}

/// B-162.
#[test]
fn what_cannot_be_seen_or_stands_alone_is_refused() {
    // Zero-width, direction, tags, variation selectors, fillers, separators, private, no character at all.
    let invisible = "\u{200b}\u{200c}\u{200d}\u{feff}\u{ad}\u{2060}\u{180e}\u{34f}\u{61c}\u{200e}\u{200f}\u{202a}\
        \u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}\u{e0001}\u{e0041}\u{e007f}\u{fe0f}\u{e0100}\
        \u{115f}\u{1160}\u{3164}\u{ffa0}\u{2800}\u{2028}\u{2029}\u{85}\u{17b4}\u{1bca0}\u{fffc}\u{e000}\u{fdd0}\u{378}";
    for policy in POLICIES {
        for c in invisible.chars() {
            let typed =
                [c.to_string(), format!("{c}a"), format!("a{c}"), format!("a{c}b"), format!("가{c}나")];
            assert_refused(policy, typed.iter().map(String::as_str));
        }
        let marks = "\u{301} \u{301}a q\u{323}\u{307}\u{302} ﾞ ｶﾞﾞﾞﾞ \u{93f} \u{20dd}";
        assert_refused(policy, marks.split(' '));
    }
}

/// B-164, B-168.
#[test]
fn signs_and_emoji_are_no_names() {
    for policy in POLICIES {
        let signs = "@#/\\:,*?!<>\"'%&+~$()[]{}|;=`^\0\n\t\u{1b}\u{7f}\u{9b}＠＃／＿．😀👍🇰♥①Ⅷ²½ⓐ";
        for c in signs.chars() {
            let typed = [c.to_string(), format!("a{c}b"), format!("가{c}")];
            assert_refused(policy, typed.iter().map(String::as_str));
        }
        assert_refused(policy, ["👨\u{200d}👩", "🇰🇷", "😀😀"]);
    }
}

/// B-168.
#[test]
fn a_right_to_left_name_is_taken_if_it_is_shown_in_one_order_only() {
    assert_taken(NamePolicy::Precis, "שרה שרה1 محمد محمد_1 مُحَمَّد ש.ר");
    assert_refused(NamePolicy::Precis, "1שרה _שרה שרה_ محمد. م1٢ ٣٤ שרהa aשרה".split(' '));
    assert_refused(NamePolicy::Korean, "שרה محمد".split(' '));
}

#[test]
fn reserved_names_and_their_look_alikes_are_for_operators_to_give() {
    let reserved = "admin ADMIN аdmin adm1n AdMlN admіn ａｄｍｉｎ ad.min _admin_ -a-d-m-i-n- root r00t ROOT system ѕyѕtem
        systern server GM gm G.M grn moderator m0derat0r everyone ChatServer 운영자 운영_자 관리자 영자 운영진 시스템 서버
        지엠 админ АДМИН 管理员 システム ｼｽﾃﾑ \u{110b}\u{116e}\u{11ab}\u{110b}\u{1167}\u{11bc}\u{110c}\u{1161}";
    assert_refused(NamePolicy::Precis, reserved.split_whitespace());
    assert_taken(NamePolicy::Precis, "administer 영자2 서버린 gml rooty Ali 관리 badmin");
    let rules = rules(NamePolicy::Precis);
    for given in ["admin", "운영자", "ｼｽﾃﾑ"] {
        assert_eq!(rules.judge_reserved(&name(given)), Ok(NameForms::of(&name(given))));
    }
    let mixed = rules.judge_reserved(&name("аdmin"));
    assert_eq!(mixed, Err(ErrorCode::NameInvalid), "no operator mixes scripts either");
}

#[test]
fn the_reserved_names_of_an_operator_are_added_to_the_others() {
    let rules = NameRules::new(NamePolicy::Precis, &[name("사장"), name("B0SS")]);
    for refused in ["사장", "boss", "BOSS", "b.o.s.s", "admin"] {
        assert_eq!(rules.judge(&name(refused)), Err(ErrorCode::NameInvalid), "{refused}");
    }
}

#[test]
fn every_reserved_name_would_be_taken_and_stands_there_once() {
    let rules = rules(NamePolicy::Precis);
    let mut looks = HashSet::new();
    for reserved in reserved::NAMES {
        let forms = rules.judge_reserved(&name(reserved)).unwrap_or_else(|_| panic!("{reserved}"));
        assert!(looks.insert(forms.skeleton), "{reserved} stands there twice");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_typed_gets_an_answer_and_a_key_gets_the_same(typed in typed()) {
        for policy in POLICIES {
            let Ok(taken) = take(policy, &typed) else { continue };
            // Folding may make it too long for a name.
            if let Ok(key) = Username::parse(taken.key.as_str()) {
                prop_assert_eq!(rules(policy).judge(&key), Ok(taken));
            }
        }
    }
}

fn typed() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC{0,40}",
        "[\\p{L}\\p{M}\\p{Nd}_.-]{1,6}",
        "[a-zA-Z0-9가-힣]{1,9}",
        "[ぁ-ヺｦ-ﾟ]{1,9}",
        "[а-яΑ-ω]{1,9}"
    ]
}
