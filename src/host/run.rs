//! One run of the server, from its listeners to its last goodbye, for whoever started it.

use std::{convert::Infallible, future, io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{net::TcpListener, task::JoinHandle, time};

use super::{
    admin::Admin,
    ctl::Channel,
    database,
    exit::Failure,
    first_admin,
    log::LogControl,
    reload::{Reload, Reread},
    tls,
};
use crate::{
    config::{Config, Registration},
    net::{TlsAcceptor, bind},
    platform,
    server::{Listeners, OfHost, Server},
    session::Recalled,
    stop::StopReason,
    store::Store,
};

/// How often it is written when people last logged in.
const FLUSH_LOGINS: Duration = Duration::from_secs(60);

/// How long the end of the program waits for what threads are still doing: all that matters has been waited for.
const LEFT_OVER: Duration = Duration::from_secs(1);

/// Who started the server: is told how far it is, and says when to stop.
pub trait Host {
    /// Goes on while the database is opened, which may have to be migrated.
    async fn while_starting(&mut self) -> Infallible {
        future::pending().await
    }

    /// A line for the operator alone, with an invite for the first admin in it. No log has it.
    fn first_admin(&mut self, line: &str) -> io::Result<()>;

    /// The server listens.
    fn ready(&mut self, addresses: &[SocketAddr]);

    /// Waits until somebody wants something of the server. May be dropped and called again.
    async fn asked(&mut self) -> Wish;

    /// The server stops: it takes no more than `reason` allows, and than `drain`.
    fn stopping(&mut self, reason: StopReason, drain: Duration);

    /// Goes on while the server stops. Returns if it is to end at once, and why.
    async fn while_stopping(&mut self) -> &'static str;
}

/// What somebody wants of a running server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// That it stops.
    Stop(StopReason),
    /// That it reads its settings again.
    Reload,
}

/// Serves until the host says to stop, with settings that are read again by `reread`. The host is made in the runtime,
/// before anybody is told that the server listens: who reads that may ask it to stop in the next moment.
pub fn run<H: Host>(
    config: &Config,
    log: &LogControl,
    reread: Reread,
    host: impl FnOnce(&Config) -> io::Result<H>,
) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::running("the runtime does not start", error))?;
    let outcome = runtime.block_on(serve(config, log, reread, host));
    // Dropped, it would wait as long as a thread does that reads from a disk which does not answer.
    runtime.shutdown_timeout(LEFT_OVER);
    outcome
}

async fn serve<H: Host>(
    config: &Config,
    log: &LogControl,
    reread: Reread,
    host: impl FnOnce(&Config) -> io::Result<H>,
) -> Result<(), Failure> {
    let mut host = host(config).map_err(|error| Failure::running("cannot listen for the stop", error))?;
    tls::refuse_plaintext(config)?;
    let acceptor = tls::acceptor(config)?;
    let descriptors = platform::raise_descriptor_limit();
    let place = database::place(config)?;
    let store = match &place {
        Some(place) => tokio::select! {
            opened = database::open(place) => Some(opened?),
            never = host.while_starting() => match never {},
        },
        None => None,
    };
    let started = start(config, acceptor, store.clone(), &mut host).await;
    let server = match (started, &store) {
        (Err(failure), Some(store)) => {
            database::close(store).await;
            return Err(failure);
        }
        (started, _) => started?,
    };
    let flush = store.clone().map(flush_logins);
    let theirs = log.clone();
    let set_level = Box::new(move |level: &str| theirs.set_level(level));
    let certificates = server.acceptor().map(|acceptor| Arc::clone(acceptor.certificates()));
    let reload = Reload::new(reread, config, server.operator(), set_level, certificates);
    let channel = Channel::open(config, server.operator(), log, &reload);
    let theirs = log.clone();
    let of_host = move || OfHost { log_lines_dropped: theirs.dropped() };
    let admin = Admin::open(&config.admin, server.operator(), of_host);
    let theirs = server.operator().clone();
    let watching = tokio::spawn(async move { theirs.watch().await });
    tracing::info!(
        event = "started",
        version = env!("CARGO_PKG_VERSION"),
        listen = ?server.addresses(),
        tls = ?server.tls_addresses(),
        connections_max = config.limits.connections,
        descriptors,
        database = place.map_or_else(|| "none".into(), |place| place.to_string()),
        guests = server.takes_guests(),
        ctl = channel.as_ref().map_or("none", Channel::address),
        log = log.file().map_or_else(|| "none".into(), |file| file.display().to_string()),
        admin = admin.as_ref().map_or("none", Admin::address),
        registration = server.accounts().map(|accounts| tracing::field::debug(accounts.registration())),
        "listening"
    );
    tls::warn_of_plaintext(config);
    host.ready(&[server.addresses(), server.tls_addresses()].concat());
    let reloading = tokio::spawn(reload.clone().when_asked());
    let reason = loop {
        tokio::select! {
            wish = host.asked() => match wish {
                Wish::Stop(reason) => break reason,
                Wish::Reload => reload.ask(),
            },
            () = server.operator().told_to_stop() => break StopReason::Terminate,
        }
    };
    reloading.abort();
    host.stopping(reason, server.operator().policy().timeouts.drain);
    let stopped = async {
        server.stop(reason).await;
        watching.abort();
        if let Some(flush) = flush {
            flush.abort();
        }
        if let Some(store) = store {
            database::close(&store).await;
        }
        if let Some(admin) = admin {
            admin.close().await;
        }
        // Last: whoever asked for the stop waits for this.
        if let Some(channel) = channel {
            channel.close().await;
        }
    };
    tokio::select! {
        () = stopped => Ok(()),
        why = host.while_stopping() => Err(Failure::running("stopped at once", why)),
    }
}

/// Listens, with the database open. The invite comes after that: who fails to listen has no use for one.
async fn start(
    config: &Config,
    acceptor: Option<Arc<TlsAcceptor>>,
    store: Option<Store>,
    host: &mut impl Host,
) -> Result<Server, Failure> {
    let tls = if acceptor.is_some() { listen_all(&config.tls.listen)? } else { Vec::new() };
    let listeners = Listeners { plain: listen_all(&config.listen)?, tls, acceptor };
    if let Some(store) = &store
        && config.accounts.registration != Registration::Closed
        && let Some(line) = first_admin::invite(store).await?
    {
        host.first_admin(&line)
            .map_err(|error| Failure::running("the first admin's invite cannot be told", error))?;
    }
    let recalled = match store {
        Some(store) => {
            let recalled = Recalled::from(store, super::now_ms()).await?;
            Some(if config.keeps_history() {
                recalled.with_history(&config.history).await?
            } else {
                recalled.without_history().await?
            })
        }
        None => None,
    };
    Server::start(config, listeners, recalled)
        .map_err(|error| Failure::running("the server does not start", error))
}

/// Writes once a minute when people last logged in. A failure is not the end: what was noted still is.
fn flush_logins(store: Store) -> JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            time::sleep(FLUSH_LOGINS).await;
            if let Err(error) = store.accounts().flush_logins().await {
                tracing::warn!(event = "logins_not_written", err = %error, "when people last logged in is not written");
            }
        }
    })
}

fn listen_all(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, Failure> {
    addresses.iter().map(|address| listen(*address)).collect()
}

fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    bind(address).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => Failure::AddressInUse(address),
        // Windows, of an address that is part of what another has for itself alone (0.0.0.0), or that it reserves.
        io::ErrorKind::PermissionDenied if cfg!(windows) => Failure::AddressInUse(address),
        _ => Failure::running(&format!("cannot listen on {address}"), error),
    })
}
