//! Whispers that are stored together, and what becomes of each.

use std::{collections::HashMap, sync::Arc};

use chat_proto::{Answer, ErrorCode, Receipt, Refusal, Username, Whisper, WhisperReceipt, Words};

use super::{SessionRegistry, dispatch::line_of};
use crate::{
    metrics::Metrics,
    room::{SessionId, Slot, Subscriber},
    store::{Letter, NewWhispers, StoredText},
};

/// When whoever was refused because a whisper cannot be stored may try again, in milliseconds.
const STORE_RETRY_MS: u32 = 1_000;

/// A whisper that waits to be stored.
pub struct WaitingWhisper {
    /// For the answer.
    pub slot: Slot,
    /// What is whispered to whom.
    pub whisper: Whisper<Username, Words>,
    /// Who that is; `None`: it has been said before, by its number, and waits for the answer to the first.
    pub to: Option<Arc<Subscriber>>,
    /// When it was said, in milliseconds since 1970 UTC.
    pub time_ms: u64,
}

/// Whispers of one transaction.
#[derive(Default)]
pub(super) struct MailboxBatch {
    whispers: Vec<(WaitingWhisper, Place)>,
    /// What is to be stored, of one session each.
    new: Vec<NewWhispers>,
    /// Whose each of those is.
    owners: Vec<Arc<Subscriber>>,
    /// Where each session's stands.
    places: HashMap<SessionId, usize>,
}

/// What a whisper is in its batch.
enum Place {
    /// Stored, and handed over then.
    Stored,
    /// Neither, as its sender is ignored.
    Ignored,
    /// Another, by its number; it is answered as that.
    Repeat,
    /// Of somebody who has gone.
    Late,
}

impl MailboxBatch {
    /// Numbers these whispers, in this order, and remembers them, so that a repeat is told from the first.
    pub fn of(whispers: Vec<WaitingWhisper>) -> Self {
        let mut batch = Self::default();
        for whisper in whispers {
            let place = batch.place(&whisper);
            batch.whispers.push((whisper, place));
        }
        batch
    }

    fn place(&mut self, waiting: &WaitingWhisper) -> Place {
        let (Some(to), None) = (&waiting.to, waiting.known()) else { return Place::Repeat };
        if to.mailbox().is_closed() {
            return Place::Late;
        }
        let receipt = Receipt { epoch: 0, seq: 0, time_ms: waiting.time_ms };
        let (ids, whisper) = (waiting.slot.subscriber().message_ids(), &waiting.whisper);
        ids.note(whisper.message_id, || line_of(whisper), receipt);
        if to.ignores(waiting.slot.subscriber().name()) {
            return Place::Ignored;
        }
        self.add(to, waiting.letter());
        Place::Stored
    }

    fn add(&mut self, to: &Arc<Subscriber>, letter: Letter) {
        let place = *self.places.entry(to.id()).or_insert(self.new.len());
        if place == self.new.len() {
            let (session, forgotten) = (to.id().0, to.mailbox().forgotten());
            self.new.push(NewWhispers { session, forgotten, lines: Vec::new() });
            self.owners.push(Arc::clone(to));
        }
        let lines = &mut self.new[place].lines;
        // Nobody but the one who stores appends to it.
        let before = lines.last().map_or_else(|| to.mailbox().head(), |(seq, _)| *seq);
        lines.push((before + 1, letter));
    }

    /// What is to be stored.
    pub fn stored(&self) -> &[NewWhispers] {
        &self.new
    }

    /// Whose mailboxes it is about.
    pub fn owners(&self) -> &[Arc<Subscriber>] {
        &self.owners
    }

    /// It is stored: hands the whispers over, and answers them.
    pub fn hand_over(&mut self, registry: &SessionRegistry, metrics: &Metrics) {
        for (waiting, place) in self.whispers.drain(..) {
            match place {
                Place::Stored => waiting.hand_over(registry),
                Place::Ignored => waiting.answer(),
                Place::Repeat => waiting.answer_as_known(metrics),
                Place::Late => waiting.refuse(Refusal::new(ErrorCode::UserOffline), metrics),
            }
        }
    }

    /// It cannot be stored, or nobody knows whether it is.
    pub fn refuse(&mut self, metrics: &Metrics) {
        for (waiting, place) in self.whispers.drain(..) {
            if matches!(place, Place::Stored | Place::Ignored) {
                // Said again it is another.
                waiting.slot.subscriber().message_ids().forget(waiting.whisper.message_id);
            }
            waiting.answer_as_known(metrics);
        }
    }
}

impl WaitingWhisper {
    /// What is known of its number: what the first was answered.
    fn known(&self) -> Option<Result<WhisperReceipt, ErrorCode>> {
        let known =
            self.slot.subscriber().message_ids().find(self.whisper.message_id, || line_of(&self.whisper))?;
        Some(known.map(|Receipt { seq, time_ms, .. }| WhisperReceipt { time_ms, kept: u16::from(seq > 0) }))
    }

    fn letter(&self) -> Letter {
        let (sender, message_id) = (self.slot.subscriber(), self.whisper.message_id);
        Letter {
            sender: sender.name().as_str().into(),
            session: sender.id().0,
            message_id: (message_id != 0).then_some(message_id),
            time_ms: self.time_ms,
            text: StoredText::of(&self.whisper.text),
        }
    }

    fn hand_over(self, registry: &SessionRegistry) {
        let (sender, Some(to)) = (self.slot.subscriber(), &self.to) else { return };
        let Whisper { message_id, text, .. } = &self.whisper;
        // In a mailbox that has been closed meanwhile nobody reads: whoever comes back to it finds it stored.
        let _ = to.hand_over((sender.id(), sender.name()), *message_id, text, self.time_ms);
        registry.mark_successor(to);
        self.answer();
    }

    fn answer(self) {
        let time_ms = self.time_ms;
        self.tell(Ok(WhisperReceipt { time_ms, kept: 0 }));
    }

    /// Answers as the first of its number was answered; refuses it, if there is none.
    pub fn answer_as_known(self, metrics: &Metrics) {
        match self.known() {
            Some(Ok(receipt)) => self.tell(Ok(receipt)),
            Some(Err(code)) => self.refuse(Refusal::new(code), metrics),
            None => {
                let code = ErrorCode::StorageUnavailable.into();
                self.refuse(Refusal { code, retry_ms: STORE_RETRY_MS }, metrics);
            }
        }
    }

    fn refuse(self, refusal: Refusal, metrics: &Metrics) {
        if let Some(code) = refusal.code.error() {
            metrics.reject(code);
        }
        self.tell(Err(refusal));
    }

    fn tell(self, outcome: Result<WhisperReceipt, Refusal>) {
        self.slot.answer(&self.whisper.text.answer(Answer { id: self.whisper.id, outcome }));
    }
}
