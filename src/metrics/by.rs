//! Counters of one thing by what it was: a closed set, so that each has its number from the start.

use std::{borrow::Cow, marker::PhantomData};

use chat_proto::ErrorCode;

use super::{Counter, Sample, Value};

/// The names of labels, and their values.
pub type Labels = Vec<(&'static str, Cow<'static, str>)>;

/// What something is counted by. It says nothing of who it was: users and rooms are no labels, as there is no end of
/// them.
pub trait Label: Copy + 'static {
    /// Every one, in the order of [`index`](Self::index).
    fn all() -> impl Iterator<Item = Self>;

    /// Its place among them.
    fn index(self) -> usize;

    /// As it is told.
    fn labels(self) -> Labels;
}

/// A counter for each of them.
pub struct CounterBy<L> {
    counters: Box<[Counter]>,
    by: PhantomData<fn(L)>,
}

impl<L: Label> CounterBy<L> {
    /// Counts one more.
    pub fn add(&self, label: L) {
        self.add_many(label, 1);
    }

    /// Counts many more.
    pub fn add_many(&self, label: L, count: u64) {
        self.counters[label.index()].add(count);
    }

    /// How many there were.
    #[must_use]
    pub fn get(&self, label: L) -> u64 {
        self.counters[label.index()].get()
    }

    /// How many there were of all together.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.counters.iter().map(Counter::get).sum()
    }

    /// All of them, as they are told.
    #[must_use]
    pub fn samples(&self) -> Vec<Sample> {
        let sample = |label: L| Sample { labels: label.labels(), value: Value::Count(self.get(label)) };
        L::all().map(sample).collect()
    }
}

impl<L: Label> Default for CounterBy<L> {
    fn default() -> Self {
        Self { counters: L::all().map(|_| Counter::default()).collect(), by: PhantomData }
    }
}

impl Label for ErrorCode {
    fn all() -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied()
    }

    fn index(self) -> usize {
        Self::ALL.binary_search_by_key(&(self as u16), |code| *code as u16).expect("the registry is sorted")
    }

    fn labels(self) -> Labels {
        vec![("code", (self as u16).to_string().into()), ("name", self.name().into())]
    }
}
