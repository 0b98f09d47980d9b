//! The history a page at a time: after a place with all that is missing, or before one.

use sqlx::{Row as _, any::AnyRow, query};

use super::{
    Cursor, History, Line, LinePage, PageLimit, StoreError, Told, ToldPage, database::Transaction,
    history::FIND_EPOCH, number, page::Page,
};

/// Epochs that one question reads.
const EPOCHS_READ: usize = 100;

const EPOCHS_FROM: &str = "SELECT id, epoch, floor, unclean FROM epochs \
                           WHERE conversation = $1 AND id >= $2 ORDER BY id LIMIT $3";
const EPOCHS_UP_TO: &str = "SELECT id, epoch, floor, unclean FROM epochs \
                            WHERE conversation = $1 AND id <= $2 ORDER BY id DESC LIMIT $3";
const LINES_AFTER: &str = "SELECT seq, time_ms, session, sender, text FROM lines \
                           WHERE epoch_id = $1 AND seq > $2 ORDER BY seq LIMIT $3";
const LINES_BEFORE: &str = "SELECT seq, time_ms, session, sender, text FROM lines \
                            WHERE epoch_id = $1 AND seq < $2 ORDER BY seq DESC LIMIT $3";
const GAPS_AFTER: &str = "SELECT from_seq, to_seq FROM gaps \
                          WHERE epoch_id = $1 AND to_seq > $2 ORDER BY from_seq LIMIT $3";

impl History {
    /// What comes after the place, over all later epochs of the conversation. Missing lines are told where they were:
    /// what retention took away, what was never written, and the end of an epoch that nobody knows.
    ///
    /// [`StoreError::NotFound`]: there is no such epoch. One whose lines are all too old is there as long as
    /// [`prune`](Self::prune) says.
    pub async fn after(&self, cursor: Cursor, limit: PageLimit) -> Result<ToldPage, StoreError> {
        let mut snapshot = self.database.snapshot().await?;
        let done = after(&mut snapshot, cursor, limit).await;
        snapshot.settle(done).await
    }

    /// The lines before the place, over all earlier epochs of the conversation. [`StoreError::NotFound`]: there is no
    /// such epoch.
    pub async fn before(&self, cursor: Cursor, limit: PageLimit) -> Result<LinePage, StoreError> {
        let mut snapshot = self.database.snapshot().await?;
        let done = before(&mut snapshot, cursor, limit).await;
        snapshot.settle(done).await
    }
}

async fn after(snapshot: &mut Transaction, cursor: Cursor, limit: PageLimit) -> Result<ToldPage, StoreError> {
    let mut page = Page::new(limit);
    let from = place_of(snapshot, cursor).await?.unwrap_or(0);
    let mut epochs = Epochs { question: EPOCHS_FROM, step: 1, next: Some(from) };
    while !page.more
        && let Some(rows) = epochs.next(snapshot, cursor.conversation).await?
    {
        for epoch in rows.iter().map(EpochRow::from_row) {
            let epoch = epoch?;
            let seq = if epoch.id == from { cursor.seq } else { 0 };
            epoch.tell_after(snapshot, seq, &mut page).await?;
            if page.more {
                break;
            }
        }
    }
    Ok(ToldPage { told: page.entries, more: page.more })
}

async fn before(
    snapshot: &mut Transaction,
    cursor: Cursor,
    limit: PageLimit,
) -> Result<LinePage, StoreError> {
    let mut page = Page::new(limit);
    let to = place_of(snapshot, cursor).await?.unwrap_or(i64::MAX);
    let mut epochs = Epochs { question: EPOCHS_UP_TO, step: -1, next: Some(to) };
    while !page.more
        && let Some(rows) = epochs.next(snapshot, cursor.conversation).await?
    {
        for epoch in rows.iter().map(EpochRow::from_row) {
            let epoch = epoch?;
            let seq = if epoch.id == to { cursor.seq } else { u64::MAX };
            epoch.show_before(snapshot, seq, &mut page).await?;
            if page.more {
                break;
            }
        }
    }
    page.entries.reverse();
    Ok(LinePage { lines: page.entries, more: page.more })
}

/// The row of the cursor's epoch; none where it is outside of all.
async fn place_of(snapshot: &mut Transaction, cursor: Cursor) -> Result<Option<i64>, StoreError> {
    if (cursor.epoch, cursor.seq) == (0, 0) {
        return Ok(None);
    }
    let question =
        query(FIND_EPOCH).bind(number::stored(cursor.conversation)?).bind(number::stored_bits(cursor.epoch));
    let rows = snapshot.rows(question).await?;
    Ok(Some(rows.first().ok_or(StoreError::NotFound)?.try_get("id")?))
}

/// Where the reading of a conversation's epochs has come to.
struct Epochs {
    question: &'static str,
    /// From one row's id towards the next.
    step: i64,
    /// From where on it goes on; none at the end.
    next: Option<i64>,
}

impl Epochs {
    /// The next rows; none at the end.
    async fn next(
        &mut self,
        snapshot: &mut Transaction,
        conversation: u64,
    ) -> Result<Option<Vec<AnyRow>>, StoreError> {
        let Some(from) = self.next.take() else { return Ok(None) };
        let question =
            query(self.question).bind(number::stored(conversation)?).bind(from).bind(as_limit(EPOCHS_READ));
        let rows = snapshot.rows(question).await?;
        if let Some(last) = rows.last()
            && rows.len() == EPOCHS_READ
        {
            self.next = Some(last.try_get::<i64, _>("id")? + self.step);
        }
        Ok(Some(rows))
    }
}

fn as_limit(rows: usize) -> i64 {
    i64::try_from(rows).expect("few rows")
}

/// No line has a higher number, so it stands for any place beyond.
fn as_place(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

struct EpochRow {
    id: i64,
    epoch: u64,
    floor: u64,
    unclean: bool,
}

impl EpochRow {
    fn from_row(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.try_get("id")?,
            epoch: number::bits_in_column(row, "epoch")?,
            floor: number::in_column(row, "floor")?,
            unclean: row.try_get::<i64, _>("unclean")? != 0,
        })
    }

    async fn lines(
        &self,
        snapshot: &mut Transaction,
        question: &'static str,
        seq: u64,
        limit: usize,
    ) -> Result<Vec<AnyRow>, StoreError> {
        snapshot.rows(query(question).bind(self.id).bind(as_place(seq)).bind(as_limit(limit))).await
    }

    /// Lines and gaps after `seq` by their numbers, until the page is full. Of either no more is read than would fill
    /// it, so what was not read comes after all that was.
    async fn tell_after(
        &self,
        snapshot: &mut Transaction,
        seq: u64,
        page: &mut Page<Told>,
    ) -> Result<(), StoreError> {
        let mut at = seq;
        if self.floor > at && !self.miss(page, &mut at, self.floor) {
            return Ok(());
        }
        let wanted = page.wanted();
        let mut gaps = self.gaps(snapshot, at, wanted).await?.into_iter().peekable();
        for row in self.lines(snapshot, LINES_AFTER, at, wanted).await? {
            let line = Line::from_row(self.epoch, &row)?;
            while let Some((from, to)) = gaps.next_if(|(from, _)| *from < line.seq) {
                if !self.miss_range(page, &mut at, from, to) {
                    return Ok(());
                }
            }
            at = line.seq;
            if !page.push(line.bytes(), Told::Line(line)) {
                return Ok(());
            }
        }
        for (from, to) in gaps {
            if !self.miss_range(page, &mut at, from, to) {
                return Ok(());
            }
        }
        if self.unclean && at < u64::MAX {
            self.miss(page, &mut at, u64::MAX);
        }
        Ok(())
    }

    /// Lines before `seq`, the newest first, until the page is full.
    async fn show_before(
        &self,
        snapshot: &mut Transaction,
        seq: u64,
        page: &mut Page<Line>,
    ) -> Result<(), StoreError> {
        for row in self.lines(snapshot, LINES_BEFORE, seq, page.wanted()).await? {
            let line = Line::from_row(self.epoch, &row)?;
            if !page.push(line.bytes(), line) {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn gaps(
        &self,
        snapshot: &mut Transaction,
        seq: u64,
        limit: usize,
    ) -> Result<Vec<(u64, u64)>, StoreError> {
        let question = query(GAPS_AFTER).bind(self.id).bind(as_place(seq)).bind(as_limit(limit));
        let rows = snapshot.rows(question).await?;
        rows.iter()
            .map(|row| Ok((number::in_column(row, "from_seq")?, number::in_column(row, "to_seq")?)))
            .collect()
    }

    /// Tells that all from the next after `at` up to `to` is missing. False: the page is full.
    fn miss(&self, page: &mut Page<Told>, at: &mut u64, to: u64) -> bool {
        let from = *at + 1;
        self.miss_range(page, at, from, to)
    }

    fn miss_range(&self, page: &mut Page<Told>, at: &mut u64, from: u64, to: u64) -> bool {
        let from = from.max(*at + 1);
        if from > to {
            return true;
        }
        *at = to;
        page.push(0, Told::Missed { epoch: self.epoch, from, to })
    }
}

#[cfg(test)]
mod tests {
    use sqlx::AssertSqlSafe;

    use super::*;
    use crate::store::{Place, Store, history::SENT_BY};

    #[tokio::test]
    async fn no_page_is_looked_for_by_reading_a_table_from_its_beginning() {
        let store = Store::open(&Place::memory()).await.expect("it opens");
        for question in
            [FIND_EPOCH, EPOCHS_FROM, EPOCHS_UP_TO, LINES_AFTER, LINES_BEFORE, GAPS_AFTER, SENT_BY]
        {
            let plan = query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {question}")));
            for row in store.database.rows(plan).await.expect("a plan") {
                let step: String = row.try_get("detail").expect("text");
                let sorted = step == "USE TEMP B-TREE FOR ORDER BY" && question == SENT_BY;
                assert!(step.starts_with("SEARCH ") || sorted, "{step}: {question}");
            }
        }
        store.close().await.expect("closed");
    }
}
