//! Seeded histories of people who talk, come and go over a store in all its moods, and what must hold in all of them.
//!
//! A failure prints its seed; `MODEL_SEED=7 cargo test --test history model` runs that history alone.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, thread,
    time::Duration,
};

use chat_proto::{LOBBY, ServerPacket};
use iocp_chat::config::{Bounds, Durability, Failing};
use tokio::time::sleep;

use crate::{
    house::House,
    lobby::Guest,
    shelf::{Mood, Shelf},
};

/// Histories of each way to run a server.
const HISTORIES: u64 = 150;
/// What is done in each.
const STEPS: u32 = 120;
/// A small log, so that many are lapped.
const BOUNDS: Bounds = Bounds { lines: 16, bytes: 1 << 20 };
const MOODS: [Mood; 6] =
    [Mood::Well, Mood::Well, Mood::Slow(Duration::from_millis(20)), Mood::Hangs, Mood::Fails, Mood::Lies];

/// Names the history that is being tried, if it fails.
pub struct Named(pub u64);

impl Drop for Named {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("this history again: MODEL_SEED={} cargo test --test history model", self.0);
        }
    }
}

/// xorshift64
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, end: u64) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from((self.0 >> 8) % end).expect("small")
    }
}

/// What has become of each line, which is named by the number of its request.
#[derive(Default)]
struct Ledger {
    answered: BTreeMap<u32, u64>,
    refused: BTreeSet<u32>,
    heard: BTreeMap<u64, u32>,
    missed: u64,
}

impl Ledger {
    /// Takes what somebody was sent; what they hear comes in order, and each line once.
    fn take(&mut self, guest: &mut Guest, last: &mut u64, stored_first: Option<&Shelf>) {
        guest.take_all();
        for packet in guest.packets.drain(..) {
            match packet {
                ServerPacket::BroadcastLine(line) => {
                    let seq = line.head.seq;
                    assert!(seq > *last, "in order, and once: {seq} after {last}");
                    *last = seq;
                    if let Some(shelf) = stored_first {
                        assert!(shelf.has(LOBBY, seq), "line {seq} is heard before it is stored");
                    }
                    self.heard.insert(seq, line.text.parse().expect("a number"));
                }
                ServerPacket::Missed(missed) => {
                    assert!(missed.from > *last);
                    *last = missed.to;
                    self.missed += missed.to - missed.from + 1;
                }
                ServerPacket::BroadcastAnswer(answer) => match answer.outcome {
                    Ok(receipt) => {
                        let again = self.answered.insert(answer.id.get(), receipt.seq);
                        assert_eq!(again, None, "answered once");
                        if let Some(shelf) = stored_first {
                            assert!(
                                shelf.has(LOBBY, receipt.seq),
                                "{} is answered before it is stored",
                                receipt.seq
                            );
                        }
                    }
                    Err(_) => drop(self.refused.insert(answer.id.get())),
                },
                _ => {}
            }
        }
    }
}

fn run(durability: Durability, failing: Failing, seed: u64) -> Ledger {
    let _named = Named(seed);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(history(durability, failing, seed))
}

async fn history(durability: Durability, failing: Failing, seed: u64) -> Ledger {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let shelf = Shelf::new();
    let house = House::open(BOUNDS, durability, failing, shelf.clone());
    // Nothing is heard before it is stored, unless the store may be forgotten.
    let strict = durability == Durability::Full && failing == Failing::Refuse;
    let stored_first = strict.then_some(&shelf);
    let (mut people, mut next, mut asked) = (Vec::new(), 1, 0);
    let mut ledger = Ledger::default();
    for _ in 0..STEPS {
        match random.below(16) {
            0 if people.len() < 6 => {
                people.push((house.enter(next).await, 0));
                next += 1;
            }
            1 if people.len() > 2 => {
                let (mut gone, mut last) = people.swap_remove(random.below(people.len() as u64));
                house.depart(&gone).await;
                house.settle().await;
                ledger.take(&mut gone, &mut last, stored_first);
            }
            2 => shelf.be(MOODS[random.below(6)]),
            3 => sleep(Duration::from_millis(random.below(400) as u64)).await,
            4 => sleep(Duration::from_millis(random.below(9_000) as u64)).await,
            5..=7 if !people.is_empty() => {
                // The others read now and then.
                let reader = random.below(people.len().min(2) as u64);
                let (guest, last) = &mut people[reader];
                ledger.take(guest, last, stored_first);
            }
            _ if !people.is_empty() => {
                let speaker = random.below(people.len() as u64);
                for _ in 0..=random.below(4) {
                    // All of its answers may wait.
                    if people[speaker].0.subscriber.try_slot().is_none() {
                        break;
                    }
                    asked += 1;
                    house.say(&people[speaker].0, asked, &asked.to_string()).await;
                }
                let (guest, last) = &mut people[speaker];
                ledger.take(guest, last, stored_first);
            }
            _ => {}
        }
    }
    shelf.be(Mood::Well);
    sleep(Duration::from_secs(30)).await;
    for (guest, last) in &mut people {
        ledger.take(guest, last, stored_first);
    }
    assert!(house.close().await, "all is written");
    for (guest, last) in &mut people {
        ledger.take(guest, last, stored_first);
    }
    check(&ledger, &shelf, (durability, failing), asked);
    ledger
}

fn check(ledger: &Ledger, shelf: &Shelf, (durability, failing): (Durability, Failing), asked: u32) {
    let stored: BTreeSet<u64> = shelf.numbers(LOBBY).into_iter().collect();
    let gaps = shelf.gaps();
    let in_gap = |seq: u64| gaps.iter().any(|(_, gap)| gap.contains(&seq));
    for (request, seq) in &ledger.answered {
        assert!(stored.contains(seq) || in_gap(*seq), "line {request} at {seq} was answered, and is lost");
        assert!(!ledger.refused.contains(request));
        if durability == Durability::Full && failing == Failing::Refuse {
            assert!(stored.contains(seq), "line {request} at {seq} was answered, and is not stored");
        }
    }
    for (seq, request) in &ledger.heard {
        assert!(!ledger.refused.contains(request), "line {request} at {seq} was refused, and heard");
    }
    let texts = shelf.texts();
    for request in &ledger.refused {
        assert!(!texts.contains(&request.to_string()), "line {request} was refused, and is stored");
    }
    if durability == Durability::Process || failing == Failing::Forget {
        assert!(ledger.refused.is_empty());
    }
    assert!(ledger.answered.len() + ledger.refused.len() <= asked as usize);
    let closed = shelf.closed().expect("closed");
    assert!(stored.last().is_none_or(|last| *last <= closed[0].head));
}

#[test]
fn nothing_answered_is_lost_and_nothing_refused_is_heard_whatever_the_store_does() {
    let ways = [
        (Durability::Process, Failing::Refuse),
        (Durability::Full, Failing::Refuse),
        (Durability::Full, Failing::Forget),
    ];
    for (durability, failing) in ways {
        if let Ok(seed) = env::var("MODEL_SEED") {
            run(durability, failing, seed.parse().expect("MODEL_SEED is a number"));
            continue;
        }
        let (mut answered, mut refused, mut missed) = (0, 0, 0);
        for seed in 0..HISTORIES {
            let ledger = run(durability, failing, seed);
            answered += ledger.answered.len();
            refused += ledger.refused.len();
            missed += ledger.missed;
        }
        // Histories in which nothing happens would hold as well.
        assert!(answered > 1_000, "{answered}");
        assert_eq!(refused > 100, (durability, failing) == ways[1], "{refused}");
        assert!(missed > 100 || durability == Durability::Full, "{missed}");
    }
}
