//! What of a link outlives its connections: the session, who waits for which line, how far events were dealt with.

use std::collections::BTreeMap;

use chat_proto::Welcome;

use super::{
    Event, ProtocolError,
    continuation::{Continuation, Restarted, Unanswered},
    link::Reply,
    places::{Places, Step},
    saved::Saved,
};

pub(super) struct Lasting {
    pub(super) continuation: Continuation,
    /// Who waits for the answers to lines, by the lines' numbers. Nobody does for those of an earlier program.
    waiting: BTreeMap<u64, Reply>,
    /// As far as events have been taken and dealt with: behind the continuation's places by what waits to be taken.
    dealt_with: Places,
    /// What dealing with the event that was taken last will change.
    in_hand: Option<Step>,
}

impl Lasting {
    pub(super) fn new(continuation: Continuation) -> Self {
        let dealt_with = continuation.places().clone();
        Self { continuation, waiting: BTreeMap::new(), dealt_with, in_hand: None }
    }

    /// Takes what the server told. `dealt_with`: by that, for nobody is told of it; else whoever takes it will, if anybody.
    pub(super) fn hear(&mut self, event: &Event, dealt_with: bool) -> Result<(), ProtocolError> {
        self.continuation.hear(event)?;
        if dealt_with && let Some(step) = Step::of(event) {
            self.deal_with(&step);
        }
        Ok(())
    }

    /// An event is taken, by somebody who has dealt with the one before.
    pub(super) fn hand_over(&mut self, event: Option<&Event>) {
        if let Some(step) = self.in_hand.take() {
            self.deal_with(&step);
        }
        self.in_hand = event.and_then(Step::of);
    }

    fn deal_with(&mut self, step: &Step) {
        // The continuation has judged it. What is left here is a room's last lines, taken after one has left it.
        let _ = self.dealt_with.make(step);
    }

    /// What another program would go on with: nothing is lost with this one, and nothing dealt with comes again.
    pub(super) fn saved(&self) -> Option<Saved> {
        self.continuation.parts(self.dealt_with.clone()).map(Saved)
    }

    pub(super) fn wait(&mut self, message_id: u64, reply: Reply) {
        self.waiting.insert(message_id, reply);
    }

    /// A line has been answered: who waits for that, and the line itself.
    pub(super) fn conclude(&mut self, message_id: u64) -> (Option<Reply>, Option<Unanswered>) {
        (self.waiting.remove(&message_id), self.continuation.conclude(message_id))
    }

    /// One has logged in anew: what that means, and who waits for what will never be answered.
    pub(super) fn restarted(&mut self, welcome: Welcome) -> (Restarted, Vec<Reply>) {
        let anew = self.continuation.restarted(welcome);
        let waiting =
            anew.uncertain.iter().filter_map(|line| self.waiting.remove(&line.message_id)).collect();
        (anew, waiting)
    }

    /// Everyone who still waits.
    pub(super) fn give_up(&mut self) -> impl Iterator<Item = Reply> + use<> {
        std::mem::take(&mut self.waiting).into_values()
    }
}
