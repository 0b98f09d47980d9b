//! A crowd that a server which restarts sends away and takes back.
//!
//! `RESTART_CLIENTS` says how many (100 if it does not); `scripts/soak.sh` sends a thousand through it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use chat_proto::{Credential, feature};
use iocp_chat::client::{Client, Event, Events, Reconnect, Session, Timeouts};
use tokio::{
    sync::{Semaphore, watch},
    task::JoinSet,
    time::timeout,
};

use crate::{
    house::{Door, House},
    number,
    person::END,
};

/// Who come in at once.
const BURST: usize = 50;
/// Lines said while the server is there, and while it is not.
const LINES: usize = 20;
/// How long all of it may take before the test is given up: what is told is how long it took.
const WATCHDOG: Duration = Duration::from_mins(15);

/// Somebody in the crowd, up to the last line.
#[derive(Default)]
struct Heard {
    lines: Vec<String>,
    /// How often they came back.
    back: usize,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_is_back_after_a_restart_and_has_heard_every_line_once() {
    timeout(
        WATCHDOG,
        restart(usize::try_from(number("RESTART_CLIENTS").unwrap_or(100)).expect("not so many")),
    )
    .await
    .expect("in time");
}

async fn restart(count: usize) {
    let mut house = House::open("process");
    let (back, mut returned) = watch::channel(0);
    let (people, talker) = come_in(&house.door(), count, &back).await;
    let mut said = say(&talker, "before").await;
    let stopping = Instant::now();
    house.stop();
    let waiting = {
        let talker = talker.clone();
        tokio::spawn(async move { say(&talker, "after").await })
    };
    house.start();
    let started = Instant::now();
    returned.wait_for(|back| *back == count).await.expect("they count");
    let took = started.elapsed();
    println!(
        "{count} people are back {:.1} s after the start, {:.1} s after the stop; the server's CPU: {}",
        took.as_secs_f64(),
        stopping.elapsed().as_secs_f64(),
        house.cpu_s().map_or("not told here".into(), |seconds| format!("{seconds:.2} s"))
    );
    said.extend(waiting.await.expect("no panic"));
    talker.broadcast(END).await.expect("said");
    for heard in people.join_all().await {
        assert_eq!(heard.back, 1);
        assert!(heard.lines == said, "{:?} for {said:?}", heard.lines);
    }
}

/// All of them, listening, and one more who talks.
async fn come_in(door: &Door, count: usize, back: &watch::Sender<usize>) -> (JoinSet<Heard>, Session) {
    let (mut people, mut coming) = (JoinSet::new(), JoinSet::new());
    let few = Arc::new(Semaphore::new(BURST));
    for number in 0..count {
        let (door, few) = (door.clone(), Arc::clone(&few));
        coming.spawn(async move {
            let _turn = few.acquire().await.expect("never closed");
            log_in(door, &format!("crowd{number}"), number as u64).await
        });
    }
    for (session, events) in coming.join_all().await {
        people.spawn(listen(session, events, back.clone()));
    }
    let (talker, _) = log_in(door.clone(), "talker", u64::MAX).await;
    (people, talker)
}

async fn log_in(door: Door, name: &str, seed: u64) -> (Session, Events) {
    let timeouts = Timeouts { connect: WATCHDOG, login: WATCHDOG, answer: WATCHDOG };
    let first = door.clone().connect().await.expect("it listens");
    let client = Client::over_asking(first, timeouts, feature::RESUME).await.expect("greeted");
    let coming = Reconnect::new(seed).timeouts(timeouts);
    let entered = coming.log_in_on(client, move || door.clone().connect(), name, Credential::None).await;
    entered.expect("the name is free")
}

async fn listen(_here: Session, mut events: Events, back: watch::Sender<usize>) -> Heard {
    let mut heard = Heard::default();
    loop {
        match events.next().await.expect("it goes on") {
            Event::Broadcast(line) if line.text == END => return heard,
            Event::Broadcast(line) => heard.lines.push(line.text),
            Event::Resumed(_) => {
                heard.back += 1;
                back.send_modify(|back| *back += 1);
            }
            Event::Reconnecting { .. } | Event::Joined(_) | Event::Left(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// Says some lines, each answered before the next; what was said.
async fn say(talker: &Session, when: &str) -> Vec<String> {
    let mut said = Vec::new();
    for number in 0..LINES {
        let line = format!("{when} {number}");
        talker.broadcast(&line).await.expect("answered");
        said.push(line);
    }
    said
}
