//! Lines that are stored before anybody hears them, and a store that is slow, hangs, fails or lies.

use std::time::Duration;

use chat_proto::LOBBY;
use iocp_chat::{
    config::{Bounds, Durability::Full, Failing},
    session::STORE_PATIENCE,
};
use tokio::time::{Instant, sleep};

use crate::{
    house::{House, take_all, told},
    lobby::Guest,
    shelf::{Mood, Shelf},
};

const BOUNDS: Bounds = Bounds { lines: 64, bytes: 1 << 20 };
const ROOM: u64 = 2;

async fn house(failing: Failing) -> (House, Shelf, Guest, Guest) {
    let shelf = Shelf::new();
    let house = House::open(BOUNDS, Full, failing, shelf.clone());
    let (mut kim, mut lee) = (house.enter(1).await, house.enter(2).await);
    take_all([&mut kim, &mut lee]);
    (house, shelf, kim, lee)
}

#[tokio::test(start_paused = true)]
async fn a_line_is_neither_heard_nor_answered_before_it_is_stored() {
    let (house, shelf, mut kim, mut lee) = house(Failing::Refuse).await;
    shelf.be(Mood::Hangs);
    house.say(&kim, 1, "one").await;
    house.settle().await;
    assert_eq!((told(&mut kim), told(&mut lee)), (vec![], vec![]));
    shelf.be(Mood::Well);
    sleep(Duration::from_millis(5)).await;
    assert_eq!((told(&mut kim), told(&mut lee)), (vec!["answer 1".into()], vec!["one".into()]));
    assert_eq!(shelf.numbers(LOBBY), [1]);
    assert!(house.close().await);
}

#[tokio::test(start_paused = true)]
async fn what_piles_up_while_a_transaction_takes_its_time_is_the_next_one() {
    let (house, shelf, mut kim, mut lee) = house(Failing::Refuse).await;
    shelf.be(Mood::Slow(Duration::from_millis(10)));
    for request in 1..=20 {
        house.say(&kim, request, &format!("line {request}")).await;
        sleep(Duration::from_millis(1)).await;
    }
    sleep(Duration::from_millis(30)).await;
    assert_eq!(told(&mut kim).len(), 20);
    assert_eq!(told(&mut lee), (1..=20).map(|line| format!("line {line}")).collect::<Vec<_>>());
    let batches = shelf.batches();
    assert!(batches.len() <= 4, "{batches:?}");
    house.close().await;
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_stored_is_refused_and_heard_by_nobody_and_what_comes_later_is() {
    let (house, shelf, mut kim, mut lee) = house(Failing::Refuse).await;
    house.say(&kim, 1, "one").await;
    house.settle().await;
    assert_eq!((told(&mut kim), told(&mut lee)), (vec!["answer 1".into()], vec!["one".into()]));
    shelf.be(Mood::Fails);
    house.say(&kim, 2, "two").await;
    house.say(&lee, 3, "three").await;
    house.settle().await;
    assert_eq!((told(&mut kim), told(&mut lee)), (vec!["5002 to 2".into()], vec!["5002 to 3".into()]));
    assert_eq!(house.metrics.rejects(chat_proto::ErrorCode::StorageUnavailable), 2);
    shelf.be(Mood::Well);
    house.say(&kim, 4, "four").await;
    house.settle().await;
    assert_eq!((told(&mut kim), told(&mut lee)), (vec!["answer 4".into()], vec!["four".into()]));
    assert_eq!(shelf.numbers(LOBBY), [1, 4]);
    assert!(house.close().await);
    assert_eq!(shelf.closed().expect("closed")[0].head, 4);
    assert_eq!(shelf.gaps(), []);
}

#[tokio::test(start_paused = true)]
async fn what_is_said_not_to_be_stored_and_is_goes_with_the_next_that_is() {
    let (house, shelf, mut kim, mut lee) = house(Failing::Refuse).await;
    shelf.be(Mood::Lies);
    house.say(&kim, 1, "one").await;
    house.settle().await;
    assert_eq!((told(&mut kim), told(&mut lee)), (vec!["5002 to 1".into()], vec![]));
    assert_eq!(shelf.numbers(LOBBY), [1]);
    assert_eq!(house.past(&kim).await.log.doubtful(), 1, "it is known that it may be there");
    shelf.be(Mood::Well);
    house.say(&kim, 2, "two").await;
    house.settle().await;
    assert_eq!((told(&mut kim), told(&mut lee)), (vec!["answer 2".into()], vec!["two".into()]));
    assert_eq!(shelf.numbers(LOBBY), [2]);
    assert_eq!(house.past(&kim).await.log.doubtful(), 0);
    house.close().await;
}

#[tokio::test(start_paused = true)]
async fn what_may_be_there_and_was_refused_goes_although_nobody_says_anything_any_more() {
    let (house, shelf, kim, _lee) = house(Failing::Refuse).await;
    shelf.be(Mood::Lies);
    house.say(&kim, 1, "one").await;
    house.settle().await;
    shelf.be(Mood::Well);
    sleep(Duration::from_secs(3)).await;
    assert_eq!(shelf.texts(), [""; 0]);
    house.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_refuses_after_its_time_and_then_at_once_until_it_is_back() {
    let (house, shelf, mut kim, mut lee) = house(Failing::Refuse).await;
    shelf.be(Mood::Hangs);
    let asked = Instant::now();
    house.say(&kim, 1, "one").await;
    kim.take_next().await;
    assert_eq!(told(&mut kim), ["5002 to 1"]);
    assert_eq!(asked.elapsed().as_secs(), STORE_PATIENCE.as_secs());
    house.say(&lee, 2, "two").await;
    house.settle().await;
    assert_eq!(told(&mut lee), ["5002 to 2"]);
    shelf.be(Mood::Well);
    sleep(Duration::from_millis(5)).await;
    house.say(&kim, 3, "three").await;
    house.settle().await;
    assert_eq!((told(&mut kim), told(&mut lee)), (vec!["answer 3".into()], vec!["three".into()]));
    assert_eq!(shelf.texts(), ["three"], "the first came about late, and went");
    assert!(house.close().await);
}

#[tokio::test(start_paused = true)]
async fn while_the_store_hangs_people_come_ask_and_go_and_talk_in_vain() {
    let shelf = Shelf::new();
    let lobby = iocp_chat::room::Log::new(LOBBY, 1, BOUNDS);
    let house = House::open_with(200, lobby, BOUNDS, (Full, Failing::Refuse), shelf.clone());
    let mut people = Vec::new();
    for number in 1..=10 {
        people.push(house.enter(number).await);
    }
    house.settle().await;
    for one in &mut people {
        told(one);
    }
    shelf.be(Mood::Hangs);
    // More than half of what the lobby keeps: what comes now is held up.
    for line in 0..48 {
        house.say(&people[line % 4], u32::try_from(line).expect("few") + 1, "words").await;
    }
    house.settle().await;
    let asked = Instant::now();
    let late = house.enter(11).await;
    people[9].ask_who(&house.inbox).await;
    house.depart(&people[8]).await;
    house.settle().await;
    assert_eq!(told(&mut people[9]), ["answer 1"], "who is here is told at once");
    for number in 12..200 {
        let one = house.enter(number).await;
        house.depart(&one).await;
    }
    assert_eq!(asked.elapsed(), Duration::ZERO, "nobody waits");
    assert!(people[..8].iter_mut().all(|one| told(one).is_empty()), "nothing is answered or heard");
    sleep(2 * STORE_PATIENCE).await;
    let refused: usize = people[..4]
        .iter_mut()
        .map(|one| told(one).iter().filter(|word| word.starts_with("5002")).count())
        .sum();
    assert_eq!(refused, 48);
    shelf.be(Mood::Well);
    sleep(Duration::from_secs(1)).await;
    house.say(&late, 1, "back").await;
    house.settle().await;
    assert_eq!(told(&mut people[5]).last().map(String::as_str), Some("back"));
    assert!(house.close().await);
}

#[tokio::test(start_paused = true)]
async fn a_speaker_faster_than_the_store_is_held_up_and_loses_nothing() {
    let (house, shelf, mut kim, mut lee) = house(Failing::Refuse).await;
    shelf.be(Mood::Slow(Duration::from_millis(300)));
    let (mut lines, mut answers) = (Vec::new(), Vec::new());
    for round in 0..10_u32 {
        for line in 1..=50 {
            house.say(&kim, round * 50 + line, &(round * 50 + line).to_string()).await;
        }
        while lines.len() < 50 * (round as usize + 1) {
            lee.take_next().await;
            lines.extend(told(&mut lee));
        }
        answers.extend(told(&mut kim));
    }
    assert_eq!(lines, (1..=500).map(|line| line.to_string()).collect::<Vec<_>>());
    assert_eq!(answers, (1..=500).map(|line| format!("answer {line}")).collect::<Vec<_>>());
    assert_eq!(shelf.numbers(LOBBY), (1..=500).collect::<Vec<_>>());
    house.close().await;
}

#[tokio::test(start_paused = true)]
async fn where_the_store_is_forgotten_while_it_fails_people_talk_on_and_the_gap_is_recorded() {
    let (house, shelf, mut kim, mut lee) = house(Failing::Forget).await;
    house.say(&kim, 1, "one").await;
    house.settle().await;
    shelf.be(Mood::Fails);
    house.say(&kim, 2, "two").await;
    house.settle().await;
    assert_eq!(told(&mut kim), ["answer 1", "answer 2"]);
    assert_eq!(told(&mut lee), ["one", "two"]);
    // More than the log keeps.
    for line in 3..=200 {
        house.say(&kim, line, "more").await;
        sleep(Duration::from_millis(10)).await;
        take_all([&mut kim, &mut lee]);
    }
    shelf.be(Mood::Well);
    sleep(Duration::from_secs(5)).await;
    assert_eq!(shelf.gaps(), [(LOBBY, 3..=136)]);
    assert_eq!(shelf.numbers(LOBBY), [1, 2].into_iter().chain(137..=200).collect::<Vec<_>>());
    shelf.be(Mood::Hangs);
    house.say(&kim, 201, "stored first").await;
    house.settle().await;
    assert_eq!((told(&mut kim), told(&mut lee)), (vec![], vec![]), "it is as before again");
    shelf.be(Mood::Well);
    sleep(Duration::from_millis(5)).await;
    assert_eq!(told(&mut lee), ["stored first"]);
    assert!(house.close().await);
}

#[tokio::test(start_paused = true)]
async fn who_leaves_or_is_put_out_reads_to_the_end_when_that_is_stored() {
    let (house, shelf, mut kim, mut lee) = house(Failing::Refuse).await;
    house.make_room(&kim, 1, "salon").await;
    house.join_room(&lee, 2, "salon").await;
    house.settle().await;
    assert_eq!((told(&mut kim), told(&mut lee)), (vec!["answer 1".into()], vec!["answer 2".into()]));
    shelf.be(Mood::Hangs);
    house.say_in(ROOM, &kim, 3, "before").await;
    house.leave_room(&lee, 4, ROOM).await;
    lee.ask_who(&house.inbox).await;
    house.say_in(ROOM, &kim, 5, "after").await;
    house.settle().await;
    assert_eq!(told(&mut lee), [""; 0]);
    shelf.be(Mood::Well);
    sleep(Duration::from_millis(5)).await;
    assert_eq!(told(&mut lee), ["before", "answer 4", "answer 1"]);

    shelf.be(Mood::Hangs);
    house.say(&kim, 6, "to all").await;
    house.expel(&lee).await;
    house.say(&kim, 7, "after").await;
    house.settle().await;
    assert_eq!(told(&mut lee), [""; 0]);
    shelf.be(Mood::Well);
    sleep(Duration::from_millis(5)).await;
    assert_eq!(told(&mut lee), ["to all", "out of 1, into []"]);
    house.close().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_said_last_in_a_room_that_ends_is_answered_when_it_is_stored_and_then_forgotten() {
    let (house, shelf, mut kim, _lee) = house(Failing::Refuse).await;
    house.make_room(&kim, 1, "salon").await;
    house.settle().await;
    told(&mut kim);
    shelf.be(Mood::Hangs);
    house.say_in(ROOM, &kim, 2, "last").await;
    house.leave_room(&kim, 3, ROOM).await;
    house.settle().await;
    assert_eq!(told(&mut kim), [""; 0]);
    shelf.be(Mood::Well);
    sleep(Duration::from_millis(5)).await;
    let mut heard = told(&mut kim);
    heard.sort();
    assert_eq!(heard, ["answer 2", "answer 3"]);
    assert!(house.close().await);
}

#[tokio::test(start_paused = true)]
async fn at_the_stop_everything_is_stored_and_answered_and_the_epochs_are_closed() {
    let (house, shelf, mut kim, mut lee) = house(Failing::Refuse).await;
    shelf.be(Mood::Slow(Duration::from_millis(200)));
    for request in 1..=30 {
        house.say(&kim, request, "words").await;
    }
    assert!(house.close().await);
    assert_eq!((told(&mut kim).len(), told(&mut lee).len()), (30, 30));
    assert_eq!(shelf.numbers(LOBBY).len(), 30);
    assert_eq!(shelf.closed().expect("closed")[0].head, 30);
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_cannot_store_refuses_and_says_that_it_did_not_end_well() {
    let (house, shelf, mut kim, mut lee) = house(Failing::Refuse).await;
    shelf.be(Mood::Fails);
    house.say(&kim, 1, "words").await;
    assert!(!house.close().await);
    assert_eq!((told(&mut kim), told(&mut lee)), (vec!["5002 to 1".into()], vec![]));
    assert_eq!(shelf.closed(), None);
}
