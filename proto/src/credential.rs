//! What shows who somebody is, and that they are invited, as it travels.

use serde::{Deserialize, Serialize};

use crate::limits::{CREDENTIAL_BYTES_MAX, INVITE_BYTES_MAX};

/// What shows that a name is one's own. On the wire: `kind: u16`, then bytes.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// Kind 0, no bytes: a guest.
    None,
    /// Kind 1: a password, 1 to 384 bytes.
    Password(Box<[u8]>),
    /// A kind this version does not know.
    Other(u16),
}

/// The wire form of a [`Credential`]. One that is none does not decode, so that what follows it is not judged.
#[derive(Serialize, Deserialize)]
#[serde(try_from = "(u16, &'a [u8])")]
pub(crate) struct RawCredential<'a> {
    kind: u16,
    bytes: &'a [u8],
}

/// The wire form of an invitation's code.
#[derive(Serialize, Deserialize)]
#[serde(try_from = "&'a str")]
pub(crate) struct RawInvite<'a>(pub(crate) &'a str);

impl<'a> TryFrom<(u16, &'a [u8])> for RawCredential<'a> {
    type Error = &'static str;

    fn try_from((kind, bytes): (u16, &'a [u8])) -> Result<Self, Self::Error> {
        let one = match kind {
            0 => bytes.is_empty(),
            1 => !bytes.is_empty(),
            _ => true,
        };
        let fits = bytes.len() <= CREDENTIAL_BYTES_MAX.into();
        if one && fits { Ok(Self { kind, bytes }) } else { Err("not the bytes of a credential of this kind") }
    }
}

impl<'a> TryFrom<&'a str> for RawInvite<'a> {
    type Error = &'static str;

    fn try_from(code: &'a str) -> Result<Self, Self::Error> {
        if code.len() <= INVITE_BYTES_MAX.into() { Ok(Self(code)) } else { Err("longer than an invitation") }
    }
}

impl From<RawCredential<'_>> for Credential {
    fn from(RawCredential { kind, bytes }: RawCredential) -> Self {
        match kind {
            0 => Self::None,
            1 => Self::Password(bytes.into()),
            kind => Self::Other(kind),
        }
    }
}

impl<'a> From<&'a Credential> for RawCredential<'a> {
    fn from(credential: &'a Credential) -> Self {
        match credential {
            Credential::None => Self { kind: 0, bytes: &[] },
            Credential::Password(bytes) => Self { kind: 1, bytes },
            Credential::Other(kind) => Self { kind: *kind, bytes: &[] },
        }
    }
}

impl std::fmt::Debug for Credential {
    /// Its kind only: a secret does not belong in a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credential(kind {})", RawCredential::from(self).kind)
    }
}
