//! Reading a table to its end, a page at a time.

use sqlx::{Row as _, any::AnyRow, query};

use super::{StoreError, database::Transaction};

/// Rows that one question reads.
const PAGE_ROWS: usize = 1_000;

/// Where the reading of a table has come to.
pub(super) struct Pages {
    question: &'static str,
    /// After which row it goes on; none at the end.
    after: Option<(i64, String)>,
}

impl Pages {
    /// The question's first two columns are a number, not negative, and a text, which no two rows share; it has what
    /// is after `$1` and `$2`, in their order, at most `$3` rows.
    pub fn of(question: &'static str) -> Self {
        Self { question, after: Some((-1, String::new())) }
    }

    /// The next rows; none at the end.
    pub async fn next(&mut self, transaction: &mut Transaction) -> Result<Option<Vec<AnyRow>>, StoreError> {
        let Some((number, text)) = self.after.take() else { return Ok(None) };
        let limit = i64::try_from(PAGE_ROWS).expect("a few");
        let rows = transaction.rows(query(self.question).bind(number).bind(text).bind(limit)).await?;
        if let Some(last) = rows.last()
            && rows.len() == PAGE_ROWS
        {
            self.after = Some((last.try_get(0)?, last.try_get(1)?));
        }
        Ok(Some(rows))
    }
}
