//! How long the history keeps what was said, and how much of it.

use sqlx::{Row as _, query};

use super::{History, StoreError, database::Transaction, number, time::stored};

/// Rows that one transaction deletes at most: others who write wait that long.
pub(super) const STEP_ROWS: i64 = 1_000;
/// Epochs of a conversation that are known, with lines or without. Older ones that have none left are forgotten: whoever
/// was away since then is told no more than that their place is unknown.
pub const EPOCHS_KEPT_MAX: u32 = 100;

/// The newest line that is one too many.
const LAST_TOO_MANY: &str = "SELECT epoch_id, seq FROM epochs JOIN lines ON epoch_id = id \
                             WHERE conversation = $1 ORDER BY id DESC, seq DESC LIMIT 1 OFFSET $2";
const EPOCHS: &str = "SELECT id FROM epochs WHERE conversation = $1 ORDER BY id";
const OLDEST_LINES: &str = "SELECT seq, time_ms FROM lines WHERE epoch_id = $1 ORDER BY seq LIMIT $2";
const DELETE_LINES: &str = "DELETE FROM lines WHERE epoch_id = $1 AND seq <= $2";
const DELETE_GAPS: &str = "DELETE FROM gaps WHERE epoch_id = $1 AND to_seq <= $2";
const RAISE_FLOOR: &str = "UPDATE epochs SET floor = $2 WHERE id = $1 AND floor < $2";
const FORGET_EPOCHS: &str = "DELETE FROM epochs WHERE conversation = $1 AND id <= \
                             (SELECT id FROM epochs WHERE conversation = $1 ORDER BY id DESC LIMIT 1 OFFSET $2) \
                             AND NOT EXISTS (SELECT 1 FROM lines WHERE epoch_id = epochs.id)";

/// What of a conversation is too much.
struct Excess {
    /// The newest line that is one too many, by epoch and number.
    last: Option<(i64, i64)>,
    /// From before when a line is too old.
    older_than_ms: i64,
}

impl History {
    /// Keeps the newest `keep_lines` of a conversation, and of those none that was said before `older_than_ms`
    /// (milliseconds since 1970 UTC). Returns how many lines went.
    ///
    /// It works in small transactions, beside those who write and others who prune; cut off, it goes on the next time.
    /// What goes is always the oldest by number, also where the clock was set back: it stops at a thousand lines of
    /// which none is too old. That something is gone is remembered: who reads over it is told.
    pub async fn prune(
        &self,
        conversation: u64,
        keep_lines: u64,
        older_than_ms: u64,
    ) -> Result<u64, StoreError> {
        let conversation = number::stored(conversation)?;
        let keep = i64::try_from(keep_lines).unwrap_or(i64::MAX);
        let rows = self.database.rows(query(LAST_TOO_MANY).bind(conversation).bind(keep)).await?;
        let last =
            rows.first().map(|row| Ok::<_, StoreError>((row.try_get(0)?, row.try_get(1)?))).transpose()?;
        let excess = Excess { last, older_than_ms: stored(older_than_ms) };
        let mut pruned = 0;
        for row in self.database.rows(query(EPOCHS).bind(conversation)).await? {
            let id = row.try_get(0)?;
            while let Some(lines) = self.prune_step(id, &excess).await? {
                pruned += lines;
            }
        }
        let question = query(FORGET_EPOCHS).bind(conversation).bind(i64::from(EPOCHS_KEPT_MAX));
        self.database.run(question).await?;
        Ok(pruned)
    }

    /// How many of an epoch's oldest lines went; none when there is nothing more to do.
    async fn prune_step(&self, epoch_id: i64, excess: &Excess) -> Result<Option<u64>, StoreError> {
        let mut transaction = self.database.begin().await?;
        let done = prune_step(&mut transaction, epoch_id, excess).await;
        transaction.settle(done).await
    }
}

async fn prune_step(
    transaction: &mut Transaction,
    epoch_id: i64,
    excess: &Excess,
) -> Result<Option<u64>, StoreError> {
    let oldest = transaction.rows(query(OLDEST_LINES).bind(epoch_id).bind(STEP_ROWS)).await?;
    let mut last = None;
    for row in &oldest {
        let (seq, time_ms): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
        let too_many = excess.last.is_some_and(|last| (epoch_id, seq) <= last);
        if too_many || time_ms < excess.older_than_ms {
            last = Some(seq);
        }
    }
    let Some(last) = last else { return Ok(None) };
    transaction.run(query(RAISE_FLOOR).bind(epoch_id).bind(last)).await?;
    transaction.run(query(DELETE_GAPS).bind(epoch_id).bind(last)).await?;
    Ok(Some(transaction.run(query(DELETE_LINES).bind(epoch_id).bind(last)).await?))
}
