//! Reading on after a resume: from the lines that a client has, out of the history, to where memory takes over.

use std::sync::Arc;

use chat_proto::{
    Answer, Attach, Attached, ErrorCode, List, MAILBOX, Missed, Presence, Refusal, ServerPacket, UNKNOWN_END,
    kind,
};
use tokio::sync::oneshot;

use crate::{
    metrics::Metrics,
    room::{Command, Inbox, Slot, Standpoint, Subscriber},
    session::{HistorySource, Place},
};

/// Bytes of lines from before that are sent at once.
const PART_BYTES: usize = 64 * 1024;

/// The inbox is closed: the server is coming down around us.
pub struct Closed;

/// Serves an [`Attach`], or says why it is refused. Dropped while it waits, what is not attached stays so.
pub async fn attach(
    slot: Slot,
    request: Attach,
    history: &HistorySource,
    metrics: &Metrics,
    inbox: &Inbox,
) -> Result<Option<ErrorCode>, Closed> {
    let Attach { id, last, cursors } = request;
    if last > 1 {
        slot.refuse(kind::ATTACH, Some(id), Refusal::new(ErrorCode::RangeInvalid));
        return Ok(Some(ErrorCode::RangeInvalid));
    }
    let subscriber = Arc::clone(slot.subscriber());
    let mut standpoints = locate(&subscriber, inbox).await?;
    let is_in = |cursor: &&Presence| {
        cursor.conversation == MAILBOX
            || standpoints.iter().any(|one| one.attachment.log.conversation() == cursor.conversation)
    };
    let lost = cursors.0.iter().filter(|cursor| !is_in(cursor)).map(|cursor| cursor.conversation).collect();
    let outcome = Ok(Attached { lost: List(lost) });
    slot.answer(&ServerPacket::AttachAnswer(Answer { id, outcome }));
    let mut mailbox = subscriber.is_resumed();
    for cursor in cursors.0 {
        let found = |one: &Standpoint| one.attachment.log.conversation() == cursor.conversation;
        if cursor.conversation == MAILBOX {
            // Named a second time it is passed over.
            if std::mem::take(&mut mailbox) {
                open_mailbox(&subscriber, cursor, inbox).await?;
            }
        } else if let Some(index) = standpoints.iter().position(found) {
            let standpoint = standpoints.swap_remove(index);
            if standpoint.held {
                read_on(&subscriber, &standpoint, cursor, history, metrics, inbox).await?;
            }
        }
    }
    if last == 1 {
        for standpoint in standpoints.iter().filter(|one| one.held) {
            hand_in(&subscriber, standpoint.attachment.log.conversation(), None, inbox).await?;
        }
        hand_in(&subscriber, MAILBOX, None, inbox).await?;
    }
    Ok(None)
}

async fn locate(subscriber: &Arc<Subscriber>, inbox: &Inbox) -> Result<Vec<Standpoint>, Closed> {
    let (reply, standpoints) = oneshot::channel();
    let session = Arc::clone(subscriber);
    inbox.send(Command::Locate { session, reply }).await.map_err(|_| Closed)?;
    standpoints.await.map_err(|_| Closed)
}

/// Sends again what the client has not, up to where memory takes over.
async fn read_on(
    subscriber: &Arc<Subscriber>,
    standpoint: &Standpoint,
    cursor: Presence,
    history: &HistorySource,
    metrics: &Metrics,
    inbox: &Inbox,
) -> Result<(), Closed> {
    let log = &standpoint.attachment.log;
    let conversation = log.conversation();
    let (session, ignored) = (subscriber.id(), subscriber.ignored());
    let mut place = Place { epoch: cursor.epoch, seq: cursor.seq };
    loop {
        let part = history.after(log, place, (session, &ignored), PART_BYTES).await;
        metrics.missed.add(part.missed);
        if !part.packets.is_empty() {
            let (slot, packets) = (subscriber.slot().await, part.packets.freeze());
            inbox.send(Command::Replay { slot, conversation, packets }).await.map_err(|_| Closed)?;
            // The next part when this one has left: what is kept for a client is what it takes.
            subscriber.settled().await;
        }
        place = part.place;
        if part.done {
            return hand_in(subscriber, conversation, Some(place.seq), inbox).await;
        }
    }
}

/// Whispers are read from memory alone. Those of another past are gone, nobody knows how many.
async fn open_mailbox(
    subscriber: &Arc<Subscriber>,
    Presence { conversation, epoch, seq }: Presence,
    inbox: &Inbox,
) -> Result<(), Closed> {
    if epoch == subscriber.mailbox().epoch() {
        return hand_in(subscriber, MAILBOX, Some(seq), inbox).await;
    }
    // Whoever has been told so already is not told again.
    if seq != UNKNOWN_END {
        let missed = Missed { conversation, epoch, from: seq + 1, to: UNKNOWN_END };
        let (slot, packets) = (subscriber.slot().await, ServerPacket::Missed(missed).to_bytes());
        inbox.send(Command::Replay { slot, conversation, packets }).await.map_err(|_| Closed)?;
    }
    hand_in(subscriber, MAILBOX, Some(0), inbox).await
}

/// Lets the writer read a conversation on; `None`: after the line that the resume was answered with.
async fn hand_in(
    subscriber: &Arc<Subscriber>,
    conversation: u64,
    after: Option<u64>,
    inbox: &Inbox,
) -> Result<(), Closed> {
    let session = Arc::clone(subscriber);
    inbox.send(Command::Attach { session, conversation, after }).await.map_err(|_| Closed)
}
