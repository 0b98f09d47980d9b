//! Epochs over the stops of a server: which go on, which ended, and which are of no conversation any more.

use chat_proto::LOBBY;
use sqlx::{Row as _, query};

use super::{History, StoreError, number, retention::STEP_ROWS};

const LAST: &str = "SELECT conversation, epoch, head FROM epochs \
                    WHERE id IN (SELECT max(id) FROM epochs GROUP BY conversation) ORDER BY conversation";
/// Open ones: the server that had them did not close them.
const END_UNCLEANLY: &str =
    "UPDATE epochs SET unclean = 1 WHERE head IS NULL AND unclean = 0 AND lossless = 0";
const BEGIN: &str = "INSERT INTO epochs (conversation, epoch, floor, unclean, lossless) VALUES ($1, $2, 0, 0, $3) \
                     ON CONFLICT (conversation, epoch) DO UPDATE SET lossless = excluded.lossless";
const OPEN_AGAIN: &str = "UPDATE epochs SET head = NULL \
                          WHERE head IS NOT NULL AND id IN (SELECT max(id) FROM epochs GROUP BY conversation)";
const CLOSE: &str = "INSERT INTO epochs (conversation, epoch, floor, head, unclean) VALUES ($1, $2, 0, $3, 0) \
                     ON CONFLICT (conversation, epoch) DO UPDATE SET head = excluded.head, unclean = 0";
/// A room that did not persist: another may have its number by now.
const STRAY: &str = "SELECT DISTINCT conversation FROM epochs WHERE conversation <> $1 \
                     AND NOT EXISTS (SELECT 1 FROM rooms WHERE rooms.conversation = epochs.conversation) \
                     ORDER BY conversation LIMIT $2";
const OLDEST_EPOCH: &str = "SELECT id FROM epochs WHERE conversation = $1 ORDER BY id LIMIT 1";
const FORGET_LINES: &str = "DELETE FROM lines WHERE epoch_id = $1 AND seq <= coalesce(\
                            (SELECT seq FROM lines WHERE epoch_id = $1 ORDER BY seq LIMIT 1 OFFSET $2), $3)";
const FORGET_EPOCH: &str = "DELETE FROM epochs WHERE id = $1";

/// Where a conversation stands when a server stops or starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEnd {
    /// The conversation.
    pub conversation: u64,
    /// Its last epoch.
    pub epoch: u64,
    /// The last number that was given in it, whatever had it.
    pub head: u64,
}

/// How a server that starts finds a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastEpoch {
    /// The conversation.
    pub conversation: u64,
    /// Its last epoch.
    pub epoch: u64,
    /// The last number that was given in it, if the server before stopped in good order: it goes on after that. None:
    /// nobody knows, and it must not be written to any more.
    pub head: Option<u64>,
}

impl History {
    /// Closes epochs, all or none: nothing of theirs is still to be written. Those of which nothing was written are
    /// remembered too.
    pub async fn close_epochs(&self, ends: &[EpochEnd]) -> Result<(), StoreError> {
        let mut transaction = self.database.begin().await?;
        for end in ends {
            let question = query(CLOSE)
                .bind(number::stored(end.conversation)?)
                .bind(number::stored_bits(end.epoch))
                .bind(number::stored(end.head)?);
            transaction.run(question).await?;
        }
        transaction.commit().await
    }

    /// Begins a server's time: forgets the conversations that are neither the lobby nor a room that persists, and
    /// returns the last epoch of each of the others, by conversation. Those that were closed are open again; those
    /// that were not have ended, and whoever reads over their end is told so. Called twice, none is closed.
    pub async fn open_epochs(&self) -> Result<Vec<LastEpoch>, StoreError> {
        self.forget_strays().await?;
        let mut transaction = self.database.begin().await?;
        let rows = transaction.rows(query(LAST)).await?;
        transaction.run(query(END_UNCLEANLY)).await?;
        transaction.run(query(OPEN_AGAIN)).await?;
        transaction.commit().await?;
        let last = |row| {
            Ok(LastEpoch {
                conversation: number::in_column(row, "conversation")?,
                epoch: number::bits_in_column(row, "epoch")?,
                head: number::maybe_in_column(row, "head")?,
            })
        };
        rows.iter().map(last).collect()
    }

    /// Begins epochs, or goes on in those that are open, all or none, so that they are known however the server ends. In
    /// those that are `lossless` nobody is given a line before it is stored: whoever reads over the end of one that was not
    /// closed misses nothing.
    pub async fn begin_epochs(&self, epochs: &[(u64, u64)], lossless: bool) -> Result<(), StoreError> {
        let mut transaction = self.database.begin().await?;
        for (conversation, epoch) in epochs {
            let question = query(BEGIN)
                .bind(number::stored(*conversation)?)
                .bind(number::stored_bits(*epoch))
                .bind(i64::from(lossless));
            transaction.run(question).await?;
        }
        transaction.commit().await
    }

    /// Deletes all that was said in a conversation, in small transactions. Cut off, it goes on the next time; a room
    /// that does not persist is forgotten at the next start in any case.
    pub async fn forget(&self, conversation: u64) -> Result<(), StoreError> {
        let conversation = number::stored(conversation)?;
        loop {
            let rows = self.database.rows(query(OLDEST_EPOCH).bind(conversation)).await?;
            let Some(row) = rows.first() else { return Ok(()) };
            let id: i64 = row.try_get("id")?;
            // The place of the last of a step: what is beyond it is for the next.
            let lines = || query(FORGET_LINES).bind(id).bind(STEP_ROWS - 1).bind(i64::MAX);
            while self.database.run(lines()).await? == STEP_ROWS.cast_unsigned() {}
            self.database.run(query(FORGET_EPOCH).bind(id)).await?;
        }
    }

    async fn forget_strays(&self) -> Result<(), StoreError> {
        loop {
            let question = query(STRAY).bind(i64::try_from(LOBBY).expect("a small number")).bind(STEP_ROWS);
            let strays = self.database.rows(question).await?;
            if strays.is_empty() {
                return Ok(());
            }
            for stray in &strays {
                self.forget(number::in_column(stray, "conversation")?).await?;
            }
        }
    }
}
