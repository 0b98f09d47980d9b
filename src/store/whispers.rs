//! Whispers to owners of accounts who are away, until they come.

use std::sync::Arc;

use chat_proto::{Envelope, KeyId};
use sqlx::{Row as _, query};

use super::{
    AccountId, Keeping, Letter, LetterLimits, SentWhisper, StoreError, StoredText,
    database::{Database, Transaction},
    device_keys, number,
    retention::STEP_ROWS,
    session_numbers,
    time::stored,
};

/// Locks the account's row: of two who whisper at once, the second waits, and counts the first.
const LOCK: &str = "UPDATE accounts SET role = role WHERE id = $1";
const FORGET_OLD: &str = "DELETE FROM letters WHERE account = $1 AND time_ms <= $2";
const IS_KEPT: &str =
    "SELECT id FROM letters WHERE session = $1 AND message_id = $2 AND message_id IS NOT NULL";
const COUNT: &str = "SELECT count(*) AS letters, \
                     coalesce(sum(octet_length(text) + coalesce(octet_length(sealed), 0)), 0) AS bytes, \
                     coalesce(sum(CASE WHEN sender = $2 OR session = $3 THEN 1 ELSE 0 END), 0) AS of_sender \
                     FROM letters WHERE account = $1";
const KEEP: &str = "INSERT INTO letters (account, sender, session, message_id, time_ms, text, sealed) \
                    VALUES ($1, $2, $3, $4, $5, $6, $7)";
/// What is sealed only where `$2` is not 0.
const READ: &str = "SELECT id, sender, session AS sender_session, message_id, time_ms, text, sealed FROM letters \
                    WHERE account = $1 AND (sealed IS NULL OR $2 <> 0) ORDER BY id";
const REMOVE_PLAIN: &str = "DELETE FROM letters WHERE account = $1 AND sealed IS NULL";
const REMOVE_SEALED: &str = "DELETE FROM letters WHERE id = $1";
const EXPIRE: &str = "DELETE FROM letters WHERE id IN \
                      (SELECT id FROM letters WHERE time_ms <= $1 ORDER BY time_ms LIMIT $2)";
const EXPIRE_IN_MAILBOXES: &str = "DELETE FROM mailbox_lines WHERE (session, seq) IN \
     (SELECT session, seq FROM mailbox_lines WHERE time_ms <= $1 ORDER BY time_ms LIMIT $2)";
/// Of those that are still there: in the mailboxes of sessions, and kept for accounts.
pub(super) const WHISPERED_BY: &str = "SELECT message_id, name AS recipient, time_ms, text, sealed, 0 AS kept FROM mailbox_lines \
     JOIN resumes ON resumes.session = mailbox_lines.session \
     WHERE sender_session = $1 AND message_id IS NOT NULL \
     UNION ALL SELECT message_id, name AS recipient, time_ms, text, sealed, 1 AS kept FROM letters \
     JOIN accounts ON accounts.id = account WHERE session = $1 AND message_id IS NOT NULL \
     ORDER BY time_ms DESC LIMIT $2";

/// Whispers that wait: for owners of accounts who are away, and over a restart for sessions. Cheap to clone. They go
/// with the account or the session that they are for.
#[derive(Clone)]
pub struct Whispers {
    pub(super) database: Arc<Database>,
}

impl Whispers {
    /// Keeps a whisper for an account within the limits, as they are at the time it was said; what is too old by then
    /// goes first. [`StoreError::NotFound`]: there is no such account.
    pub async fn keep(
        &self,
        account: AccountId,
        letter: &Letter,
        limits: &LetterLimits,
    ) -> Result<Keeping, StoreError> {
        let mut transaction = self.database.begin().await?;
        let done = keep(&mut transaction, account, letter, limits).await;
        transaction.settle(done).await
    }

    /// Takes what is kept for an account and can be read on one of these devices, the oldest first: what is plain, and what
    /// is sealed to one of them, or to none whose key is published any more. Of all, what was said at `older_than_ms` or
    /// before is left out, and gone too.
    pub async fn take(
        &self,
        account: AccountId,
        older_than_ms: u64,
        devices: &[KeyId],
    ) -> Result<Vec<Letter>, StoreError> {
        let mut transaction = self.database.begin().await?;
        let done = take(&mut transaction, account, older_than_ms, devices).await;
        transaction.settle(done).await
    }

    /// Forgets those said at `older_than_ms` or before, in mailboxes too, in small transactions. Returns how many.
    pub async fn expire(&self, older_than_ms: u64) -> Result<u64, StoreError> {
        let mut expired = 0;
        for question in [EXPIRE, EXPIRE_IN_MAILBOXES] {
            loop {
                let question = query(question).bind(stored(older_than_ms)).bind(STEP_ROWS);
                let step = self.database.run(question).await?;
                expired += step;
                if step < STEP_ROWS.cast_unsigned() {
                    break;
                }
            }
        }
        Ok(expired)
    }

    /// The last whispers that a session sent under message ids, of those that are still there, the newest first; at most
    /// `limit`.
    pub async fn whispered_by(&self, session: u64, limit: u32) -> Result<Vec<SentWhisper>, StoreError> {
        let question = query(WHISPERED_BY).bind(number::stored(session)?).bind(i64::from(limit));
        self.database.rows(question).await?.iter().map(SentWhisper::from_row).collect()
    }
}

async fn keep(
    transaction: &mut Transaction,
    account: AccountId,
    letter: &Letter,
    limits: &LetterLimits,
) -> Result<Keeping, StoreError> {
    transaction.change(query(LOCK).bind(account.0)).await?;
    let session = number::stored(letter.session)?;
    if let Some(message_id) = letter.message_id {
        let question = query(IS_KEPT).bind(session).bind(number::stored_bits(message_id));
        if !transaction.rows(question).await?.is_empty() {
            return Ok(Keeping::Kept);
        }
    }
    let too_old = letter.time_ms.saturating_sub(limits.age_ms);
    transaction.run(query(FORGET_OLD).bind(account.0).bind(stored(too_old))).await?;
    let question = query(COUNT).bind(account.0).bind(letter.sender.clone()).bind(session);
    let rows = transaction.rows(question).await?;
    let count = |column| number::in_column::<u64>(&rows[0], column);
    let bytes = count("bytes")?.saturating_add(letter.text.bytes() as u64);
    if count("letters")? >= limits.letters.into()
        || count("of_sender")? >= limits.of_one_sender.into()
        || bytes > limits.bytes
    {
        return Ok(Keeping::Full);
    }
    transaction.run(letter.bind(query(KEEP).bind(account.0))?).await?;
    session_numbers::note(transaction, [letter.session].into_iter()).await?;
    Ok(Keeping::Kept)
}

/// As [`Whispers::take`].
pub(super) async fn take(
    transaction: &mut Transaction,
    account: AccountId,
    older_than_ms: u64,
    devices: &[KeyId],
) -> Result<Vec<Letter>, StoreError> {
    transaction.run(query(LOCK).bind(account.0)).await?;
    transaction.run(query(FORGET_OLD).bind(account.0).bind(stored(older_than_ms))).await?;
    let reads_sealed = !devices.is_empty();
    let published = if reads_sealed { device_keys::ids_of(transaction, account).await? } else { Vec::new() };
    let mut taken = Vec::new();
    for row in transaction.rows(query(READ).bind(account.0).bind(i64::from(reads_sealed))).await? {
        let letter = Letter::from_row(&row)?;
        if let StoredText::Sealed(bytes) = &letter.text {
            // What is no envelope any more waits for nobody.
            if Envelope::new(bytes).is_some_and(|one| one.is_for(&published) && !one.is_for(devices)) {
                continue;
            }
            transaction.run(query(REMOVE_SEALED).bind(row.try_get::<i64, _>("id")?)).await?;
        }
        taken.push(letter);
    }
    if taken.iter().any(|letter| matches!(letter.text, StoredText::Plain(_))) {
        transaction.run(query(REMOVE_PLAIN).bind(account.0)).await?;
    }
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use sqlx::AssertSqlSafe;

    use super::*;
    use crate::store::{
        Place, Store,
        mailboxes::{LINES_OF, MAILBOX_OF},
    };

    #[tokio::test]
    async fn no_whisper_is_looked_for_by_reading_a_table_from_its_beginning() {
        let store = Store::open(&Place::memory()).await.expect("it opens");
        for question in [WHISPERED_BY, LINES_OF, MAILBOX_OF, EXPIRE, EXPIRE_IN_MAILBOXES] {
            let plan = query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {question}")));
            for row in store.database.rows(plan).await.expect("a plan") {
                let step: String = row.try_get("detail").expect("text");
                assert!(!step.starts_with("SCAN "), "{step}: {question}");
            }
        }
        store.close().await.expect("closed");
    }
}
