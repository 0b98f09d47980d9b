//! Puts the floors together, runs them, and stops them the way the data runs.

mod health;
mod history;
mod listeners;
mod mailboxes;
mod measured;
mod operator;
mod scrape;
mod sessions;

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use chat_proto::{Limits, short_millis, unix_ms, way_in};
use tokio::{
    io::DuplexStream,
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, timeout_at},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    config::{Config, Live, Policy},
    metrics::Metrics,
    net::{Admission, Shared, TlsAcceptor, admit, serve},
    room::{FanOut, Inbox, SLOTS_MAX},
    session::{
        Absences, AccountDesk, Doorkeeper, Families, HistorySource, LEDGER_ENTRIES, Recalled,
        SessionRegistry, keep,
    },
    stop::StopReason,
    store::Store,
};

pub use health::{NotReady, SILENT_MAX};
use history::{Keeping, Pasts};
pub use listeners::Listeners;
use mailboxes::Storing;
pub use operator::{Operator, State, Status};
pub use scrape::OfHost;
use sessions::Keeper;

/// Commands that may wait for the fan-out, beside the one departure that each session has reserved. Full: the
/// speakers wait, and so do their sockets.
const INBOX_COMMANDS: usize = 1_024;

/// What goodbyes leave of the time for a stop to what is stored after them; of a short time a quarter.
const STORING: Duration = Duration::from_secs(1);

/// A running server. Dropped without [`Server::stop`], it goes on until the runtime ends.
pub struct Server {
    addresses: Vec<SocketAddr>,
    tls_addresses: Vec<SocketAddr>,
    acceptor: Option<Arc<TlsAcceptor>>,
    admission: Arc<Admission>,
    registry: Arc<SessionRegistry>,
    shared: Arc<Shared>,
    /// The handle that keeps the fan-out going while nobody is connected.
    inbox: Inbox,
    operator: Operator,
    fan_out: JoinHandle<()>,
    /// Stores what outlives the process, if there is a database.
    ledger: Option<JoinHandle<()>>,
    /// Keeps what is said, if that is wanted.
    history: Option<Keeping>,
    /// Stores what brings sessions back, if there is a database.
    keeper: Option<Keeper>,
    /// Stores whispers before they are heard, if that is wanted.
    mailboxes: Option<Storing>,
    connections: TaskTracker,
}

/// How a stop went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// Connections that did not take their goodbye before they, or all, ran out of time.
    pub cut: u64,
}

impl Server {
    /// Starts serving on listeners that are already bound, with a database and what it knows, or with guests only and
    /// rooms that do not last. Must be called within a Tokio runtime.
    pub fn start(
        config: &Config,
        listeners: impl Into<Listeners>,
        recalled: Option<Recalled>,
    ) -> io::Result<Self> {
        let listeners = listeners.into();
        let addresses = listeners::addresses(&listeners.plain)?;
        let tls_addresses = listeners::addresses(&listeners.tls)?;
        let everywhere = [&addresses[..], &tls_addresses].concat();
        let metrics = Arc::new(Metrics::new());
        let live = Live::new(Policy::of(config));
        let registry = Arc::new(SessionRegistry::new());
        let admission = Arc::new(Admission::new(live.clone()));
        let (inbox, commands) =
            mpsc::channel(config.limits.connections + config.resume.absent + INBOX_COMMANDS);
        let pasts = Pasts::of(config, recalled.as_ref().and_then(|recalled| recalled.epochs.as_deref()))?;
        let mut fan_out = FanOut::new(
            config.limits.notice_members,
            pasts.lobby(config),
            config.rooms.clone(),
            unix_ms,
            Arc::clone(&metrics),
        );
        let found = Arc::clone(&registry);
        fan_out.set_find(Box::new(move |key| found.find(key)));
        // The lobby may go on with the epoch of a process where rooms had other numbers.
        fan_out.directory_mut().begin_epoch(pasts.epoch);
        let (mut history, mut verdicts, mut keeping) = (HistorySource::memory(), None, None);
        let (mut store, mut frozen, mut held) = (None, false, Vec::new());
        let (mut returning, mut last_session) = (Vec::new(), 0);
        if let Some(recalled) = recalled {
            let Recalled {
                store: opened,
                rooms,
                last_number,
                sanctions,
                frozen: was_frozen,
                sessions,
                last_session: highest,
                ..
            } = recalled;
            fan_out.directory_mut().skip_numbers(last_number);
            for (conversation, charter) in rooms {
                let past = pasts.end(conversation);
                fan_out.directory_mut().restore(conversation, charter, past);
            }
            if pasts.are_kept {
                let started = Keeping::start(config, live.clone(), &opened, &mut fan_out, &metrics, unix_ms);
                (history, verdicts, keeping) = (started.0, Some(started.1), Some(started.2));
            }
            (store, frozen, held) = (Some(opened), was_frozen, sanctions);
            (returning, last_session) = (sessions, highest);
        }
        let (families, keeper) = Keeper::start(config, store.as_ref(), &mut fan_out, verdicts, unix_ms);
        let ledger = store.clone().map(|store| {
            let (ledger, entries) = mpsc::channel(LEDGER_ENTRIES);
            fan_out.set_ledger(ledger);
            let (families, inbox) = (Arc::clone(&families), inbox.downgrade());
            tokio::spawn(keep(store, entries, families, inbox, Arc::clone(&metrics), unix_ms))
        });
        let storing = Storing::start(config, store.as_ref(), &families, &registry, &metrics).unzip();
        let doorkeeper =
            doorkeeper(config, &live, &everywhere, Arc::clone(&registry), store, frozen, families);
        let shared = Arc::new(Shared {
            doorkeeper: match storing.0 {
                Some(requests) => doorkeeper.storing_whispers(requests),
                None => doorkeeper,
            },
            absences: Arc::new(Absences::new(config.resume.absent)),
            grace: config.resume.grace,
            history,
            limits: announced(config),
            durability: config.history.durability.number(),
            live,
            metrics,
            clock: unix_ms,
            stop: CancellationToken::new(),
            quiet: CancellationToken::new(),
            readers: TaskTracker::new(),
        });
        shared.metrics.config_reload_time.set(unix_ms() / 1_000);
        shared.doorkeeper.recall_sanctions(&held, unix_ms());
        shared.doorkeeper.skip_sessions(last_session);
        let absent = sessions::restore(returning, &shared.doorkeeper, &mut fan_out, &inbox, unix_ms());
        let server = Self {
            operator: Operator::new(&everywhere, &admission, &registry, &shared, &inbox),
            addresses,
            tls_addresses,
            acceptor: listeners.acceptor.clone(),
            fan_out: tokio::spawn(fan_out.run(commands)),
            ledger,
            history: keeping,
            keeper,
            mailboxes: storing.1,
            connections: TaskTracker::new(),
            admission,
            registry,
            shared,
            inbox,
        };
        sessions::wait(absent, &server.connections, &server.shared);
        listeners.open(&server);
        Ok(server)
    }

    /// Where it listens for connections without TLS.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Where it listens for connections over TLS.
    #[must_use]
    pub fn tls_addresses(&self) -> &[SocketAddr] {
        &self.tls_addresses
    }

    /// How it shakes hands over TLS, if it does.
    #[must_use]
    pub fn acceptor(&self) -> Option<&Arc<TlsAcceptor>> {
        self.acceptor.as_ref()
    }

    /// Its counters.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    /// Who is connected.
    #[must_use]
    pub fn admission(&self) -> &Admission {
        &self.admission
    }

    /// Whether people come in without an account.
    #[must_use]
    pub fn takes_guests(&self) -> bool {
        self.shared.doorkeeper.ways_in() & way_in::GUEST != 0
    }

    /// Its accounts, if it has any.
    #[must_use]
    pub fn accounts(&self) -> Option<&AccountDesk> {
        self.shared.doorkeeper.accounts()
    }

    /// Sessions signed in.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.registry.len()
    }

    /// Connections whose tasks have not ended.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// The way in to the fan-out, for the operator's own commands.
    #[must_use]
    pub fn inbox(&self) -> &Inbox {
        &self.inbox
    }

    /// Connects in memory, through a pipe that holds `pipe_bytes` each way: as a socket would, without one.
    ///
    /// # Panics
    /// When the server is full.
    #[must_use]
    pub fn connect_in_memory(&self, pipe_bytes: usize) -> DuplexStream {
        self.connect_in_memory_from(Ipv4Addr::LOCALHOST.into(), pipe_bytes)
    }

    /// As [`connect_in_memory`](Self::connect_in_memory), as if from this address.
    ///
    /// # Panics
    /// When nobody is let in, or not from there.
    #[must_use]
    pub fn connect_in_memory_from(&self, address: IpAddr, pipe_bytes: usize) -> DuplexStream {
        let (client, socket) = tokio::io::duplex(pipe_bytes);
        let peer = SocketAddr::from((address, 0));
        let ticket = admit(peer.ip(), &self.admission, &self.shared).expect("the server has room");
        self.connections.spawn(serve(socket, peer, ticket, Arc::clone(&self.shared), self.inbox.clone()));
        client
    }

    /// Stops the way the data runs: nobody is let in and nothing more is read; what was read is said and
    /// answered; everyone is sent what they have coming and a goodbye. Bounded by the smaller of the configured
    /// drain time and what `reason` allows.
    pub async fn stop(self, reason: StopReason) -> Stopped {
        let Self { shared, inbox, fan_out, ledger, mut history, mut keeper, mailboxes, connections, .. } =
            self;
        let timeouts = &shared.live.now().timeouts;
        let grace = timeouts.drain.min(reason.grace_max(timeouts.system_shutdown));
        let deadline = Instant::now() + grace;
        tracing::info!(event = "stopping", ?reason, connections = connections.len(), "stopping");
        let cut_before = shared.metrics.cut.get();
        connections.close();
        shared.readers.close();
        shared.doorkeeper.stop();
        shared.stop.cancel();
        let drained = async {
            shared.readers.wait().await;
            drop(inbox);
            // Ends when the last handle to it is gone and its inbox is empty.
            if let Err(error) = fan_out.await {
                tracing::error!(event = "fan_out_failed", err = %error, "the fan-out failed");
            }
            // What waits to be stored is answered before the goodbyes.
            if let Some(ledger) = ledger
                && let Err(error) = ledger.await
            {
                tracing::error!(event = "ledger_failed", err = %error, "the ledger failed");
            }
            if let Some(mailboxes) = mailboxes {
                mailboxes.settled().await;
            }
            shared.quiet.cancel();
            let written = async {
                if let Some(history) = &mut history {
                    history.written().await;
                }
            };
            // One who takes no goodbye does not keep what the others have said from being stored.
            let goodbyes = timeout_at(deadline - STORING.min(grace / 4), connections.wait());
            let _ = tokio::join!(goodbyes, written);
            shared.doorkeeper.letters_arrived().await;
            // The last sessions have just ended.
            if let Some(keeper) = &mut keeper {
                keeper.stored().await;
            }
        };
        let _ = timeout_at(deadline, drained).await;
        let still_there = connections.len();
        if let Some(history) = history {
            history.abandon();
        }
        if let Some(keeper) = keeper {
            keeper.abandon();
        }
        let cut = shared.metrics.cut.get() - cut_before + still_there as u64;
        tracing::info!(event = "stopped", cut, "stopped");
        Stopped { cut }
    }
}

/// Who decides about logins. Guests come in unless told otherwise where only this machine can connect.
fn doorkeeper(
    config: &Config,
    live: &Live,
    addresses: &[SocketAddr],
    registry: Arc<SessionRegistry>,
    store: Option<Store>,
    frozen: bool,
    families: Arc<Families>,
) -> Doorkeeper {
    let accounts =
        store.map(|store| AccountDesk::new(store, &config.accounts.hashing, live.clone(), unix_ms));
    let guests = addresses.iter().all(|address| address.ip().to_canonical().is_loopback());
    Doorkeeper::new(registry, accounts, config, live.clone(), guests, frozen, families)
}

/// What a Hello says of this server.
fn announced(config: &Config) -> Limits {
    let limits = Limits {
        requests_outstanding: SLOTS_MAX,
        notice_members: config.limits.notice_members,
        room_members: config.rooms.members,
        rooms_joined: config.rooms.joined,
        rooms_owned: config.rooms.owned,
        rooms_created: config.rooms.created,
        ignored: config.rooms.ignored,
        resume_ms: short_millis(config.resume.ttl),
        ..Limits::DEFAULT
    };
    Policy::of(config).announced(limits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_announced_by_default_is_what_the_protocol_says_is_the_default() {
        assert_eq!(announced(&Config::default()), Limits::DEFAULT);
    }
}
