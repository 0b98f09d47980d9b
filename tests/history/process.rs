//! The history written beside what is said: in batches, at its own pace, with its gaps recorded.

use std::time::Duration;

use chat_proto::{LOBBY, Text};
use iocp_chat::{
    config::{Bounds, Durability::Process, Failing},
    room::Command,
};
use tokio::time::{Instant, sleep};

use crate::{
    house::{House, take_all, told},
    lobby::Guest,
    shelf::{Mood, Shelf},
};

const BOUNDS: Bounds = Bounds { lines: 64, bytes: 1 << 20 };
const ROOM: u64 = 2;

async fn house() -> (House, Shelf, Guest, Guest) {
    let shelf = Shelf::new();
    let house = House::open(BOUNDS, Process, Failing::Refuse, shelf.clone());
    let (kim, lee) = (house.enter(1).await, house.enter(2).await);
    (house, shelf, kim, lee)
}

async fn say_many(
    house: &House,
    speaker: &mut Guest,
    listener: &mut Guest,
    numbers: std::ops::RangeInclusive<u32>,
) {
    for number in numbers {
        house.say(speaker, number, &number.to_string()).await;
        house.settle().await;
        take_all([speaker, listener]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_people_and_the_operator_say_is_kept_and_who_comes_and_goes_is_not() {
    let shelf = Shelf::new();
    let lobby = iocp_chat::room::Log::new(LOBBY, 1, BOUNDS);
    let house = House::open_with(100, lobby, BOUNDS, (Process, Failing::Refuse), shelf.clone());
    let (kim, _lee) = (house.enter(1).await, house.enter(2).await);
    house.say(&kim, 1, "hello").await;
    house.tell(Command::Announce { text: Text::parse("to all").expect("a text") }).await;
    assert!(house.close().await);
    assert_eq!(shelf.texts(), ["hello", "to all"]);
    assert_eq!(shelf.numbers(LOBBY), [3, 4]);
    let closed = shelf.closed().expect("closed");
    assert_eq!((closed.len(), closed[0].conversation, closed[0].epoch, closed[0].head), (1, LOBBY, 1, 4));
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_line_to_be_written() {
    let (house, shelf, mut kim, mut lee) = house().await;
    take_all([&mut kim, &mut lee]);
    shelf.be(Mood::Hangs);
    house.say(&kim, 1, "one").await;
    house.settle().await;
    assert_eq!((told(&mut kim), told(&mut lee)), (vec!["answer 1".into()], vec!["one".into()]));
    shelf.be(Mood::Well);
    assert!(house.close().await);
    assert_eq!(shelf.numbers(LOBBY), [1]);
}

#[tokio::test(start_paused = true)]
async fn a_room_waits_for_its_history_as_for_a_slow_member_and_then_leaves_it_a_gap() {
    let (house, shelf, mut kim, mut lee) = house().await;
    shelf.be(Mood::Hangs);
    // The first batch hangs; what comes after it is in the log alone.
    say_many(&house, &mut kim, &mut lee, 1..=1).await;
    let begun = Instant::now();
    for number in 2..=200 {
        house.say(&kim, number, &number.to_string()).await;
        while !told(&mut kim).iter().any(|word| word == &format!("answer {number}")) {
            kim.take_next().await;
        }
        told(&mut lee);
    }
    let waited = begun.elapsed();
    assert!((250..500).contains(&waited.as_millis()), "once, and no longer than for anybody: {waited:?}");
    shelf.be(Mood::Well);
    assert!(house.close().await);
    let (gaps, numbers) = (shelf.gaps(), shelf.numbers(LOBBY));
    assert_eq!(gaps.len(), 1);
    let gap = gaps[0].1.clone();
    assert_eq!(*gap.start(), 2);
    assert!(numbers.len() >= 64);
    let mut all: Vec<u64> = numbers.into_iter().chain(gap).collect();
    all.sort_unstable();
    assert_eq!(all, (1..=200).collect::<Vec<_>>(), "every line is there, or in the gap");
}

#[tokio::test(start_paused = true)]
async fn a_failing_store_is_tried_again_and_loses_nothing_that_memory_still_has() {
    let (house, shelf, mut kim, mut lee) = house().await;
    shelf.be(Mood::Fails);
    say_many(&house, &mut kim, &mut lee, 1..=30).await;
    sleep(Duration::from_secs(20)).await;
    assert_eq!(shelf.texts(), [""; 0]);
    shelf.be(Mood::Well);
    sleep(Duration::from_secs(3)).await;
    assert_eq!(shelf.numbers(LOBBY), (1..=30).collect::<Vec<_>>());
    assert_eq!(shelf.gaps(), []);
    assert!(house.close().await);
}

#[tokio::test(start_paused = true)]
async fn what_the_store_will_never_take_is_a_gap_and_holds_up_nothing_else() {
    let (house, shelf, mut kim, mut lee) = house().await;
    shelf.be(Mood::Loathes);
    say_many(&house, &mut kim, &mut lee, 1..=3).await;
    shelf.be(Mood::Well);
    say_many(&house, &mut kim, &mut lee, 4..=5).await;
    assert!(house.close().await);
    assert_eq!((shelf.numbers(LOBBY), shelf.gaps()), (vec![4, 5], vec![(LOBBY, 1..=3)]));
}

#[tokio::test(start_paused = true)]
async fn a_stop_gives_a_failing_store_a_moment_and_then_says_that_it_did_not_end_well() {
    let (house, shelf, mut kim, mut lee) = house().await;
    shelf.be(Mood::Fails);
    say_many(&house, &mut kim, &mut lee, 1..=3).await;
    let begun = Instant::now();
    assert!(!house.close().await);
    assert!(begun.elapsed() < Duration::from_secs(12), "{:?}", begun.elapsed());
    assert_eq!(shelf.closed(), None);
}

#[tokio::test(start_paused = true)]
async fn logs_take_turns_so_that_none_waits_for_one_that_is_talked_to_without_end() {
    let shelf = Shelf::new();
    let bounds = Bounds { lines: 4_096, bytes: 1 << 22 };
    let house = House::open(bounds, Process, Failing::Refuse, shelf.clone());
    let (kim, lee) = (house.enter(1).await, house.enter(2).await);
    house.make_room(&lee, 1, "salon").await;
    house.settle().await;
    shelf.be(Mood::Slow(Duration::from_millis(10)));
    for number in 1..=60 {
        house.say(&kim, number, "words").await;
    }
    house.say_in(ROOM, &lee, 2, "quiet").await;
    sleep(Duration::from_millis(25)).await;
    assert_eq!(shelf.numbers(ROOM), [1]);
    house.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_log_goes_on_after_the_last_line_of_another_process() {
    let shelf = Shelf::new();
    let lobby = iocp_chat::room::Log::continued(LOBBY, 9, 1_000, BOUNDS);
    let house = House::open_with(0, lobby, BOUNDS, (Process, Failing::Refuse), shelf.clone());
    let (kim, mut lee) = (house.enter(1).await, house.enter(2).await);
    house.say(&kim, 1, "on").await;
    house.settle().await;
    assert_eq!(told(&mut lee), ["welcome", "on"]);
    let past = house.past(&kim).await;
    assert_eq!((past.head, past.log.oldest(), past.log.readable()), (1_001, 1_001, 1_001));
    assert!(house.close().await);
    assert_eq!(shelf.numbers(LOBBY), [1_001]);
    assert_eq!(shelf.closed().expect("closed")[0].head, 1_001);
}
