//! The keys there are: each with what it takes, what it is for and what it is when nobody sets it.

use std::{collections::BTreeMap, sync::LazyLock};

use serde_json::Value as Json;
use toml::Value;

use super::schema::schema;

/// All keys, and the sections they stand in.
pub(super) struct Keys {
    keys: BTreeMap<String, Key>,
    sections: BTreeMap<String, String>,
}

/// One key.
pub(super) struct Key {
    /// As `limits.connections`.
    pub path: String,
    /// What it is for.
    pub about: String,
    /// What it takes.
    pub kind: Kind,
    /// The words it takes, if it takes no others, and what each means.
    pub choices: Vec<(String, String)>,
}

/// What a key takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// 0 to this.
    Whole(u64),
    /// `true` or `false`.
    Flag,
    /// A string.
    Text,
    /// A list of strings.
    List,
}

impl Kind {
    /// In words.
    pub fn name(self) -> String {
        match self {
            Self::Whole(max) if max >= i64::MAX.unsigned_abs() => "a whole number of at least 0".into(),
            Self::Whole(max) => format!("a whole number from 0 to {max}"),
            Self::Flag => "true or false".into(),
            Self::Text => "a string".into(),
            Self::List => "a list of strings, as [\"one\", \"two\"]".into(),
        }
    }

    /// Whether a value is of this kind.
    pub fn takes(self, value: &Value) -> bool {
        match (self, value) {
            (Self::Whole(max), Value::Integer(number)) => u64::try_from(*number).is_ok_and(|n| n <= max),
            (Self::Flag, Value::Boolean(_)) | (Self::Text, Value::String(_)) => true,
            (Self::List, Value::Array(values)) => values.iter().all(Value::is_str),
            _ => false,
        }
    }
}

/// All there are.
pub(super) fn keys() -> &'static Keys {
    static KEYS: LazyLock<Keys> = LazyLock::new(|| {
        let mut keys = Keys { keys: BTreeMap::new(), sections: BTreeMap::new() };
        keys.collect(schema(), "");
        keys
    });
    &KEYS
}

impl Keys {
    fn collect(&mut self, schema: &Json, outer: &str) {
        for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
            let path = join(outer, name);
            let about = schema["description"].as_str().unwrap_or_default().to_owned();
            if schema.get("properties").is_some() {
                self.collect(schema, &path);
                self.sections.insert(path, about);
            } else {
                let key = Key { path: path.clone(), about, kind: kind(schema), choices: choices(schema) };
                self.keys.insert(path, key);
            }
        }
    }

    /// A key.
    pub fn find(&self, path: &str) -> Option<&Key> {
        self.keys.get(path)
    }

    /// What a section is for, if it is one.
    pub fn section(&self, path: &str) -> Option<&str> {
        self.sections.get(path).map(String::as_str)
    }

    /// A section's path, and what it is for.
    pub fn section_entry(&self, path: &str) -> Option<(&str, &str)> {
        self.sections.get_key_value(path).map(|(path, about)| (path.as_str(), about.as_str()))
    }

    /// All keys, by their paths.
    pub fn all(&self) -> impl Iterator<Item = &Key> {
        self.keys.values()
    }

    /// All keys and sections.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.keys.keys().chain(self.sections.keys()).map(String::as_str)
    }
}

/// A section's key as one path.
pub(super) fn join(outer: &str, name: &str) -> String {
    if outer.is_empty() { name.to_owned() } else { format!("{outer}.{name}") }
}

/// A path's section, and its last name.
pub(super) fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('.').unwrap_or(("", path))
}

fn kind(schema: &Json) -> Kind {
    match schema["type"].as_str() {
        Some("integer") => Kind::Whole(schema["maximum"].as_u64().unwrap_or(u64::MAX)),
        Some("boolean") => Kind::Flag,
        Some("array") => Kind::List,
        // A choice says of each of its words that it is one.
        _ => Kind::Text,
    }
}

fn choices(schema: &Json) -> Vec<(String, String)> {
    let text = |value: &Json| value.as_str().map(str::to_owned);
    let choice =
        |choice: &Json| Some((text(&choice["const"])?, text(&choice["description"]).unwrap_or_default()));
    schema["oneOf"].as_array().into_iter().flatten().filter_map(choice).collect()
}

#[cfg(test)]
mod tests {
    use toml::Table;

    use super::*;
    use crate::config::Config;

    #[test]
    fn every_setting_is_a_key_and_says_what_it_is_for() {
        fn walk(table: &Table, outer: &str, found: &mut usize) {
            for (name, value) in table {
                let path = join(outer, name);
                if let Value::Table(inner) = value {
                    assert!(keys().section(&path).is_some_and(|about| !about.is_empty()), "{path}");
                    walk(inner, &path, found);
                } else {
                    let key = keys().find(&path).unwrap_or_else(|| panic!("{path} is no key"));
                    assert!(key.kind.takes(value), "{path} is no {}", key.kind.name());
                    *found += 1;
                }
            }
        }
        let mut found = 0;
        walk(&Table::try_from(Config::default()).expect("TOML"), "", &mut found);
        assert!(found > 40, "{found} keys have a default");
        for key in keys().all() {
            // What is read in a file has no links.
            assert!(!key.about.is_empty() && !key.about.contains("]("), "{}: {}", key.path, key.about);
        }
    }
}
