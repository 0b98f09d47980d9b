//! A crowd around one server: who is in it, on which terms, and its history from the first login to the last check.

use std::{
    collections::BTreeMap,
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use chat_proto::{Credential, LOBBY};
use iocp_chat::{
    client::Client,
    config::{Bounds, Config},
    server::Server,
};
use parking_lot::Mutex;
use rand::{RngExt as _, SeedableRng, rngs::StdRng};
use tokio::{runtime, task::JoinHandle, time};

use super::{
    ear::{Ear, Heard},
    person::Person,
    proxy::{Cable, Counts, How, Plan, Proxy, Way},
    truth::Truth,
};
use crate::common::{quiet, serve};

/// The most bytes of a connection that is cut early.
const EARLY: usize = 400;
/// The most bytes of one that is cut later, up and down.
const LATE: [usize; 2] = [1_200, 4_000];
/// Bytes that a login takes at most, either way.
const LOGIN: usize = 400;
/// Longer than anybody talks.
const LIFE_MAX: Duration = Duration::from_hours(6);
/// Bytes that a client sends up to the end of its Resume.
const RESUME: usize = 44;
/// Long enough for every half-open connection to be found out, and for everyone to come back.
const SETTLING: Duration = Duration::from_mins(10);

/// What a history is like.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a thing of its own that happens or does not")]
pub struct Terms {
    pub seed: u64,
    /// Who talks; the first of them owns the room.
    pub talkers: usize,
    /// Who only listens.
    pub listeners: usize,
    /// Lines that each talker says.
    pub lines: u32,
    /// The longest pause between two of them.
    pub pause_ms: u64,
    /// The server keeps few lines.
    pub small_logs: bool,
    /// Listeners are put out of the room, and come back.
    pub kicks: bool,
    pub slow_readers: bool,
    /// Sessions may end while their connection is lost, and logins may be cut.
    pub restarts: bool,
    /// How long a session waits for its owner.
    pub grace: Duration,
    /// The most milliseconds that bytes are on their way.
    pub delay_ms: u64,
    /// Now and then all connections are cut at once.
    pub storms: bool,
    /// Of 10 connections, how many are cut.
    pub cut_of_ten: u32,
}

impl Terms {
    pub fn people(&self) -> usize {
        self.talkers + self.listeners
    }

    fn config(&self) -> Config {
        let mut config = quiet();
        config.resume.grace = self.grace;
        if self.small_logs {
            let few = Bounds { lines: 12, bytes: 4_096 };
            (config.lobby, config.rooms.log, config.mailbox) = (few, few, few);
        }
        config
    }
}

/// What a history came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Played {
    pub counts: Counts,
    /// Lines that were acknowledged, and those of which nobody knows.
    pub said: (u64, u64),
    /// Times that somebody was told that lines are missing.
    pub missed: u64,
    /// Times that somebody was told to be out of the room.
    pub out: u64,
    /// Times that somebody had to begin again.
    pub anew: u64,
}

impl std::iter::Sum for Played {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            counts: [sum.counts, one.counts].into_iter().sum(),
            said: (sum.said.0 + one.said.0, sum.said.1 + one.said.1),
            missed: sum.missed + one.missed,
            out: sum.out + one.out,
            anew: sum.anew + one.anew,
        })
    }
}

/// What everyone heard, in order, and how many milliseconds after the beginning.
pub type History = Vec<Vec<(u64, Heard)>>;

/// Everyone around one server.
pub struct Crowd {
    pub terms: Terms,
    pub truth: Mutex<Truth>,
    pub ears: Vec<Mutex<Ear>>,
    server: Arc<Server>,
    proxy: Arc<Proxy>,
    began: time::Instant,
    /// Talkers who still have something to say.
    talking: AtomicUsize,
    /// What each person waits for.
    pub doing: Vec<Mutex<String>>,
}

impl Crowd {
    /// Plays a history on a runtime of its own, and checks it. What everyone heard, and what it came to.
    pub fn play(terms: Terms) -> (History, Played) {
        let mut runtime = runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build().expect("a runtime");
        runtime.block_on(async {
            let server = Arc::new(serve(&terms.config()));
            let ears = (0..terms.people()).map(|_| Mutex::default()).collect();
            let talking = AtomicUsize::new(terms.talkers);
            let doing = (0..terms.people()).map(|_| Mutex::default()).collect();
            let (truth, proxy) = (Mutex::default(), Arc::default());
            let began = time::Instant::now();
            let crowd = Arc::new(Self { terms, truth, ears, server, proxy, began, talking, doing });
            crowd.live().await
        })
    }

    /// Milliseconds since the history began.
    pub fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).expect("it is not that long")
    }

    /// Whether everything has been said.
    pub fn is_done(&self) -> bool {
        self.talking.load(Ordering::Relaxed) == 0
    }

    /// How one person connects, again and again, as this seed has it.
    pub fn dial(
        self: &Arc<Self>,
        seed: u64,
    ) -> impl Fn() -> std::future::Ready<io::Result<Cable>> + Send + Sync + 'static {
        let (server, proxy, terms) = (Arc::clone(&self.server), Arc::clone(&self.proxy), self.terms.clone());
        let state = Mutex::new((StdRng::seed_from_u64(seed), terms.restarts));
        move || {
            let (rng, may_cut_login) = &mut *state.lock();
            let mut plan = plan(&terms, rng);
            if let Some((_, after, _)) = plan.cut.as_mut().filter(|_| !*may_cut_login) {
                *after += LOGIN;
            }
            *may_cut_login = true;
            std::future::ready(Ok(proxy.connect(server.connect_in_memory(rng.random_range(16..4_096)), plan)))
        }
    }

    async fn live(self: Arc<Self>) -> (History, Played) {
        let lives: Vec<_> = (0..self.terms.people()).map(|number| Arc::clone(&self).begin(number)).collect();
        let storms = tokio::spawn(Arc::clone(&self).storm());
        let mut people = Vec::new();
        for life in lives {
            let life = time::timeout(LIFE_MAX, life).await;
            let life = life.unwrap_or_else(|_| self.give_up(people.len()));
            people.push(life.expect("nobody panics"));
        }
        storms.await.expect("nobody panics");
        self.proxy.heal();
        time::sleep(SETTLING).await;
        let ends = self.ends().await;
        let played = self.check(&ends);
        let heard = self.ears.iter().map(|ear| ear.lock().heard.clone()).collect();
        for (person, listening) in people {
            person.log_out().await;
            listening.await.expect("nobody panics");
        }
        (heard, played)
    }

    fn begin(self: Arc<Self>, number: usize) -> JoinHandle<(Person, JoinHandle<()>)> {
        tokio::spawn(async move {
            let (mut person, events) = Person::come_in(Arc::clone(&self), number).await;
            let listening = tokio::spawn(Person::listen(Arc::clone(&self), number, events));
            person.live().await;
            if number < self.terms.talkers {
                self.talking.fetch_sub(1, Ordering::Relaxed);
            }
            (person, listening)
        })
    }

    /// Somebody's life does not end.
    fn give_up(&self, number: usize) -> ! {
        let ears: Vec<_> = self.ears.iter().map(|ear| ear.lock().clone()).collect();
        let _shown = Shown(&ears);
        let doing: Vec<_> = self.doing.iter().map(|doing| doing.lock().clone()).collect();
        panic!("p{number} waits forever: {doing:?}, {} sessions", self.server.sessions());
    }

    /// Cuts all connections at once, now and then.
    async fn storm(self: Arc<Self>) {
        let mut rng = StdRng::seed_from_u64(self.terms.seed << 8 | 0xC0);
        while self.terms.storms && !self.is_done() {
            time::sleep(Duration::from_millis(rng.random_range(1_000..60_000))).await;
            self.proxy.sever();
        }
    }

    /// The last line of each conversation, as somebody sees it who comes in now.
    async fn ends(&self) -> BTreeMap<u64, u64> {
        let client = Client::over(self.server.connect_in_memory(64 * 1024)).await.expect("the server greets");
        let (session, _events) = client.log_in("last", Credential::None).await.expect("the name is free");
        let lobby = session.welcome().conversations.0.iter().find(|place| place.conversation == LOBBY);
        let mut ends = BTreeMap::from([(LOBBY, lobby.expect("everyone is in it").seq)]);
        if let Ok(den) = session.join_room("den", "").await {
            ends.insert(den.place.conversation, den.place.seq);
        }
        session.log_out().await.expect("it is there");
        ends
    }

    fn check(&self, ends: &BTreeMap<u64, u64>) -> Played {
        let truth = self.truth.lock();
        let ears: Vec<_> = self.ears.iter().map(|ear| ear.lock().clone()).collect();
        let _shown = Shown(&ears);
        let lines = truth.lines(ears.iter().flat_map(|ear| &ear.heard).map(|(_, heard)| heard));
        for (number, ear) in ears.iter().enumerate() {
            ear.check(&format!("p{number}"), &truth, &lines, ends);
        }
        let out = |ear: &Ear| ear.heard.iter().filter(|(_, one)| matches!(one, Heard::Out(_))).count() as u64;
        Played {
            counts: self.proxy.counts(),
            said: truth.counts(),
            missed: ears.iter().map(Ear::missed).sum(),
            out: ears.iter().map(out).sum(),
            anew: ears.iter().map(Ear::anew).sum(),
        }
    }
}

/// Shows what everyone heard, if something is wrong with it and `HEARD` is set.
struct Shown<'a>(&'a [Ear]);

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() && std::env::var_os("HEARD").is_some() {
            for (number, ear) in self.0.iter().enumerate() {
                for (at, heard) in &ear.heard {
                    eprintln!("{at:>9} p{number} {heard:?}");
                }
            }
        }
    }
}

/// What becomes of the next connection.
fn plan(terms: &Terms, rng: &mut StdRng) -> Plan {
    let cut = rng.random_ratio(terms.cut_of_ten, 10).then(|| {
        let how = How::ALL[rng.random_range(0..How::ALL.len())];
        // Nothing of the answer comes.
        if rng.random_ratio(1, 12) {
            return (Way::Up, RESUME, how);
        }
        let way = if rng.random() { Way::Up } else { Way::Down };
        let most = if rng.random() { EARLY } else { LATE[way as usize] };
        (way, rng.random_range(0..most), how)
    });
    // Late pieces are large: a connection that carries some bytes a second is one that nobody talks over.
    let pieces = if terms.delay_ms > 0 { 512..=4_096 } else { 1..=2_048 };
    Plan { cut, piece: rng.random_range(pieces), delay_ms: terms.delay_ms, seed: rng.random() }
}
