//! A room's password, kept so that whoever reads memory or the database does not read it.

use std::fmt;

use chat_proto::RoomPassword;
use sha2::{Digest as _, Sha256};

/// Bytes of the salt.
const SALT_BYTES: usize = 16;

/// What a room's password opens: a salt and SHA-256 of it and the password. All members know the password and tell it
/// to each other, so it need not cost what an account's does; a stolen database still does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Lock {
    salt: [u8; SALT_BYTES],
    digest: [u8; 32],
}

impl Lock {
    /// What this password opens; `None` where none is needed. The salt is for this lock alone.
    #[must_use]
    pub fn new(password: &RoomPassword, salt: [u8; SALT_BYTES]) -> Option<Self> {
        let password = password.as_str();
        (!password.is_empty()).then(|| Self { salt, digest: digest(&salt, password) })
    }

    /// Whether a password opens it. It takes as long for one as for another.
    #[must_use]
    pub fn opens(&self, password: &str) -> bool {
        let found = digest(&self.salt, password);
        found.iter().zip(&self.digest).fold(0, |differ, (one, other)| differ | (one ^ other)) == 0
    }

    /// As it is stored: the salt, then the digest.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        [&self.salt[..], &self.digest].concat()
    }

    /// From what was stored; `None` if that is none.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (salt, digest) = bytes.split_at_checked(SALT_BYTES)?;
        Some(Self { salt: salt.try_into().ok()?, digest: digest.try_into().ok()? })
    }
}

fn digest(salt: &[u8; SALT_BYTES], password: &str) -> [u8; 32] {
    Sha256::new().chain_update(salt).chain_update(password).finalize().into()
}

impl fmt::Debug for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lock")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(typed: &str) -> RoomPassword {
        RoomPassword::new(typed).expect("short")
    }

    #[test]
    fn a_lock_opens_for_its_password_alone_also_after_it_was_stored() {
        let lock = Lock::new(&password("열려라"), [7; 16]).expect("a password");
        let stored = Lock::from_bytes(&lock.to_bytes()).expect("its own bytes");
        for lock in [&lock, &stored] {
            assert!(lock.opens("열려라"));
            assert!(!lock.opens("") && !lock.opens("열려라 ") && !lock.opens("참깨"));
        }
    }

    #[test]
    fn no_password_is_no_lock_and_equal_passwords_are_not_seen_to_be_equal() {
        assert_eq!(Lock::new(&password(""), [7; 16]), None);
        let one = Lock::new(&password("sesame"), [1; 16]).expect("a password");
        let other = Lock::new(&password("sesame"), [2; 16]).expect("a password");
        assert_ne!(one.to_bytes()[SALT_BYTES..], other.to_bytes()[SALT_BYTES..]);
        assert_eq!(Lock::from_bytes(b"short"), None);
    }
}
