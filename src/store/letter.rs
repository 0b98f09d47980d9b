//! A whisper, as it is kept for somebody who is not here.

use chat_proto::{Envelope, ErrorCode, Text, Words};
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
    pub text: StoredText,
}

/// What a whisper says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoredText {
    /// In words.
    Plain(String),
    /// In the bytes of an envelope.
    Sealed(Vec<u8>),
}

impl StoredText {
    /// These words.
    #[must_use]
    pub fn of(words: &Words) -> Self {
        match words {
            Words::Plain(text) => Self::Plain(text.as_str().into()),
            Words::Sealed(envelope) => Self::Sealed(envelope.as_bytes().into()),
        }
    }

    /// What can be said of it. The rules may have changed since it was stored.
    pub fn words(&self) -> Result<Words, ErrorCode> {
        match self {
            Self::Plain(text) => Text::parse(text).map(Words::Plain),
            Self::Sealed(bytes) => Envelope::new(bytes).map(Words::Sealed).ok_or(ErrorCode::MalformedBody),
        }
    }

    /// Bytes that it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Self::Plain(text) => text.len(),
            Self::Sealed(bytes) => bytes.len(),
        }
    }

    fn from_row(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(match row.try_get::<Option<Vec<u8>>, _>("sealed")? {
            Some(bytes) => Self::Sealed(bytes),
            None => Self::Plain(row.try_get("text")?),
        })
    }
}

impl<S: Into<String>> From<S> for StoredText {
    fn from(text: S) -> Self {
        Self::Plain(text.into())
    }
}

impl Letter {
    /// Its six columns: in the order of its fields, the text as `text` and `sealed`.
    pub(super) fn bind(&self, question: Question<'static>) -> Result<Question<'static>, StoreError> {
        let (text, sealed) = match self.text.clone() {
            StoredText::Plain(text) => (text, None),
            StoredText::Sealed(bytes) => (String::new(), Some(bytes)),
        };
        Ok(question
            .bind(self.sender.clone())
            .bind(number::stored(self.session)?)
            .bind(self.message_id.map(number::stored_bits))
            .bind(stored(self.time_ms))
            .bind(text)
            .bind(sealed))
    }

    pub(super) fn from_row(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            sender: row.try_get("sender")?,
            session: number::in_column(row, "sender_session")?,
            message_id: number::maybe_bits_in_column(row, "message_id")?,
            time_ms: from_stored(row.try_get("time_ms")?),
            text: StoredText::from_row(row)?,
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
    pub text: StoredText,
    /// Whether it still waits for somebody who is away.
    pub kept: bool,
}

impl SentWhisper {
    pub(super) fn from_row(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            message_id: number::bits_in_column(row, "message_id")?,
            recipient: row.try_get("recipient")?,
            time_ms: from_stored(row.try_get("time_ms")?),
            text: StoredText::from_row(row)?,
            kept: number::in_column::<u8>(row, "kept")? == 1,
        })
    }
}
