//! A session: somebody, from the login to the end, who can talk and ask.

use std::{pin::pin, sync::Arc, time::Duration};

use chat_proto::{
    ChangePassword, ClientPacket, Credential, HelloAnswer, Logout, Ping, Receipt, RequestId, Text, Username,
    Welcome, WhisperReceipt, Who, WhoEntry, WhoPage,
};
use tokio::{
    io::AsyncWrite,
    time::{Instant, timeout},
};
use tokio_util::task::AbortOnDropHandle;

use super::{
    Error, Events, Members, Pending, Saved, Timeouts,
    continuation::Recipient,
    drive::drive,
    link,
    link::{Answering, Link, Standing},
    packets::Packets,
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

/// The requests before it had lower ones.
pub(super) const FIRST_ID: RequestId = RequestId::MIN.saturating_add(4);

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
    let link = Arc::new(Link::new(&server.limits, FIRST_ID, None));
    let driven = Arc::clone(&link);
    let task = async move {
        let why = drive(&driven, packets, writer).await;
        driven.end(&why);
    };
    begin_on(link, server, welcome, timeouts, task)
}

/// A session on a link that `task` serves.
pub(super) fn begin_on(
    link: Arc<Link>,
    server: HelloAnswer,
    welcome: Welcome,
    timeouts: Timeouts,
    task: impl Future<Output = ()> + Send + 'static,
) -> (Session, Events) {
    let task = AbortOnDropHandle::new(tokio::spawn(task));
    let handle = Arc::new(Handle { link, server, welcome, timeouts, _task: task });
    (Session { handle: Arc::clone(&handle) }, Events::new(handle))
}

impl Session {
    /// What the server said of itself, its limits among it, on the session's first connection.
    #[must_use]
    pub fn server(&self) -> &HelloAnswer {
        &self.handle.server
    }

    /// What the login was answered with: the session's number, and the name as others see it. A session that had to
    /// log in anew tells its new number by [`Event::Restarted`](super::Event::Restarted).
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

    /// Leaves, after everything already asked has been answered, and waits for the server's goodbye. From now on no lost
    /// connection is followed by another.
    pub async fn log_out(&self) -> Result<(), Error> {
        self.handle.link.leave();
        self.handle.link.all_sent().await;
        let logout = self.send(|id| ClientPacket::Logout(Logout { id }), |outcome| done(&outcome));
        self.answered(logout).await?;
        // It was answered: a goodbye that fails to come changes nothing.
        let _ = timeout(self.handle.timeouts.answer, self.handle.link.over.cancelled()).await;
        Ok(())
    }

    /// Returns when every line that was said is answered, those of an earlier program too, or the session is over. Only a
    /// session that [outlives its connections](super::Reconnect) knows of any.
    pub async fn all_answered(&self) {
        self.handle.link.all_answered().await;
    }

    /// What another program needs to go on with this session, as of now: with the events that were taken before the last
    /// one. `None` where the session does not [outlive its connections](super::Reconnect), or the server has given no
    /// token for that.
    #[must_use]
    pub fn saved(&self) -> Option<Saved> {
        self.handle.link.saved()
    }

    /// Sends a broadcast and does not wait for its answer, only for a free place among the unanswered requests.
    /// Lines are sent in the order of these calls. `message_id` is the caller's own number for the line, the
    /// same when the line is sent again, or 0. A session that outlives its connections numbers such a line itself, sends
    /// no line faster than the server allows, and says it once over all connections.
    pub async fn send_broadcast(&self, message_id: u64, text: &str) -> Result<Pending<Receipt>, Error> {
        self.say(Recipient::Lobby, message_id, text, |outcome| receipt(&outcome)).await
    }

    /// As [`send_broadcast`](Self::send_broadcast), to one person.
    pub async fn send_whisper(
        &self,
        message_id: u64,
        to: &str,
        text: &str,
    ) -> Result<Pending<WhisperReceipt>, Error> {
        let to = Username::parse(to).map_err(Error::refused)?;
        self.say(Recipient::Person(to), message_id, text, |outcome| whisper_receipt(&outcome)).await
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

    /// Answers pings that came before the session did.
    pub(super) fn answer_pings(&self, pings: Vec<Ping>) {
        for ping in pings {
            self.handle.link.pong(ping);
        }
    }

    pub(super) async fn say<T>(
        &self,
        to: Recipient,
        message_id: u64,
        text: &str,
        unpack: fn(Outcome) -> Option<T>,
    ) -> Result<Pending<T>, Error> {
        let text = Text::parse(text).map_err(Error::refused)?;
        Ok(pending(self.handle.link.say(to, message_id, text).await?, unpack))
    }

    pub(super) async fn send<T>(
        &self,
        request: impl FnOnce(RequestId) -> ClientPacket,
        unpack: fn(Outcome) -> Option<T>,
    ) -> Result<Pending<T>, Error> {
        Ok(pending(self.handle.link.ask(request).await?, unpack))
    }

    pub(super) async fn answered<T>(
        &self,
        sending: impl Future<Output = Result<Pending<T>, Error>>,
    ) -> Result<T, Error> {
        self.within(Instant::now(), self.handle.timeouts.answer, async { sending.await?.await }).await
    }

    /// Waits for the answer to what was asked then, for as long as this; the time without a connection does not count.
    pub(super) async fn within<T>(
        &self,
        asked: Instant,
        limit: Duration,
        answer: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let (mut answer, link) = (pin!(answer), &self.handle.link);
        loop {
            let before = link.standing();
            let from = match before {
                Standing::Connected(since) => since.max(asked),
                Standing::Between => {
                    tokio::select! {
                        biased;
                        answer = &mut answer => return answer,
                        () = link.connected() => continue,
                    }
                }
                // Whoever waits has been told.
                Standing::Over => return answer.await,
            };
            let answered = timeout(limit.saturating_sub(from.elapsed()), &mut answer).await;
            match answered {
                Ok(answer) => return answer,
                // The connection may be found lost just now: then the answer comes on another.
                Err(_) if link.is_in_doubt() => tokio::select! {
                    biased;
                    answer = &mut answer => return answer,
                    () = link.no_doubt() => {}
                },
                Err(_) if link.standing() == before => return Err(Error::Timeout("an answer")),
                Err(_) => {}
            }
        }
    }
}

fn pending<T>(answer: Answering, unpack: fn(Outcome) -> Option<T>) -> Pending<T> {
    Pending { answer, unpack }
}

pub(super) fn receipt(outcome: &Outcome) -> Option<Receipt> {
    match outcome {
        Outcome::Receipt(receipt) => Some(*receipt),
        _ => None,
    }
}

pub(super) fn whisper_receipt(outcome: &Outcome) -> Option<WhisperReceipt> {
    match outcome {
        Outcome::WhisperReceipt(receipt) => Some(*receipt),
        _ => None,
    }
}

pub(super) fn done(outcome: &Outcome) -> Option<()> {
    matches!(outcome, Outcome::Done).then_some(())
}
