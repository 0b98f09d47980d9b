//! What the writer of mailboxes needs of a database.

use chat_proto::KeyId;

use crate::store::{AccountId, Letter, MailboxCut, NewWhispers, StoreError, StoredMailbox, Whispers};

/// Where mailboxes are stored.
pub trait MailboxStore: Clone + Send + Sync + 'static {
    /// As [`Whispers::add_to_mailboxes`].
    fn add(&self, new: &[NewWhispers]) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// As [`Whispers::move_to_mailbox`].
    fn move_letters(
        &self,
        kept: (AccountId, u64),
        devices: &[KeyId],
        mailbox: (u64, u64),
    ) -> impl Future<Output = Result<Vec<Letter>, StoreError>> + Send;

    /// As [`Whispers::cut_mailboxes`].
    fn cut(&self, cuts: &[MailboxCut]) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// As [`Whispers::load_mailbox`].
    fn load(&self, session: u64) -> impl Future<Output = Result<Option<StoredMailbox>, StoreError>> + Send;
}

impl MailboxStore for Whispers {
    async fn add(&self, new: &[NewWhispers]) -> Result<(), StoreError> {
        self.add_to_mailboxes(new).await
    }

    async fn move_letters(
        &self,
        kept: (AccountId, u64),
        devices: &[KeyId],
        mailbox: (u64, u64),
    ) -> Result<Vec<Letter>, StoreError> {
        self.move_to_mailbox(kept, devices, mailbox).await
    }

    async fn cut(&self, cuts: &[MailboxCut]) -> Result<(), StoreError> {
        self.cut_mailboxes(cuts).await
    }

    async fn load(&self, session: u64) -> Result<Option<StoredMailbox>, StoreError> {
        self.load_mailbox(session).await
    }
}
