//! What an operator may set of the rooms that people make.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Bounds;

/// The rooms that people make.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RoomsConfig {
    /// Rooms in all, beside the lobby.
    pub max: usize,
    /// Members that a room may be made for.
    pub members: u32,
    /// Rooms that a session may be in at once, beside the lobby: at most 61.
    pub joined: u16,
    /// Rooms that one person may own at once.
    pub owned: u16,
    /// Rooms that a rested session may make at once; one more every 20 seconds.
    pub created: u16,
    /// Whether one is in one conversation at a time: in a room means not in the lobby.
    pub exclusive: bool,
    /// People that one person may ignore.
    pub ignored: u16,
    /// What each room keeps for slow readers.
    pub log: Bounds,
}

impl Default for RoomsConfig {
    fn default() -> Self {
        Self {
            max: 10_000,
            members: 10_000,
            joined: 16,
            owned: 5,
            created: 3,
            exclusive: false,
            ignored: 100,
            log: Bounds { lines: 1_024, bytes: 256 * 1024 },
        }
    }
}

impl RoomsConfig {
    /// After having made [`created`](Self::created) rooms at once, one may make another each time this has passed.
    pub const CREATE_EVERY: Duration = Duration::from_secs(20);

    /// The most that [`joined`](Self::joined) may be: what a session has bits for.
    const JOINED_MAX: u16 = 61;

    /// The most that [`ignored`](Self::ignored) may be: names of 96 bytes that fit into one packet.
    const IGNORED_MAX: u16 = 600;

    pub(super) fn check(&self) -> Result<(), String> {
        if self.joined == 0 || self.joined > Self::JOINED_MAX {
            return Err(format!("`rooms.joined` must be 1 to {}", Self::JOINED_MAX));
        }
        if self.ignored > Self::IGNORED_MAX {
            return Err(format!("`rooms.ignored` must be at most {}", Self::IGNORED_MAX));
        }
        Ok(())
    }
}
