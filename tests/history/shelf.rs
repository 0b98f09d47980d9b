//! A store that works, is slow, hangs or fails as a test says.

use std::{collections::BTreeMap, ops::RangeInclusive, sync::Arc, time::Duration};

use iocp_chat::{
    session::HistoryStore,
    store::{Batch, EpochEnd, NewLine, StoreError},
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
}

impl Shelf {
    /// Well, and empty.
    pub fn new() -> Self {
        let (lines, gaps, batches) = (BTreeMap::new(), Vec::new(), Vec::new());
        Self(Arc::new(Mutex::new(State { mood: Mood::Well, lines, gaps, closed: None, batches })))
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
