//! Reading back what was said: a page for whoever asks.

use std::{collections::HashMap, sync::Arc, time::Duration};

use chat_proto::{
    ErrorCode, History, HistoryEntry, HistoryPage, List, MAILBOX, NameKey, Refusal, Username,
    limits::HISTORY_ENTRIES_MAX,
};
use tokio::sync::oneshot;

use super::{accounts::unavailable, history_batch::words};
use crate::{
    room::{Command, Feed, Inbox, Log, LogLine, Past, Read, SessionId, Subscriber},
    store::{self, Cursor, Line, PageLimit, StoreError, Told},
};

/// How long whoever reads back waits for the last lines to be written.
pub(super) const WRITTEN_WITHIN: Duration = Duration::from_secs(1);
/// Bytes that the lines of one page may have: what is left of a packet has room for the longest one more.
const PAGE_BYTES: usize = 60_000;
/// Bytes that a line's numbers and lengths take at most.
const LINE_NUMBERS_BYTES: usize = 40;
/// Lines looked at for one page: where most are of people who are ignored, a page may be short and have a next.
const PAGE_LINES_LOOKED_AT: usize = 1_000;

/// Whom somebody ignores: names, as written, by what they are compared by.
pub type IgnoredNames = HashMap<NameKey, Username>;

/// Where what was said is read back from: the database and memory, or memory alone.
pub struct HistorySource {
    /// Both, where a history is kept.
    pub(super) kept: Option<(store::History, Arc<Feed>)>,
}

/// Which way a page goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Before,
    After,
}

impl HistorySource {
    /// Reads from memory alone.
    #[must_use]
    pub fn memory() -> Self {
        Self { kept: None }
    }

    /// Reads from a history that is written from this feed.
    #[must_use]
    pub fn new(history: store::History, feed: Arc<Feed>) -> Self {
        Self { kept: Some((history, feed)) }
    }

    /// Conversations of which the history has still to take lines.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.kept.as_ref().map_or(0, |(_, feed)| feed.len())
    }

    /// One page of what was said in a conversation, for one of its members. Their own lines are among it, those of
    /// people they ignore are not.
    pub async fn page(
        &self,
        asker: &Arc<Subscriber>,
        request: &History,
        inbox: &Inbox,
    ) -> Result<HistoryPage, Refusal> {
        let direction = check(request).map_err(Refusal::new)?;
        let past = past(asker, request.conversation, inbox).await.map_err(Refusal::new)?;
        if request.epoch == past.log.epoch() && request.seq > past.head {
            return Err(Refusal::new(ErrorCode::RangeInvalid));
        }
        let mut page = Page::new(request, direction, asker.ignored());
        match &self.kept {
            Some((history, feed)) => {
                // What cannot be written is no reason not to show the rest.
                feed.stored(&past.log, past.head, WRITTEN_WITHIN).await;
                fill(&mut page, history, &past).await?;
            }
            None if request.epoch == 0 || request.epoch == past.log.epoch() => {
                page.fill_from_memory(&past);
            }
            None => return Err(Refusal::new(ErrorCode::RangeInvalid)),
        }
        Ok(page.finish())
    }
}

fn check(request: &History) -> Result<Direction, ErrorCode> {
    let History { conversation, direction, epoch, seq, limit, .. } = *request;
    if conversation == MAILBOX {
        return Err(ErrorCode::RoomNotFound);
    }
    if !(1..=HISTORY_ENTRIES_MAX).contains(&limit) || (epoch == 0) != (seq == 0) {
        return Err(ErrorCode::RangeInvalid);
    }
    match direction {
        0 => Ok(Direction::Before),
        1 => Ok(Direction::After),
        _ => Err(ErrorCode::RangeInvalid),
    }
}

/// The conversation, if the asker may read it back.
async fn past(asker: &Arc<Subscriber>, conversation: u64, inbox: &Inbox) -> Result<Past, ErrorCode> {
    let (reply, past) = oneshot::channel();
    let question = Command::Consult { asker: Arc::clone(asker), conversation, reply };
    inbox.send(question).await.map_err(|_| ErrorCode::ShuttingDown)?;
    past.await.map_err(|_| ErrorCode::ShuttingDown)?
}

/// Fills a page from the database.
async fn fill(page: &mut Page, history: &store::History, past: &Past) -> Result<(), Refusal> {
    let conversation = past.log.conversation();
    let mut cursor = Cursor { conversation, epoch: page.place.0, seq: page.place.1 };
    // One more than is wanted, by which it is known that there is more.
    let limit = PageLimit { lines: page.limit + 1, bytes: PAGE_BYTES };
    loop {
        let (told, more) = match read(history, cursor, limit, page.direction).await {
            Ok(read) => read,
            // Nothing was written of the present epoch: it comes after all others.
            Err(StoreError::NotFound) if cursor.epoch == past.log.epoch() => {
                if page.direction == Direction::After {
                    return Ok(());
                }
                (cursor.epoch, cursor.seq) = (0, 0);
                continue;
            }
            Err(StoreError::NotFound) => return Err(Refusal::new(ErrorCode::RangeInvalid)),
            Err(error) => return Err(unavailable(&error)),
        };
        for told in told {
            match told {
                Told::Line(line) => {
                    (cursor.epoch, cursor.seq) = (line.epoch, line.seq);
                    if is_past(&line, &past.log, past.head) && !page.offer(line) {
                        return Ok(());
                    }
                }
                Told::Missed { epoch, to, .. } => (cursor.epoch, cursor.seq) = (epoch, to),
            }
        }
        if !more {
            return Ok(());
        }
    }
}

/// What comes next in a direction, the next first, and whether there is more.
async fn read(
    history: &store::History,
    cursor: Cursor,
    limit: PageLimit,
    direction: Direction,
) -> Result<(Vec<Told>, bool), StoreError> {
    match direction {
        Direction::After => history.after(cursor, limit).await.map(|page| (page.told, page.more)),
        Direction::Before => {
            let page = history.before(cursor, limit).await?;
            Ok((page.lines.into_iter().rev().map(Told::Line).collect(), page.more))
        }
    }
}

/// Whether a line that is in the database has been said, up to this one: it may have been refused.
pub(super) fn is_past(line: &Line, log: &Log, head: u64) -> bool {
    let doubtful = log.doubtful();
    line.epoch != log.epoch() || (line.seq <= head && (doubtful == 0 || line.seq < doubtful))
}

/// Whether somebody has to hear a line who ignores these people.
pub(super) fn is_heard(sender: &str, ignored: &IgnoredNames) -> bool {
    ignored.is_empty() || Username::parse(sender).map_or(true, |name| !ignored.contains_key(&name.key()))
}

/// A page that is being filled.
struct Page {
    direction: Direction,
    limit: usize,
    ignored: Arc<IgnoredNames>,
    entries: Vec<HistoryEntry>,
    bytes: usize,
    looked_at: usize,
    /// The last line looked at: its epoch, and its number.
    place: (u64, u64),
    more: bool,
}

impl Page {
    fn new(request: &History, direction: Direction, ignored: Arc<IgnoredNames>) -> Self {
        Self {
            direction,
            limit: request.limit.into(),
            ignored,
            entries: Vec::new(),
            bytes: 0,
            looked_at: 0,
            place: (request.epoch, request.seq),
            more: false,
        }
    }

    /// Takes the next line; false if there is no room for it.
    fn offer(&mut self, line: Line) -> bool {
        let heard = is_heard(&line.sender, &self.ignored);
        let bytes = line.sender.len() + line.text.len() + LINE_NUMBERS_BYTES;
        let fits = !heard || self.bytes + bytes <= PAGE_BYTES;
        if !fits || self.entries.len() == self.limit || self.looked_at == PAGE_LINES_LOOKED_AT {
            self.more = true;
            return false;
        }
        self.looked_at += 1;
        self.place = (line.epoch, line.seq);
        if heard {
            self.bytes += bytes;
            let Line { epoch, seq, time_ms, sender, text, .. } = line;
            self.entries.push(HistoryEntry { epoch, seq, time_ms, sender, text });
        }
        true
    }

    fn fill_from_memory(&mut self, past: &Past) {
        let Past { log, head } = past;
        let mut kept = Vec::new();
        // What is oldest may go in between.
        while let Read::Missed { .. } = log.lines(log.oldest() - 1, usize::MAX, &mut kept) {}
        let (epoch, seq) = self.place;
        let lines = kept.iter().filter(|line| line.seq <= *head).filter_map(|line| line_of(line, log));
        if self.direction == Direction::After {
            let _full = lines.filter(|line| line.seq > seq).all(|line| self.offer(line));
        } else {
            let _full = lines.rev().filter(|line| epoch == 0 || line.seq < seq).all(|line| self.offer(line));
        }
    }

    fn finish(self) -> HistoryPage {
        let Self { direction, mut entries, place: (epoch, seq), more, .. } = self;
        if direction == Direction::Before {
            entries.reverse();
        }
        HistoryPage { more: more.into(), epoch, seq, entries: List(entries) }
    }
}

/// A line in memory, as the database has it.
fn line_of(line: &LogLine, log: &Log) -> Option<Line> {
    let (time_ms, sender, text) = words(&line.packet)?;
    let session = line.sender.map(|SessionId(session)| session);
    Some(Line { epoch: log.epoch(), seq: line.seq, time_ms, session, sender, text })
}
