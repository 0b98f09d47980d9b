//! The history over restarts of the server, clean and not, and what is deleted of it with time.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use chat_proto::{ClientPacket, History, LOBBY, LeaveRoom, RoomChat, ServerPacket, Text};
use iocp_chat::{
    config::Config,
    stop::StopReason,
    store::{Place, Store},
};
use tokio::time::sleep;

use crate::{
    common::{id, quiet},
    fresh::{Fresh, fresh},
    pages::{Person, keeping, texts},
};

const BEFORE: u16 = 0;

async fn open(fresh: &Fresh) -> Store {
    Store::open(&fresh.place).await.expect("a database")
}

/// The epoch and number of each line, the oldest first, once there are as many: a page is shown without the last lines
/// when the disk takes a second to have them.
async fn places(person: &mut Person, lines: usize) -> Vec<(u64, u64)> {
    let begun = Instant::now();
    loop {
        let page = person.history((LOBBY, BEFORE), (0, 0), 100).await.expect("a page");
        if page.entries.0.len() >= lines || begun.elapsed() > Duration::from_mins(2) {
            return page.entries.0.iter().map(|entry| (entry.epoch, entry.seq)).collect();
        }
    }
}

#[tokio::test]
async fn after_a_clean_stop_the_numbers_go_on_in_the_same_epoch() {
    let fresh = fresh().await;
    let mut all = Vec::new();
    for run in 1..=3 {
        let store = open(&fresh).await;
        let server = keeping(&quiet(), &store).await;
        let mut kim = Person::come(&server, "kim").await;
        for _ in 0..5 {
            kim.say("words").await;
        }
        all = places(&mut kim, 5 * run).await;
        assert_eq!(all.len(), 5 * run);
        server.stop(StopReason::Interrupt).await;
        store.close().await.expect("closed");
    }
    let epoch = all[0].0;
    assert_eq!(all, (1..=15).map(|seq| (epoch, seq)).collect::<Vec<_>>());
}

#[tokio::test]
async fn after_a_stop_that_was_none_no_number_names_two_lines() {
    let fresh = fresh().await;
    let mut servers = Vec::new();
    for run in 1..=3 {
        let store = open(&fresh).await;
        // The one before has not been stopped, as if it had been killed.
        let server = keeping(&quiet(), &store).await;
        let mut kim = Person::come(&server, "kim").await;
        for _ in 0..5 {
            kim.say("words").await;
        }
        let all = places(&mut kim, 5 * run).await;
        assert_eq!(all.len(), 5 * run);
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), 5 * run);
        assert_eq!(all.iter().map(|(epoch, _)| epoch).collect::<HashSet<_>>().len(), run);
        servers.push((server, store));
    }
}

#[tokio::test]
async fn a_server_that_could_not_write_leaves_its_epoch_open() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    let server = keeping(&quiet(), &store).await;
    let mut kim = Person::come(&server, "kim").await;
    kim.say("words").await;
    let before = places(&mut kim, 1).await;
    store.close().await.expect("closed");
    kim.say("nowhere").await;
    server.stop(StopReason::Interrupt).await;
    let store = open(&fresh).await;
    let server = keeping(&quiet(), &store).await;
    let mut kim = Person::come(&server, "kim").await;
    kim.say("again").await;
    let after = places(&mut kim, 2).await;
    assert_eq!((after.len(), after[0]), (2, before[0]));
    assert!(after[1].0 != before[0].0, "another epoch");
    server.stop(StopReason::Interrupt).await;
    store.close().await.expect("closed");
}

#[tokio::test(start_paused = true)]
async fn what_is_too_much_or_too_old_goes_in_time() {
    let store = Store::open(&Place::memory()).await.expect("a database");
    let mut config: Config = quiet();
    config.history.lines = 20;
    let server = keeping(&config, &store).await;
    let mut kim = Person::come(&server, "kim").await;
    for line in 1..=50 {
        kim.say(&line.to_string()).await;
    }
    sleep(Duration::from_secs(61)).await;
    let page = kim.history((LOBBY, BEFORE), (0, 0), 100).await.expect("a page");
    assert_eq!(texts(&page), (31..=50).map(|line| line.to_string()).collect::<Vec<_>>());
    server.stop(StopReason::Interrupt).await;
    config.history.age = Duration::from_secs(1);
    std::thread::sleep(Duration::from_millis(1_100));
    let server = keeping(&config, &store).await;
    let mut kim = Person::come(&server, "kim").await;
    sleep(Duration::from_secs(61)).await;
    let page = kim.history((LOBBY, BEFORE), (0, 0), 100).await.expect("a page");
    assert_eq!((texts(&page), page.more), (vec![], 0));
    server.stop(StopReason::Interrupt).await;
    store.close().await.expect("closed");
}

#[tokio::test(start_paused = true)]
async fn of_a_room_that_has_ended_nothing_is_kept() {
    let store = Store::open(&Place::memory()).await.expect("a database");
    let server = keeping(&quiet(), &store).await;
    let mut kim = Person::come(&server, "kim").await;
    let conversation = kim.make_room("salon").await;
    let text = Text::parse("in here").expect("a text");
    kim.ask(ClientPacket::RoomChat(RoomChat { id: id(2), message_id: 0, conversation, text })).await;
    let request = History { id: id(3), conversation, direction: BEFORE, epoch: 0, seq: 0, limit: 10 };
    let page = kim.ask(ClientPacket::History(request)).await;
    let ServerPacket::HistoryAnswer(answer) = page else { panic!("{page:?}") };
    assert_eq!(texts(&answer.outcome.expect("a page")), ["in here"]);
    assert_eq!(store.history().conversations(0).await.expect("a page"), [LOBBY, conversation]);
    kim.ask(ClientPacket::LeaveRoom(LeaveRoom { id: id(4), conversation })).await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(store.history().conversations(0).await.expect("a page"), [LOBBY]);
    server.stop(StopReason::Interrupt).await;
    store.close().await.expect("closed");
}
