//! What an operator asks of a running server, and has done by it.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use chat_proto::{Act, ErrorCode, Remark, Role, RoomEntry, Text, Username, way_in};
use ipnet::IpNet;
use tokio::{
    sync::{mpsc::WeakSender, oneshot},
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{Server, health::Health};
use crate::{
    config::Policy,
    metrics::Metrics,
    net::{Admission, Shared},
    room::{Behind, Command, Inbox, SessionId, Survey, Totals, Whereabouts},
    session::{Actor, Doorkeeper, Order, SessionRegistry, Subject, Terms},
};

/// How long the fan-out is waited for by whoever wants to know how the server is: less than they wait themselves.
const STATUS_MAX: Duration = Duration::from_secs(5);

/// An operator's hold on a running server: above everyone in it. Cheap to clone. It does not keep the server going:
/// once that stops, what needs its fan-out is refused with [`ErrorCode::ShuttingDown`].
#[derive(Clone)]
pub struct Operator(Arc<Reach>);

struct Reach {
    addresses: Vec<SocketAddr>,
    admission: Arc<Admission>,
    registry: Arc<SessionRegistry>,
    shared: Arc<Shared>,
    inbox: WeakSender<Command>,
    since_ms: u64,
    told_to_stop: CancellationToken,
    health: Health,
}

/// How a server is.
#[derive(Clone)]
pub struct Status {
    /// Where it listens.
    pub addresses: Vec<SocketAddr>,
    /// When it was started, in milliseconds since 1970 UTC.
    pub since_ms: u64,
    /// The present, in milliseconds since 1970 UTC.
    pub now_ms: u64,
    /// Who may come in.
    pub state: State,
    /// Whether people come in without an account.
    pub guests: bool,
    /// Whether people may make accounts, with an invite at least.
    pub registration: bool,
    /// Whether an operator or a moderator has stopped that.
    pub frozen: bool,
    /// Sessions signed in.
    pub sessions: usize,
    /// Connections, those that have not logged in among them.
    pub connections: usize,
    /// What the fan-out says; `None` of a server that stops, or hangs.
    pub totals: Option<Totals>,
    /// Connections accepted since it was started.
    pub accepted: u64,
    /// Logins that succeeded since then.
    pub logins: u64,
    /// Requests and connections refused since then.
    pub refused: u64,
    /// Lines that readers were told they missed since then.
    pub missed: u64,
    /// Connections cut since then.
    pub cut: u64,
    /// Lines that people have sent since then, served or not.
    pub lines_received: u64,
    /// Lines written to somebody's socket since then.
    pub lines_delivered: u64,
    /// How long this question waited for the fan-out, 5 s at most; `None` of a server that stops.
    pub lag: Option<Duration>,
}

/// Who may come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Whoever may.
    Open,
    /// Nobody else; who is here stays.
    Draining,
    /// Nobody, and everybody goes.
    Stopping,
}

impl State {
    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Draining => "draining",
            Self::Stopping => "stopping",
        }
    }
}

impl Operator {
    pub(super) fn new(
        addresses: &[SocketAddr],
        admission: &Arc<Admission>,
        registry: &Arc<SessionRegistry>,
        shared: &Arc<Shared>,
        inbox: &Inbox,
    ) -> Self {
        Self(Arc::new(Reach {
            addresses: addresses.to_vec(),
            admission: Arc::clone(admission),
            registry: Arc::clone(registry),
            shared: Arc::clone(shared),
            inbox: inbox.downgrade(),
            since_ms: (shared.clock)(),
            told_to_stop: CancellationToken::new(),
            health: Health::new(),
        }))
    }

    /// How the server is.
    pub async fn status(&self) -> Status {
        let Reach { addresses, admission, registry, shared, since_ms, .. } = &*self.0;
        let (doorkeeper, metrics) = (&shared.doorkeeper, &shared.metrics);
        let asked = Instant::now();
        let answer = timeout(STATUS_MAX, self.totals()).await;
        let hangs = answer.is_err();
        let totals = answer.ok().flatten();
        let lag = (hangs || totals.is_some()).then(|| asked.elapsed());
        let ways_in = doorkeeper.ways_in();
        Status {
            addresses: addresses.clone(),
            since_ms: *since_ms,
            now_ms: self.now(),
            state: match () {
                () if self.is_stopping() => State::Stopping,
                () if doorkeeper.is_draining() => State::Draining,
                () => State::Open,
            },
            guests: ways_in & way_in::GUEST != 0,
            registration: ways_in & (way_in::REGISTRATION | way_in::INVITATION) != 0,
            frozen: doorkeeper.is_frozen(),
            sessions: registry.len(),
            connections: admission.connections(),
            totals,
            accepted: metrics.accepted.sum(),
            logins: metrics.logins.get(),
            refused: ErrorCode::ALL.iter().map(|code| metrics.rejects(*code)).sum(),
            missed: metrics.missed.get(),
            cut: metrics.cut.get(),
            lines_received: metrics.traffic.lines_received(),
            lines_delivered: metrics.traffic.delivered(),
            lag,
        }
    }

    /// A page of who is here: those after a session, by number, at most [`SURVEY_PAGE`](crate::room::SURVEY_PAGE).
    pub async fn sessions(&self, after: SessionId) -> Result<Vec<Whereabouts>, ErrorCode> {
        self.ask(|answer| Survey::Sessions(after, answer)).await
    }

    /// A page of which rooms there are, hidden ones too, the lobby first: those after a number, at most
    /// [`SURVEY_PAGE`](crate::room::SURVEY_PAGE).
    pub async fn rooms(&self, after: u64) -> Result<Vec<RoomEntry>, ErrorCode> {
        self.ask(|answer| Survey::Rooms(after, answer)).await
    }

    /// Who reads slowest, the slowest first: at most [`SLOW_MAX`](crate::room::SLOW_MAX).
    pub async fn slow(&self) -> Result<Vec<Behind>, ErrorCode> {
        self.ask(Survey::Slow).await
    }

    /// The bans in force, the oldest first.
    #[must_use]
    pub fn bans(&self) -> Vec<(Subject, Terms)> {
        self.doorkeeper().bans().list(self.now())
    }

    /// The mutes in force, the oldest first.
    #[must_use]
    pub fn mutes(&self) -> Vec<(Username, Terms)> {
        self.doorkeeper().bans().list_mutes(self.now())
    }

    /// Puts somebody out. Refused with [`ErrorCode::UserOffline`] or [`ErrorCode::UserNotFound`] when they are not
    /// here.
    pub async fn kick(&self, name: Username, reason: Remark) -> Result<(), ErrorCode> {
        self.act(Order { act: Act::Kick, name, seconds: 0, reason }).await.map(drop)
    }

    /// Keeps somebody out for this many seconds, or for good (0), and puts them out. Returns how many sessions went.
    pub async fn ban(&self, subject: Subject, seconds: u32, reason: Remark) -> Result<usize, ErrorCode> {
        match subject {
            Subject::Name(name) => {
                let here = self.0.registry.find(&name.key()).is_ok();
                self.act(Order { act: Act::Ban, name, seconds, reason }).await?;
                Ok(here.into())
            }
            Subject::Network(network) => self.ban_network(network, seconds, &reason).await,
        }
    }

    async fn ban_network(&self, network: IpNet, seconds: u32, reason: &Remark) -> Result<usize, ErrorCode> {
        let (by, inbox) = (Actor::Operator, self.inbox()?);
        self.doorkeeper().ban_network(by, network, (seconds, reason), &inbox, self.now()).await
    }

    /// Lets somebody in again. Returns whether they were kept out.
    pub async fn unban(&self, subject: Subject) -> Result<bool, ErrorCode> {
        let none = Remark::default();
        match subject {
            Subject::Name(name) => self.act(Order { act: Act::Unban, name, seconds: 0, reason: none }).await,
            Subject::Network(network) => {
                self.doorkeeper().unban_network(Actor::Operator, network, self.now()).await
            }
        }
    }

    /// Lets somebody say nothing for this many seconds, or for good (0).
    pub async fn mute(&self, name: Username, seconds: u32, reason: Remark) -> Result<(), ErrorCode> {
        self.act(Order { act: Act::Mute, name, seconds, reason }).await.map(drop)
    }

    /// Lets somebody speak. Returns whether they could not.
    pub async fn unmute(&self, name: Username) -> Result<bool, ErrorCode> {
        self.act(Order { act: Act::Unmute, name, seconds: 0, reason: Remark::default() }).await
    }

    /// Says something to everybody.
    pub async fn announce(&self, text: Text) -> Result<(), ErrorCode> {
        let sent = self.inbox()?.send(Command::Announce { text }).await;
        sent.map_err(|_| ErrorCode::ShuttingDown)?;
        tracing::info!(event = "moderated", by = Actor::OPERATOR, act = "announce", "moderated");
        self.doorkeeper().write_down_operators("announce", self.now()).await
    }

    /// Lets nobody register for now, or as configured again.
    pub async fn freeze(&self, on: bool) -> Result<(), ErrorCode> {
        let by = (Actor::OPERATOR, Role::Admin);
        let frozen = self.doorkeeper().freeze(on, by, self.now()).await;
        let act = if on { "freeze" } else { "thaw" };
        tracing::info!(event = "moderated", by = Actor::OPERATOR, act, "moderated");
        frozen.map_err(|refusal| refusal.code.error().unwrap_or(ErrorCode::Internal))
    }

    /// Lets nobody else come in, or everybody again. Who is here stays.
    pub fn drain(&self, on: bool) {
        self.doorkeeper().drain(on);
        let act = if on { "drain" } else { "open" };
        tracing::info!(event = "moderated", by = Actor::OPERATOR, act, "moderated");
    }

    /// What goes now of what may change.
    #[must_use]
    pub fn policy(&self) -> Arc<Policy> {
        self.0.shared.live.now()
    }

    /// Has something else go from now on, all of it at once. Connections keep what they were told when they came.
    pub fn set_policy(&self, policy: Policy) {
        self.0.shared.live.replace(policy);
    }

    /// Counts that settings were read again, and whether they could be.
    pub fn note_reload(&self, succeeded: bool) {
        let metrics = &self.0.shared.metrics;
        metrics.config_reload_success.set(succeeded.into());
        if succeeded {
            metrics.config_reloads.add(1);
            metrics.config_reload_time.set(self.now() / 1_000);
        } else {
            metrics.config_reload_failures.add(1);
        }
    }

    /// Whether the server stops.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.0.shared.stop.is_cancelled()
    }

    /// Asks whoever runs the server to [stop](Server::stop) it.
    pub fn stop(&self) {
        self.0.told_to_stop.cancel();
    }

    /// Waits until the server is to stop, by [`stop`](Self::stop).
    pub async fn told_to_stop(&self) {
        self.0.told_to_stop.cancelled().await;
    }

    async fn act(&self, order: Order) -> Result<bool, ErrorCode> {
        let inbox = self.inbox()?;
        self.doorkeeper().act(Actor::Operator, &order, &inbox, self.now()).await
    }

    /// How much there is; `None` of a server that stops.
    pub(super) async fn totals(&self) -> Option<Totals> {
        self.ask(Survey::Totals).await.ok()
    }

    pub(super) async fn ask<T>(
        &self,
        question: impl FnOnce(oneshot::Sender<T>) -> Survey,
    ) -> Result<T, ErrorCode> {
        let (answer, answered) = oneshot::channel();
        let asked = Instant::now();
        let sent = self.inbox()?.send(Command::Survey(question(answer))).await;
        sent.map_err(|_| ErrorCode::ShuttingDown)?;
        let answer = answered.await.map_err(|_| ErrorCode::ShuttingDown)?;
        self.counters().fan_out_wait_seconds.observe(asked.elapsed());
        Ok(answer)
    }

    /// Connections, those of them that have not logged in, sessions, those of them without a connection.
    pub(super) fn counts(&self) -> (usize, usize, usize, usize) {
        let Reach { admission, registry, shared, .. } = &*self.0;
        (admission.connections(), admission.guests(), registry.len(), shared.absences.len())
    }

    /// Conversations of which the history has still to take lines.
    pub(super) fn history_waiting(&self) -> usize {
        self.0.shared.history.waiting()
    }

    pub(super) fn counters(&self) -> &Metrics {
        &self.0.shared.metrics
    }

    pub(super) fn health(&self) -> &Health {
        &self.0.health
    }

    /// For as long as it is held the fan-out does not end.
    fn inbox(&self) -> Result<Inbox, ErrorCode> {
        self.0.inbox.upgrade().ok_or(ErrorCode::ShuttingDown)
    }

    pub(super) fn doorkeeper(&self) -> &Doorkeeper {
        &self.0.shared.doorkeeper
    }

    fn now(&self) -> u64 {
        (self.0.shared.clock)()
    }
}

impl Server {
    /// The hold on it that an operator has.
    #[must_use]
    pub fn operator(&self) -> &Operator {
        &self.operator
    }
}

#[cfg(test)]
mod tests {
    use tokio::{sync::mpsc, time::sleep};

    use super::*;
    use crate::{
        config::Config,
        server::{NotReady, OfHost, SILENT_MAX},
    };

    #[tokio::test(start_paused = true)]
    async fn of_a_server_whose_fan_out_hangs_is_told_what_is_known_and_not_that_all_is_gone() {
        let server = Server::start(&Config::default(), Vec::new(), None).expect("a server without sockets");
        let Reach { addresses, admission, registry, shared, .. } = &*server.operator().0;
        // Nobody takes what is asked.
        let (inbox, _hangs) = mpsc::channel(1);
        let operator = Operator::new(addresses, admission, registry, shared, &inbox);
        let _somebody = server.connect_in_memory(64);
        let status = operator.status().await;
        assert_eq!((status.connections, status.state, status.lag), (1, State::Open, Some(STATUS_MAX)));
        assert!(status.totals.is_none());
        let told = operator.scrape(OfHost::default()).await;
        let has = |name: &str| told.iter().any(|family| family.name == name);
        assert!(has("chat_connections") && !has("chat_rooms"));
        assert!(operator.is_live(), "not yet");
        let theirs = operator.clone();
        let watching = tokio::spawn(async move { theirs.watch().await });
        sleep(SILENT_MAX).await;
        assert_eq!((operator.is_live(), operator.not_ready()), (false, vec![NotReady::FanOutSilent]));
        watching.abort();
    }
}
