//! What is kept of a session that may be resumed.

use sqlx::{Row as _, any::AnyRow};

use super::{AccountId, Person, Role, StoreError, number, role, time::from_stored};

/// Bytes of a family's number, the part of a token by which it is found.
pub const FAMILY_BYTES: usize = 8;
/// Bytes of a token's SHA-256.
pub const TOKEN_HASH_BYTES: usize = 32;

/// The tokens of a session, each in its turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredResume {
    /// What they have in common.
    pub family: [u8; FAMILY_BYTES],
    /// The session's number, below 2^63. Each has one family.
    pub session: u64,
    /// Whose it is. None: a guest's.
    pub account: Option<AccountId>,
    /// The session's name.
    pub person: Person,
    /// Of the token that was given last.
    pub token_hash: [u8; TOKEN_HASH_BYTES],
    /// Of the one before, while it is still good.
    pub previous_hash: Option<[u8; TOKEN_HASH_BYTES]>,
    /// When the last was given: milliseconds since 1970 UTC.
    pub issued_ms: u64,
    /// From when on it is void.
    pub expires_ms: u64,
    /// Whether the session is on the server, with a connection or within its grace.
    pub here: bool,
}

/// How an account is that a session is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// What they may do.
    pub role: Role,
    /// Whether they are kept out.
    pub disabled: bool,
}

/// A session that may be resumed, with what it needs for that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resumable {
    /// Its tokens.
    pub resume: StoredResume,
    /// Its account as it is now. None: a guest.
    pub owner: Option<Owner>,
    /// The rooms it is in, by number.
    pub rooms: Vec<u64>,
}

impl Resumable {
    /// Without its rooms.
    pub(super) fn from_row(row: &AnyRow) -> Result<Self, StoreError> {
        let role = row.try_get::<Option<i64>, _>("role")?.map(role::from_stored).transpose()?;
        let disabled = row.try_get::<Option<i64>, _>("disabled")?.is_some_and(|disabled| disabled != 0);
        Ok(Self {
            resume: StoredResume::from_row(row)?,
            owner: role.map(|role| Owner { role, disabled }),
            rooms: Vec::new(),
        })
    }
}

impl StoredResume {
    fn from_row(row: &AnyRow) -> Result<Self, StoreError> {
        let previous_hash: Option<Vec<u8>> = row.try_get("previous_hash")?;
        Ok(Self {
            family: family_in(row)?,
            session: number::in_column(row, "session")?,
            account: row.try_get::<Option<i64>, _>("account")?.map(AccountId),
            person: Person::from_row(row)?,
            token_hash: exactly(row.try_get("token_hash")?)?,
            previous_hash: previous_hash.map(exactly).transpose()?,
            issued_ms: from_stored(row.try_get("issued_ms")?),
            expires_ms: from_stored(row.try_get("expires_ms")?),
            here: row.try_get::<i64, _>("here")? != 0,
        })
    }
}

pub(super) fn family_in(row: &AnyRow) -> Result<[u8; FAMILY_BYTES], StoreError> {
    exactly(row.try_get("family")?)
}

fn exactly<const BYTES: usize>(bytes: Vec<u8>) -> Result<[u8; BYTES], StoreError> {
    bytes.try_into().map_err(|bytes: Vec<u8>| {
        StoreError::Corrupt(format!("{} bytes and not {BYTES}", bytes.len()).into())
    })
}
