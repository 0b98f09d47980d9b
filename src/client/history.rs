//! What a session asks of the past, and of its own after it was resumed.

use chat_proto::{Attach, Attached, ClientPacket, History, HistoryPage, List, Presence};

use super::{Error, Session, pending::Outcome};

/// Which page of what was said is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HistoryFrom {
    /// The newest lines.
    End,
    /// The lines just before a place.
    Before {
        /// Which past `seq` belongs to.
        epoch: u64,
        /// The line that is not wanted any more.
        seq: u64,
    },
    /// The oldest lines that are kept.
    Beginning,
    /// The lines just after a place.
    After {
        /// Which past `seq` belongs to.
        epoch: u64,
        /// The line that is not wanted any more.
        seq: u64,
    },
}

impl HistoryFrom {
    /// The page after a page, in the same direction; `None` after the last.
    #[must_use]
    pub fn next(self, page: &HistoryPage) -> Option<Self> {
        let HistoryPage { more, epoch, seq, .. } = *page;
        (more != 0).then_some(match self {
            Self::End | Self::Before { .. } => Self::Before { epoch, seq },
            Self::Beginning | Self::After { .. } => Self::After { epoch, seq },
        })
    }
}

impl Session {
    /// A page of what was said in a conversation one is in, the oldest line first; one's own lines are in it. `limit` is
    /// what the server allows at most, should it be more.
    pub async fn history(
        &self,
        conversation: u64,
        from: HistoryFrom,
        limit: u16,
    ) -> Result<HistoryPage, Error> {
        let (direction, epoch, seq) = match from {
            HistoryFrom::End => (0, 0, 0),
            HistoryFrom::Before { epoch, seq } => (0, epoch, seq),
            HistoryFrom::Beginning => (1, 0, 0),
            HistoryFrom::After { epoch, seq } => (1, epoch, seq),
        };
        let limit = limit.clamp(1, self.server().limits.history_entries.max(1));
        let request = |id| ClientPacket::History(History { id, conversation, direction, epoch, seq, limit });
        let page = |outcome| match outcome {
            Outcome::HistoryPage(page) => Some(page),
            _ => None,
        };
        self.answered(self.send(request, page)).await
    }

    /// Hears on after these lines, in a session that was [resumed](super::Client::resume). `last`: any conversation that
    /// was not named goes on from the resume. One that has many cursors sends them in several calls; a packet that is
    /// too large is refused with 1002 before it is sent.
    pub async fn attach(&self, cursors: &[Presence], last: bool) -> Result<Attached, Error> {
        let cursors = List(cursors.to_vec());
        let request = |id| ClientPacket::Attach(Attach { id, last: last.into(), cursors });
        let attached = |outcome| match outcome {
            Outcome::Attached(attached) => Some(attached),
            _ => None,
        };
        self.answered(self.send(request, attached)).await
    }
}
