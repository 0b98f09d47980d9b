//! What becomes of lines that wait to be stored, in all rooms: they are read and answered, or are refused.

use std::sync::Arc;

use chat_proto::{
    Answer, ErrorCode, LOBBY, Presence, Receipt, Refusal, RequestId, ServerPacket, Text, kind, room_flag,
};
use tokio::sync::mpsc;

use super::{Command, End, FanOut, Feed, Hub, Room, Slot, Subscriber, Verdict, fingerprint, keeping::Held};

/// When whoever was refused because something cannot be stored may try again, in milliseconds.
pub(super) const STORE_RETRY_MS: u32 = 1_000;

/// The fan-out's end of what it and those who store for it tell each other. Dropped, it says that nothing more comes.
pub(super) struct Kept {
    feed: Arc<Feed>,
    /// What becomes of what waits to be stored, where anything does.
    verdicts: Option<mpsc::Receiver<Verdict>>,
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.feed.end(End::Broken);
    }
}

impl Kept {
    fn try_next(&mut self) -> Option<Verdict> {
        self.verdicts.as_mut()?.try_recv().ok()
    }
}

/// The next verdict; `None` where there will be none. May be dropped and called again.
pub(super) async fn next_verdict(kept: &mut Option<Kept>) -> Option<Verdict> {
    kept.as_mut()?.verdicts.as_mut()?.recv().await
}

impl FanOut {
    /// Has what is said kept by a history, whose writer is told by this feed and tells by `verdicts` what is stored.
    pub fn set_history(&mut self, feed: Arc<Feed>, verdicts: mpsc::Receiver<Verdict>) {
        self.directory.hub_mut().keep(Arc::clone(&feed));
        let verdicts = feed.is_full().then_some(verdicts);
        self.kept = Some(Kept { feed, verdicts });
    }

    /// Whether a command has to wait while its room does.
    pub(super) fn is_held_up(&self, command: &Command, room: u64) -> bool {
        // Where only the store is waited for, whoever comes, goes and asks need not.
        matches!(command, Command::Say { .. }) || !self.directory.hub().waits_for_store(room)
    }

    /// Says a line, unless it has been said before by its number: then that is what it is answered with.
    pub(super) fn say_once(
        &mut self,
        conversation: u64,
        speaker: &Arc<Subscriber>,
        (text, message_id): (&Text, u64),
        now: u64,
    ) -> Result<Receipt, Refusal> {
        let line = || fingerprint(conversation, text.as_str());
        if let Some(first) = speaker.message_ids().find(message_id, line) {
            return first.map_err(Refusal::new);
        }
        let receipt = self.directory.say(conversation, speaker, (text, message_id), now)?;
        speaker.message_ids().note(message_id, line, receipt);
        Ok(receipt)
    }

    /// Answers a line, as soon as it is stored where it has to be.
    pub(super) fn answer_line(
        &mut self,
        slot: Slot,
        (kind, request): (u16, RequestId),
        (conversation, message_id): (u64, u64),
        said: Result<Receipt, Refusal>,
    ) {
        let Ok(receipt) = said else {
            let answer = self.answer(request, said);
            return slot.answer(&told(kind, answer));
        };
        let held = Held { slot, kind, request, message_id, receipt };
        if let Some(held) = self.directory.hub_mut().hold_answer(conversation, held) {
            held.tell();
        }
    }

    /// Takes what has become of lines since the last turn.
    pub(super) fn take_verdicts(&mut self) {
        while let Some(verdict) = self.kept.as_mut().and_then(Kept::try_next) {
            self.take_verdict(verdict);
        }
    }

    pub(super) fn take_verdict(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Stored(lines) => self.settle(lines, true),
            Verdict::Refused(lines) => self.settle(lines, false),
            Verdict::Open => self.directory.hub_mut().stop_holding().into_iter().for_each(Held::tell),
            Verdict::Hold => {
                // What has been answered does not wait.
                self.publish();
                self.directory.hub_mut().hold();
            }
            Verdict::PlacesStored(change) => self.settle_places(change),
            Verdict::PlacesFail => self.refuse_places(),
        }
    }

    fn settle(&mut self, lines: Vec<(u64, u64)>, stored: bool) {
        for (conversation, last) in lines {
            for held in self.directory.hub_mut().settle(conversation, last, stored) {
                if stored {
                    held.tell();
                } else {
                    self.metrics.reject(ErrorCode::StorageUnavailable);
                    held.refuse();
                }
            }
        }
    }

    /// Whether lines wait to be stored, or may again.
    pub(super) fn has_verdicts(&self) -> bool {
        self.kept.as_ref().is_some_and(|kept| kept.verdicts.is_some())
    }

    /// Waits until everything said and answered is stored, or refused, and says how each conversation ends that lasts.
    pub(super) async fn end_history(&mut self) {
        while (self.directory.hub().is_awaited() || self.places.has_answers())
            && let Some(verdict) = next_verdict(&mut self.kept).await
        {
            self.take_verdict(verdict);
            self.directory.hub_mut().publish();
        }
        if let Some(kept) = &self.kept {
            kept.feed.end(End::Heads(self.directory.hub().heads()));
        }
    }
}

impl Held {
    fn tell(self) {
        let Self { slot, kind, request, receipt, .. } = self;
        slot.answer(&told(kind, Answer { id: request, outcome: Ok(receipt) }));
    }

    /// The line has not been said after all.
    fn refuse(self) {
        let Self { slot, kind, request, message_id, .. } = self;
        tracing::debug!(
            event = "line_refused",
            session = slot.subscriber().id().0,
            message_id,
            "a line is not stored"
        );
        // Said again it is another line.
        slot.subscriber().message_ids().forget(message_id);
        let refusal = Refusal { code: ErrorCode::StorageUnavailable.into(), retry_ms: STORE_RETRY_MS };
        slot.refuse(kind, Some(request), refusal);
    }
}

/// The answer to a line, by the type of the request.
fn told(kind: u16, answer: Answer<Receipt>) -> ServerPacket {
    match kind {
        kind::ROOM_CHAT => ServerPacket::RoomChatAnswer(answer),
        _ => ServerPacket::BroadcastAnswer(answer),
    }
}

impl Hub {
    /// Has what is said kept from now on, in all rooms.
    pub(super) fn keep(&mut self, feed: Arc<Feed>) {
        self.holds = feed.is_full();
        for room in self.rooms.values_mut() {
            room.keep(&feed, self.holds);
        }
        self.feed = Some(feed);
    }

    /// Whether a room waits because more than half of what its log keeps is still to be stored.
    pub(super) fn waits_for_store(&self, conversation: u64) -> bool {
        self.holds && self.rooms.get(&conversation).is_some_and(Room::waits_for_store)
    }

    /// Keeps an answer until its line is stored, or gives it back if that need not be waited for.
    pub(super) fn hold_answer(&mut self, conversation: u64, held: Held) -> Option<Held> {
        if !self.holds {
            return Some(held);
        }
        match self.rooms.get_mut(&conversation).and_then(|room| room.keeping.as_mut()) {
            Some(keeping) => keeping.hold_answer(held),
            None => Some(held),
        }
    }

    /// A room's lines up to this one are stored, or else refused. Returns the answers that waited for it.
    pub(super) fn settle(&mut self, conversation: u64, last: u64, stored: bool) -> Vec<Held> {
        self.tell_all(conversation);
        match self.rooms.get_mut(&conversation) {
            Some(room) => room.keeping.as_mut().map_or_else(Vec::new, |keeping| keeping.settle(last, stored)),
            None => self.settle_ending(conversation, last, stored),
        }
    }

    fn settle_ending(&mut self, conversation: u64, last: u64, stored: bool) -> Vec<Held> {
        let Some(index) = self.ending.iter().position(|room| room.conversation() == conversation) else {
            return Vec::new();
        };
        let Some(keeping) = &mut self.ending[index].keeping else { return Vec::new() };
        let answers = keeping.settle(last, stored);
        if !keeping.is_awaited() {
            self.ending.swap_remove(index);
        }
        answers
    }

    /// Lets nothing wait to be stored any more. Returns the answers that did.
    pub(super) fn stop_holding(&mut self) -> Vec<Held> {
        self.holds = false;
        let rooms = self.rooms.values_mut().chain(&mut self.ending);
        let keepings = rooms.filter_map(|room| room.keeping.as_mut());
        let answers = keepings.flat_map(|keeping| keeping.open()).collect();
        self.ending.clear();
        let open: Vec<u64> = self.rooms.keys().copied().collect();
        for conversation in open {
            self.tell_all(conversation);
        }
        answers
    }

    /// Lets all that is said from now on wait to be stored.
    pub(super) fn hold(&mut self) {
        self.holds = true;
        self.rooms.values_mut().filter_map(|room| room.keeping.as_mut()).for_each(|keeping| keeping.hold());
    }

    /// Whether something waits to be stored.
    pub(super) fn is_awaited(&self) -> bool {
        let awaited = |room: &Room| room.keeping.as_ref().is_some_and(|keeping| keeping.is_awaited());
        self.holds && (self.rooms.values().any(awaited) || !self.ending.is_empty())
    }

    /// The last lines of the conversations that outlive the process.
    fn heads(&self) -> Vec<Presence> {
        let lasts = |room: &&Room| room.conversation() == LOBBY || room.charter.is(room_flag::PERSISTENT);
        self.rooms.values().filter(lasts).map(Room::place).collect()
    }

    fn tell_all(&mut self, conversation: u64) {
        let Some(room) = self.rooms.get_mut(&conversation) else { return };
        let was_telling = room.is_telling();
        room.tell_all();
        if room.is_telling() && !was_telling {
            self.telling.push_back(conversation);
        }
    }
}
