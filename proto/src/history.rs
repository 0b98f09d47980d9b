//! Reading what was said in a conversation, page by page.

use serde::{Deserialize, Serialize};

use crate::{List, line::borrowed, wire::RequestId};

/// What was said in a conversation: one page of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// Echoed by the answer.
    pub id: RequestId,
    /// The lobby or a room that one is in.
    pub conversation: u64,
    /// 0: what was said before the place. 1: what was said after it. Else 3003.
    pub direction: u16,
    /// Which past `seq` belongs to. 0, with a `seq` of 0: the end, or the beginning, of all there is.
    pub epoch: u64,
    /// The place.
    pub seq: u64,
    /// Lines wanted: 1 to [`HISTORY_ENTRIES_MAX`](crate::limits::HISTORY_ENTRIES_MAX), else 3003.
    pub limit: u16,
}

/// A page of what was said, the oldest line first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryPage {
    /// 1: there is more in that direction. 0: that was all there is.
    pub more: u16,
    /// Which past `seq` belongs to.
    pub epoch: u64,
    /// The place to ask on from, in the same direction.
    pub seq: u64,
    /// This page.
    pub entries: List<HistoryEntry>,
}

/// A line that was said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// Which past `seq` belongs to.
    pub epoch: u64,
    /// Its number.
    pub seq: u64,
    /// Milliseconds since 1970 UTC.
    pub time_ms: u64,
    /// Who said it; empty: the operator.
    #[serde(deserialize_with = "borrowed")]
    pub sender: String,
    /// What was said.
    #[serde(deserialize_with = "borrowed")]
    pub text: String,
}
