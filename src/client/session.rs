//! A session: somebody, from the login to the end, who can talk and ask.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use chat_proto::{
    Broadcast, ChangePassword, ClientPacket, Credential, HelloAnswer, Logout, Receipt, RequestId, Text,
    Username, Welcome, Whisper, WhisperReceipt, Who, WhoEntry, WhoPage,
};
use tokio::{io::AsyncWrite, time::timeout};
use tokio_util::task::AbortOnDropHandle;

use super::{
    Error, Events, Members, Pending, Timeouts, drive::drive, link, link::Link, packets::Packets,
    pending::Outcome,
};

/// Everything that lasts as long as somebody holds a [`Session`] or the [`Events`].
pub(super) struct Handle {
    pub(super) link: Arc<Link>,
    server: HelloAnswer,
    welcome: Welcome,
    timeouts: Timeouts,
    _task: AbortOnDropHandle<()>,
}

/// Talks and asks. Cheap to clone. When the last `Session` and the [`Events`] are dropped the connection is
/// closed at once, and what was not yet sent is lost; [`log_out`](Self::log_out) is the polite way.
#[derive(Clone)]
pub struct Session {
    handle: Arc<Handle>,
}

/// The server's requests before login had 1 and 2.
const FIRST_ID: RequestId = RequestId::MIN.saturating_add(2);

pub(super) fn begin(
    mut packets: Packets,
    writer: Box<dyn AsyncWrite + Send + Unpin>,
    server: HelloAnswer,
    welcome: Welcome,
    timeouts: Timeouts,
) -> (Session, Events) {
    // A client that is silent is pinged well within this; one that talks is answered.
    if server.limits.idle_ms > 0 {
        packets.set_silence_max(Duration::from_millis(server.limits.idle_ms.into()));
    }
    let link = Arc::new(Link::new(server.limits, FIRST_ID));
    let driven = Arc::clone(&link);
    let task = tokio::spawn(async move { drive(&driven, packets, writer).await });
    let task = AbortOnDropHandle::new(task);
    let handle = Arc::new(Handle { link, server, welcome, timeouts, _task: task });
    (Session { handle: Arc::clone(&handle) }, Events::new(handle))
}

impl Session {
    /// What the server said of itself, its limits among it.
    #[must_use]
    pub fn server(&self) -> &HelloAnswer {
        &self.handle.server
    }

    /// What the login was answered with: the session's number, and the name as others see it.
    #[must_use]
    pub fn welcome(&self) -> &Welcome {
        &self.handle.welcome
    }

    /// Says a line to everyone else in the lobby.
    pub async fn broadcast(&self, text: &str) -> Result<Receipt, Error> {
        self.answered(self.send_broadcast(0, text)).await
    }

    /// Says a line to one person.
    pub async fn whisper(&self, to: &str, text: &str) -> Result<WhisperReceipt, Error> {
        self.answered(self.send_whisper(0, to, text)).await
    }

    /// The page of a conversation's members after another: 0 for the first, else the last page's `next`.
    pub async fn who(&self, conversation: u64, after: u64) -> Result<WhoPage, Error> {
        self.answered(self.send_who(conversation, after)).await
    }

    /// Walks all pages of a conversation's members, at the server's pace.
    #[must_use]
    pub fn members(&self, conversation: u64) -> Members {
        Members::new(self.clone(), conversation)
    }

    /// Everyone in a conversation.
    pub async fn everyone(&self, conversation: u64) -> Result<Vec<WhoEntry>, Error> {
        let (mut walk, mut everyone) = (self.members(conversation), Vec::new());
        while let Some(page) = walk.next_page().await? {
            everyone.extend(page.entries.0);
        }
        Ok(everyone)
    }

    /// Asks whether the server is there, and tells how long it took to say so.
    pub async fn ping(&self) -> Result<Duration, Error> {
        let asked = Instant::now();
        self.answered(self.send_ping()).await?;
        Ok(asked.elapsed())
    }

    /// Sets another password for one's account.
    pub async fn change_password(&self, current: Credential, new: Credential) -> Result<(), Error> {
        let request = |id| ClientPacket::ChangePassword(ChangePassword { id, current, new });
        self.answered(self.send(request, |outcome| done(&outcome))).await
    }

    /// Leaves, after everything already asked has been answered, and waits for the server's goodbye.
    pub async fn log_out(&self) -> Result<(), Error> {
        self.handle.link.leave();
        let logout = self.send(|id| ClientPacket::Logout(Logout { id }), |outcome| done(&outcome));
        self.answered(logout).await?;
        // It was answered: a goodbye that fails to come changes nothing.
        let _ = timeout(self.handle.timeouts.answer, self.handle.link.over.cancelled()).await;
        Ok(())
    }

    /// Sends a broadcast and does not wait for its answer, only for a free place among the unanswered requests.
    /// Lines are sent in the order of these calls. `message_id` is the caller's own number for the line, the
    /// same when the line is sent again, or 0.
    pub async fn send_broadcast(&self, message_id: u64, text: &str) -> Result<Pending<Receipt>, Error> {
        let text = Text::parse(text).map_err(Error::refused)?;
        let request = |id| ClientPacket::Broadcast(Broadcast { id, message_id, text });
        self.send(request, |outcome| match outcome {
            Outcome::Receipt(receipt) => Some(receipt),
            _ => None,
        })
        .await
    }

    /// As [`send_broadcast`](Self::send_broadcast), to one person.
    pub async fn send_whisper(
        &self,
        message_id: u64,
        to: &str,
        text: &str,
    ) -> Result<Pending<WhisperReceipt>, Error> {
        let to = Username::parse(to).map_err(Error::refused)?;
        let text = Text::parse(text).map_err(Error::refused)?;
        let request = |id| ClientPacket::Whisper(Whisper { id, message_id, to, text });
        self.send(request, |outcome| match outcome {
            Outcome::WhisperReceipt(receipt) => Some(receipt),
            _ => None,
        })
        .await
    }

    /// As [`who`](Self::who), without waiting for the answer.
    pub async fn send_who(&self, conversation: u64, after: u64) -> Result<Pending<WhoPage>, Error> {
        let limit = self.handle.server.limits.page_entries;
        let request = |id| ClientPacket::Who(Who { id, conversation, after, limit });
        self.send(request, |outcome| match outcome {
            Outcome::WhoPage(page) => Some(page),
            _ => None,
        })
        .await
    }

    /// As [`ping`](Self::ping), without waiting for the answer.
    pub async fn send_ping(&self) -> Result<Pending<()>, Error> {
        self.send(link::ping, |outcome| done(&outcome)).await
    }

    pub(super) async fn send<T>(
        &self,
        request: impl FnOnce(RequestId) -> ClientPacket,
        unpack: fn(Outcome) -> Option<T>,
    ) -> Result<Pending<T>, Error> {
        Ok(Pending { answer: self.handle.link.ask(request).await?, unpack })
    }

    pub(super) async fn answered<T>(
        &self,
        sending: impl Future<Output = Result<Pending<T>, Error>>,
    ) -> Result<T, Error> {
        let answer = async { sending.await?.await };
        timeout(self.handle.timeouts.answer, answer).await.unwrap_or(Err(Error::Timeout("an answer")))
    }
}

pub(super) fn done(outcome: &Outcome) -> Option<()> {
    matches!(outcome, Outcome::Done).then_some(())
}
