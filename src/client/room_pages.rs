//! A walk over all pages of the rooms there are.

use std::time::Duration;

use chat_proto::RoomsPage;

use super::{Error, ProtocolError, Requests, Session, members::PAGES_MAX};

/// Walks the pages of the rooms that this session may know of, no faster than the server takes requests.
pub struct RoomPages {
    session: Session,
    /// `None` when the last page has been told.
    after: Option<u64>,
    pages: u32,
    requests: Requests,
}

impl RoomPages {
    pub(super) fn new(session: Session) -> Self {
        let requests = Requests::new(&session.server().limits, Duration::MAX);
        Self { session, after: Some(0), pages: 0, requests }
    }

    /// The next page; `None` after the last.
    pub async fn next_page(&mut self) -> Result<Option<RoomsPage>, Error> {
        let Some(after) = self.after else { return Ok(None) };
        if self.pages == PAGES_MAX {
            return Err(ProtocolError::EndlessPages.into());
        }
        let session = &self.session;
        let page = self.requests.ask(async || session.rooms(after).await).await?;
        self.pages += 1;
        self.after = (page.next != 0).then_some(page.next);
        Ok(Some(page))
    }
}
