//! Pages of the history: however small, together they tell all, in order, once, and every hole where it is.

use iocp_chat::store::{
    Batch, Cursor, EpochEnd, History, Line, NewLine, PAGE_LINES_MAX, PageLimit, StoreError, Told,
};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::{batch, kept, line, open, places, told};
use crate::fresh;

const LOBBY: u64 = 1;
const ALL: PageLimit = PageLimit { lines: PAGE_LINES_MAX, bytes: usize::MAX };

fn at(epoch: u64, seq: u64) -> Cursor {
    Cursor { conversation: LOBBY, epoch, seq }
}

/// The plainest model of an epoch: what is told after each number.
struct Model {
    epoch: u64,
    /// What is at each number, from 1: a line, missing, or nothing that was ever kept.
    places: Vec<Place>,
    unclean: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Line,
    Missing,
    Nothing,
}

impl Model {
    fn random(epoch: u64, random: &mut StdRng) -> Self {
        let mut places = Vec::new();
        for _ in 0..random.random_range(0..6) {
            let place = [Place::Line, Place::Line, Place::Missing, Place::Nothing][random.random_range(0..4)];
            places.extend(vec![place; random.random_range(1..4)]);
        }
        Self { epoch, places, unclean: random.random() }
    }

    fn runs(&self, wanted: Place) -> Vec<(u64, u64)> {
        let mut runs: Vec<(u64, u64)> = Vec::new();
        for (place, seq) in self.places.iter().zip(1..) {
            match runs.last_mut() {
                _ if *place != wanted => {}
                Some(run) if run.1 + 1 == seq => run.1 = seq,
                _ => runs.push((seq, seq)),
            }
        }
        runs
    }

    fn batch(&self) -> Batch {
        let seqs = self.runs(Place::Line).into_iter().flat_map(|(from, to)| from..=to);
        let gaps = self.runs(Place::Missing).into_iter().map(|(from, to)| from..=to).collect();
        Batch { gaps, ..batch(LOBBY, self.epoch, seqs) }
    }

    fn told_after(&self, seq: u64) -> Vec<Told> {
        let mut told: Vec<(u64, Told)> = Vec::new();
        for (from, to) in self.runs(Place::Line) {
            told.extend((from..=to).filter(|at| *at > seq).map(|at| (at, Told::Line(self.line(at)))));
        }
        for (from, to) in self.runs(Place::Missing) {
            if to > seq {
                let from = from.max(seq + 1);
                told.push((from, Told::Missed { epoch: self.epoch, from, to }));
            }
        }
        told.sort_by_key(|(at, _)| *at);
        if self.unclean {
            // After all that was kept, and after all that was taken.
            let kept = self.places.iter().rposition(|place| *place != Place::Nothing).map_or(0, |at| at + 1);
            let from = seq.max(kept as u64) + 1;
            told.push((from, Told::Missed { epoch: self.epoch, from, to: u64::MAX }));
        }
        told.into_iter().map(|(_, told)| told).collect()
    }

    fn line(&self, seq: u64) -> Line {
        let NewLine { seq, time_ms, session, sender, text, .. } = line(seq);
        Line { epoch: self.epoch, seq, time_ms, session, sender, text }
    }
}

#[tokio::test]
async fn pages_of_any_size_from_any_place_together_are_what_the_plainest_model_says() {
    for seed in 0..12 {
        let mut random = StdRng::seed_from_u64(seed);
        let fresh = fresh().await;
        let store = open(&fresh).await;
        let epochs: Vec<_> =
            (0..random.random_range(1..5)).map(|_| Model::random(random.random(), &mut random)).collect();
        for epoch in &epochs {
            store.history().write(&[epoch.batch()]).await.expect("written");
        }
        let ends = epochs.iter().filter(|epoch| !epoch.unclean).map(|epoch| EpochEnd {
            conversation: LOBBY,
            epoch: epoch.epoch,
            head: epoch.places.len() as u64,
        });
        store.history().close_epochs(&ends.collect::<Vec<_>>()).await.expect("closed");
        store.history().open_epochs().await.expect("opened");
        for number in 0..epochs.len() {
            for seq in 0..=epochs[number].places.len() as u64 {
                let mut expected = epochs[number].told_after(seq);
                expected.extend(epochs[number + 1..].iter().flat_map(|later| later.told_after(0)));
                let limit = PageLimit { lines: random.random_range(1..5), bytes: random.random_range(0..40) };
                let all = all_after(store.history(), at(epochs[number].epoch, seq), limit).await;
                assert_eq!(all, expected, "seed {seed}, epoch {number}, {seq}, {limit:?}");

                let mut before: Vec<_> =
                    epochs[..number].iter().flat_map(|earlier| lines(&earlier.told_after(0))).collect();
                before.extend(lines(&epochs[number].told_after(0)).into_iter().filter(|line| line.seq < seq));
                let all = all_before(store.history(), at(epochs[number].epoch, seq), limit).await;
                assert_eq!(all, before, "seed {seed}, before epoch {number}, {seq}, {limit:?}");
            }
        }
        let everything: Vec<_> = epochs.iter().flat_map(|epoch| epoch.told_after(0)).collect();
        assert_eq!(told(&store, LOBBY).await, everything, "seed {seed}");
        store.close().await.expect("closed");
    }
}

fn lines(told: &[Told]) -> Vec<Line> {
    told.iter()
        .filter_map(|told| if let Told::Line(line) = told { Some(line.clone()) } else { None })
        .collect()
}

async fn all_after(history: &History, mut cursor: Cursor, limit: PageLimit) -> Vec<Told> {
    let mut all = Vec::new();
    loop {
        let page = history.after(cursor, limit).await.expect("a page");
        assert!(page.told.len() <= limit.lines && (!page.more || !page.told.is_empty()), "{page:?}");
        let bytes: usize = lines(&page.told).iter().map(|line| line.sender.len() + line.text.len()).sum();
        assert!(bytes <= limit.bytes || page.told.len() == 1, "{page:?}");
        match page.told.last() {
            Some(Told::Line(line)) => cursor = at(line.epoch, line.seq),
            Some(Told::Missed { epoch, to, .. }) => cursor = at(*epoch, *to),
            None => {}
        }
        all.extend(page.told);
        if !page.more {
            return all;
        }
    }
}

async fn all_before(history: &History, mut cursor: Cursor, limit: PageLimit) -> Vec<Line> {
    let mut all = Vec::new();
    loop {
        let page = history.before(cursor, limit).await.expect("a page");
        assert!(page.lines.len() <= limit.lines && (!page.more || !page.lines.is_empty()), "{page:?}");
        if let Some(first) = page.lines.first() {
            cursor = at(first.epoch, first.seq);
        }
        all.splice(0..0, page.lines);
        if !page.more {
            return all;
        }
    }
}

#[tokio::test]
async fn from_outside_of_all_it_begins_at_the_beginning_or_at_the_end() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    store.history().write(&[batch(LOBBY, 77, 1..=3)]).await.expect("written");
    store.history().write(&[batch(LOBBY, 60, 1..=3), batch(5, 60, 1..=3)]).await.expect("written");
    let two = PageLimit { lines: 2, bytes: usize::MAX };
    let first = store.history().after(at(0, 0), two).await.expect("a page");
    assert_eq!((places(&lines(&first.told)), first.more), (vec![(77, 1), (77, 2)], true));
    let last = store.history().before(at(0, 0), two).await.expect("a page");
    assert_eq!((places(&last.lines), last.more), (vec![(60, 2), (60, 3)], true));
    let all = store.history().before(at(0, 0), ALL).await.expect("a page");
    assert_eq!((all.lines, all.more), (kept(&store, LOBBY).await, false));
    let nothing = store.history().after(Cursor { conversation: 9, epoch: 0, seq: 0 }, ALL).await;
    assert!(nothing.expect("a page").told.is_empty());
    store.close().await.expect("closed");
}

#[tokio::test]
async fn a_place_in_an_epoch_that_is_not_known_is_not_found() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    store.history().write(&[batch(LOBBY, 77, 1..=3), batch(5, 78, 1..=3)]).await.expect("written");
    for cursor in [at(78, 1), at(0, 1), Cursor { conversation: 5, epoch: 77, seq: 0 }] {
        let (after, before) =
            (store.history().after(cursor, ALL).await, store.history().before(cursor, ALL).await);
        assert!(matches!(after, Err(StoreError::NotFound)), "{after:?}");
        assert!(matches!(before, Err(StoreError::NotFound)), "{before:?}");
    }
    store.close().await.expect("closed");
}

#[tokio::test]
async fn a_page_has_no_more_than_a_thousand_entries_and_says_that_there_is_more() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    store.history().write(&[batch(LOBBY, 77, 1..=1_001)]).await.expect("written");
    let limit = PageLimit { lines: usize::MAX, bytes: usize::MAX };
    let page = store.history().after(at(0, 0), limit).await.expect("a page");
    assert_eq!((page.told.len(), page.more), (1_000, true));
    let page = store.history().before(at(0, 0), limit).await.expect("a page");
    assert_eq!((page.lines.len(), page.lines[0].seq, page.more), (1_000, 2, true));
    let page = store.history().after(at(77, 1), limit).await.expect("a page");
    assert_eq!((page.told.len(), page.more), (1_000, false));
    store.close().await.expect("closed");
}

#[tokio::test]
async fn a_page_looks_through_hundreds_of_epochs_in_which_nobody_spoke() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    store.history().write(&[batch(LOBBY, 1, [1])]).await.expect("written");
    let ends: Vec<_> = (2..=300).map(|epoch| EpochEnd { conversation: LOBBY, epoch, head: 3 }).collect();
    store.history().close_epochs(&ends).await.expect("closed");
    store.history().write(&[batch(LOBBY, 301, [1])]).await.expect("written");
    let limit = PageLimit { lines: 2, bytes: usize::MAX };
    let page = store.history().after(at(0, 0), limit).await.expect("a page");
    assert_eq!((places(&lines(&page.told)), page.more), (vec![(1, 1), (301, 1)], false));
    let page = store.history().before(at(0, 0), limit).await.expect("a page");
    assert_eq!((places(&page.lines), page.more), (vec![(1, 1), (301, 1)], false));
    store.close().await.expect("closed");
}
