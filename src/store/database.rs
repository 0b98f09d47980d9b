//! Connections to the database: those that write and those that read, and an end to every wait for them.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use sqlx::{
    Any, AnyConnection, AnyPool, Connection,
    any::{AnyArguments, AnyPoolOptions, AnyRow},
    pool::PoolConnection,
    query::Query,
    raw_sql,
};
use tokio::time::{Instant, timeout};

use super::{Place, StoreError, clock::ClockStop, postgres};
use crate::metrics::StoreMetrics;

/// How long anybody waits for a free connection, a new one to be made included. Then: [`StoreError::Unavailable`].
pub const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long anybody waits for one answer: longer than SQLite waits for its lock. Then: [`StoreError::Unavailable`].
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections that read.
const READERS: u32 = 4;
/// SQLite has one writer at a time; who waits here waits in order, and not in SQLite's growing pauses.
const SQLITE_WRITERS: u32 = 1;
/// Connections to PostgreSQL that write.
const POSTGRES_WRITERS: u32 = 4;

/// A question with its values.
pub(super) type Question<'a> = Query<'a, Any, AnyArguments>;

/// The connections to one database.
pub(super) struct Database {
    place: Place,
    readers: AnyPool,
    writers: AnyPool,
    /// A database in memory goes with its last connection; this one stays.
    anchor: Mutex<Option<AnyConnection>>,
    metrics: Arc<StoreMetrics>,
}

impl Database {
    /// Pools for a database that is ready, as `first` made it.
    pub async fn new(place: Place, first: AnyConnection) -> Self {
        let anchor = if place.is_memory() {
            Some(first)
        } else {
            // What it had to do it has done.
            let _ = first.close().await;
            None
        };
        let sqlite = place.is_sqlite();
        let pool = |connections| {
            // Without lifetimes a pool has no task that looks after them; a dead connection is found when it is
            // taken.
            let options = AnyPoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(ACQUIRE_TIMEOUT)
                .idle_timeout(None)
                .max_lifetime(None);
            let options = if sqlite { options } else { options.after_connect(postgres::after_connect) };
            options.connect_lazy_with(place.options())
        };
        Self {
            readers: pool(READERS),
            writers: pool(if sqlite { SQLITE_WRITERS } else { POSTGRES_WRITERS }),
            anchor: Mutex::new(anchor),
            metrics: Arc::default(),
            place,
        }
    }

    pub fn place(&self) -> &Place {
        &self.place
    }

    /// What is counted of it.
    pub fn metrics(&self) -> &Arc<StoreMetrics> {
        &self.metrics
    }

    /// What is committed.
    pub async fn rows(&self, question: Question<'_>) -> Result<Vec<AnyRow>, StoreError> {
        let _stopped = ClockStop::of(&self.place);
        within(&self.metrics, question.fetch_all(&self.readers)).await
    }

    /// One change: how many rows it changed.
    pub async fn run(&self, question: Question<'_>) -> Result<u64, StoreError> {
        let mut transaction = self.begin().await?;
        let changed = transaction.run(question).await?;
        transaction.commit().await?;
        Ok(changed)
    }

    /// One change to what is there: [`StoreError::NotFound`] if it is not.
    pub async fn change(&self, question: Question<'_>) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let done = transaction.change(question).await;
        transaction.settle(done).await
    }

    /// Begins to write.
    pub async fn begin(&self) -> Result<Transaction, StoreError> {
        // IMMEDIATE: one that began by reading could not wait for the lock any more.
        let begin = if self.place.is_sqlite() { "BEGIN IMMEDIATE" } else { "BEGIN" };
        let transaction = self.begin_on(&self.writers, begin, true).await;
        if transaction.is_err() {
            self.metrics.note_write(true);
        }
        transaction
    }

    /// Begins to read: all its questions are answered as of one moment. It holds nobody up who writes.
    pub async fn snapshot(&self) -> Result<Transaction, StoreError> {
        let begin =
            if self.place.is_sqlite() { "BEGIN" } else { "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" };
        self.begin_on(&self.readers, begin, false).await
    }

    async fn begin_on(
        &self,
        pool: &AnyPool,
        begin: &'static str,
        writes: bool,
    ) -> Result<Transaction, StoreError> {
        let (stopped, metrics) = (ClockStop::of(&self.place), Arc::clone(&self.metrics));
        let connection = counted(&metrics, pool.acquire().await.map_err(Into::into))?;
        // Before the statement: whoever goes away in the middle of it leaves no transaction open.
        let sqlite = self.place.is_sqlite();
        let mut transaction =
            Transaction { connection, sqlite, ended: false, writes, metrics, _stopped: stopped };
        within(&self.metrics, raw_sql(begin).execute(&mut *transaction.connection)).await?;
        Ok(transaction)
    }

    /// Injects a fault into the connection that writes next.
    #[cfg(test)]
    pub async fn tell_writer(&self, statement: &'static str) {
        let mut writer = self.writers.acquire().await.expect("a writer");
        raw_sql(statement).fetch_all(&mut *writer).await.expect(statement);
    }

    /// Closes every connection, after the answers that are under way; one that does not come in
    /// [`ANSWER_TIMEOUT`] is not waited for. The last one to a SQLite file empties its WAL and removes it.
    pub async fn close(&self) {
        let _stopped = ClockStop::of(&self.place);
        let anchor = self.anchor.lock().take();
        let closing = async {
            self.readers.close().await;
            self.writers.close().await;
            if let Some(anchor) = anchor {
                let _ = anchor.close().await;
            }
        };
        let _ = timeout(ANSWER_TIMEOUT, closing).await;
    }
}

/// What is written together, or not at all; or what is read as of one moment.
///
/// Dropped before its end, its connection is closed, which undoes it. That is also for a failed statement: SQLite
/// ends a transaction by itself when its disk is full, and whether it did is not worth knowing.
pub(super) struct Transaction {
    connection: PoolConnection<Any>,
    sqlite: bool,
    ended: bool,
    /// Whether it is one of those that change something.
    writes: bool,
    metrics: Arc<StoreMetrics>,
    _stopped: ClockStop,
}

impl Transaction {
    /// Whether it is one of SQLite, and not of PostgreSQL.
    pub fn is_sqlite(&self) -> bool {
        self.sqlite
    }

    pub async fn rows(&mut self, question: Question<'_>) -> Result<Vec<AnyRow>, StoreError> {
        let found = within(&self.metrics, question.fetch_all(&mut *self.connection)).await;
        self.note(&found);
        found
    }

    /// How many rows it changed.
    pub async fn run(&mut self, question: Question<'_>) -> Result<u64, StoreError> {
        let done = within(&self.metrics, question.execute(&mut *self.connection)).await;
        self.note(&done);
        Ok(done?.rows_affected())
    }

    /// A change that cannot be made is noted, and with it that the database takes none.
    fn note<T>(&self, done: &Result<T, StoreError>) {
        if self.writes && done.as_ref().is_err_and(|error| !error.is_answer()) {
            self.metrics.note_write(true);
        }
    }

    /// One change to what is there: [`StoreError::NotFound`] if it is not.
    pub async fn change(&mut self, question: Question<'_>) -> Result<(), StoreError> {
        if self.run(question).await? == 0 { Err(StoreError::NotFound) } else { Ok(()) }
    }

    /// Commits what was done; undoes it after an [answer](StoreError::is_answer) that it cannot be. After any other
    /// error the connection goes.
    pub async fn settle<T>(self, done: Result<T, StoreError>) -> Result<T, StoreError> {
        match &done {
            Ok(_) => self.commit().await?,
            Err(error) if error.is_answer() => self.rollback().await?,
            Err(_) => {}
        }
        done
    }

    /// Once this returns, it outlives a loss of power.
    pub async fn commit(self) -> Result<(), StoreError> {
        let metrics = self.writes.then(|| Arc::clone(&self.metrics));
        let committed = self.end("COMMIT").await;
        if let Some(metrics) = metrics {
            metrics.note_write(committed.is_err());
            metrics.commits.add(committed.is_ok().into());
        }
        committed
    }

    pub async fn rollback(self) -> Result<(), StoreError> {
        self.end("ROLLBACK").await
    }

    async fn end(mut self, statement: &'static str) -> Result<(), StoreError> {
        within(&self.metrics, raw_sql(statement).execute(&mut *self.connection)).await?;
        self.ended = true;
        Ok(())
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if !self.ended {
            self.connection.close_on_drop();
        }
    }
}

/// The answer, if it comes in time; counted.
async fn within<T>(
    metrics: &StoreMetrics,
    answer: impl Future<Output = sqlx::Result<T>>,
) -> Result<T, StoreError> {
    let began = Instant::now();
    let answer = match timeout(ANSWER_TIMEOUT, answer).await {
        Ok(answer) => answer.map_err(Into::into),
        Err(_) => Err(StoreError::Unavailable(format!("no answer in {ANSWER_TIMEOUT:?}").into())),
    };
    metrics.seconds.observe(began.elapsed());
    counted(metrics, answer)
}

fn counted<T>(metrics: &StoreMetrics, answer: Result<T, StoreError>) -> Result<T, StoreError> {
    if let Some(kind) = answer.as_ref().err().and_then(StoreError::kind) {
        metrics.errors.add(kind);
    }
    answer
}
