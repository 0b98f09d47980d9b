//! What was whispered to sessions, over a restart.

use std::{collections::BTreeMap, sync::LazyLock};

use sqlx::{any::AnyRow, query};

use super::{
    Letter, StoreError, Whispers,
    database::{Question, Transaction},
    many_rows::ManyRows,
    number,
    pages::{Pages, Second},
};

const EMPTY: &str = "DELETE FROM mailboxes WHERE session = $1";
/// Of a session that is not known there is none.
const MAKE: &str = "INSERT INTO mailboxes (session, epoch, head) \
                    SELECT session, $2, $3 FROM resumes WHERE session = $1";
static INSERT_LINES: LazyLock<ManyRows> = LazyLock::new(|| {
    let insert =
        "INSERT INTO mailbox_lines (session, seq, sender, sender_session, message_id, time_ms, text)";
    ManyRows::new(insert, 7, "")
});
const MAILBOXES: &str = "SELECT session, 0, epoch, head FROM mailboxes \
                         WHERE (session, 0) > ($1, $2) ORDER BY 1 LIMIT $3";
const LINES: &str = "SELECT session, seq, sender, sender_session, message_id, time_ms, text FROM mailbox_lines \
                     WHERE (session, seq) > ($1, $2) ORDER BY 1, 2 LIMIT $3";

/// A session's mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredMailbox {
    /// The session.
    pub session: u64,
    /// The mailbox's epoch.
    pub epoch: u64,
    /// The last number that was given in it.
    pub head: u64,
    /// The whispers that are still there, with their numbers, in order.
    pub lines: Vec<(u64, Letter)>,
}

impl Whispers {
    /// Stores mailboxes, all or none, each in place of the one that was stored of its session. Those of sessions whose
    /// [resumption](super::Resumes) is not stored are passed over: nobody could read them.
    pub async fn put_mailboxes(&self, mailboxes: &[StoredMailbox]) -> Result<(), StoreError> {
        let mut transaction = self.database.begin().await?;
        let done = put(&mut transaction, mailboxes).await;
        transaction.settle(done).await
    }

    /// Takes all that are stored, by session.
    pub async fn take_mailboxes(&self) -> Result<Vec<StoredMailbox>, StoreError> {
        let mut transaction = self.database.begin().await?;
        let done = take(&mut transaction).await;
        transaction.settle(done).await
    }
}

async fn put(transaction: &mut Transaction, mailboxes: &[StoredMailbox]) -> Result<(), StoreError> {
    let mut lines = Vec::new();
    for mailbox in mailboxes {
        let session = number::stored(mailbox.session)?;
        transaction.run(query(EMPTY).bind(session)).await?;
        let question = query(MAKE)
            .bind(session)
            .bind(number::stored_bits(mailbox.epoch))
            .bind(number::stored(mailbox.head)?);
        if transaction.run(question).await? > 0 {
            lines.extend(mailbox.lines.iter().map(|line| (session, line)));
        }
    }
    let bind = |question: Question<'static>, (session, (seq, letter)): &(i64, &(u64, Letter))| {
        letter.bind(question.bind(*session).bind(number::stored(*seq)?))
    };
    INSERT_LINES.insert(transaction, &lines, bind).await.map(drop)
}

async fn take(transaction: &mut Transaction) -> Result<Vec<StoredMailbox>, StoreError> {
    let mut mailboxes = BTreeMap::new();
    let mut pages = Pages::by(MAILBOXES, Second::Number(-1));
    while let Some(page) = pages.next(transaction).await? {
        for row in &page {
            let mailbox = StoredMailbox::from_row(row)?;
            mailboxes.insert(mailbox.session, mailbox);
        }
    }
    let mut pages = Pages::by(LINES, Second::Number(-1));
    while let Some(page) = pages.next(transaction).await? {
        for row in &page {
            if let Some(mailbox) = mailboxes.get_mut(&number::in_column(row, "session")?) {
                mailbox.lines.push((number::in_column(row, "seq")?, Letter::from_row(row)?));
            }
        }
    }
    if !mailboxes.is_empty() {
        transaction.run(query("DELETE FROM mailboxes")).await?;
    }
    Ok(mailboxes.into_values().collect())
}

impl StoredMailbox {
    fn from_row(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            session: number::in_column(row, "session")?,
            epoch: number::bits_in_column(row, "epoch")?,
            head: number::in_column(row, "head")?,
            lines: Vec::new(),
        })
    }
}
