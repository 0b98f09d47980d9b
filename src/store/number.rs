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

/// One that may be any 64 bits, as an epoch or a message id is: as the signed number that has the same bits. It says
/// nothing of their order.
pub(super) fn stored_bits(number: u64) -> i64 {
    number.cast_signed()
}

/// What [`stored_bits`] made.
pub(super) fn bits_in_column(row: &AnyRow, column: &str) -> Result<u64, StoreError> {
    Ok(row.try_get::<i64, _>(column)?.cast_unsigned())
}

/// As [`bits_in_column`], where there may be none.
pub(super) fn maybe_bits_in_column(row: &AnyRow, column: &str) -> Result<Option<u64>, StoreError> {
    Ok(row.try_get::<Option<i64>, _>(column)?.map(i64::cast_unsigned))
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
