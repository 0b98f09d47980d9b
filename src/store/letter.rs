//! A whisper, as it is kept for somebody who is not here.

use sqlx::{Row as _, any::AnyRow};

use super::{
    StoreError,
    database::Question,
    number,
    time::{from_stored, stored},
};

/// A whisper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// The sender, as others see them.
    pub sender: String,
    /// The sender's session, below 2^63.
    pub session: u64,
    /// What the sender's client called it. None: nothing.
    pub message_id: Option<u64>,
    /// When it was said: milliseconds since 1970 UTC.
    pub time_ms: u64,
    /// What was said.
    pub text: String,
}

impl Letter {
    /// Its five columns, in the order of its fields.
    pub(super) fn bind(&self, question: Question<'static>) -> Result<Question<'static>, StoreError> {
        Ok(question
            .bind(self.sender.clone())
            .bind(number::stored(self.session)?)
            .bind(self.message_id.map(number::stored_bits))
            .bind(stored(self.time_ms))
            .bind(self.text.clone()))
    }

    pub(super) fn from_row(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            sender: row.try_get("sender")?,
            session: number::in_column(row, "sender_session")?,
            message_id: number::maybe_bits_in_column(row, "message_id")?,
            time_ms: from_stored(row.try_get("time_ms")?),
            text: row.try_get("text")?,
        })
    }
}

/// How much is kept for each account whose owner is away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LetterLimits {
    /// Whispers.
    pub letters: u32,
    /// Bytes of their texts.
    pub bytes: u64,
    /// Whispers from one sender: from one name, or from one session.
    pub of_one_sender: u32,
    /// How long each is kept: milliseconds.
    pub age_ms: u64,
}

/// What became of a whisper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeping {
    /// It is kept, or was already: a repeat of it is not kept again.
    Kept,
    /// It is one too many, of all or of this sender's.
    Full,
}

/// A whisper that a session sent under a message id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentWhisper {
    /// The message id.
    pub message_id: u64,
    /// Whom it was for, as others see them.
    pub recipient: String,
    /// When it was said: milliseconds since 1970 UTC.
    pub time_ms: u64,
    /// What was said.
    pub text: String,
    /// Whether it still waits for somebody who is away.
    pub kept: bool,
}

impl SentWhisper {
    pub(super) fn from_row(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            message_id: number::bits_in_column(row, "message_id")?,
            recipient: row.try_get("recipient")?,
            time_ms: from_stored(row.try_get("time_ms")?),
            text: row.try_get("text")?,
            kept: number::in_column::<u8>(row, "kept")? == 1,
        })
    }
}
