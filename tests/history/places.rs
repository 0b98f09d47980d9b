//! Coming into rooms and leaving them, where that is stored before it is answered, over a store in all its moods.

use std::{net::IpAddr, sync::Arc, time::Duration};

use chat_proto::{ErrorCode, ResumeToken};
use iocp_chat::{
    config::{Bounds, Failing, RoomsConfig},
    room::{Command, Grant},
    session::STORE_PATIENCE,
};
use tokio::time::sleep;

use crate::{
    house::{House, id, take_all, told},
    lobby::Guest,
    shelf::{Mood, Shelf},
};

const ROOM: u64 = 2;

fn rooms() -> RoomsConfig {
    RoomsConfig { log: Bounds { lines: 64, bytes: 1 << 20 }, ..RoomsConfig::default() }
}

/// Kim in a room, and lee, who is not; both can come back. What is said is always stored at once.
async fn house_with(rooms: RoomsConfig, failing: Failing) -> (House, Shelf, Guest, Guest) {
    let places = Shelf::new();
    let house = House::open_keeping(rooms, failing, &Shelf::new(), &places);
    let (mut kim, mut lee) = (house.enter_resumable(1).await, house.enter_resumable(2).await);
    house.make_room(&kim, 1, "room").await;
    house.settle().await;
    take_all([&mut kim, &mut lee]);
    (house, places, kim, lee)
}

async fn house() -> (House, Shelf, Guest, Guest) {
    house_with(rooms(), Failing::Refuse).await
}

/// As `house`, and lee is in the room too.
async fn both_in() -> (House, Shelf, Guest, Guest) {
    let (house, places, mut kim, mut lee) = house().await;
    house.join_room(&lee, 1, "room").await;
    house.settle().await;
    assert_eq!((told(&mut kim), told(&mut lee)), (vec!["+ guest2".into()], vec!["answer 1".into()]));
    (house, places, kim, lee)
}

/// What somebody is told when a store that hangs is waited for no longer, and not before.
async fn told_in_time(one: &mut Guest) -> Vec<String> {
    sleep(STORE_PATIENCE * 99 / 100).await;
    assert_eq!(told(one), [""; 0]);
    sleep(STORE_PATIENCE / 50).await;
    told(one)
}

#[tokio::test(start_paused = true)]
async fn who_comes_in_is_told_when_it_is_stored_and_reads_the_room_from_where_they_came_in() {
    let (house, places, mut kim, mut lee) = house().await;
    assert_eq!(places.rooms(1), [ROOM], "so is a room's maker");
    places.be(Mood::Hangs);
    house.join_room(&lee, 1, "room").await;
    house.say_in(ROOM, &kim, 2, "one").await;
    house.settle().await;
    assert_eq!((told(&mut kim), told(&mut lee)), (vec!["answer 2".into(), "+ guest2".into()], vec![]));
    places.be(Mood::Well);
    sleep(Duration::from_millis(5)).await;
    assert_eq!(told(&mut lee), ["answer 1", "one"]);
    assert_eq!(places.rooms(2), [ROOM]);
    assert!(house.close().await);
}

#[tokio::test(start_paused = true)]
async fn who_leaves_is_told_when_it_is_stored_and_hears_nothing_of_the_room_meanwhile() {
    let (house, places, mut kim, mut lee) = both_in().await;
    places.be(Mood::Hangs);
    house.say_in(ROOM, &kim, 2, "before").await;
    house.leave_room(&lee, 3, ROOM).await;
    house.say_in(ROOM, &kim, 4, "after").await;
    house.say(&kim, 5, "to all").await;
    house.settle().await;
    assert_eq!(told(&mut lee), ["before", "to all"], "the lobby is heard meanwhile");
    places.be(Mood::Well);
    sleep(Duration::from_millis(5)).await;
    assert_eq!(told(&mut lee), ["answer 3"]);
    assert_eq!(places.rooms(2), [0; 0]);
    assert!(told(&mut kim).contains(&"- guest2".to_owned()));
    assert!(house.close().await);
}

#[tokio::test(start_paused = true)]
async fn who_come_while_a_transaction_takes_its_time_are_the_next_one() {
    let (house, places, _kim, _lee) = house().await;
    let mut people = Vec::new();
    for number in 10..30 {
        people.push(house.enter_resumable(number).await);
    }
    for one in &mut people {
        told(one);
    }
    let before = places.batches().len();
    places.be(Mood::Slow(Duration::from_millis(10)));
    for one in &people {
        house.join_room(one, 1, "room").await;
        sleep(Duration::from_micros(500)).await;
    }
    sleep(Duration::from_millis(30)).await;
    assert!(people.iter_mut().all(|one| told(one)[0] == "answer 1"));
    let batches = places.batches().split_off(before);
    assert!(batches.len() <= 3, "{batches:?}");
    house.close().await;
}

#[tokio::test(start_paused = true)]
async fn whoever_cannot_come_back_is_answered_at_once() {
    let (house, places, ..) = house().await;
    let mut ann = house.enter(3).await;
    take_all([&mut ann]);
    places.be(Mood::Hangs);
    house.join_room(&ann, 1, "room").await;
    house.leave_room(&ann, 2, ROOM).await;
    house.settle().await;
    assert_eq!(told(&mut ann), ["answer 1", "answer 2"]);
    places.be(Mood::Well);
    house.close().await;
}

#[tokio::test(start_paused = true)]
async fn where_it_cannot_be_stored_nobody_comes_in_and_then_nothing_is_done_until_it_can() {
    let (house, places, mut kim, mut lee) = house().await;
    places.be(Mood::Fails);
    house.join_room(&lee, 1, "room").await;
    house.settle().await;
    assert_eq!(told(&mut kim), ["+ guest2", "- guest2"]);
    assert_eq!(told(&mut lee), ["5002 to 1", "out of 2, into []"]);
    house.join_room(&lee, 2, "room").await;
    house.make_room(&lee, 3, "another").await;
    house.leave_room(&kim, 4, ROOM).await;
    house.settle().await;
    assert_eq!(
        (told(&mut kim), told(&mut lee)),
        (vec!["5002 to 4".into()], vec!["5002 to 2".into(), "5002 to 3".into()])
    );
    assert_eq!(house.metrics.rejects(ErrorCode::StorageUnavailable), 4);
    house.say_in(ROOM, &kim, 5, "still here").await;
    places.be(Mood::Well);
    sleep(Duration::from_secs(2)).await;
    house.join_room(&lee, 6, "room").await;
    house.settle().await;
    assert_eq!(
        (told(&mut kim), told(&mut lee)),
        (vec!["answer 5".into(), "+ guest2".into()], vec!["answer 6".into()])
    );
    assert_eq!(places.rooms(2), [ROOM]);
    assert!(house.close().await);
}

#[tokio::test(start_paused = true)]
async fn a_room_whose_maker_cannot_be_stored_is_gone_again() {
    let (house, places, _kim, mut lee) = house().await;
    places.be(Mood::Fails);
    house.make_room(&lee, 1, "another").await;
    house.settle().await;
    assert_eq!(told(&mut lee), ["5002 to 1", "out of 3, into []"]);
    places.be(Mood::Well);
    sleep(Duration::from_secs(2)).await;
    house.make_room(&lee, 2, "another").await;
    house.settle().await;
    assert_eq!(told(&mut lee), ["answer 2"], "its name is free");
    assert!(house.close().await);
}

#[tokio::test(start_paused = true)]
async fn who_has_left_while_nothing_can_be_stored_is_told_that_they_are_out() {
    let (house, places, _kim, mut lee) = both_in().await;
    places.be(Mood::Lies);
    house.leave_room(&lee, 2, ROOM).await;
    house.settle().await;
    assert_eq!(told(&mut lee), ["5002 to 2", "out of 2, into []"]);
    house.say_in(ROOM, &lee, 3, "?").await;
    house.settle().await;
    assert_eq!(told(&mut lee), ["2005 to 3"]);
    places.be(Mood::Well);
    house.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_refuses_after_its_time_and_then_at_once_until_it_is_back() {
    let (house, places, _kim, mut lee) = house().await;
    places.be(Mood::Hangs);
    house.join_room(&lee, 1, "room").await;
    assert_eq!(told_in_time(&mut lee).await, ["5002 to 1", "out of 2, into []"]);
    house.join_room(&lee, 2, "room").await;
    house.settle().await;
    assert_eq!(told(&mut lee), ["5002 to 2"]);
    places.be(Mood::Well);
    sleep(Duration::from_millis(5)).await;
    assert_eq!(places.rooms(2), [0; 0], "the first came about late, and went");
    house.join_room(&lee, 3, "room").await;
    house.settle().await;
    assert_eq!(told(&mut lee), ["answer 3"]);
    assert!(house.close().await);
}

#[tokio::test(start_paused = true)]
async fn where_what_cannot_be_stored_is_forgotten_people_come_and_go_all_the_same() {
    let (house, places, _kim, mut lee) = house_with(rooms(), Failing::Forget).await;
    places.be(Mood::Hangs);
    house.join_room(&lee, 1, "room").await;
    assert_eq!(told_in_time(&mut lee).await, ["answer 1"]);
    house.leave_room(&lee, 2, ROOM).await;
    house.settle().await;
    assert_eq!(told(&mut lee), ["answer 2"]);
    places.be(Mood::Well);
    sleep(Duration::from_millis(5)).await;
    places.be(Mood::Hangs);
    house.join_room(&lee, 3, "room").await;
    house.settle().await;
    assert_eq!(told(&mut lee), [""; 0], "it is waited for again");
    places.be(Mood::Well);
    house.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_leave_right_behind_a_join_is_answered_behind_it_and_all_between_them_is_heard() {
    let (house, places, kim, mut lee) = house().await;
    places.be(Mood::Hangs);
    house.join_room(&lee, 1, "room").await;
    house.say_in(ROOM, &kim, 2, "between").await;
    house.leave_room(&lee, 3, ROOM).await;
    house.join_room(&lee, 4, "room").await;
    house.join_room(&lee, 5, "room").await;
    house.say_in(ROOM, &kim, 6, "after").await;
    house.settle().await;
    assert_eq!(told(&mut lee), [""; 0]);
    places.be(Mood::Well);
    sleep(Duration::from_millis(5)).await;
    assert_eq!(told(&mut lee), ["answer 1", "between", "answer 3", "answer 4", "2003 to 5", "after"]);
    assert_eq!(places.rooms(2), [ROOM]);
    assert!(house.close().await);
}

#[tokio::test(start_paused = true)]
async fn whoever_is_put_off_the_server_meanwhile_hears_that_they_came_in_first() {
    let (house, places, mut kim, mut lee) = house().await;
    places.be(Mood::Hangs);
    house.join_room(&lee, 1, "room").await;
    house.expel(&lee).await;
    house.settle().await;
    assert_eq!(told(&mut lee), [""; 0]);
    places.be(Mood::Well);
    sleep(Duration::from_millis(5)).await;
    assert_eq!(told(&mut lee), ["answer 1", "out of 1, into []"]);
    assert_eq!(told(&mut kim), ["+ guest2", "- guest2", "- guest2"]);
    assert_eq!(places.rooms(2), [0; 0]);
    assert!(house.close().await);
}

#[tokio::test(start_paused = true)]
async fn whoever_hangs_up_meanwhile_is_nowhere_whatever_becomes_of_it() {
    for mood in [Mood::Well, Mood::Fails, Mood::Lies] {
        let (house, places, mut kim, lee) = house().await;
        places.be(Mood::Hangs);
        house.join_room(&lee, 1, "room").await;
        house.depart(&lee).await;
        house.settle().await;
        places.be(mood);
        sleep(Duration::from_millis(5)).await;
        assert_eq!(told(&mut kim), ["+ guest2", "- guest2", "- guest2"], "{mood:?}");
        places.be(Mood::Well);
        sleep(Duration::from_secs(2)).await;
        assert_eq!(places.rooms(2), [0; 0], "{mood:?}");
        assert!(house.close().await);
    }
}

/// Another connection of somebody's, which asks for their places.
async fn resume(house: &House, one: &Guest) -> Guest {
    let next = Guest::of(Arc::new(one.subscriber.successor(IpAddr::from([127, 0, 0, 1]), 0)));
    one.subscriber.succeed();
    let grant = Box::new(Grant { token: ResumeToken([7; 32]), grace_ms: 1 });
    let slot = next.subscriber.slot().await;
    house.tell(Command::Resume { slot, request: id(1), grant }).await;
    next
}

#[tokio::test(start_paused = true)]
async fn whoever_comes_back_meanwhile_is_told_where_they_are_when_that_is_stored() {
    let (house, places, kim, lee) = house().await;
    places.be(Mood::Hangs);
    house.join_room(&lee, 1, "room").await;
    house.settle().await;
    let mut next = resume(&house, &lee).await;
    house.settle().await;
    assert_eq!(told(&mut next), [""; 0]);
    places.be(Mood::Well);
    sleep(Duration::from_millis(5)).await;
    assert_eq!(told(&mut next), ["welcome to [0, 1, 2]"]);
    let (session, after) = (Arc::clone(&next.subscriber), None);
    house.tell(Command::Attach { session, conversation: ROOM, after }).await;
    house.say_in(ROOM, &kim, 2, "one").await;
    house.settle().await;
    assert_eq!(told(&mut next), ["one"]);
    assert!(house.close().await);
}

#[tokio::test(start_paused = true)]
async fn whoever_comes_back_while_nothing_can_be_stored_waits_until_it_can_and_is_not_in_the_room() {
    let (house, places, mut kim, lee) = house().await;
    places.be(Mood::Hangs);
    house.join_room(&lee, 1, "room").await;
    house.settle().await;
    let mut next = resume(&house, &lee).await;
    sleep(2 * STORE_PATIENCE).await;
    assert_eq!(told(&mut next), [""; 0]);
    assert_eq!(told(&mut kim), ["+ guest2", "- guest2"]);
    places.be(Mood::Well);
    sleep(Duration::from_millis(5)).await;
    assert_eq!(told(&mut next), ["welcome to [0, 1]"]);
    assert_eq!(places.rooms(2), [0; 0]);
    assert!(house.close().await);
}

#[tokio::test(start_paused = true)]
async fn where_one_is_in_one_conversation_at_a_time_whoever_is_refused_is_in_the_lobby_again() {
    let rooms = RoomsConfig { exclusive: true, ..rooms() };
    let (house, places, kim, mut lee) = house_with(rooms, Failing::Refuse).await;
    let to_the_lobby = "out of 2, into [1]";
    places.be(Mood::Fails);
    house.join_room(&lee, 1, "room").await;
    house.settle().await;
    assert_eq!(told(&mut lee), ["out of 1, into []", "5002 to 1", to_the_lobby]);
    places.be(Mood::Well);
    sleep(Duration::from_secs(2)).await;
    house.join_room(&lee, 2, "room").await;
    house.settle().await;
    assert_eq!(told(&mut lee), ["out of 1, into []", "answer 2"]);
    places.be(Mood::Fails);
    house.leave_room(&lee, 3, ROOM).await;
    house.settle().await;
    let ann = house.enter(3).await;
    house.say(&ann, 1, "hello").await;
    house.settle().await;
    assert_eq!(told(&mut lee), ["5002 to 3", to_the_lobby, "+ guest3", "hello"]);
    places.be(Mood::Well);
    drop(kim);
    house.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_answers_those_who_wait() {
    let (house, places, _kim, mut lee) = house().await;
    places.be(Mood::Hangs);
    house.join_room(&lee, 1, "room").await;
    house.settle().await;
    let closing = tokio::spawn(house.close());
    sleep(Duration::from_secs(1)).await;
    assert_eq!(told(&mut lee), [""; 0]);
    places.be(Mood::Well);
    assert!(closing.await.expect("no panic"));
    assert_eq!(told(&mut lee), ["answer 1"]);
    assert_eq!(places.rooms(2), [ROOM]);
}

#[tokio::test(start_paused = true)]
async fn a_stop_over_a_store_that_hangs_refuses_those_who_wait_and_ends() {
    let (house, places, _kim, mut lee) = house().await;
    places.be(Mood::Hangs);
    house.join_room(&lee, 1, "room").await;
    let next = resume(&house, &house.enter_resumable(4).await).await;
    house.settle().await;
    let closing = tokio::spawn(house.close());
    sleep(STORE_PATIENCE + Duration::from_millis(1)).await;
    assert_eq!(told(&mut lee).first().map(String::as_str), Some("5002 to 1"));
    places.be(Mood::Well);
    closing.await.expect("no panic");
    drop(next);
}
