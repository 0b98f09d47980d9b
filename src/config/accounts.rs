//! What an operator may set about accounts and the names of people.

use chat_proto::Username;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

/// Accounts, and what people may be called, with an account and without one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountsConfig {
    /// Which writing a name may have.
    pub names: NamePolicy,
    /// Names that nobody may take, and nobody one that looks like them, besides those that are reserved anyway
    /// (admin, system, 운영자 and others).
    #[serde(deserialize_with = "usernames")]
    pub reserved: Vec<Username>,
}

/// Which writing a name may have. Whatever is chosen, full- and half-width forms, cases and look-alikes of a name
/// are refused beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NamePolicy {
    /// ASCII letters and digits, `_`, `-`, `.`.
    Ascii,
    /// The same, and whole Hangul syllables.
    Korean,
    /// Every script in everyday use, one to a name; Latin may stand beside Hangul, Kana and Han (UTS #39,
    /// "highly restrictive"). Right-to-left names by the rule of RFC 5893.
    Precis,
}

impl Default for AccountsConfig {
    /// People of every language come in: what makes names of many scripts dangerous is refused one by one, and a
    /// server that closes later shuts out names that it gave away.
    fn default() -> Self {
        Self { names: NamePolicy::Precis, reserved: Vec::new() }
    }
}

fn usernames<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Username>, D::Error> {
    let names = Vec::<String>::deserialize(from)?;
    let parse = |name: &String| {
        Username::parse(name)
            .map_err(|_| D::Error::custom(format_args!("{name:?} has not the form of a name")))
    };
    names.iter().map(parse).collect()
}
