//! What logging in with a password takes: whether the time tells names from passwords, and whether others feel it.
//!
//! `cargo bench --bench logins`. The server runs in this process, with the hashing of its defaults.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::{Duration, Instant},
};

use chat_proto::Credential;
use iocp_chat::{
    client::{Client, Event},
    config::Config,
    server::Server,
    session::Recalled,
    store::{Place, Store},
};

/// Logins of each kind that are timed.
const TIMED: u32 = 500;
/// People who log in at once.
const AT_ONCE: u32 = 200;
/// Time between two lines of the two who chat meanwhile.
const PACE: Duration = Duration::from_millis(5);

#[tokio::main]
async fn main() {
    let store = Store::open(&Place::memory()).await.expect("a database in memory");
    let mut config = Config::default();
    config.limits.notice_members = 0;
    config.rates.chat.per_second = 0;
    let recalled = Recalled::from(store, 0).await.expect("a database");
    let server = Server::start(&config, Vec::new(), Some(recalled)).expect("a server without sockets starts");
    let registered = client(&server, 0).await.register("kim", password("correct horse"), "").await;
    registered.expect("the name is free");
    compare(&server).await;
    crowd(&server).await;
}

/// By turns, so that whatever else the machine does meets both.
async fn compare(server: &Server) {
    let (mut unknown, mut wrong) = (Vec::new(), Vec::new());
    for number in 0..TIMED {
        for (name, times) in [("nobody", &mut unknown), ("kim", &mut wrong)] {
            let client = client(server, number + 1).await;
            let started = Instant::now();
            let refused = client.log_in(name, password("incorrect horse")).await.is_err();
            times.push(started.elapsed());
            assert!(refused, "neither is right");
        }
    }
    for (what, times) in [("unknown name", &mut unknown), ("wrong password", &mut wrong)] {
        let [p50, p99] = percentiles(times);
        println!("{TIMED} x {what:<15} median {p50:.2} ms, p99 {p99:.2} ms");
    }
}

/// Two people chat while many log in, all of them rightly.
async fn crowd(server: &Server) {
    let (kim, _) = guest(server, "talker").await;
    let (_lee, mut events) = guest(server, "listener").await;
    let mut newcomers = tokio::task::JoinSet::new();
    let started = Instant::now();
    for number in 0..AT_ONCE {
        let client = client(server, 10_000 + number).await;
        newcomers.spawn(async move { client.log_in("kim", password("correct horse")).await.is_ok() });
    }
    let (mut times, mut done, mut let_in) = (Vec::new(), 0, 0);
    while done < AT_ONCE {
        let said = Instant::now();
        kim.broadcast("are you there?").await.expect("said");
        while !matches!(events.next().await, Some(Event::Broadcast(_))) {}
        times.push(said.elapsed());
        tokio::time::sleep(PACE).await;
        while let Some(joined) = newcomers.try_join_next() {
            done += 1;
            let_in += u32::from(joined.expect("no panic"));
        }
    }
    let ([p50, p99], took) = (percentiles(&mut times), started.elapsed());
    println!(
        "{} lines while {AT_ONCE} logged in at once ({let_in} let in, the others told to come again) in {took:.1?}: \
         p50 {p50:.2} ms, p99 {p99:.2} ms",
        times.len()
    );
}

async fn guest(server: &Server, name: &str) -> (iocp_chat::client::Session, iocp_chat::client::Events) {
    client(server, 0).await.log_in(name, Credential::None).await.expect("the name is free")
}

/// A connection, from an address of its own, so that nobody is throttled for another.
async fn client(server: &Server, number: u32) -> Client {
    let address = IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + number));
    Client::over(server.connect_in_memory_from(address, 64 * 1024)).await.expect("the server greets")
}

fn password(typed: &str) -> Credential {
    Credential::Password(typed.as_bytes().into())
}

/// The median and the 99th percentile, in milliseconds.
fn percentiles(times: &mut [Duration]) -> [f64; 2] {
    times.sort_unstable();
    [50, 99].map(|percent| times[(times.len() - 1) * percent / 100].as_secs_f64() * 1e3)
}
