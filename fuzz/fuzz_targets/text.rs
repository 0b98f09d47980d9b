//! A text or a remark that is taken is unchanged, within its limits, and has nothing a terminal would act on.
#![no_main]

use chat_proto::{ErrorCode, Remark, Text, limits};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|raw: &str| {
    remark(raw);
    let Ok(text) = Text::parse(raw) else { return };
    assert_eq!(text.as_str(), raw);
    assert!(raw.len() <= limits::TEXT_BYTES_MAX.into());
    assert!((1..=limits::TEXT_CHARS_MAX.into()).contains(&raw.chars().count()));
    assert!(!raw.chars().any(|c| c.is_control() && c != '\n' && c != '\t'));
    assert!(!raw.contains(['\u{202d}', '\u{202e}']));
    assert_eq!(raw.matches(['\u{202a}', '\u{202b}']).count(), raw.matches('\u{202c}').count());
});

/// A remark is a text on one line, or shows nothing.
fn remark(raw: &str) {
    let Ok(remark) = Remark::parse(raw) else { return };
    assert!(raw.len() <= limits::REMARK_BYTES_MAX.into());
    assert!(raw.chars().count() <= limits::REMARK_CHARS_MAX.into());
    assert!(!raw.contains(['\n', '\t', '\u{2028}', '\u{2029}']));
    match Text::parse(raw) {
        Ok(text) => assert_eq!(remark.as_str(), text.as_str()),
        Err(code) => assert_eq!((remark.as_str(), code), ("", ErrorCode::TextEmpty)),
    }
}
