//! Whispers that are not simply handed over: to who is away they are kept, and to who may come back stored first.

use std::sync::Arc;

use chat_proto::{ErrorCode, Refusal, Username, Whisper, WhisperReceipt, Words, kind};
use tokio::sync::{mpsc::error::TrySendError, oneshot};

use super::{Doorkeeper, MailboxRequest, Next, WaitingWhisper, unavailable};
use crate::{
    room::{SessionId, Subscriber},
    store::{AccountId, Keeping, Letter, LetterLimits, StoredMailbox, StoredText},
};

/// How long a whisper is kept at most, for somebody who is away and in a stored mailbox: 30 days, in milliseconds.
pub(super) const LETTER_AGE_MAX_MS: u64 = 30 * 24 * 60 * 60 * 1_000;
/// How much waits for each: what a person reads when they come, and what nobody can fill a disk with.
const LIMITS: LetterLimits =
    LetterLimits { letters: 100, bytes: 64 * 1024, of_one_sender: 25, age_ms: LETTER_AGE_MAX_MS };
/// When whoever was refused because too many whispers wait to be stored may try again, in milliseconds.
const WRITER_RETRY_MS: u32 = 1_000;

impl Doorkeeper {
    /// Whether whispers are stored before they are heard, to whoever may come back.
    #[must_use]
    pub fn stores_whispers(&self) -> bool {
        self.mailboxes.is_some()
    }

    /// Has a whisper stored, and then handed over and answered. [`ErrorCode::Overloaded`] if too much waits for that.
    pub(super) fn store_whisper(&self, waiting: WaitingWhisper) -> Next {
        let mailboxes = self.mailboxes.as_ref().expect("where mailboxes are stored there is a writer");
        let (request, code) = match mailboxes.try_send(MailboxRequest::Whisper(waiting)) {
            Ok(()) => return Next::Done,
            Err(TrySendError::Full(request)) => (request, ErrorCode::Overloaded),
            Err(TrySendError::Closed(request)) => (request, ErrorCode::ShuttingDown),
        };
        if let MailboxRequest::Whisper(WaitingWhisper { slot, whisper, .. }) = request {
            let refusal = Refusal { code: code.into(), retry_ms: WRITER_RETRY_MS };
            let kind = if whisper.text.are_sealed() { kind::SEALED_WHISPER } else { kind::WHISPER };
            slot.refuse(kind, Some(whisper.id), refusal);
        }
        Next::Excused(code)
    }

    /// What is in the stored mailbox of a session that has lapsed, if there is one and it goes on.
    pub(super) async fn stored_mailbox(&self, session: SessionId) -> Result<Option<StoredMailbox>, Refusal> {
        let Some(mailboxes) = &self.mailboxes else { return Ok(None) };
        let shutting_down = || Refusal::new(ErrorCode::ShuttingDown);
        let (reply, mailbox) = oneshot::channel();
        let request = MailboxRequest::Recall { session, reply };
        mailboxes.send(request).await.map_err(|_| shutting_down())?;
        mailbox.await.map_err(|_| shutting_down())?
    }

    /// Whether whispers to somebody who is away can be kept at all.
    #[must_use]
    pub fn keeps_whispers(&self) -> bool {
        self.accounts().is_some()
    }

    /// Keeps a whisper for somebody who is away. [`ErrorCode::UserOffline`] if too much waits for them already, or they
    /// have no account but were here; [`ErrorCode::UserNotFound`] if nobody knows them; [`ErrorCode::NoKeys`] if it is
    /// sealed and they have nothing to open it with.
    pub async fn keep_whisper(
        &self,
        from: &Subscriber,
        whisper: &Whisper<Username, Words>,
        now: u64,
    ) -> Result<WhisperReceipt, Refusal> {
        let key = whisper.to.key();
        let absent = || Refusal::new(self.registry().find(&key).err().unwrap_or(ErrorCode::UserOffline));
        let Some(accounts) = self.accounts() else { return Err(absent()) };
        let store = accounts.store();
        let found = store.accounts().find(key.as_str()).await.map_err(|error| unavailable(&error))?;
        let Some(account) = found else { return Err(absent()) };
        let receipt = WhisperReceipt { time_ms: now, kept: 1 };
        if accounts.ignored(account.id).await?.contains_key(&from.name().key()) {
            // They hear nothing of the sender, who is not told so.
            return Ok(receipt);
        }
        if whisper.text.are_sealed() && accounts.keys_of(&key).await?.is_empty() {
            return Err(Refusal::new(ErrorCode::NoKeys));
        }
        let letter = Letter {
            sender: from.name().as_str().into(),
            session: from.id().0,
            message_id: (whisper.message_id != 0).then_some(whisper.message_id),
            time_ms: now,
            text: StoredText::of(&whisper.text),
        };
        match store.whispers().keep(account.id, &letter, &LIMITS).await {
            Ok(Keeping::Kept) => {}
            Ok(Keeping::Full) => return Err(Refusal::new(ErrorCode::UserOffline)),
            Err(error) => return Err(unavailable(&error)),
        }
        // Whoever has come meanwhile may have looked before there was anything.
        if let Ok(come) = self.registry().find(&key) {
            self.hand_over_letters(account.id, &come, now).await?;
        }
        Ok(receipt)
    }

    /// Hands over what has been kept for the owner of an account, into the mailbox of a session of theirs; what is sealed
    /// only to a client that reads it.
    pub(super) async fn hand_over_letters(
        &self,
        account: AccountId,
        to: &Arc<Subscriber>,
        now: u64,
    ) -> Result<(), Refusal> {
        let Some(accounts) = self.accounts() else { return Ok(()) };
        let older_than_ms = now.saturating_sub(LIMITS.age_ms);
        if to.mailbox().is_stored_first() {
            // Nobody waits for it: what comes late is a whisper like others.
            let request = MailboxRequest::Letters { account, older_than_ms, to: Arc::clone(to) };
            let mailboxes = self.mailboxes.as_ref().expect("where mailboxes are stored there is a writer");
            return mailboxes.try_send(request).map_err(|_| Refusal::new(ErrorCode::Overloaded));
        }
        let waiting = accounts.store().whispers();
        let letters = if to.reads_sealed() {
            waiting.take(account, older_than_ms).await
        } else {
            waiting.take_plain(account, older_than_ms).await
        };
        for letter in letters.map_err(|error| unavailable(&error))? {
            // The rules may have changed since it was kept.
            let (Ok(name), Ok(text)) = (Username::parse(&letter.sender), letter.text.words()) else {
                continue;
            };
            let message_id = letter.message_id.unwrap_or_default();
            // A mailbox that has just been closed loses it: whoever had it has gone again.
            let _ = to.whisper((SessionId(letter.session), &name), message_id, &text, letter.time_ms);
        }
        Ok(())
    }
}
