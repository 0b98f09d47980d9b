//! A name that is taken has its form, and is taken again unchanged with the same key.
#![no_main]

use chat_proto::{RoomName, Username, limits};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|raw: &str| {
    let Ok(name) = Username::parse(raw) else {
        assert!(RoomName::parse(raw).is_err());
        return;
    };
    assert_eq!(RoomName::parse(raw).expect("the same form").as_str(), name.as_str());
    assert!(name.as_str().len() <= limits::NAME_BYTES_MAX.into());
    assert!((1..=limits::NAME_CHARS_MAX.into()).contains(&name.as_str().chars().count()));
    assert!(!name.as_str().chars().any(|c| c.is_control() || c.is_whitespace()));
    let again = Username::parse(name.as_str()).expect("what was taken is taken");
    assert_eq!(again, name);
    assert_eq!(again.key(), name.key());
    // Folding may make it too long for a name.
    if let Ok(key) = Username::parse(name.key().as_str()) {
        assert_eq!(key.key(), name.key());
    }
});
