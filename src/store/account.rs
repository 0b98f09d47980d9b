//! What an account is made of.

use std::fmt;

use chat_proto::Role;
use sqlx::{Row as _, any::AnyRow};

use super::{StoreError, role, time::from_stored};

/// Bytes of a password hash. Argon2's strings have about 100.
const PASSWORD_HASH_BYTES_MAX: usize = 512;

/// An account's number. It is never given to another account, also not after the account is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(pub(super) i64);

impl AccountId {
    /// The number that somebody was shown.
    #[must_use]
    pub const fn new(number: i64) -> Self {
        Self(number)
    }

    /// To show.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A hashed password as a PHC string (`$argon2id$v=19$...`). Never shown in logs.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(Box<str>);

impl PasswordHash {
    /// Takes what has the form of one: `$`, then up to 511 more bytes of visible ASCII. So a password that somebody
    /// forgot to hash is not stored.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let form = text.starts_with('$') && text.bytes().all(|byte| byte.is_ascii_graphic());
        (form && text.len() <= PASSWORD_HASH_BYTES_MAX).then(|| Self(text.into()))
    }

    /// The PHC string.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash")
    }
}

/// A name, and what it is compared by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameForms {
    /// As others see it.
    pub shown: String,
    /// Equal for names that are the same to a person who types: case, width, normal form.
    pub key: String,
    /// Equal for names that look alike.
    pub skeleton: String,
    /// The version of the rules that made key and skeleton. When Unicode's tables change, it grows.
    pub version: u32,
}

/// An account that does not exist yet.
#[derive(Clone, Debug)]
pub struct NewAccount {
    /// Its name.
    pub name: NameForms,
    /// Its password.
    pub password: PasswordHash,
    /// Milliseconds since 1970 UTC.
    pub created_ms: u64,
}

/// An account as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its number.
    pub id: AccountId,
    /// Its name, as others see it.
    pub name: String,
    /// Its password.
    pub password: PasswordHash,
    /// What its owner may do.
    pub role: Role,
    /// Whether its owner is kept out.
    pub disabled: bool,
    /// When it was made: milliseconds since 1970 UTC.
    pub created_ms: u64,
    /// When its owner last logged in, to the minute or so. None: never.
    pub last_login_ms: Option<u64>,
}

impl Account {
    /// The columns that [`from_row`](Self::from_row) reads.
    pub(super) fn from_row(row: &AnyRow) -> Result<Self, StoreError> {
        let password = row.try_get("password")?;
        Ok(Self {
            id: AccountId(row.try_get("id")?),
            name: row.try_get("name")?,
            password: PasswordHash::parse(password)
                .ok_or_else(|| StoreError::Corrupt("a password is no PHC string".into()))?,
            role: role::from_stored(row.try_get("role")?)?,
            disabled: row.try_get::<i64, _>("disabled")? != 0,
            created_ms: from_stored(row.try_get("created_ms")?),
            last_login_ms: row.try_get::<Option<i64>, _>("last_login_ms")?.map(from_stored),
        })
    }
}
