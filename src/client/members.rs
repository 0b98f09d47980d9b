//! A walk over all pages of a conversation's members.

use std::time::Duration;

use chat_proto::WhoPage;

use super::{Error, ProtocolError, Requests, Session};

/// Pages after which a walk is called endless: far more than a server has members for.
pub(super) const PAGES_MAX: u32 = 100_000;

/// Walks the pages of a conversation's members, no faster than the server takes requests.
pub struct Members {
    session: Session,
    conversation: u64,
    /// `None` when the last page has been told.
    after: Option<u64>,
    pages: u32,
    requests: Requests,
}

impl Members {
    pub(super) fn new(session: Session, conversation: u64) -> Self {
        let requests = Requests::new(&session.server().limits, Duration::MAX);
        Self { session, conversation, after: Some(0), pages: 0, requests }
    }

    /// The next page; `None` after the last.
    pub async fn next_page(&mut self) -> Result<Option<WhoPage>, Error> {
        let Some(after) = self.after else { return Ok(None) };
        if self.pages == PAGES_MAX {
            return Err(ProtocolError::EndlessPages.into());
        }
        let Self { session, conversation, .. } = self;
        let page = self.requests.ask(async || session.who(*conversation, after).await).await?;
        self.pages += 1;
        self.after = (page.next != 0).then_some(page.next);
        Ok(Some(page))
    }
}
