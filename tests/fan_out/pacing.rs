//! A room that gets half a log ahead of a reader waits, but not for ever, and not for everybody.

use std::{sync::Arc, time::Duration};

use chat_proto::{ErrorCode, ServerPacket};
use iocp_chat::{
    config::{Bounds, Config},
    room::{Command, PARKED_COMMANDS_MAX, SLOTS_MAX},
};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};

use super::lobby::{Guest, Lobby, flood, say, text};

const PATIENCE: Duration = Duration::from_millis(250);

/// Four floods of 1,000 lines each.
async fn floods(lobby: &Lobby, chars: usize) -> Vec<JoinHandle<()>> {
    let guests = lobby.enter_all(11..15).await;
    guests.into_iter().map(|guest| flood(guest, lobby.inbox.clone(), 1_000, &text(chars))).collect()
}

/// Takes what one write holds every `pause`, until it has or has missed `lines` lines.
async fn read_slowly(guest: &mut Guest, lines: u64, pause: Duration) {
    let last = |guest: &Guest| guest.lines().last().copied().unwrap_or(0);
    while last(guest) < lines {
        sleep(pause).await;
        guest.take_next().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_room_waits_for_a_reader_that_moves_so_that_it_loses_nothing() {
    let lobby = Lobby::open(Bounds { lines: 1_024, bytes: 1 << 30 });
    let mut slow = lobby.enter(1).await;
    let before = Instant::now();
    let floods = floods(&lobby, 340).await;
    read_slowly(&mut slow, 4_000, Duration::from_millis(40)).await;
    assert_eq!(slow.missed(), []);
    assert_eq!(slow.lines(), (1..=4_000).collect::<Vec<_>>());
    // 256 lines of a kilobyte fill a write.
    assert!(before.elapsed() > Duration::from_millis(600), "it took {:?}", before.elapsed());
    assert!(floods.iter().all(JoinHandle::is_finished));
}

/// 1,024 characters of three bytes: a turn's worth of them would be most of what the default log keeps.
#[tokio::test(start_paused = true)]
async fn bursts_of_the_longest_lines_lap_nobody_who_reads() {
    let lobby = Lobby::open(Config::default().lobby);
    let mut slow = lobby.enter(1).await;
    let text = text(1_024);
    let talkers = lobby.enter_all(11..19).await;
    let voices: Vec<_> = talkers.iter().map(|talker| Arc::clone(&talker.subscriber)).collect();
    let readers: Vec<_> = talkers.into_iter().map(Guest::read_on).collect();
    let bursts = [130, 110, 256, 40, 300, 130, 200, 256];
    let said = bursts.iter().sum::<usize>() as u64;
    let reading = tokio::spawn(async move {
        read_slowly(&mut slow, said, Duration::from_millis(10)).await;
        slow
    });
    for burst in bursts {
        for line in 0..burst {
            say(&voices[line % voices.len()], &lobby.inbox, &text).await;
        }
        lobby.take_all().await;
    }
    let slow = reading.await.expect("it reads to the end");
    assert_eq!(slow.missed(), []);
    assert_eq!(slow.lines(), (1..=said).collect::<Vec<_>>());
    readers.iter().for_each(JoinHandle::abort);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_does_not_move_holds_the_room_up_once_and_is_told_what_it_missed() {
    let lobby = Lobby::open(Bounds { lines: 1_024, bytes: 1 << 30 });
    let mut stalled = lobby.enter(1).await;
    let before = Instant::now();
    for flood in floods(&lobby, 100).await {
        flood.await.expect("it says all its lines");
    }
    let held_up = before.elapsed();
    assert!((PATIENCE..PATIENCE + Duration::from_millis(5)).contains(&held_up), "held up for {held_up:?}");

    stalled.take_all();
    let missed = stalled.missed();
    assert_eq!((missed.len(), missed[0].from), (1, 1));
    assert_eq!(stalled.lines(), (missed[0].to + 1..=4_000).collect::<Vec<_>>());
    assert!(stalled.lines().len() <= 1_024);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_has_caught_up_is_waited_for_again() {
    let lobby = Lobby::open(Bounds { lines: 1_024, bytes: 1 << 30 });
    let mut once_stalled = lobby.enter(1).await;
    for flood in floods(&lobby, 340).await {
        flood.await.expect("it says all its lines");
    }
    once_stalled.take_all();
    let missed = once_stalled.missed();
    let guests = lobby.enter_all(21..25).await;
    for guest in guests {
        flood(guest, lobby.inbox.clone(), 1_000, &text(340));
    }
    read_slowly(&mut once_stalled, 8_000, Duration::from_millis(10)).await;
    assert_eq!(once_stalled.missed(), missed);
}

#[tokio::test(start_paused = true)]
async fn lines_are_refused_when_too_many_wait_for_a_room_that_waits() {
    let lobby = Lobby::open(Bounds { lines: 16, bytes: 1 << 30 });
    let text = text(8);
    let mut guests = lobby.enter_all(1..(PARKED_COMMANDS_MAX / usize::from(SLOTS_MAX) + 3) as u64).await;
    // Nobody reads this.
    guests[0].say_all_at_once(&lobby.inbox, &text).await;
    lobby.take_all().await;
    guests[0].take_all();
    let before = guests[0].receipts().len();
    for guest in &guests[1..] {
        guest.say_all_at_once(&lobby.inbox, &text).await;
    }
    lobby.take_all().await;
    let overflow = guests.len() * usize::from(SLOTS_MAX) - before - PARKED_COMMANDS_MAX;
    assert!(before < 16 && overflow > 0);
    assert_eq!(lobby.metrics.rejects(ErrorCode::Overloaded), overflow as u64);

    sleep(PATIENCE * 4).await;
    guests.iter_mut().for_each(Guest::take_all);
    let refusals: Vec<_> = guests.iter().flat_map(Guest::refusals).collect();
    assert_eq!(refusals, vec![(Some(ErrorCode::Overloaded), 1_000); overflow]);
    let mut said: Vec<u64> = guests.iter().flat_map(Guest::receipts).map(|receipt| receipt.seq).collect();
    said.sort_unstable();
    assert_eq!(said, (1..=(before + PARKED_COMMANDS_MAX) as u64).collect::<Vec<_>>());
}

/// Or a question sent right behind a login would be refused, because the login waits and the question does not.
#[tokio::test(start_paused = true)]
async fn a_question_waits_behind_the_login_it_followed() {
    let lobby = Lobby::open(Bounds { lines: 16, bytes: 1 << 30 });
    let stalled = lobby.enter(1).await;
    stalled.say_all_at_once(&lobby.inbox, &text(8)).await;
    lobby.take_all().await;
    let mut newcomer = Guest::new(3);
    newcomer.ask_in(&lobby.inbox).await;
    newcomer.ask_who(&lobby.inbox).await;
    lobby.take_all().await;
    newcomer.take_all();
    assert_eq!(newcomer.packets, [], "the room waits");

    sleep(PATIENCE * 2).await;
    newcomer.take_all();
    let [ServerPacket::LoginAnswer(login), ServerPacket::WhoAnswer(who), ..] = &newcomer.packets[..] else {
        panic!("{:?}", newcomer.packets)
    };
    assert!(login.outcome.is_ok());
    assert_eq!(who.outcome.as_ref().map(|page| page.members), Ok(2));
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_leaves_holds_the_room_up_no_longer_than_its_patience() {
    let lobby = Lobby::open(Bounds { lines: 1_024, bytes: 1 << 30 });
    let stalled = lobby.enter(1).await;
    let before = Instant::now();
    let floods = floods(&lobby, 100).await;
    let reason = chat_proto::LeaveReason::Lost;
    let depart = Command::Depart { session: Arc::clone(&stalled.subscriber), reason };
    drop(stalled);
    lobby.inbox.send(depart).await.expect("a fan-out");
    for flood in floods {
        flood.await.expect("it says all its lines");
    }
    assert!(before.elapsed() <= PATIENCE + Duration::from_millis(5), "held up for {:?}", before.elapsed());
}
