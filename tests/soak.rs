//! Connecting, logging in and leaving, over and over: the server's memory, tasks and descriptors come back.
//!
//! `SOAK_ROUNDS` says how often (10,000 if it does not); `scripts/soak.sh` runs the full hundred thousand.

mod common;
#[path = "common/process.rs"]
#[cfg(target_os = "linux")]
mod process;

use common::{Raw, serve, unthrottled};

fn rounds() -> usize {
    std::env::var("SOAK_ROUNDS").map_or(10_000, |rounds| rounds.parse().expect("SOAK_ROUNDS is a number"))
}

#[tokio::test]
async fn tasks_and_slots_are_back_after_many_rounds_in_memory() {
    let server = serve(&unthrottled());
    let alive = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    for number in 0..rounds() / 10 {
        let mut raw = Raw::new(server.connect_in_memory(1024));
        match number % 3 {
            0 => raw.log_in("guest").await,
            1 => raw.send(&[common::hello(1)]).await,
            _ => {}
        }
        drop(raw);
        while server.connections() > 0 {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!((server.sessions(), server.admission().connections()), (0, 0));
    assert_eq!(server.admission().addresses(), (0, 0), "an exempt address leaves no entry");
    assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), alive);
}

/// A process is asked what it holds, which Linux answers in `/proc`.
#[cfg(target_os = "linux")]
mod of_a_process {
    use std::time::{Duration, Instant};

    use chat_proto::Credential;
    use iocp_chat::client::Client;
    use tokio::net::TcpStream;

    use super::{Raw, process::ServerProcess, rounds};

    /// How often it may grow.
    const LAPS: usize = 3;
    /// Rounds that run beside each other.
    const AT_ONCE: usize = 50;

    /// One round: polite, rude or silent, by its number. Nobody's name is one of an earlier lap, who may still be leaving.
    async fn round(address: std::net::SocketAddr, lap: usize, number: usize) {
        let name = format!("guest{lap}-{number}");
        match number % 4 {
            0 => {
                let client = Client::connect(address).await.expect("it listens");
                let (session, _events) = client.log_in(&name, Credential::None).await.expect("free");
                session.broadcast("in and out").await.expect("said");
                session.log_out().await.expect("heard");
            }
            1 => {
                let mut raw = Raw::new(TcpStream::connect(address).await.expect("it listens"));
                raw.log_in(&name).await;
            }
            2 => drop(TcpStream::connect(address).await.expect("it listens")),
            _ => {
                let client = Client::connect(address).await.expect("it listens");
                drop(client.log_in(&name, Credential::None).await.expect("free"));
            }
        }
    }

    async fn run(address: std::net::SocketAddr, lap: usize, rounds: usize) {
        let mut lanes = tokio::task::JoinSet::new();
        for lane in 0..AT_ONCE {
            lanes.spawn(async move {
                for number in (lane..rounds).step_by(AT_ONCE) {
                    round(address, lap, number).await;
                }
            });
        }
        while let Some(lane) = lanes.join_next().await {
            lane.expect("every round succeeds");
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn memory_and_descriptors_are_where_they_were_after_many_rounds() {
        let args = ["--log", "warn,iocp_chat::host=info", "--set", "limits.notice_members=0"];
        let server = ServerProcess::start(&args);
        // What it needs anyway: threads, the allocator's pools, and the table of the last 4,096 names filled.
        run(server.address, 0, 8_000).await;
        let mut before = usage(&server, usize::MAX).await;
        // What grows once is no leak: on a busy machine more of them may be there at a time than ever before.
        for lap in 1..=LAPS {
            let started = Instant::now();
            run(server.address, lap, rounds()).await;
            let after = usage(&server, before.descriptors).await;
            println!(
                "{} rounds in {:.1} s: {} -> {} descriptors, {} -> {} KiB",
                rounds(),
                started.elapsed().as_secs_f64(),
                before.descriptors,
                after.descriptors,
                before.kib,
                after.kib
            );
            assert!(after.descriptors <= before.descriptors, "{} are left", after.descriptors);
            // Leaking one session in a hundred would be more.
            if after.kib <= before.kib + 1_024 {
                break;
            }
            assert!(lap < LAPS, "{} KiB, then {} KiB", before.kib, after.kib);
            before = after;
        }
    }

    struct Usage {
        descriptors: usize,
        kib: u64,
    }

    /// What the process holds once nobody is connected to it, and it has no more descriptors than these, if that comes.
    async fn usage(server: &ServerProcess, descriptors_max: usize) -> Usage {
        let proc = format!("/proc/{}", server.pid());
        let descriptors = || std::fs::read_dir(format!("{proc}/fd")).expect("Linux").count();
        // The last goodbyes take up to a second, and on a busy machine longer.
        let (mut settled, begun) = (descriptors(), Instant::now());
        while begun.elapsed() < Duration::from_secs(3)
            || (settled > descriptors_max && begun.elapsed() < Duration::from_mins(2))
        {
            tokio::time::sleep(Duration::from_millis(100)).await;
            settled = settled.min(descriptors());
        }
        let status = std::fs::read_to_string(format!("{proc}/status")).expect("Linux");
        let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a field");
        Usage { descriptors: settled, kib: kib.trim_end_matches("kB").trim().parse().expect("a number") }
    }
}
