//! What an operator may set of sessions whose connection is lost.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema::Time;

/// Sessions whose connection is lost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResumeConfig {
    /// How long a session without a connection keeps its name and its rooms. 0: nothing is kept, and nobody resumes.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "Time")]
    pub grace: Duration,
    /// How long after that its token still lets somebody in without a password, where there is a database: at most 49
    /// days.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "Time")]
    pub ttl: Duration,
    /// Sessions that may be without a connection at once. When there are more, the one that has been longest ends.
    pub absent: usize,
}

impl Default for ResumeConfig {
    fn default() -> Self {
        Self { grace: Duration::from_mins(2), ttl: Duration::from_hours(14 * 24), absent: 10_000 }
    }
}

impl ResumeConfig {
    pub(super) fn check(&self) -> Result<(), String> {
        if self.absent == 0 {
            return Err("`resume.absent` must be at least 1".into());
        }
        Ok(())
    }
}
