//! The golden names of `vectors/names.json` against the crate.

use std::{collections::BTreeSet, fs, path::Path};

use chat_proto::{ErrorCode, RoomName, Username};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Names {
    valid: Vec<Valid>,
    invalid: Vec<Invalid>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Valid {
    name: String,
    typed: String,
    shown: String,
    key: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Invalid {
    name: String,
    typed: String,
}

fn names() -> Names {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/names.json");
    serde_json::from_str(&fs::read_to_string(path).expect("a file")).expect("the schema")
}

#[test]
fn every_valid_name_is_shown_and_compared_as_its_vector_says() {
    for Valid { name, typed, shown, key } in names().valid {
        let person = Username::parse(&typed).unwrap_or_else(|e| panic!("{name}: {e:?}"));
        let room = RoomName::parse(&typed).unwrap_or_else(|e| panic!("{name}: {e:?}"));
        assert_eq!((person.as_str(), person.key().as_str()), (&*shown, &*key), "{name}");
        assert_eq!((room.as_str(), room.key().as_str()), (&*shown, &*key), "{name}");
    }
}

#[test]
fn every_invalid_name_is_refused() {
    for Invalid { name, typed } in names().invalid {
        assert_eq!(Username::parse(&typed), Err(ErrorCode::NameInvalid), "{name}");
        assert_eq!(RoomName::parse(&typed), Err(ErrorCode::RoomNameInvalid), "{name}");
    }
}

#[test]
fn every_vector_of_a_name_shows_something_else() {
    let Names { valid, invalid } = names();
    let all = valid.len() + invalid.len();
    let shows: BTreeSet<_> =
        valid.into_iter().map(|v| v.name).chain(invalid.into_iter().map(|v| v.name)).collect();
    assert_eq!(shows.len(), all);
}
