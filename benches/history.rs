//! What the history costs the store: lines written in batches and one at a time, pages read, old lines pruned.
//!
//! `cargo bench --bench history`, on a SQLite file in the system's folder for such; `-- postgres://...` takes that
//! database, which must be empty.

use std::{env, fs, process, time::Instant};

use iocp_chat::store::{Batch, Cursor, NewLine, PageLimit, Place, Store};

/// Lines of a batch.
const BATCH: u64 = 1_000;
/// Batches that are timed.
const BATCHES: u64 = 200;
/// Conversations that share a batch.
const CONVERSATIONS: u64 = 4;
/// Batches of one line: what a line costs where nothing has piled up.
const SINGLES: u64 = 1_000;
/// Pages that are read.
const PAGES: u32 = 2_000;
/// Lines of a page.
const PAGE: usize = 100;

#[tokio::main]
async fn main() {
    let folder = env::temp_dir().join(format!("chat history {}", process::id()));
    let place = env::args().find(|arg| arg.starts_with("postgres")).map_or_else(
        || Place::in_folder(&folder).expect("a place"),
        |url| Place::postgres(&url).expect("a place"),
    );
    let store = Store::open(&place).await.expect("it opens");
    let shares = BATCH / CONVERSATIONS;
    let batches: Vec<Vec<_>> = (0..BATCHES)
        .map(|n| (1..=CONVERSATIONS).map(|at| batch(at, n * shares + 1..=(n + 1) * shares)).collect())
        .collect();
    let mut longest = 0.0_f64;
    let started = Instant::now();
    for batches in &batches {
        let one = Instant::now();
        assert_eq!(store.history().write(batches).await.expect("written"), BATCH);
        longest = longest.max(one.elapsed().as_secs_f64());
    }
    let rate = per_second(BATCHES * BATCH, started);
    println!("written, {BATCH} lines a batch  {rate:>9.0} lines/s, longest batch {:.1} ms", longest * 1e3);

    let started = Instant::now();
    for n in 0..SINGLES {
        let seq = BATCHES * shares + 1 + n;
        store.history().write(&[batch(1, seq..=seq)]).await.expect("written");
    }
    println!("written, one line a batch     {:>9.0} lines/s", per_second(SINGLES, started));

    let limit = PageLimit { lines: PAGE, bytes: usize::MAX };
    let started = Instant::now();
    for n in 0..u64::from(PAGES) {
        let seq = n * 7_919 % (BATCHES * shares - BATCH);
        let cursor = Cursor { conversation: 1 + n % CONVERSATIONS, epoch: 77, seq };
        let page = store.history().after(cursor, limit).await.expect("a page");
        assert_eq!(page.told.len(), PAGE);
    }
    println!("read, {PAGE} lines a page        {:>9.0} pages/s", per_second(PAGES.into(), started));

    let started = Instant::now();
    let pruned = store.history().prune(2, BATCH, 0).await.expect("pruned");
    println!("pruned                        {:>9.0} lines/s", per_second(pruned, started));
    store.close().await.expect("closed");
    // Only the folder for this, where there is one.
    let _ = fs::remove_dir_all(&folder);
}

fn batch(conversation: u64, seqs: std::ops::RangeInclusive<u64>) -> Batch {
    let line = |seq: u64| NewLine {
        seq,
        time_ms: 1_784_974_272_000 + seq,
        session: Some(conversation * 10 + seq % 4),
        account: None,
        sender: "talker".into(),
        message_id: Some(seq),
        text: "x".repeat(64),
    };
    Batch { conversation, epoch: 77, lines: seqs.map(line).collect(), ..Batch::default() }
}

#[expect(clippy::cast_precision_loss, reason = "few")]
fn per_second(count: u64, since: Instant) -> f64 {
    count as f64 / since.elapsed().as_secs_f64()
}
