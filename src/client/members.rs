//! A walk over all pages of a conversation's members.

use std::time::Duration;

use chat_proto::{ErrorCode, WhoPage};
use tokio::time::{Instant, sleep};

use super::{Error, Pace, ProtocolError, Session};

/// Pages after which a walk is called endless: far more than a server has members for.
const PAGES_MAX: u32 = 100_000;

/// Walks the pages of a conversation's members, no faster than the server takes requests.
pub struct Members {
    session: Session,
    conversation: u64,
    /// `None` when the last page has been told.
    after: Option<u64>,
    pages: u32,
    pace: Pace,
}

impl Members {
    pub(super) fn new(session: Session, conversation: u64) -> Self {
        let limits = &session.server().limits;
        // Half of the burst is left for others who use this session.
        let pace = Pace::new(limits.other_per_second, limits.other_burst.div_ceil(2), Instant::now());
        Self { session, conversation, after: Some(0), pages: 0, pace }
    }

    /// The next page; `None` after the last.
    pub async fn next_page(&mut self) -> Result<Option<WhoPage>, Error> {
        let Some(after) = self.after else { return Ok(None) };
        if self.pages == PAGES_MAX {
            return Err(ProtocolError::EndlessPages.into());
        }
        let page = self.ask(after).await?;
        self.pages += 1;
        self.after = (page.next != 0).then_some(page.next);
        Ok(Some(page))
    }

    async fn ask(&mut self, after: u64) -> Result<WhoPage, Error> {
        loop {
            self.pace.wait().await;
            match self.session.who(self.conversation, after).await {
                // Somebody else used the session's rate: the server says when to ask again.
                Err(Error::Refused(refusal))
                    if refusal.code == ErrorCode::RateLimited.into() && refusal.retry_ms > 0 =>
                {
                    sleep(Duration::from_millis(refusal.retry_ms.into())).await;
                }
                answer => return answer,
            }
        }
    }
}
