//! A store that works, is slow, hangs or fails as a test says.

use std::{collections::BTreeMap, ops::RangeInclusive, sync::Arc, time::Duration};

use chat_proto::KeyId;
use iocp_chat::{
    session::{Changes, FamilyStore, HistoryStore, MailboxStore},
    store::{
        AccountId, Batch, EpochEnd, Letter, MailboxCut, NewLine, NewWhispers, StoreError, StoredMailbox,
        StoredText,
    },
};
use parking_lot::Mutex;
use tokio::time::sleep;

/// How it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    Well,
    /// It takes this long over everything.
    Slow(Duration),
    /// It does not come to an end before it is in another mood.
    Hangs,
    /// Nothing is written.
    Fails,
    /// All is written, and said not to be.
    Lies,
    /// What is written is refused for what it is, and will always be.
    Loathes,
}

/// Lines by conversation and number, and all else that was written.
#[derive(Clone)]
pub struct Shelf(Arc<Mutex<State>>);

struct State {
    mood: Mood,
    lines: BTreeMap<(u64, u64), NewLine>,
    gaps: Vec<(u64, RangeInclusive<u64>)>,
    closed: Option<Vec<EpochEnd>>,
    /// Lines of each transaction.
    batches: Vec<usize>,
    /// Whispers in mailboxes by session and number.
    mailboxes: BTreeMap<(u64, u64), Letter>,
    /// Whispers that are kept for the one account there is.
    kept: Vec<Letter>,
    /// The rooms that sessions are in.
    rooms: BTreeMap<u64, Vec<u64>>,
}

impl Shelf {
    /// Well, and empty.
    pub fn new() -> Self {
        let (lines, gaps, batches) = (BTreeMap::new(), Vec::new(), Vec::new());
        let (mailboxes, kept) = (BTreeMap::new(), Vec::new());
        let rooms = BTreeMap::new();
        let state = State { mood: Mood::Well, lines, gaps, closed: None, batches, mailboxes, kept, rooms };
        Self(Arc::new(Mutex::new(state)))
    }

    pub fn be(&self, mood: Mood) {
        self.0.lock().mood = mood;
    }

    /// The numbers of a conversation's lines.
    pub fn numbers(&self, conversation: u64) -> Vec<u64> {
        let state = self.0.lock();
        state.lines.keys().filter(|(of, _)| *of == conversation).map(|(_, seq)| *seq).collect()
    }

    pub fn has(&self, conversation: u64, seq: u64) -> bool {
        self.0.lock().lines.contains_key(&(conversation, seq))
    }

    pub fn texts(&self) -> Vec<String> {
        self.0.lock().lines.values().map(|line| line.text.clone()).collect()
    }

    /// What is in a session's mailbox, by its numbers.
    pub fn whispers(&self, session: u64) -> Vec<(u64, String)> {
        let state = self.0.lock();
        let whispers = state.mailboxes.iter().filter(|((of, _), _)| *of == session);
        let text = |letter: &Letter| match &letter.text {
            StoredText::Plain(text) => text.clone(),
            StoredText::Sealed(_) => panic!("nobody here seals anything"),
        };
        whispers.map(|((_, seq), letter)| (*seq, text(letter))).collect()
    }

    /// The rooms that a session is in.
    pub fn rooms(&self, session: u64) -> Vec<u64> {
        self.0.lock().rooms.get(&session).cloned().unwrap_or_default()
    }

    /// Keeps a whisper for the one account there is.
    pub fn keep(&self, letter: Letter) {
        self.0.lock().kept.push(letter);
    }

    pub fn gaps(&self) -> Vec<(u64, RangeInclusive<u64>)> {
        self.0.lock().gaps.clone()
    }

    pub fn batches(&self) -> Vec<usize> {
        self.0.lock().batches.clone()
    }

    /// How the epochs were closed, if they were.
    pub fn closed(&self) -> Option<Vec<EpochEnd>> {
        self.0.lock().closed.clone()
    }

    /// Waits as its mood says, and says what comes of it then.
    async fn wait(&self) -> Mood {
        loop {
            let mood = self.0.lock().mood;
            match mood {
                Mood::Hangs => sleep(Duration::from_millis(1)).await,
                Mood::Slow(time) => {
                    sleep(time).await;
                    return Mood::Well;
                }
                mood => return mood,
            }
        }
    }
}

impl HistoryStore for Shelf {
    async fn write(&self, batches: &[Batch]) -> Result<u64, StoreError> {
        let mood = self.wait().await;
        match mood {
            Mood::Fails => return Err(StoreError::Full("no room".into())),
            Mood::Loathes => return Err(StoreError::Corrupt("not this".into())),
            _ => {}
        }
        let mut state = self.0.lock();
        state.batches.push(batches.iter().map(|batch| batch.lines.len()).sum());
        for batch in batches {
            for void in &batch.void {
                state.lines.retain(|(of, seq), _| *of != batch.conversation || !void.contains(seq));
            }
            state.gaps.extend(batch.gaps.iter().map(|gap| (batch.conversation, gap.clone())));
            for line in &batch.lines {
                state.lines.entry((batch.conversation, line.seq)).or_insert_with(|| line.clone());
            }
        }
        if mood == Mood::Lies { Err(StoreError::Unavailable("who knows".into())) } else { Ok(0) }
    }

    async fn close_epochs(&self, ends: &[EpochEnd]) -> Result<(), StoreError> {
        if matches!(self.wait().await, Mood::Well) {
            self.0.lock().closed = Some(ends.to_vec());
            return Ok(());
        }
        Err(StoreError::Full("no room".into()))
    }
}

impl MailboxStore for Shelf {
    async fn add(&self, new: &[NewWhispers]) -> Result<(), StoreError> {
        let mood = self.wait().await;
        if mood == Mood::Fails {
            return Err(StoreError::Full("no room".into()));
        }
        let mut state = self.0.lock();
        state.batches.push(new.iter().map(|one| one.lines.len()).sum());
        for one in new {
            for (seq, letter) in &one.lines {
                let before = state.mailboxes.insert((one.session, *seq), letter.clone());
                assert_eq!(before, None, "a number names one whisper");
            }
        }
        if mood == Mood::Lies { Err(StoreError::Unavailable("who knows".into())) } else { Ok(()) }
    }

    async fn move_letters(
        &self,
        _kept: (AccountId, u64),
        _devices: &[KeyId],
        (session, head): (u64, u64),
    ) -> Result<Vec<Letter>, StoreError> {
        let letters = self.0.lock().kept.clone();
        let lines: Vec<_> = (head + 1..).zip(letters.clone()).collect();
        let added = self.add(&[NewWhispers { session, forgotten: 0, lines: lines.clone() }]).await;
        if self.whispers(session).len() >= lines.len() {
            self.0.lock().kept.clear();
        }
        added.map(|()| letters)
    }

    async fn cut(&self, cuts: &[MailboxCut]) -> Result<(), StoreError> {
        if matches!(self.wait().await, Mood::Fails | Mood::Lies) {
            return Err(StoreError::Full("no room".into()));
        }
        let mut state = self.0.lock();
        for cut in cuts {
            let beyond = state.mailboxes.split_off(&(cut.session, cut.head + 1));
            for ((session, seq), letter) in beyond {
                if session != cut.session {
                    state.mailboxes.insert((session, seq), letter);
                } else if cut.kept_for.is_some() {
                    state.kept.push(letter);
                }
            }
        }
        Ok(())
    }

    async fn load(&self, _session: u64) -> Result<Option<StoredMailbox>, StoreError> {
        self.wait().await;
        Ok(None)
    }
}

impl FamilyStore for Shelf {
    async fn write(&self, changes: &Changes, _ttl_ms: u64, _now: u64) -> Result<(), StoreError> {
        let mood = self.wait().await;
        if mood == Mood::Fails {
            return Err(StoreError::Full("no room".into()));
        }
        let mut state = self.0.lock();
        state.batches.push(changes.rooms.len());
        state.rooms.extend(changes.rooms.iter().map(|(session, rooms)| (session.0, rooms.clone())));
        if mood == Mood::Lies { Err(StoreError::Unavailable("who knows".into())) } else { Ok(()) }
    }

    async fn expire(&self, _now: u64) -> Result<(), StoreError> {
        Ok(())
    }
}
