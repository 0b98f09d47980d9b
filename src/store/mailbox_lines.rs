//! Whispers that are stored in mailboxes before anybody hears them.

use chat_proto::KeyId;
use sqlx::query;

use super::{
    AccountId, Letter, StoreError, Whispers, database::Transaction, mailboxes::insert_lines, number,
    whispers::take,
};

const RAISE_HEAD: &str = "UPDATE mailboxes SET head = $2 WHERE session = $1";
const FORGET: &str = "DELETE FROM mailbox_lines WHERE session = $1 AND seq <= $2";
/// Of an account that is gone there is nobody to keep them for.
const GIVE_BACK: &str = "INSERT INTO letters (account, sender, session, message_id, time_ms, text, sealed) \
                         SELECT accounts.id, sender, sender_session, message_id, time_ms, text, sealed \
                         FROM mailbox_lines JOIN accounts ON accounts.id = $3 \
                         WHERE mailbox_lines.session = $1 AND seq > $2 ORDER BY seq ON CONFLICT DO NOTHING";
const CUT: &str = "DELETE FROM mailbox_lines WHERE session = $1 AND seq > $2";
const LOWER_HEAD: &str = "UPDATE mailboxes SET head = $2 WHERE session = $1 AND head > $2";

/// New whispers to one session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewWhispers {
    /// The session.
    pub session: u64,
    /// The last whisper that its mailbox keeps no more.
    pub forgotten: u64,
    /// The whispers with their numbers, which go on after those that are there, in order. Not empty.
    pub lines: Vec<(u64, Letter)>,
}

/// A mailbox of which nobody knows whether more was written into it than this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MailboxCut {
    /// Whose it is.
    pub session: u64,
    /// The last whisper that is in it.
    pub head: u64,
    /// Those beyond had been kept for this account, and are again.
    pub kept_for: Option<AccountId>,
}

impl Whispers {
    /// Adds whispers to mailboxes, all or none, and takes away what those keep no more. Sessions that have no mailbox are
    /// passed over: nobody can come back to them.
    pub async fn add_to_mailboxes(&self, new: &[NewWhispers]) -> Result<(), StoreError> {
        let mut transaction = self.database.begin().await?;
        let done = add(&mut transaction, new).await;
        transaction.settle(done).await
    }

    /// Moves what is kept for an account and can be read on one of these devices, as [`take`](Self::take) says, into the
    /// mailbox of a session of its owner, after the whisper `head`, and returns it, the oldest first: the first has the next
    /// number.
    pub async fn move_to_mailbox(
        &self,
        (account, older_than_ms): (AccountId, u64),
        devices: &[KeyId],
        (session, head): (u64, u64),
    ) -> Result<Vec<Letter>, StoreError> {
        let mut transaction = self.database.begin().await?;
        let done = move_letters(&mut transaction, (account, older_than_ms), devices, (session, head)).await;
        transaction.settle(done).await
    }

    /// Puts mailboxes right, all or none, after transactions of which nobody knows whether they came about: what is beyond
    /// their heads is taken out again.
    pub async fn cut_mailboxes(&self, cuts: &[MailboxCut]) -> Result<(), StoreError> {
        let mut transaction = self.database.begin().await?;
        for cut in cuts {
            let (session, head) = (number::stored(cut.session)?, number::stored(cut.head)?);
            if let Some(account) = cut.kept_for {
                transaction.run(query(GIVE_BACK).bind(session).bind(head).bind(account.0)).await?;
            }
            for question in [CUT, LOWER_HEAD] {
                transaction.run(query(question).bind(session).bind(head)).await?;
            }
        }
        transaction.commit().await
    }
}

async fn add(transaction: &mut Transaction, new: &[NewWhispers]) -> Result<(), StoreError> {
    let mut lines = Vec::new();
    for one in new {
        let (session, forgotten) = (number::stored(one.session)?, number::stored(one.forgotten)?);
        let Some((head, _)) = one.lines.last() else { continue };
        let raised = transaction.run(query(RAISE_HEAD).bind(session).bind(number::stored(*head)?)).await?;
        if raised > 0 {
            if forgotten > 0 {
                transaction.run(query(FORGET).bind(session).bind(forgotten)).await?;
            }
            lines.extend(one.lines.iter().map(|line| (session, line)));
        }
    }
    insert_lines(transaction, &lines).await
}

async fn move_letters(
    transaction: &mut Transaction,
    (account, older_than_ms): (AccountId, u64),
    devices: &[KeyId],
    (session, head): (u64, u64),
) -> Result<Vec<Letter>, StoreError> {
    let letters = take(transaction, account, older_than_ms, devices).await?;
    if !letters.is_empty() {
        let lines = (head + 1..).zip(letters.iter().cloned()).collect();
        add(transaction, &[NewWhispers { session, forgotten: 0, lines }]).await?;
    }
    Ok(letters)
}
