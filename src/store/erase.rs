//! Deleting all that one person said.

use sqlx::{Row as _, query};

use super::{
    AuditEntry, History, Person, StoreError, audit,
    database::{Question, Transaction},
    retention::STEP_ROWS,
};

const FIND: &str = "SELECT id, name FROM accounts WHERE name_key = $1";

/// Of the lines after a place and up to another, those that are theirs.
macro_rules! delete_lines {
    ($theirs:literal) => {
        concat!(
            "DELETE FROM lines WHERE (epoch_id, seq) > ($3, $4) AND (epoch_id, seq) <= ($5, $6) AND ",
            $theirs
        )
    };
}
/// Said under the account: its number, or no number and its name, which nobody else may have.
const LINES_OF_ACCOUNT: &str = delete_lines!("(account = $1 OR (account IS NULL AND sender = $2))");
/// Said under the name by guests, and by owners of accounts that are gone.
const LINES_OF_NAME: &str =
    delete_lines!("$1 < 0 AND sender = $2 AND (account IS NULL OR account NOT IN (SELECT id FROM accounts))");
const STEP_END: &str = "SELECT epoch_id, seq FROM lines WHERE (epoch_id, seq) > ($1, $2) \
                        ORDER BY epoch_id, seq LIMIT 1 OFFSET $3";
const LETTERS: &str = "DELETE FROM letters WHERE account = $1 OR sender = $2";
const MAILBOX_LINES: &str = "DELETE FROM mailbox_lines WHERE sender = $2 OR session IN \
                             (SELECT session FROM resumes WHERE account = $1 OR (account IS NULL AND name = $2))";

/// What an erasure deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Erased {
    /// Lines that were said in conversations.
    pub lines: u64,
    /// Whispers that had not been delivered, from them and to them.
    pub whispers: u64,
}

/// Whose words go.
struct Whose {
    /// -1: there is no such account.
    account: i64,
    name: String,
}

impl History {
    /// Deletes all that a person said, and the whispers from and to them. Who they are: the owner of the account whose
    /// name has this key; where there is none, whoever spoke under exactly this name.
    ///
    /// The whispers go in one transaction with the entry; lines then, in small ones. Cut off, it is to be done again.
    /// The holes are passed over in silence. What a running server has in memory stays there until it is pushed out.
    pub async fn erase(&self, person: &Person, entry: &AuditEntry) -> Result<Erased, StoreError> {
        let rows = self.database.rows(query(FIND).bind(person.key.as_str())).await?;
        let whose = match rows.first() {
            Some(row) => Whose { account: row.try_get("id")?, name: row.try_get("name")? },
            None => Whose { account: -1, name: person.shown.clone() },
        };
        let mut transaction = self.database.begin().await?;
        let done = erase_whispers(&mut transaction, &whose, entry).await;
        let whispers = transaction.settle(done).await?;
        let mut lines = 0;
        let mut after = (-1, -1);
        loop {
            let question = query(STEP_END).bind(after.0).bind(after.1).bind(STEP_ROWS - 1);
            let rows = self.database.rows(question).await?;
            let end = rows
                .first()
                .map(|row| Ok::<_, StoreError>((row.try_get(0)?, row.try_get(1)?)))
                .transpose()?;
            let to = end.unwrap_or((i64::MAX, i64::MAX));
            lines += self.database.run(whose.lines(after, to)).await?;
            if end.is_none() {
                return Ok(Erased { lines, whispers });
            }
            after = to;
        }
    }
}

async fn erase_whispers(
    transaction: &mut Transaction,
    whose: &Whose,
    entry: &AuditEntry,
) -> Result<u64, StoreError> {
    let letters = transaction.run(whose.bind(query(LETTERS))).await?;
    let lines = transaction.run(whose.bind(query(MAILBOX_LINES))).await?;
    audit::append(transaction, entry).await?;
    Ok(letters + lines)
}

impl Whose {
    fn lines(&self, after: (i64, i64), to: (i64, i64)) -> Question<'static> {
        let question = query(if self.account < 0 { LINES_OF_NAME } else { LINES_OF_ACCOUNT });
        self.bind(question).bind(after.0).bind(after.1).bind(to.0).bind(to.1)
    }

    fn bind(&self, question: Question<'static>) -> Question<'static> {
        question.bind(self.account).bind(self.name.clone())
    }
}
