//! A request that has been sent and not yet answered, as its caller holds it.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use chat_proto::{
    Attached, HistoryPage, IgnoredPage, KeysPage, Receipt, RoomEntered, RoomLeft, RoomsPage, WhisperReceipt,
    WhoPage,
};
use tokio::sync::oneshot;

use super::Error;

/// What a request came to.
#[derive(Debug)]
pub(super) enum Outcome {
    Receipt(Receipt),
    WhisperReceipt(WhisperReceipt),
    WhoPage(WhoPage),
    RoomEntered(RoomEntered),
    RoomLeft(RoomLeft),
    RoomsPage(RoomsPage),
    Ignored(IgnoredPage),
    HistoryPage(HistoryPage),
    Keys(KeysPage),
    Attached(Attached),
    /// The answer itself was all there was to tell.
    Done,
}

/// The answer to a request, to be awaited: it may be kept with others, and dropped when nobody cares.
///
/// It has no timeout of its own; it ends at the latest when the connection does. See the
/// [module](super#when-nobody-takes-the-events) on taking events meanwhile.
#[must_use = "an answer tells whether the server took the request"]
pub struct Pending<T> {
    pub(super) answer: oneshot::Receiver<Result<Outcome, Error>>,
    /// `None` for an outcome of another kind of request.
    pub(super) unpack: fn(Outcome) -> Option<T>,
}

impl<T> Future for Pending<T> {
    type Output = Result<T, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // The sending end goes without a word only when the connection's task was dropped.
        let outcome = ready!(Pin::new(&mut self.answer).poll(cx)).unwrap_or(Err(Error::Disconnected));
        Poll::Ready(outcome.map(|outcome| (self.unpack)(outcome).expect("answers are matched by kind too")))
    }
}
