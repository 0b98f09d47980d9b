//! What an operator may set of the history: whether there is one, what an answer to a line means, what is kept how long.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema::Time;

/// What was said, kept in the database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HistoryConfig {
    /// Whether it is kept, where there is a database.
    pub keep: bool,
    /// What it means that a line is answered.
    pub durability: Durability,
    /// Under `full`: what becomes of lines, and of who comes and goes, while they cannot be stored. Whispers are refused in
    /// any case.
    pub failing: Failing,
    /// Lines kept of each conversation. Beyond: the oldest go.
    pub lines: u64,
    /// How long a line is kept.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "Time")]
    pub age: Duration,
}

/// What it means that a line is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// It is in memory, and stored in a moment.
    Process,
    /// It is stored: before, nobody hears it.
    Full,
}

/// What becomes of lines that cannot be stored, where they are to be stored before they are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Failing {
    /// They are refused.
    Refuse,
    /// They are said all the same, as under `process`; the history has a gap there.
    Forget,
}

impl HistoryConfig {
    pub(super) fn check(&self) -> Result<(), String> {
        if self.lines == 0 {
            return Err("`history.lines` must be at least 1".into());
        }
        if self.age < Duration::from_secs(1) {
            return Err("`history.age` must be at least 1s".into());
        }
        Ok(())
    }
}

impl Default for HistoryConfig {
    fn default() -> Self {
        Self {
            keep: true,
            durability: Durability::Process,
            failing: Failing::Refuse,
            lines: 10_000,
            age: Duration::from_hours(30 * 24),
        }
    }
}

impl Durability {
    /// As a Hello tells it.
    #[must_use]
    pub fn number(self) -> u16 {
        match self {
            Self::Process => 0,
            Self::Full => 1,
        }
    }
}
