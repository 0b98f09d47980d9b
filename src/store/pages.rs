//! Reading a table to its end, a page at a time.

use sqlx::{Row as _, any::AnyRow, query};

use super::{
    StoreError,
    database::{Question, Transaction},
};

/// Rows that one question reads.
const PAGE_ROWS: usize = 1_000;

/// Where the reading of a table has come to.
pub(super) struct Pages {
    question: &'static str,
    /// After which row it goes on; none at the end.
    after: Option<(i64, Second)>,
}

/// What tells rows apart that have the same number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Second {
    Text(String),
    /// Not negative.
    Number(i64),
}

impl Pages {
    /// The question's first two columns are a number, not negative, and a text, which no two rows share; it has what
    /// is after `$1` and `$2`, in their order, at most `$3` rows.
    pub fn of(question: &'static str) -> Self {
        Self::by(question, Second::Text(String::new()))
    }

    /// As [`of`](Self::of), where the second column is such as `first`, which is before all there are.
    pub fn by(question: &'static str, first: Second) -> Self {
        Self { question, after: Some((-1, first)) }
    }

    /// The next rows; none at the end.
    pub async fn next(&mut self, transaction: &mut Transaction) -> Result<Option<Vec<AnyRow>>, StoreError> {
        let Some((number, second)) = self.after.take() else { return Ok(None) };
        let limit = i64::try_from(PAGE_ROWS).expect("a few");
        let question = second.bind(query(self.question).bind(number)).bind(limit);
        let rows = transaction.rows(question).await?;
        if let Some(last) = rows.last()
            && rows.len() == PAGE_ROWS
        {
            self.after = Some((last.try_get(0)?, second.of(last)?));
        }
        Ok(Some(rows))
    }
}

impl Second {
    pub fn bind(&self, question: Question<'static>) -> Question<'static> {
        match self {
            Self::Text(text) => question.bind(text.clone()),
            Self::Number(number) => question.bind(*number),
        }
    }

    /// The row's, of the same kind.
    fn of(&self, row: &AnyRow) -> Result<Self, StoreError> {
        Ok(match self {
            Self::Text(_) => Self::Text(row.try_get(1)?),
            Self::Number(_) => Self::Number(row.try_get(1)?),
        })
    }
}
