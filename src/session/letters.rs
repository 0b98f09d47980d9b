//! Whispers to people with an account who are away: kept for them, and handed over when they come.

use std::sync::Arc;

use chat_proto::{ErrorCode, Refusal, Text, Username, Whisper, WhisperReceipt};

use super::{Doorkeeper, unavailable};
use crate::{
    room::{SessionId, Subscriber},
    store::{AccountId, Keeping, Letter, LetterLimits},
};

/// How long a whisper waits for somebody: 30 days, in milliseconds.
const AGE_MAX_MS: u64 = 30 * 24 * 60 * 60 * 1_000;
/// How much waits for each: what a person reads when they come, and what nobody can fill a disk with.
const LIMITS: LetterLimits =
    LetterLimits { letters: 100, bytes: 64 * 1024, of_one_sender: 25, age_ms: AGE_MAX_MS };

impl Doorkeeper {
    /// Whether whispers to somebody who is away can be kept at all.
    #[must_use]
    pub fn keeps_whispers(&self) -> bool {
        self.accounts().is_some()
    }

    /// Keeps a whisper for somebody who is away. [`ErrorCode::UserOffline`] if too much waits for them already, or they
    /// have no account but were here; [`ErrorCode::UserNotFound`] if nobody knows them.
    pub async fn keep_whisper(
        &self,
        from: &Subscriber,
        whisper: &Whisper<Username, Text>,
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
        let letter = Letter {
            sender: from.name().as_str().into(),
            session: from.id().0,
            message_id: (whisper.message_id != 0).then_some(whisper.message_id),
            time_ms: now,
            text: whisper.text.as_str().into(),
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

    /// Hands over what has been kept for the owner of an account, into the mailbox of a session of theirs.
    pub(super) async fn hand_over_letters(
        &self,
        account: AccountId,
        to: &Arc<Subscriber>,
        now: u64,
    ) -> Result<(), Refusal> {
        let Some(accounts) = self.accounts() else { return Ok(()) };
        let older_than = now.saturating_sub(LIMITS.age_ms);
        let letters = accounts.store().whispers().take(account, older_than).await;
        for letter in letters.map_err(|error| unavailable(&error))? {
            // The rules may have changed since it was kept.
            let (Ok(name), Ok(text)) = (Username::parse(&letter.sender), Text::parse(&letter.text)) else {
                continue;
            };
            let message_id = letter.message_id.unwrap_or_default();
            // A mailbox that has just been closed loses it: whoever had it has gone again.
            let _ = to.whisper((SessionId(letter.session), &name), message_id, &text, letter.time_ms);
        }
        Ok(())
    }
}
