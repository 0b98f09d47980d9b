//! What was said, written in batches by whoever reads it along.

use std::{
    ops::RangeInclusive,
    sync::{Arc, LazyLock},
};

use chat_proto::LOBBY;
use sqlx::{Row as _, any::AnyRow, query};

use super::{
    Batch, NewLine, SentLine, StoreError,
    database::{Database, Question, Transaction},
    many_rows::ManyRows,
    number, session_numbers,
    time::{from_stored, stored},
};

/// Conversations that [`History::conversations`] returns at most.
pub const PAGE_CONVERSATIONS_MAX: u32 = 1_000;

pub(super) const FIND_EPOCH: &str = "SELECT id FROM epochs WHERE conversation = $1 AND epoch = $2";
/// Of a room that was made since the server started: what goes for its lobby's lines goes for the room's.
const OPEN_EPOCH: &str = "INSERT INTO epochs (conversation, epoch, floor, unclean, lossless) VALUES ($1, $2, 0, 0, \
                          coalesce((SELECT lossless FROM epochs WHERE conversation = $3 \
                                    ORDER BY id DESC LIMIT 1), 0)) RETURNING id";
const VOID: &str = "DELETE FROM lines WHERE epoch_id = $1 AND seq >= $2 AND seq <= $3";
/// Of a line that is there already, or that its sender sent before, no second one is made.
static INSERT_LINES: LazyLock<ManyRows> = LazyLock::new(|| {
    let insert = "INSERT INTO lines (epoch_id, seq, time_ms, session, account, sender, message_id, text)";
    ManyRows::new(insert, 8, "ON CONFLICT DO NOTHING")
});
const INSERT_GAP: &str = "INSERT INTO gaps (epoch_id, from_seq, to_seq) VALUES ($1, $2, $3) \
                          ON CONFLICT (epoch_id, from_seq) DO UPDATE SET to_seq = excluded.to_seq";
pub(super) const SENT_BY: &str = "SELECT message_id, conversation, epoch, seq, time_ms, text \
                                  FROM lines JOIN epochs ON id = epoch_id \
                                  WHERE session = $1 AND message_id IS NOT NULL \
                                  ORDER BY time_ms DESC, epoch_id DESC, seq DESC LIMIT $2";
const CONVERSATIONS: &str =
    "SELECT DISTINCT conversation FROM epochs WHERE conversation > $1 ORDER BY conversation LIMIT $2";

/// The history. Cheap to clone.
///
/// What is written is there for everybody, also after a loss of power, once its call returns. A call whose future is
/// dropped, or that ends with an error, may still have been carried out: written again, it is there once.
#[derive(Clone)]
pub struct History {
    pub(super) database: Arc<Database>,
}

impl History {
    /// Writes all of it or nothing. A line whose number is there, or whose session sent its message id before, is
    /// passed over. Returns how many lines were stored.
    pub async fn write(&self, batches: &[Batch]) -> Result<u64, StoreError> {
        if batches.is_empty() {
            return Ok(0);
        }
        let mut transaction = self.database.begin().await?;
        let done = write(&mut transaction, batches).await;
        transaction.settle(done).await
    }

    /// The last lines that a session sent under message ids, the newest first; at most `limit`.
    pub async fn sent_by(&self, session: u64, limit: u32) -> Result<Vec<SentLine>, StoreError> {
        let question = query(SENT_BY).bind(number::stored(session)?).bind(i64::from(limit));
        self.database.rows(question).await?.iter().map(SentLine::from_row).collect()
    }

    /// The conversations after this one of which there is a history, by number; at most
    /// [`PAGE_CONVERSATIONS_MAX`]. The first is after 0.
    pub async fn conversations(&self, after: u64) -> Result<Vec<u64>, StoreError> {
        let question =
            query(CONVERSATIONS).bind(number::stored(after)?).bind(i64::from(PAGE_CONVERSATIONS_MAX));
        let rows = self.database.rows(question).await?;
        rows.iter().map(|row| number::in_column(row, "conversation")).collect()
    }

    /// The highest number of any session that was ever stored: of a line, of a whisper, of a token; 0 before the
    /// first. The server gives its next session a higher one.
    pub async fn highest_session(&self) -> Result<u64, StoreError> {
        session_numbers::highest(&self.database).await
    }
}

async fn write(transaction: &mut Transaction, batches: &[Batch]) -> Result<u64, StoreError> {
    let mut lines = Vec::new();
    for batch in batches {
        let id = epoch_id(transaction, batch.conversation, batch.epoch).await?;
        for void in &batch.void {
            transaction.run(bind_range(query(VOID).bind(id), void)?).await?;
        }
        for gap in &batch.gaps {
            transaction.run(bind_range(query(INSERT_GAP).bind(id), gap)?).await?;
        }
        lines.extend(batch.lines.iter().map(|line| (id, line)));
    }
    let bind = |question: Question<'static>, (id, line): &(i64, &NewLine)| line.bind(question.bind(*id));
    let written = INSERT_LINES.insert(transaction, &lines, bind).await?;
    session_numbers::note(transaction, lines.iter().filter_map(|(_, line)| line.session)).await?;
    Ok(written)
}

/// The epoch's row, made if it is not there.
async fn epoch_id(transaction: &mut Transaction, conversation: u64, epoch: u64) -> Result<i64, StoreError> {
    let (conversation, epoch) = (number::stored(conversation)?, number::stored_bits(epoch));
    let mut rows = transaction.rows(query(FIND_EPOCH).bind(conversation).bind(epoch)).await?;
    if rows.is_empty() {
        let lobby = number::stored(LOBBY)?;
        rows = transaction.rows(query(OPEN_EPOCH).bind(conversation).bind(epoch).bind(lobby)).await?;
    }
    Ok(rows[0].try_get("id")?)
}

fn bind_range<'q>(question: Question<'q>, range: &RangeInclusive<u64>) -> Result<Question<'q>, StoreError> {
    Ok(question.bind(number::stored(*range.start())?).bind(number::stored(*range.end())?))
}

impl NewLine {
    /// Its columns, in the order of its fields.
    fn bind(&self, question: Question<'static>) -> Result<Question<'static>, StoreError> {
        Ok(question
            .bind(number::stored(self.seq)?)
            .bind(stored(self.time_ms))
            .bind(self.session.map(number::stored).transpose()?)
            .bind(self.account.map(|account| account.0))
            .bind(self.sender.clone())
            .bind(self.message_id.map(number::stored_bits))
            .bind(self.text.clone()))
    }
}

impl SentLine {
    fn from_row(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            message_id: number::bits_in_column(row, "message_id")?,
            conversation: number::in_column(row, "conversation")?,
            epoch: number::bits_in_column(row, "epoch")?,
            seq: number::in_column(row, "seq")?,
            time_ms: from_stored(row.try_get("time_ms")?),
            text: row.try_get("text")?,
        })
    }
}
