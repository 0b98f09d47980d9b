//! Who says little is not kept waiting by those who say much.

use iocp_chat::config::Config;
use tokio::{task::yield_now, time::Instant};

use super::lobby::{Lobby, flood, text};

/// What the fan-out takes in one turn.
const BATCH: u64 = 256;

#[tokio::test(start_paused = true)]
async fn a_talker_of_one_line_beside_three_floods_is_answered_within_one_batch() {
    let lobby = Lobby::open(Config::default().lobby);
    let mut watcher = lobby.enter(1).await;
    let mut quiet = lobby.enter(2).await;
    let floods: Vec<_> = lobby
        .enter_all(3..6)
        .await
        .into_iter()
        .map(|guest| flood(guest, lobby.inbox.clone(), usize::MAX, &text(64)))
        .collect();
    for pause in 0..200 {
        // At ever different moments of the floods' turns.
        for _ in 0..20 + pause % 7 {
            yield_now().await;
        }
        quiet.take_all();
        watcher.take_all();
        let (head, answered) = (last(&watcher.lines()), quiet.receipts().len());
        quiet.say(&lobby.inbox, &text(64)).await;
        while quiet.receipts().len() == answered {
            quiet.take_next().await;
        }
        let seq = quiet.receipts().pop().expect("a receipt").seq;
        assert!(seq - head <= BATCH, "line {seq} was said when {head} stood");
        watcher.packets.clear();
    }
    assert!(last(&quiet.lines()) > 50 * BATCH, "the floods are floods");
    assert_eq!(quiet.missed(), []);
    floods.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test(start_paused = true)]
async fn each_of_four_floods_gets_its_quarter() {
    let lobby = Lobby::open(Config::default().lobby);
    let mut watcher = lobby.enter(1).await;
    let before = Instant::now();
    for guest in lobby.enter_all(2..6).await {
        flood(guest, lobby.inbox.clone(), 2_000, &text(64));
    }
    while watcher.lines().len() < 4_000 {
        watcher.take_next().await;
    }
    let lines = |talker: u64| {
        let name = format!("guest{talker}");
        let by = |packet: &&chat_proto::ServerPacket| matches!(packet, chat_proto::ServerPacket::BroadcastLine(line) if line.sender == name);
        watcher.packets.iter().filter(by).take(4_000).count()
    };
    let shares: Vec<usize> = (2..6).map(lines).collect();
    assert!(shares.iter().all(|lines| *lines > 700), "{shares:?}");
    assert_eq!(before.elapsed(), std::time::Duration::ZERO, "nobody was waited for");
}

fn last(lines: &[u64]) -> u64 {
    lines.last().copied().unwrap_or(0)
}
