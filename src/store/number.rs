//! Numbers as they are stored: in the databases' signed 64 bits, and checked when they come back.

use sqlx::{Row as _, any::AnyRow};

use super::StoreError;

/// One that must come back as it went: [`StoreError::Unusable`] from 2^63 on.
pub(super) fn stored(number: u64) -> Result<i64, StoreError> {
    i64::try_from(number)
        .map_err(|_| StoreError::Unusable(format!("{number} is too large a number to be stored")))
}

/// The number in a column, if it can be one of its kind: else [`StoreError::Corrupt`].
pub(super) fn in_column<T: TryFrom<i64>>(row: &AnyRow, column: &str) -> Result<T, StoreError> {
    from_stored(row.try_get(column)?, column)
}

/// As [`in_column`], where there may be none.
pub(super) fn maybe_in_column<T: TryFrom<i64>>(row: &AnyRow, column: &str) -> Result<Option<T>, StoreError> {
    row.try_get::<Option<i64>, _>(column)?.map(|number| from_stored(number, column)).transpose()
}

fn from_stored<T: TryFrom<i64>>(number: i64, column: &str) -> Result<T, StoreError> {
    T::try_from(number).map_err(|_| StoreError::Corrupt(format!("{column} is {number}").into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_would_come_back_as_another_is_refused() {
        assert_eq!(stored(i64::MAX as u64).expect("it fits"), i64::MAX);
        assert!(matches!(stored(1 << 63), Err(StoreError::Unusable(_))));
        assert_eq!(from_stored::<u16>(65_535, "flags").expect("it fits"), 65_535);
        for number in [-1, 65_536] {
            assert!(matches!(from_stored::<u16>(number, "flags"), Err(StoreError::Corrupt(_))), "{number}");
        }
    }
}
