//! What was whispered to sessions, over a restart.

use std::{collections::BTreeMap, sync::LazyLock};

use sqlx::{any::AnyRow, query};

use super::{
    Letter, StoreError, Whispers,
    database::{Question, Transaction},
    many_rows::ManyRows,
    number,
    pages::{Pages, Second},
    session_numbers,
};

const EMPTY: &str = "DELETE FROM mailboxes WHERE session = $1";
/// Of a session that is not known there is none.
const MAKE: &str = "INSERT INTO mailboxes (session, epoch, head) \
                    SELECT session, $2, $3 FROM resumes WHERE session = $1";
const BEGIN: &str = "INSERT INTO mailboxes (session, epoch, head) \
                     SELECT session, $2, 0 FROM resumes WHERE session = $1 ON CONFLICT DO NOTHING";
static INSERT_LINES: LazyLock<ManyRows> = LazyLock::new(|| {
    let insert =
        "INSERT INTO mailbox_lines (session, seq, sender, sender_session, message_id, time_ms, text, sealed)";
    ManyRows::new(insert, 8, "")
});
/// Of sessions that are there: nobody else goes on with a mailbox by itself.
const MAILBOXES: &str = "SELECT session, 0, epoch, head FROM mailboxes WHERE (session, 0) > ($1, $2) AND EXISTS \
                         (SELECT 1 FROM resumes WHERE resumes.session = mailboxes.session AND here = 1) \
                         ORDER BY 1 LIMIT $3";
const LINES: &str = "SELECT session, seq, sender, sender_session, message_id, time_ms, text, sealed FROM mailbox_lines \
                     WHERE (session, seq) > ($1, $2) AND EXISTS \
                     (SELECT 1 FROM resumes WHERE resumes.session = mailbox_lines.session AND here = 1) \
                     ORDER BY 1, 2 LIMIT $3";
pub(super) const MAILBOX_OF: &str = "SELECT session, epoch, head FROM mailboxes WHERE session = $1";
pub(super) const LINES_OF: &str = "SELECT seq, sender, sender_session, message_id, time_ms, text, sealed \
                                   FROM mailbox_lines WHERE session = $1 ORDER BY seq";

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

    /// Begins mailboxes with these epochs, all or none, empty. Those that there are stay as they are; those of sessions
    /// whose [resumption](super::Resumes) is not stored are passed over.
    pub async fn begin_mailboxes(&self, epochs: &[(u64, u64)]) -> Result<(), StoreError> {
        let mut transaction = self.database.begin().await?;
        for (session, epoch) in epochs {
            let question = query(BEGIN).bind(number::stored(*session)?).bind(number::stored_bits(*epoch));
            transaction.run(question).await?;
        }
        transaction.commit().await
    }

    /// Those of all sessions that are here, by session.
    pub async fn load_mailboxes(&self) -> Result<Vec<StoredMailbox>, StoreError> {
        let mut snapshot = self.database.snapshot().await?;
        let done = load_all(&mut snapshot).await;
        snapshot.settle(done).await
    }

    /// That of one session, be it here or not.
    pub async fn load_mailbox(&self, session: u64) -> Result<Option<StoredMailbox>, StoreError> {
        let mut snapshot = self.database.snapshot().await?;
        let done = load(&mut snapshot, number::stored(session)?).await;
        snapshot.settle(done).await
    }

    /// Forgets all of them: who goes on with theirs has it in memory.
    pub async fn forget_mailboxes(&self) -> Result<(), StoreError> {
        self.database.run(query("DELETE FROM mailboxes")).await.map(drop)
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
    insert_lines(transaction, &lines).await
}

/// Inserts lines of mailboxes that there are, and notes whose they are: no session to come has such a number.
pub(super) async fn insert_lines(
    transaction: &mut Transaction,
    lines: &[(i64, &(u64, Letter))],
) -> Result<(), StoreError> {
    let bind = |question: Question<'static>, (session, (seq, letter)): &(i64, &(u64, Letter))| {
        letter.bind(question.bind(*session).bind(number::stored(*seq)?))
    };
    INSERT_LINES.insert(transaction, lines, bind).await?;
    session_numbers::note(transaction, lines.iter().map(|(_, (_, letter))| letter.session)).await
}

async fn load_all(snapshot: &mut Transaction) -> Result<Vec<StoredMailbox>, StoreError> {
    let mut mailboxes = BTreeMap::new();
    let mut pages = Pages::by(MAILBOXES, Second::Number(-1));
    while let Some(page) = pages.next(snapshot).await? {
        for row in &page {
            let mailbox = StoredMailbox::from_row(row)?;
            mailboxes.insert(mailbox.session, mailbox);
        }
    }
    let mut pages = Pages::by(LINES, Second::Number(-1));
    while let Some(page) = pages.next(snapshot).await? {
        for row in &page {
            if let Some(mailbox) = mailboxes.get_mut(&number::in_column(row, "session")?) {
                mailbox.lines.push((number::in_column(row, "seq")?, Letter::from_row(row)?));
            }
        }
    }
    Ok(mailboxes.into_values().collect())
}

async fn load(snapshot: &mut Transaction, session: i64) -> Result<Option<StoredMailbox>, StoreError> {
    let rows = snapshot.rows(query(MAILBOX_OF).bind(session)).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let mut mailbox = StoredMailbox::from_row(row)?;
    for row in &snapshot.rows(query(LINES_OF).bind(session)).await? {
        mailbox.lines.push((number::in_column(row, "seq")?, Letter::from_row(row)?));
    }
    Ok(Some(mailbox))
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
