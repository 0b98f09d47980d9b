//! The fan-out task: it owns the conversations, takes what sessions ask of it, and never waits for a session.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use chat_proto::{Answer, ErrorCode, MAILBOX, NameKey, Refusal, RequestId, ServerPacket};
use tokio::{
    sync::{Notify, mpsc},
    time::{Instant, sleep_until},
};

use super::{
    Command, Directory, Entry, Hub, Log, SessionId, Subscriber,
    places::Places,
    settling::{Kept, next_verdict},
};
use crate::{
    config::RoomsConfig,
    metrics::{Metrics, SlowAction},
};

/// The way in to the fan-out task. Bounded; full, it stops whoever asks, and so the asker's socket.
pub type Inbox = mpsc::Sender<Command>;

/// The way to whoever stores what has to outlive the process. Bounded; full, what would have to be stored is refused.
pub type Ledger = mpsc::Sender<Entry>;

/// Who has a name: their session; else whether the name is offline or unknown.
pub type Find = Box<dyn Fn(&NameKey) -> Result<Arc<Subscriber>, ErrorCode> + Send>;

/// Commands taken in one turn. A speaker with few lines is served in the same turn as three with all their
/// slots in use.
const BATCH: usize = 256;

/// Members woken in one turn. Tokio takes up a task that has yielded after 61 others at the latest, and a thread's queue
/// holds 256: whoever wakes more in a turn than run until the next fills it, and then all, of other rooms too, stand
/// behind all that waits anywhere.
const TOLD_AT_ONCE: usize = 32;

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

/// The conversations with the state of their pacing around them.
pub struct FanOut {
    pub(super) directory: Directory,
    /// Milliseconds since 1970 UTC.
    pub(super) clock: fn() -> u64,
    /// A member has passed the line its room waits for.
    progress: Arc<Notify>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) ledger: Option<Ledger>,
    pub(super) find: Find,
    /// What it and those who store for it tell each other, if anything is stored.
    pub(super) kept: Option<Kept>,
    /// What waits until it is stored where sessions are.
    pub(super) places: Places,
    parked: BTreeMap<u64, Parked>,
    /// Where what a session has asked waits, and how much of it: what it asks next waits behind.
    waiting: HashMap<SessionId, (u64, usize)>,
}

/// What waits while its room waits for its members.
struct Parked {
    until: Instant,
    commands: VecDeque<Command>,
}

/// What comes next of what waits for a room.
enum Unparked {
    Next(Command),
    /// It is about another room, which waits too.
    Blocked,
    Nothing,
}

impl FanOut {
    /// A fan-out with a lobby, empty, and no rooms.
    #[must_use]
    pub fn new(
        notice_members: u32,
        lobby: Log,
        rooms: RoomsConfig,
        clock: fn() -> u64,
        metrics: Arc<Metrics>,
    ) -> Self {
        let progress = Arc::new(Notify::new());
        let told = Arc::clone(&progress);
        let directory = Directory::new(notice_members, lobby, rooms, move || told.notify_one());
        let (parked, waiting) = (BTreeMap::new(), HashMap::new());
        let find: Find = Box::new(|_| Err(ErrorCode::UserNotFound));
        let (ledger, kept, places) = (None, None, Places::default());
        Self { directory, clock, progress, metrics, ledger, find, kept, places, parked, waiting }
    }

    /// Finds by this whom an act is about. Else nobody is found.
    pub fn set_find(&mut self, find: Find) {
        self.find = find;
    }

    /// Has what outlives the process stored, before it is answered.
    pub fn set_ledger(&mut self, ledger: Ledger) {
        self.ledger = Some(ledger);
    }

    /// The rooms, to restore those that were stored.
    pub fn directory_mut(&mut self) -> &mut Directory {
        &mut self.directory
    }

    /// Serves the inbox until nobody can send to it any more, and then what is left in it.
    pub async fn run(mut self, mut inbox: mpsc::Receiver<Command>) {
        let mut batch = Vec::with_capacity(BATCH);
        while self.next(&mut inbox, &mut batch).await {
            let began = Instant::now();
            self.take_verdicts();
            for command in batch.drain(..) {
                self.take(command);
            }
            self.publish();
            self.resume_parked();
            self.hub().tell(TOLD_AT_ONCE);
            self.metrics.fan_out_seconds.observe(began.elapsed());
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
                // Whichever it is, all rooms are looked at.
                biased;
                () = self.progress.notified() => {}
                Some(verdict) = next_verdict(&mut self.kept) => self.take_verdict(verdict),
                () = sleep_until(patience.min(end)) => {}
            }
            self.resume_parked();
            self.hub().tell(usize::MAX);
            tokio::task::yield_now().await;
        }
        for (_, parked) in std::mem::take(&mut self.parked) {
            for command in parked.commands {
                self.apply(command);
            }
        }
        self.hub().publish();
        self.end_history().await;
    }

    /// Waits for something to do; false when there will be nothing more.
    async fn next(&mut self, inbox: &mut mpsc::Receiver<Command>, batch: &mut Vec<Command>) -> bool {
        // Who is told next must not wait for somebody to speak.
        if self.hub().is_telling() {
            while batch.len() < BATCH
                && let Ok(command) = inbox.try_recv()
            {
                batch.push(command);
            }
            return true;
        }
        let patience = self.patience();
        if patience.is_none() && !self.has_verdicts() {
            return inbox.recv_many(batch, BATCH).await > 0;
        }
        tokio::select! {
            // Whichever it is, all that waits is looked at in each turn.
            biased;
            count = inbox.recv_many(batch, BATCH) => count > 0,
            Some(verdict) = next_verdict(&mut self.kept) => {
                self.take_verdict(verdict);
                true
            }
            () = self.progress.notified(), if patience.is_some() => true,
            () = sleep_until(patience.unwrap_or_else(Instant::now)), if patience.is_some() => true,
        }
    }

    /// When the first room has waited long enough; `None` while none waits.
    fn patience(&self) -> Option<Instant> {
        self.parked.values().map(|parked| parked.until).min()
    }

    /// Applies a command, or parks it: behind its room's readers, or behind what the same session has asked before.
    fn take(&mut self, command: Command) {
        if self.parked.is_empty() {
            return self.apply(command);
        }
        let behind = command.session().and_then(|session| self.waiting.get(&session)).map(|(room, _)| *room);
        let room = behind.or(command.ordered_in().filter(|room| self.is_held_up(&command, *room)));
        match room.filter(|room| self.parked.contains_key(room)) {
            Some(room) => self.park(room, command),
            None => self.apply(command),
        }
    }

    fn park(&mut self, room: u64, command: Command) {
        let commands = &mut self.parked.get_mut(&room).expect("it waits").commands;
        match command {
            Command::Say { slot, kind, request, .. } if commands.len() >= PARKED_COMMANDS_MAX => {
                self.metrics.reject(ErrorCode::Overloaded);
                let refusal = Refusal { code: ErrorCode::Overloaded.into(), retry_ms: PARKED_RETRY_MS };
                slot.refuse(kind, Some(request), refusal);
            }
            command => {
                if let Some(session) = command.session() {
                    self.waiting.entry(session).or_insert((room, 0)).1 += 1;
                }
                commands.push_back(command);
            }
        }
    }

    /// The next of what waits for a room.
    fn unpark(&mut self, room: u64) -> Unparked {
        let parked = self.parked.get_mut(&room);
        let Some(command) = parked.and_then(|parked| parked.commands.pop_front()) else {
            return Unparked::Nothing;
        };
        // It may be for another room, and wait here because its session's last request did.
        let other = command.ordered_in().filter(|other| *other != room);
        if let Some(until) = other.and_then(|other| self.waits_until(other)) {
            let parked = self.parked.get_mut(&room).expect("it waits");
            parked.commands.push_front(command);
            parked.until = until;
            return Unparked::Blocked;
        }
        if let Some(session) = command.session()
            && let Some((_, count)) = self.waiting.get_mut(&session)
        {
            *count -= 1;
            if *count == 0 {
                self.waiting.remove(&session);
            }
        }
        Unparked::Next(command)
    }

    /// Until when a room waits for its members or to be stored, if it still does.
    fn waits_until(&mut self, room: u64) -> Option<Instant> {
        let until = self.parked.get(&room)?.until;
        (Instant::now() < until && self.hub().is_ahead(room)).then_some(until)
    }

    fn hub(&mut self) -> &mut Hub {
        self.directory.hub_mut()
    }

    /// Makes what was said readable. A room that got too far ahead of its readers waits from here on.
    pub(super) fn publish(&mut self) {
        for room in self.hub().append() {
            if self.hub().is_ahead(room) {
                let until = Instant::now() + PATIENCE;
                let parked = self.parked.entry(room).or_insert_with(|| {
                    self.metrics.slow_consumers.add(SlowAction::Waited);
                    Parked { until, commands: VecDeque::new() }
                });
                parked.until = until;
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
        let until = parked.until;
        if self.hub().is_ahead(room) {
            if Instant::now() < until {
                return;
            }
            self.hub().leave_behind(room);
            self.metrics.slow_consumers.add(SlowAction::LeftBehind);
            // To be stored is waited for as long as it takes.
            if self.hub().is_ahead(room)
                && let Some(parked) = self.parked.get_mut(&room)
            {
                parked.until = Instant::now() + PATIENCE;
                return;
            }
        }
        for _ in 0..BATCH {
            match self.unpark(room) {
                Unparked::Next(command) => self.apply(command),
                Unparked::Nothing => break,
                // The other room's readers tell when they have passed its line, as this one's do.
                Unparked::Blocked => return self.publish(),
            }
            // It published, because there was much: the rest waits again.
            if self.hub().is_ahead(room) {
                return;
            }
        }
        self.publish();
        if self.hub().is_ahead(room) {
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
            Command::Enter { slot, request, grant } => self.enter(slot, request, grant.as_deref(), now),
            Command::Resume { slot, request, grant } => self.answer_resume(slot, request, grant, now),
            Command::Locate { session, reply } => {
                // Who asked may be gone.
                let _ = reply.send(self.directory.standpoints(&session));
            }
            Command::Replay { slot, conversation, packets } => {
                if conversation == MAILBOX || self.directory.is_waiting(slot.subscriber(), conversation) {
                    slot.pass_on(&packets);
                }
            }
            Command::Attach { session, conversation, after } => {
                self.directory.attach(&session, conversation, after);
            }
            Command::Say { slot, kind, request, conversation, message_id, text } => {
                let said = self.say_once(conversation, slot.subscriber(), (&text, message_id), now);
                self.answer_line(slot, (kind, request), (conversation, message_id), said);
                if self.hub().has_much(conversation) {
                    self.publish();
                }
            }
            Command::Who { slot, request } => {
                let page =
                    self.directory.who(request.conversation, slot.subscriber(), request.after, request.limit);
                slot.answer(&ServerPacket::WhoAnswer(self.answer(request.id, page.map_err(Refusal::new))));
            }
            Command::Consult { asker, conversation, reply } => {
                // Whoever asked may be gone.
                let _ = reply.send(self.directory.past(conversation, &asker));
            }
            Command::Room(command) => self.serve_room(*command, now),
            Command::Announce { text } => self.directory.announce(&text, now),
            Command::Expel { session, code, reason, by, words } => {
                self.directory.expel(&session, (code, reason), (&by, &words), now);
            }
            Command::Admit { slot, request, conversation } => self.admit(slot, request, conversation, now),
            Command::Unstored { conversation } => self.directory.note_unstored(conversation),
            Command::Withdraw { conversation } => self.directory.end_room(conversation, "", now),
            Command::Survey(survey) => self.directory.survey(survey),
            Command::Depart { session, reason } => {
                if self.directory.is_current(&session) {
                    self.directory.depart(session.id(), reason, now);
                }
            }
        }
    }

    /// An answer, counted if it is a refusal.
    pub(super) fn answer<T>(&self, id: RequestId, outcome: Result<T, Refusal>) -> Answer<T> {
        if let Err(code) = outcome.as_ref().map_err(|refusal| refusal.code)
            && let Some(code) = code.error()
        {
            self.metrics.reject(code);
        }
        Answer { id, outcome }
    }
}
