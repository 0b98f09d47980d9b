//! An account's role as it is stored: a number in the database, a word in a file of accounts.

use std::str::FromStr as _;

use chat_proto::Role;
use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

use super::StoreError;

/// The number it has on the wire. A guest has no account: [`StoreError::Unusable`].
pub(super) fn stored(role: Role) -> Result<i64, StoreError> {
    match role {
        Role::Guest => {
            Err(StoreError::Unusable("an account is a user's, a moderator's or an admin's".into()))
        }
        role => Ok(i64::from(role as u16)),
    }
}

pub(super) fn from_stored(number: i64) -> Result<Role, StoreError> {
    let known = u16::try_from(number).ok().and_then(Role::of_number);
    known
        .filter(|role| *role != Role::Guest)
        .ok_or_else(|| StoreError::Corrupt(format!("no account has the role {number}").into()))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
pub(super) fn serialize<S: Serializer>(role: &Role, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(role.name())
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Role, D::Error> {
    let word = String::deserialize(from)?;
    Role::from_str(&word).map_err(|words| D::Error::custom(format_args!("{word:?} is no role: {words}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_has_no_account_and_the_others_are_stored_as_on_the_wire() {
        assert!(matches!(stored(Role::Guest), Err(StoreError::Unusable(_))));
        for (role, number) in [(Role::User, 1), (Role::Moderator, 2), (Role::Admin, 3)] {
            assert_eq!(stored(role).expect("an account's"), number);
            assert_eq!(from_stored(number).expect("an account's"), role);
        }
        for number in [-1, 0, 4, 65_537] {
            assert!(matches!(from_stored(number), Err(StoreError::Corrupt(_))), "{number}");
        }
    }
}
