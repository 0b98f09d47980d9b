//! What an operator may set about accounts and the names of people.

use chat_proto::Username;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

/// Accounts, and what people may be called, with an account and without one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountsConfig {
    /// Which writing a name may have.
    pub names: NamePolicy,
    /// Names that nobody may take, and nobody one that looks like them, besides those that are reserved anyway
    /// (admin, system, 운영자 and others).
    #[serde(deserialize_with = "usernames")]
    #[schemars(with = "Vec<String>")]
    pub reserved: Vec<Username>,
    /// Who may make an account.
    pub registration: Registration,
    /// Whether people come in without an account. Not set: while every listener is of this machine alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guests: Option<bool>,
    /// What becomes of an account's session when its owner logs in again.
    pub second_login: SecondLogin,
    /// What a password's hash costs, and how many may run.
    pub hashing: HashingConfig,
}

/// Who may make an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Registration {
    /// Everybody.
    Open,
    /// Who has an invitation.
    Invite,
    /// Nobody: the operator makes accounts.
    Closed,
}

/// What becomes of an account's session when its owner logs in again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SecondLogin {
    /// It ends, and the new one takes its place.
    Replaces,
    /// It goes on, and the new one is refused.
    Refused,
}

/// What a password's hash costs (argon2id), and how many may run. Hashes that are cheaper than this are made anew when
/// their owners log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HashingConfig {
    /// Memory of one hash, in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes, which a hash could use threads for.
    pub lanes: u32,
    /// Hashes that run at once, at most 1,024; 0: one for each processor.
    pub at_once: usize,
}

impl HashingConfig {
    /// The least that OWASP's Password Storage Cheat Sheet takes: 7 MiB, and as much work as 12 MiB three times.
    const MEMORY_KIB_MIN: u32 = 7_168;
    const WORK_KIB_MIN: u64 = 35_840;
    /// Each takes its memory, and a thread.
    const AT_ONCE_MAX: usize = 1_024;

    /// Says what cannot be, or would be too weak, naming the key.
    pub fn check(&self) -> Result<(), String> {
        let Self { memory_kib, passes, lanes, at_once } = *self;
        if at_once > Self::AT_ONCE_MAX {
            return Err(format!("`accounts.hashing.at_once` must be at most {}", Self::AT_ONCE_MAX));
        }
        let fits = (1..=64).contains(&lanes) && memory_kib >= 8 * lanes && memory_kib <= 1024 * 1024;
        let strong = memory_kib >= Self::MEMORY_KIB_MIN
            && u64::from(memory_kib) * u64::from(passes) >= Self::WORK_KIB_MIN;
        if fits && strong && (1..=1_000).contains(&passes) {
            return Ok(());
        }
        Err("`accounts.hashing` is weaker than OWASP advises, or is impossible: \
             memory_kib 7168 to 1048576, and memory_kib times passes at least 35840"
            .into())
    }
}

impl Default for HashingConfig {
    /// OWASP's first choice: 19 MiB, two passes, one lane.
    fn default() -> Self {
        Self { memory_kib: 19_456, passes: 2, lanes: 1, at_once: 0 }
    }
}

/// Which writing a name may have. Whatever is chosen, full- and half-width forms, cases and look-alikes of a name
/// are refused beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
        Self {
            names: NamePolicy::Precis,
            reserved: Vec::new(),
            registration: Registration::Open,
            guests: None,
            second_login: SecondLogin::Replaces,
            hashing: HashingConfig::default(),
        }
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
