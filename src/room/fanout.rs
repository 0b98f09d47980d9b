//! The fan-out task: it owns the hub, takes what sessions ask of it, and never waits for a session.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use chat_proto::{
    Answer, ErrorCode, LOBBY, LeaveReason, List, MAILBOX, Presence, Refusal, RequestId, ServerPacket, Text,
    Welcome, Who, kind,
};
use tokio::{
    sync::{Notify, mpsc},
    time::{Instant, sleep_until},
};

use super::{Control, Hub, LOBBY_BIT, Log, Pace, SessionId, Slot};
use crate::metrics::Metrics;

/// The way in to the fan-out task. Bounded; full, it stops whoever asks, and so the asker's socket.
pub type Inbox = mpsc::Sender<Command>;

/// Commands taken in one turn. A speaker with few lines is served in the same turn as three with all their
/// slots in use.
const BATCH: usize = 256;

/// How long a room waits for a member that stands more than half a log behind. Then the member is left behind,
/// and is not waited for again before it has caught up.
const PATIENCE: Duration = Duration::from_millis(250);

/// How long all that waits may take when the server stops: less than any system grants for it.
const CLOSING_MAX: Duration = Duration::from_secs(1);

/// Commands that wait while their room waits for its members. Full: lines are refused with
/// [`ErrorCode::Overloaded`]; all else is bounded by the sessions' slots.
pub const PARKED_COMMANDS_MAX: usize = 8_192;

/// When a speaker refused for [`PARKED_COMMANDS_MAX`] may try again, in milliseconds.
const PARKED_RETRY_MS: u32 = 1_000;

/// What the fan-out task is asked to do.
pub enum Command {
    /// A session that has just logged in comes into the lobby; it is answered with its welcome.
    Enter {
        /// For the welcome.
        slot: Slot,
        /// The login.
        request: RequestId,
    },
    /// A session says something to a room it is in.
    Say {
        /// For the receipt.
        slot: Slot,
        /// The broadcast.
        request: RequestId,
        /// The room.
        conversation: u64,
        /// What is said.
        text: Text,
    },
    /// A session asks who is in a room.
    Who {
        /// For the page.
        slot: Slot,
        /// The question.
        request: Who,
    },
    /// The operator says something to a room.
    Announce {
        /// The room.
        conversation: u64,
        /// What is said.
        text: Text,
    },
    /// A session has ended: it leaves every room.
    Depart {
        /// Which.
        session: SessionId,
        /// Why.
        reason: LeaveReason,
    },
}

impl Command {
    /// The room in whose order the command has a place.
    fn ordered_in(&self) -> u64 {
        match self {
            Self::Enter { .. } | Self::Depart { .. } => LOBBY,
            Self::Say { conversation, .. } | Self::Announce { conversation, .. } => *conversation,
            // Or the question right behind a login would come before it, from nobody.
            Self::Who { request, .. } => request.conversation,
        }
    }
}

/// The hub with the state of its pacing around it.
pub struct FanOut {
    hub: Hub,
    /// Milliseconds since 1970 UTC.
    clock: fn() -> u64,
    /// A member has passed the line its room waits for.
    progress: Arc<Notify>,
    metrics: Arc<Metrics>,
    parked: HashMap<u64, Parked>,
}

/// What waits while its room waits for its members.
struct Parked {
    until: Instant,
    commands: VecDeque<Command>,
}

impl FanOut {
    /// A fan-out with a lobby, empty.
    #[must_use]
    pub fn new(notice_members: u32, lobby: Log, clock: fn() -> u64, metrics: Arc<Metrics>) -> Self {
        let progress = Arc::new(Notify::new());
        let mut hub = Hub::new(notice_members);
        let told = Arc::clone(&progress);
        hub.open(lobby, Pace::new(move || told.notify_one()));
        Self { hub, clock, progress, metrics, parked: HashMap::new() }
    }

    /// Serves the inbox until nobody can send to it any more, and then what is left in it.
    pub async fn run(mut self, mut inbox: mpsc::Receiver<Command>) {
        let mut batch = Vec::with_capacity(BATCH);
        while self.next(&mut inbox, &mut batch).await {
            for command in batch.drain(..) {
                self.take(command);
            }
            self.publish();
            self.resume_parked();
            // Lets the readers run: what they have not taken when the next turn comes grows into larger writes.
            tokio::task::yield_now().await;
        }
        self.close().await;
    }

    /// Nobody speaks any more. What was accepted before is said at the pace of its readers, while there is time.
    async fn close(mut self) {
        let end = Instant::now() + CLOSING_MAX;
        while let Some(patience) = self.patience().filter(|_| Instant::now() < end) {
            tokio::select! {
                () = self.progress.notified() => {}
                () = sleep_until(patience.min(end)) => {}
            }
            self.resume_parked();
            tokio::task::yield_now().await;
        }
        for (_, parked) in std::mem::take(&mut self.parked) {
            for command in parked.commands {
                self.apply(command);
            }
        }
        self.hub.publish();
    }

    /// Waits for something to do; false when there will be nothing more.
    async fn next(&mut self, inbox: &mut mpsc::Receiver<Command>, batch: &mut Vec<Command>) -> bool {
        let Some(patience) = self.patience() else {
            return inbox.recv_many(batch, BATCH).await > 0;
        };
        tokio::select! {
            count = inbox.recv_many(batch, BATCH) => count > 0,
            () = self.progress.notified() => true,
            () = sleep_until(patience) => true,
        }
    }

    /// When the first room has waited long enough; `None` while none waits.
    fn patience(&self) -> Option<Instant> {
        self.parked.values().map(|parked| parked.until).min()
    }

    /// Applies a command, or parks it behind its room's readers.
    fn take(&mut self, command: Command) {
        let Some(parked) = self.parked.get_mut(&command.ordered_in()) else { return self.apply(command) };
        match command {
            Command::Say { slot, request, .. } if parked.commands.len() >= PARKED_COMMANDS_MAX => {
                self.metrics.reject(ErrorCode::Overloaded);
                let refusal = Refusal { code: ErrorCode::Overloaded.into(), retry_ms: PARKED_RETRY_MS };
                slot.refuse(kind::BROADCAST, Some(request), refusal);
            }
            command => parked.commands.push_back(command),
        }
    }

    /// Makes what was said readable. A room that got too far ahead of its readers waits from here on.
    fn publish(&mut self) {
        for room in self.hub.publish() {
            if self.hub.is_ahead(room) {
                let until = Instant::now() + PATIENCE;
                self.parked
                    .entry(room)
                    .or_insert_with(|| Parked { until, commands: VecDeque::new() })
                    .until = until;
            }
        }
    }

    /// Goes on with the rooms whose readers have caught up, or have been waited for long enough.
    fn resume_parked(&mut self) {
        let rooms: Vec<u64> = self.parked.keys().copied().collect();
        for room in rooms {
            self.resume(room);
        }
    }

    fn resume(&mut self, room: u64) {
        let Some(parked) = self.parked.get(&room) else { return };
        if self.hub.is_ahead(room) {
            if Instant::now() < parked.until {
                return;
            }
            self.hub.leave_behind(room);
        }
        for _ in 0..BATCH {
            let next = self.parked.get_mut(&room).and_then(|parked| parked.commands.pop_front());
            let Some(command) = next else { break };
            self.apply(command);
            // It published, because there was much: the rest waits again.
            if self.hub.is_ahead(room) {
                return;
            }
        }
        self.publish();
        if self.hub.is_ahead(room) {
            return;
        }
        if self.parked.get(&room).is_some_and(|parked| parked.commands.is_empty()) {
            self.parked.remove(&room);
        } else {
            // The next turn, as soon as others have had theirs.
            self.progress.notify_one();
        }
    }

    fn apply(&mut self, command: Command) {
        let now = (self.clock)();
        match command {
            Command::Enter { slot, request } => self.enter(slot, request, now),
            Command::Say { slot, request, conversation, text } => {
                let said = self.hub.say(conversation, slot.subscriber().id(), &text, now);
                slot.answer(&ServerPacket::BroadcastAnswer(self.answer(request, said)));
                if self.hub.has_much(conversation) {
                    self.publish();
                }
            }
            Command::Who { slot, request } => {
                let page =
                    self.hub.who(request.conversation, slot.subscriber().id(), request.after, request.limit);
                slot.answer(&ServerPacket::WhoAnswer(self.answer(request.id, page)));
            }
            Command::Announce { conversation, text } => {
                // A room that is gone has nobody to tell.
                let _ = self.hub.announce(conversation, &text, now);
            }
            Command::Depart { session, reason } => self.hub.depart(session, reason, now),
        }
    }

    fn enter(&mut self, slot: Slot, request: RequestId, now: u64) {
        let subscriber = Arc::clone(slot.subscriber());
        let joined = self.hub.join(LOBBY, &subscriber, LOBBY_BIT, now);
        let (lobby, attachment) = joined.expect("there is a lobby, and a new session is not in it");
        let mailbox = Presence { conversation: MAILBOX, epoch: subscriber.mailbox().epoch(), seq: 0 };
        let welcome = Welcome {
            session: subscriber.id().0,
            name: subscriber.name().as_str().into(),
            time_ms: now,
            role: subscriber.role() as u16,
            resume_token: None,
            grace_ms: 0,
            conversations: List(vec![mailbox, lobby]),
        };
        // In this order: the welcome precedes the lobby's first line.
        slot.answer(&ServerPacket::LoginAnswer(Answer { id: request, outcome: Ok(welcome) }));
        subscriber.tell(Control::Attach(attachment));
    }

    fn answer<T>(&self, id: RequestId, outcome: Result<T, ErrorCode>) -> Answer<T> {
        if let Err(code) = outcome {
            self.metrics.reject(code);
        }
        Answer { id, outcome: outcome.map_err(Refusal::new) }
    }
}
