//! What the writer of the history takes from the logs for one transaction, and what it owes when that fails.

use std::{collections::HashMap, ops::RangeInclusive, sync::Arc};

use chat_proto::{Line, ServerPacket, SystemText};

use crate::{
    room::{LogLine, Tail},
    store::{Batch, NewLine},
};

/// Conversations of which what is owed is written at once, beside those that have lines.
const OWED_AT_ONCE: usize = 256;

/// Lines of several conversations, to be written together.
#[derive(Default)]
pub(super) struct Taken {
    /// What is to be written, of one conversation each.
    batches: Vec<Batch>,
    /// Whose each of those is.
    owners: Vec<Arc<Tail>>,
    /// Where each conversation's stands.
    places: HashMap<u64, usize>,
    /// How far logs have been taken, also where nothing of that is to be written. What comes later goes further.
    tails: Vec<(Arc<Tail>, u64)>,
    lines: usize,
}

/// What has to be written of a conversation beside its next lines.
pub(super) struct Owed {
    tail: Arc<Tail>,
    /// Lines that the history did not get. What lies between them was not to be kept, or was refused.
    gap: Option<RangeInclusive<u64>>,
    /// Lines that were refused, and may be there all the same.
    void: Option<RangeInclusive<u64>>,
}

impl Taken {
    /// How many lines it has.
    pub fn lines(&self) -> usize {
        self.lines
    }

    /// Whether there is nothing to be written.
    pub fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// What is to be written.
    pub fn batches(&self) -> &[Batch] {
        &self.batches
    }

    /// How far logs have been taken.
    pub fn tails(&self) -> &[(Arc<Tail>, u64)] {
        &self.tails
    }

    /// How far conversations have been taken.
    pub fn ends(&self) -> Vec<(u64, u64)> {
        self.tails.iter().map(|(tail, last)| (tail.log().conversation(), *last)).collect()
    }

    /// Adds lines of a log that has been taken up to `last`.
    pub fn add(&mut self, tail: &Arc<Tail>, last: u64, lines: &[LogLine]) {
        self.tails.push((Arc::clone(tail), last));
        if !lines.is_empty() {
            self.lines += lines.len();
            self.batch(tail).lines.extend(lines.iter().filter_map(new_line));
        }
    }

    /// Adds that lines of a log are gone.
    pub fn miss(&mut self, tail: &Arc<Tail>, gone: RangeInclusive<u64>) {
        self.batch(tail).gaps.push(gone);
    }

    /// Adds what is owed: of the conversations that it has lines of, and of others.
    pub fn add_owed(&mut self, owed: &mut HashMap<u64, Owed>) {
        if owed.is_empty() {
            return;
        }
        let mut due: Vec<u64> = self.ends().iter().map(|(conversation, _)| *conversation).collect();
        due.extend(owed.keys().copied().take(OWED_AT_ONCE));
        for conversation in due {
            if let Some(Owed { tail, gap, void }) = owed.remove(&conversation) {
                let batch = self.batch(&tail);
                batch.gaps.extend(gap);
                batch.void.extend(void);
                let last = tail.position();
                self.tails.push((tail, last));
            }
        }
    }

    /// It could not be written: its lines are a gap, and what was owed still is.
    pub fn owe_again(&self, owed: &mut HashMap<u64, Owed>) {
        for (batch, tail) in self.batches.iter().zip(&self.owners) {
            let owed = Owed::of(owed, tail);
            batch.gaps.iter().chain(&span(batch.lines.iter())).for_each(|lost| extend(&mut owed.gap, lost));
            batch.void.iter().for_each(|void| extend(&mut owed.void, void));
        }
    }

    /// It was refused, and may have been written all the same. What the operator said has been said, and is a gap.
    pub fn owe_refused(&self, owed: &mut HashMap<u64, Owed>) {
        self.owe_unseen(owed);
        for (batch, tail) in self.batches.iter().zip(&self.owners) {
            let owed = Owed::of(owed, tail);
            let refused = span(batch.lines.iter());
            batch.void.iter().chain(&refused).for_each(|void| extend(&mut owed.void, void));
            tail.log().set_doubtful(owed.void.as_ref().map_or(0, |void| *void.start()));
        }
    }

    /// It was refused before anybody tried to write it. What the operator said has been said, and is a gap.
    pub fn owe_unseen(&self, owed: &mut HashMap<u64, Owed>) {
        for (batch, tail) in self.batches.iter().zip(&self.owners) {
            let said = span(batch.lines.iter().filter(|line| line.session.is_none()));
            if !batch.gaps.is_empty() || said.is_some() {
                let owed = Owed::of(owed, tail);
                batch.gaps.iter().chain(&said).for_each(|lost| extend(&mut owed.gap, lost));
            }
        }
    }

    /// What is to be written of a conversation.
    fn batch(&mut self, tail: &Arc<Tail>) -> &mut Batch {
        let (conversation, epoch) = (tail.log().conversation(), tail.log().epoch());
        let place = *self.places.entry(conversation).or_insert(self.batches.len());
        if place == self.batches.len() {
            self.batches.push(Batch { conversation, epoch, ..Batch::default() });
            self.owners.push(Arc::clone(tail));
        }
        &mut self.batches[place]
    }
}

impl Owed {
    fn of<'a>(owed: &'a mut HashMap<u64, Self>, tail: &Arc<Tail>) -> &'a mut Self {
        owed.entry(tail.log().conversation()).or_insert_with(|| Self {
            tail: Arc::clone(tail),
            gap: None,
            void: None,
        })
    }
}

/// From the first of these lines to the last.
fn span<'a>(lines: impl Iterator<Item = &'a NewLine>) -> Option<RangeInclusive<u64>> {
    let mut numbers = lines.map(|line| line.seq);
    let first = numbers.next()?;
    Some(first..=numbers.last().unwrap_or(first))
}

fn extend(range: &mut Option<RangeInclusive<u64>>, by: &RangeInclusive<u64>) {
    *range = Some(match range {
        Some(range) => *range.start().min(by.start())..=*range.end().max(by.end()),
        None => by.clone(),
    });
}

/// A line as it is stored.
fn new_line(line: &LogLine) -> Option<NewLine> {
    let LogLine { seq, sender, message_id, ref packet } = *line;
    let (time_ms, name, text) = words(packet)?;
    Some(NewLine {
        seq,
        time_ms,
        session: sender.map(|session| session.0),
        // Found by the name too: nobody else may have an account's.
        account: None,
        sender: name,
        message_id: (message_id != 0).then_some(message_id),
        text,
    })
}

/// When it was said, by whom (nobody: the operator), and what. `None` of a packet in which nothing is said to a room.
pub(super) fn words(packet: &[u8]) -> Option<(u64, String, String)> {
    let (head, body) = packet.split_at_checked(4)?;
    match ServerPacket::decode(u16::from_le_bytes([head[2], head[3]]), body).ok()? {
        ServerPacket::BroadcastLine(Line { head, sender, text }) => Some((head.time_ms, sender, text)),
        ServerPacket::SystemText(SystemText { head, text }) => Some((head.time_ms, String::new(), text)),
        _ => None,
    }
}
