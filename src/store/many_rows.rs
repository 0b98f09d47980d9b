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
    statements: [Statement; SIZES.len()],
}

/// The same for each database.
struct Statement {
    rows: usize,
    /// With `?` for each value: `SQLite` looks a name up by going through all of them, for each value again, which
    /// of eight hundred was four fifths of what a line of the history cost.
    sqlite: Arc<str>,
    /// With `$1` and so on, as `PostgreSQL` wants them.
    postgres: Arc<str>,
}

impl ManyRows {
    /// `insert` ends before VALUES, `end` comes after them; neither comes from outside the program.
    pub fn new(insert: &'static str, columns: usize, end: &'static str) -> Self {
        let statements = SIZES.map(|rows| {
            let statement = |place: fn(usize) -> String| {
                let rows = (0..rows).map(|row| {
                    let places = (1..=columns).map(|column| place(row * columns + column));
                    format!("({})", places.collect::<Vec<_>>().join(", "))
                });
                format!("{insert} VALUES {} {end}", rows.collect::<Vec<_>>().join(", ")).into()
            };
            let (sqlite, postgres) = (statement(|_| "?".into()), statement(|number| format!("${number}")));
            Statement { rows, sqlite, postgres }
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
        for Statement { rows, sqlite, postgres } in &self.statements {
            let statement = if transaction.is_sqlite() { sqlite } else { postgres };
            while let Some((these, rest)) = items.split_at_checked(*rows) {
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
        let [hundred, _, one] = &many.statements;
        assert_eq!((hundred.rows, one.rows), (100, 1));
        assert_eq!(&*one.postgres, "INSERT INTO t (a, b) VALUES ($1, $2) ON CONFLICT DO NOTHING");
        assert!(
            hundred.postgres.contains("($1, $2), ($3, $4), ") && hundred.postgres.contains("($199, $200) ON")
        );
        assert_eq!(&*one.sqlite, "INSERT INTO t (a, b) VALUES (?, ?) ON CONFLICT DO NOTHING");
        assert_eq!(hundred.sqlite.matches('?').count(), 200);
    }
}
