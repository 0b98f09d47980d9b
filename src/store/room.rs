//! What a room that persists is made of.

use std::fmt;

use sqlx::{Row as _, any::AnyRow};

use super::{AccountId, NameForms, Person, Sanction, StoreError, number, time::from_stored};

/// Bytes of a digest of a room's password.
const PASSWORD_DIGEST_BYTES_MAX: usize = 512;

/// A salted digest of a room's password, which whoever made it can read. Never shown in logs.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordDigest(Box<[u8]>);

impl PasswordDigest {
    /// Takes up to 512 bytes.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<Self> {
        (bytes.len() <= PASSWORD_DIGEST_BYTES_MAX).then(|| Self(bytes.into()))
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for PasswordDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordDigest")
    }
}

/// What may be changed about a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomSettings {
    /// Members it takes.
    pub capacity: u32,
    /// Bits that mean nothing to the store.
    pub flags: u16,
    /// Seconds between two lines of one member.
    pub slow_s: u32,
    /// Its topic; may be empty.
    pub topic: String,
    /// Whoever comes in must know it. None: nobody is asked.
    pub password: Option<PasswordDigest>,
}

/// A room as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// The conversation's number, below 2^63.
    pub conversation: u64,
    /// Its name. No two rooms share a key or a skeleton.
    pub name: NameForms,
    /// What may be changed.
    pub settings: RoomSettings,
    /// When it was made: milliseconds since 1970 UTC.
    pub created_ms: u64,
}

impl Room {
    /// The columns that [`from_row`](Self::from_row) reads, in the order in which they are bound.
    pub(super) fn from_row(row: &AnyRow) -> Result<Self, StoreError> {
        let password: Option<Vec<u8>> = row.try_get("password")?;
        let digest = |bytes: Vec<u8>| {
            PasswordDigest::new(&bytes)
                .ok_or_else(|| StoreError::Corrupt("a room's password is no digest".into()))
        };
        Ok(Self {
            conversation: number::in_column(row, "conversation")?,
            name: NameForms {
                shown: row.try_get("name")?,
                key: row.try_get("name_key")?,
                skeleton: row.try_get("skeleton")?,
                version: number::in_column(row, "names_version")?,
            },
            settings: RoomSettings {
                capacity: number::in_column(row, "capacity")?,
                flags: number::in_column(row, "flags")?,
                slow_s: number::in_column(row, "slow_s")?,
                topic: row.try_get("topic")?,
                password: password.map(digest).transpose()?,
            },
            created_ms: from_stored(row.try_get("created_ms")?),
        })
    }
}

/// What an account may do in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomRole {
    /// The account.
    pub account: AccountId,
    /// Its name.
    pub person: Person,
    /// The role's number, which means nothing to the store.
    pub role: u16,
}

impl RoomRole {
    pub(super) fn from_row(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            account: AccountId(row.try_get("account")?),
            person: Person::from_row(row)?,
            role: number::in_column(row, "role")?,
        })
    }
}

/// A sanction in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomSanction {
    /// Whom it is for. Each has one in a room.
    pub person: Person,
    /// What it is.
    pub sanction: Sanction,
}

/// A change to a room that is stored.
#[derive(Clone, Debug)]
pub enum RoomChange {
    /// It has these settings.
    Settings(RoomSettings),
    /// The account whose name has this key may do so much in it; none: no more than others.
    Role {
        /// By what the account's name is compared.
        account_key: String,
        /// What it may do: a number of the caller's.
        role: Option<u16>,
    },
    /// Somebody's sanction, in place of the one they had. What forbids nothing takes that one away.
    Sanction(RoomSanction),
    /// Whether somebody may come in though others may not.
    Invited(Person, bool),
    /// It is deleted, and all that is about it, but what the audit log says. Its name is free, its number is not.
    Gone,
}

/// A room that is not stored yet, with what there is about it already.
#[derive(Clone, Debug)]
pub struct NewRoom {
    /// The room.
    pub room: Room,
    /// Accounts, by the keys of their names, and their roles' numbers.
    pub roles: Vec<(String, u16)>,
    /// Sanctions that forbid something.
    pub sanctions: Vec<RoomSanction>,
    /// Who may come in though others may not.
    pub invited: Vec<Person>,
}

/// A room, and all that is stored about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRoom {
    /// The room.
    pub room: Room,
    /// Who may do what in it, by key.
    pub roles: Vec<RoomRole>,
    /// Who may not come in or speak, by key.
    pub sanctions: Vec<RoomSanction>,
    /// Who may come in though others may not, by key.
    pub invited: Vec<Person>,
}
