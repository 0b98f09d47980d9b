//! One whole session, cut at every byte of each of its connections, either way, in every way there is.

use std::{collections::VecDeque, io, sync::Arc, time::Duration};

use chat_proto::{Credential, LOBBY, RoomSettings};
use iocp_chat::{
    client::{Error, Event, Events, Reconnect, Session, Timeouts},
    server::Server,
};
use parking_lot::Mutex;
use tokio::{
    runtime,
    time::{sleep, timeout},
};

use crate::{
    common::{guest, quiet, serve},
    reconnecting::{
        proxy::{Cable, Counts, How, Plan, Proxy, Way},
        share_out,
    },
};

/// Longer than any half-open connection goes on, and any absence.
const SETTLING: Duration = Duration::from_mins(10);
const ROOM: RoomSettings = RoomSettings { capacity: 10, flags: 0, slow_s: 0 };

/// A cut: on the session's first connection or its second, which way, after how many bytes, how.
type Place = (usize, Way, usize, How);

#[test]
fn a_session_that_is_cut_at_any_byte_says_and_hears_what_one_that_is_not_does() {
    let (_, bytes) = play(None);
    let [first, second] = bytes[..] else { panic!("the session has two connections: {bytes:?}") };
    let all = std::env::var("CUTS").is_ok_and(|cuts| cuts.parse::<u64>().is_ok_and(|cuts| cuts >= 10_000));
    let mut places: Vec<Place> = Vec::new();
    for (connection, bytes) in [first, second].into_iter().enumerate() {
        for way in [Way::Up, Way::Down] {
            for after in 0..=bytes[way as usize] {
                let hows = How::ALL.iter().enumerate().filter(|(at, _)| all || after % 4 == *at);
                places.extend(hows.map(|(_, how)| (connection, way, after, *how)));
            }
        }
    }
    let counts: Counts = share_out(places.len() as u64, |number| {
        let place = places[usize::try_from(number).expect("it is an index")];
        let named = Named(place);
        let (counts, _) = play(Some(named.0));
        Some(counts)
    });
    eprintln!("{} places: {counts:?}", places.len());
    // The last byte of a connection may never go, where its end is a cut already.
    assert!(counts.all() + 8 >= places.len() as u64, "{counts:?} of {}", places.len());
    assert!(counts.answers_lost > 0 && counts.answers_torn > 50, "{counts:?}");
}

/// Names the place that is being tried, if it fails.
struct Named(Place);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("cut at {:?}", self.0);
        }
    }
}

/// Lives through the session on a runtime of its own. What was cut, and how many bytes each connection had.
fn play(place: Option<Place>) -> (Counts, Vec<[usize; 2]>) {
    let mut runtime = runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().expect("a runtime");
    runtime.block_on(async {
        let mut config = quiet();
        config.resume.grace = Duration::from_mins(5);
        let server = Arc::new(serve(&config));
        let (proxy, mut plans) = (Arc::new(Proxy::default()), VecDeque::from([Plan::WHOLE, Plan::WHOLE]));
        if let Some((connection, way, after, how)) = place {
            plans[connection].cut = Some((way, after, how));
        }
        let dial = Dial { server: Arc::clone(&server), proxy: Arc::clone(&proxy), plans: Mutex::new(plans) };
        live(&server, &proxy, Arc::new(dial)).await;
        (proxy.counts(), proxy.bytes())
    })
}

struct Dial {
    server: Arc<Server>,
    proxy: Arc<Proxy>,
    plans: Mutex<VecDeque<Plan>>,
}

impl Dial {
    fn connect(&self) -> Cable {
        let plan = self.plans.lock().pop_front().unwrap_or(Plan::WHOLE);
        self.proxy.connect(self.server.connect_in_memory(64 * 1024), plan)
    }
}

async fn live(server: &Server, proxy: &Proxy, dial: Arc<Dial>) {
    let (lee, lees) = guest(server, "lee").await;
    let den = lee.create_room("den", "", ROOM, "").await.expect("rooms may be made").place.conversation;
    let mut lees = Ear { events: lees, lines: Vec::new() };
    let (kim, kims) = come_in(dial).await;
    let mut kims = Ear { events: kims, lines: Vec::new() };
    join(&kim).await;
    kim.broadcast("k1").await.expect("said");
    kim.room_chat(den, "k2").await.expect("said");
    kim.whisper("lee", "k3").await.expect("handed over");
    say(&lee, den, ["l1", "l2", "l3"]).await;
    kims.hear(3).await;
    proxy.sever();
    say(&lee, den, ["l4", "l5", "l6"]).await;
    kim.broadcast("k4").await.expect("said");
    kim.whisper("lee", "k5").await.expect("handed over");
    kims.hear(6).await;
    // The answer may be cut as well.
    let _ = kim.log_out().await;
    sleep(SETTLING).await;
    assert_eq!(server.sessions(), 1, "only lee stays");
    kims.end(&["1 l1", "1 l4"], &["2 l2", "2 l5"], &["0 l3", "0 l6"]).await;
    drop(lee);
    lees.hear(5).await;
    lees.end(&["1 k1", "1 k4"], &["2 k2"], &["0 k3", "0 k5"]).await;
}

/// Logs in, as often as it takes: who has the name may be oneself, on a connection that is lost.
async fn come_in(dial: Arc<Dial>) -> (Session, Events) {
    for attempt in 0..1_000 {
        let dial = Arc::clone(&dial);
        let connect = move || std::future::ready(io::Result::Ok(dial.connect()));
        let client = Reconnect::new(attempt).timeouts(Timeouts { answer: SETTLING, ..Timeouts::default() });
        match client.log_in(connect, "kim", Credential::None).await {
            Ok(here) => return here,
            Err(Error::Protocol(why)) => panic!("{why:?}"),
            Err(_) => sleep(Duration::from_secs(2)).await,
        }
    }
    panic!("the name is never free");
}

async fn join(kim: &Session) {
    loop {
        match kim.join_room("den", "").await {
            // Only an answer that was lost may have let one in.
            Ok(_) | Err(Error::Refused(_)) => return,
            Err(Error::Uncertain) => {}
            Err(why) => panic!("{why:?}"),
        }
    }
}

/// To everyone, to the room, to kim.
async fn say(lee: &Session, den: u64, [first, second, third]: [&str; 3]) {
    lee.broadcast(first).await.expect("said");
    lee.room_chat(den, second).await.expect("said");
    lee.whisper("kim", third).await.expect("handed over");
}

struct Ear {
    events: Events,
    /// Each with its conversation: 0 whispers, 1 the lobby, 2 the room.
    lines: Vec<String>,
}

impl Ear {
    /// Listens until so many lines have come in all.
    async fn hear(&mut self, lines: usize) {
        while self.lines.len() < lines {
            let heard = timeout(SETTLING, self.events.next()).await;
            self.take(heard.unwrap_or_else(|_| panic!("nothing comes after {:?}", self.lines)));
        }
    }

    fn take(&mut self, event: Option<Event>) -> bool {
        match event {
            Some(Event::Broadcast(line)) => {
                let room = if line.head.conversation == LOBBY { 1 } else { 2 };
                self.lines.push(format!("{room} {}", line.text));
            }
            Some(Event::Whisper(line)) => self.lines.push(format!("0 {}", line.text)),
            Some(Event::Reconnecting { .. } | Event::Resumed(_)) => {}
            Some(Event::Goodbye(_) | Event::Disconnected(_)) | None => return false,
            Some(other) => panic!("{other:?} after {:?}", self.lines),
        }
        true
    }

    /// Nothing more comes, and these are all that came: in the lobby, in the room, from one to the other.
    async fn end(mut self, lobby: &[&str], room: &[&str], whispers: &[&str]) {
        while let Ok(event) = timeout(Duration::from_secs(1), self.events.next()).await
            && self.take(event)
        {}
        for (first, expected) in [('1', lobby), ('2', room), ('0', whispers)] {
            let heard: Vec<_> = self.lines.iter().filter(|line| line.starts_with(first)).collect();
            assert_eq!(heard, expected, "of {:?}", self.lines);
        }
    }
}
