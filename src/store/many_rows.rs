//! Statements that insert many rows at once.

use std::sync::Arc;

use sqlx::{AssertSqlSafe, query};

use super::{
    StoreError,
    database::{Question, Transaction},
};

/// Rows of one statement. Few sizes: a connection keeps its statements prepared.
const SIZES: [usize; 3] = [100, 10, 1];

/// An INSERT, in each of its sizes.
pub(super) struct ManyRows {
    statements: [(usize, Arc<str>); SIZES.len()],
}

impl ManyRows {
    /// `insert` ends before VALUES, `end` comes after them; neither comes from outside the program.
    pub fn new(insert: &'static str, columns: usize, end: &'static str) -> Self {
        let statements = SIZES.map(|size| {
            let rows = (0..size).map(|row| {
                let places = (1..=columns).map(|column| format!("${}", row * columns + column));
                format!("({})", places.collect::<Vec<_>>().join(", "))
            });
            (size, format!("{insert} VALUES {} {end}", rows.collect::<Vec<_>>().join(", ")).into())
        });
        Self { statements }
    }

    /// Inserts a row for each of `items`, whose columns `bind` binds. Returns how many rows there are more.
    pub async fn insert<T: Sync>(
        &self,
        transaction: &mut Transaction,
        mut items: &[T],
        bind: impl Fn(Question<'static>, &T) -> Result<Question<'static>, StoreError> + Send,
    ) -> Result<u64, StoreError> {
        let mut inserted = 0;
        for (size, statement) in &self.statements {
            while let Some((these, rest)) = items.split_at_checked(*size) {
                items = rest;
                let question = query(AssertSqlSafe(Arc::clone(statement)));
                inserted += transaction.run(these.iter().try_fold(question, &bind)?).await?;
            }
        }
        Ok(inserted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_has_a_place_of_its_own() {
        let many = ManyRows::new("INSERT INTO t (a, b)", 2, "ON CONFLICT DO NOTHING");
        let [(100, hundred), _, (1, one)] = &many.statements else { panic!("other sizes") };
        assert_eq!(&**one, "INSERT INTO t (a, b) VALUES ($1, $2) ON CONFLICT DO NOTHING");
        assert!(hundred.contains("($1, $2), ($3, $4), ") && hundred.contains("($199, $200) ON"));
    }
}
