//! What somebody missed, read back from the database up to where memory has it.

use std::{collections::HashMap, sync::Arc, time::Duration};

use bytes::BytesMut;
use chat_proto::{LOBBY, Missed, PacketCodec, ServerPacket, Username, limits::SERVER_PACKET_BYTES_MAX};
use iocp_chat::{
    config::{Bounds, Durability::Process, Failing},
    room::{Log, SessionId},
    session::{HistorySource, IgnoredNames, Place as Cursor},
    store::{Place, Store},
};
use tokio_util::codec::Decoder;

use crate::{
    house::{House, told},
    lobby::Guest,
};

const BOUNDS: Bounds = Bounds { lines: 64, bytes: 1 << 20 };
/// Bytes of one part: some ten lines.
const PART_BYTES: usize = 100;

struct Stage {
    store: Store,
    house: House,
    source: HistorySource,
    kim: Guest,
    lee: Guest,
    said: u32,
}

impl Stage {
    /// Over a database that is empty, with a lobby of this epoch.
    async fn set(epoch: u64) -> Self {
        let store = Store::open(&Place::memory()).await.expect("a database");
        Self::over(store, Log::new(LOBBY, epoch, BOUNDS)).await
    }

    async fn over(store: Store, lobby: Log) -> Self {
        let history = store.history().clone();
        let house = House::open_with(0, lobby, BOUNDS, (Process, Failing::Refuse), history.clone());
        let source = HistorySource::new(history, Arc::clone(&house.feed));
        let (kim, lee) = (house.enter(1).await, house.enter(2).await);
        Self { store, house, source, kim, lee, said: 0 }
    }

    /// As many lines, by turns, each when the one before it is answered, however long the room waits for the database:
    /// what is said while it waits would come out of memory together.
    async fn say(&mut self, lines: u32) {
        for _ in 0..lines {
            self.said += 1;
            let (speaker, listener) = if self.said % 2 == 1 {
                (&mut self.kim, &mut self.lee)
            } else {
                (&mut self.lee, &mut self.kim)
            };
            self.house.say(speaker, self.said, &self.said.to_string()).await;
            let answer = format!("answer {}", self.said);
            while !told(speaker).contains(&answer) {
                speaker.take_next().await;
            }
            told(listener);
        }
    }

    /// Waits until the database has all that was said.
    async fn stored(&self) {
        let log = self.log().await;
        assert!(self.house.feed.stored(&log, log.head(), Duration::from_mins(5)).await);
    }

    async fn log(&self) -> Arc<Log> {
        self.house.past(&self.kim).await.log
    }

    /// All that lee is told who has everything up to a place: from the database, then from memory.
    async fn replay(&self, epoch: u64, seq: u64) -> Vec<String> {
        self.replay_to(SessionId(2), &HashMap::new(), Cursor { epoch, seq }).await
    }

    async fn replay_to(&self, session: SessionId, ignored: &IgnoredNames, mut place: Cursor) -> Vec<String> {
        let log = self.log().await;
        let mut words = Vec::new();
        loop {
            let part = self.source.after(&log, place, (session, ignored), PART_BYTES).await;
            let mut packets = part.packets;
            let mut codec = PacketCodec::new(SERVER_PACKET_BYTES_MAX);
            while let Some(frame) = codec.decode(&mut packets).expect("packets") {
                words.push(word(&ServerPacket::decode(frame.kind, &frame.body).expect("valid")));
            }
            assert!(part.done || part.place != place, "it goes on");
            place = part.place;
            if part.done {
                break;
            }
        }
        assert_eq!(place.epoch, log.epoch());
        let mut kept = Vec::new();
        log.lines(place.seq, usize::MAX, &mut kept);
        let others = kept.iter().filter(|line| line.sender != Some(session));
        words.extend(others.map(|line| {
            let mut bytes = BytesMut::from(&line.packet[..]);
            let frame =
                PacketCodec::new(SERVER_PACKET_BYTES_MAX).decode(&mut bytes).expect("one").expect("whole");
            word(&ServerPacket::decode(frame.kind, &frame.body).expect("valid"))
        }));
        words
    }

    /// Stops in good order. What is left is the database.
    async fn stop(self) -> Store {
        assert!(self.house.close().await);
        self.store
    }
}

fn word(packet: &ServerPacket) -> String {
    match packet {
        ServerPacket::BroadcastLine(line) => line.text.clone(),
        ServerPacket::Missed(Missed { epoch, from, to: u64::MAX, .. }) => format!("missed {epoch}/{from} on"),
        ServerPacket::Missed(Missed { epoch, from, to, .. }) => format!("missed {epoch}/{from} to {to}"),
        other => panic!("{other:?}"),
    }
}

/// Kim's lines after one of these numbers up to another.
fn kims(after: u32, last: u32) -> Vec<String> {
    (after + 1..=last).filter(|line| line % 2 == 1).map(|line| line.to_string()).collect()
}

#[tokio::test(start_paused = true)]
async fn exactly_the_lines_of_others_after_the_cursor_come_wherever_it_stands() {
    let mut stage = Stage::set(1).await;
    stage.say(300).await;
    for cursor in [0, 1, 10, 100, 235, 236, 237, 299, 300] {
        assert_eq!(stage.replay(1, cursor).await, kims(u32::try_from(cursor).expect("few"), 300), "{cursor}");
    }
    stage.stop().await.close().await.expect("closed");
}

#[tokio::test(start_paused = true)]
async fn lines_of_people_who_are_ignored_do_not_come() {
    let mut stage = Stage::set(1).await;
    stage.say(200).await;
    let name = Username::parse("GUEST1").expect("a name");
    let ignored = HashMap::from([(name.key(), name)]);
    let words = stage.replay_to(SessionId(3), &ignored, Cursor { epoch: 1, seq: 0 }).await;
    let lees: Vec<String> =
        (1..=136).filter(|line| line % 2 == 0).map(|line: u32| line.to_string()).collect();
    assert_eq!(words[..lees.len()], lees);
    stage.stop().await.close().await.expect("closed");
}

#[tokio::test(start_paused = true)]
async fn what_was_deleted_for_its_age_is_told_to_be_missing() {
    let mut stage = Stage::set(1).await;
    stage.say(300).await;
    stage.stored().await;
    stage.store.history().prune(LOBBY, 100, 0).await.expect("pruned");
    let expected = [vec!["missed 1/11 to 200".to_owned()], kims(200, 300)].concat();
    assert_eq!(stage.replay(1, 10).await, expected);
    assert_eq!(stage.replay(1, 200).await, kims(200, 300));
    stage.stop().await.close().await.expect("closed");
}

#[tokio::test(start_paused = true)]
async fn an_epoch_that_was_closed_goes_on_in_another_process() {
    let mut stage = Stage::set(7).await;
    stage.say(100).await;
    let store = stage.stop().await;
    let last = store.history().open_epochs().await.expect("epochs")[0];
    assert_eq!((last.conversation, last.epoch, last.head), (LOBBY, 7, Some(100)));
    let mut stage = Stage::over(store, Log::continued(LOBBY, 7, 100, BOUNDS)).await;
    stage.said = 100;
    assert_eq!(stage.replay(7, 50).await, kims(50, 100), "all of it is in the database");
    stage.say(100).await;
    assert_eq!(stage.replay(7, 50).await, kims(50, 200));
    stage.stop().await.close().await.expect("closed");
}

#[tokio::test(start_paused = true)]
async fn after_an_epoch_that_nobody_closed_it_is_told_that_its_end_is_unknown() {
    let mut stage = Stage::set(7).await;
    stage.say(100).await;
    stage.stored().await;
    // Another process finds it open.
    let store = stage.store.clone();
    let last = store.history().open_epochs().await.expect("epochs")[0];
    assert_eq!((last.epoch, last.head), (7, None));
    let mut next = Stage::over(store.clone(), Log::new(LOBBY, 8, BOUNDS)).await;
    next.say(100).await;
    let expected = [kims(50, 100), vec!["missed 7/101 on".to_owned()], kims(0, 100)].concat();
    assert_eq!(next.replay(7, 50).await, expected);
    assert_eq!(next.replay(8, 10).await, kims(10, 100));
    let missed = ["missed 9/51 on", "missed 8/1 to 36"].map(str::to_owned).to_vec();
    let unknown = [missed, kims(36, 100)].concat();
    assert_eq!(next.replay(9, 50).await, unknown, "of an epoch that nobody knows");
    store.close().await.expect("closed");
}

#[tokio::test(start_paused = true)]
async fn of_an_unknown_place_all_is_missing_and_then_comes_what_memory_has() {
    let mut stage = Stage::set(1).await;
    stage.say(30).await;
    assert_eq!(stage.replay(5, 50).await, [vec!["missed 5/51 on".to_owned()], kims(0, 30)].concat());
    stage.stop().await.close().await.expect("closed");
}

#[tokio::test(start_paused = true)]
async fn while_the_database_is_away_all_is_missing_that_memory_has_not() {
    let mut stage = Stage::set(1).await;
    stage.say(300).await;
    stage.store.close().await.expect("closed");
    let expected = [vec!["missed 1/11 to 236".to_owned()], kims(236, 300)].concat();
    assert_eq!(stage.replay(1, 10).await, expected);
    let expected =
        [vec!["missed 4/11 on".to_owned(), "missed 1/1 to 236".to_owned()], kims(236, 300)].concat();
    assert_eq!(stage.replay(4, 10).await, expected);
}

#[tokio::test(start_paused = true)]
async fn without_a_history_memory_is_all_there_is() {
    let mut stage = Stage::set(1).await;
    stage.say(300).await;
    stage.source = HistorySource::memory();
    let expected = [vec!["missed 1/11 to 236".to_owned()], kims(236, 300)].concat();
    assert_eq!(stage.replay(1, 10).await, expected);
    stage.stop().await.close().await.expect("closed");
}
