//! One run of the server, from its listeners to its last goodbye, for whoever started it.

use std::{io, net::SocketAddr};

use tokio::net::TcpListener;

use super::exit::Failure;
use crate::{config::Config, net::bind, platform, server::Server, stop::StopReason};

/// Who started the server: is told how far it is, and says when to stop.
pub trait Host {
    /// The server listens.
    fn ready(&mut self, addresses: &[SocketAddr]);

    /// Waits until the server is to stop.
    async fn asked_to_stop(&mut self) -> StopReason;

    /// The server stops: it takes no more than `reason` allows.
    fn stopping(&mut self, reason: StopReason);

    /// Goes on while the server stops. Returns if it is to end at once, and why.
    async fn while_stopping(&mut self) -> &'static str;
}

/// Serves until the host says to stop. The host is made in the runtime, before anybody is told that the server
/// listens: who reads that may ask it to stop in the next moment.
pub fn run<H: Host>(config: &Config, host: impl FnOnce(&Config) -> io::Result<H>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::running("the runtime does not start", error))?;
    runtime.block_on(serve(config, host))
}

async fn serve<H: Host>(config: &Config, host: impl FnOnce(&Config) -> io::Result<H>) -> Result<(), Failure> {
    let mut host = host(config).map_err(|error| Failure::running("cannot listen for the stop", error))?;
    let descriptors = platform::raise_descriptor_limit();
    let listeners = config.listen.iter().map(|address| listen(*address)).collect::<Result<_, _>>()?;
    let server = Server::start(config, listeners)
        .map_err(|error| Failure::running("the server does not start", error))?;
    tracing::info!(
        event = "started",
        version = env!("CARGO_PKG_VERSION"),
        listen = ?server.addresses(),
        connections_max = config.limits.connections,
        descriptors,
        "listening"
    );
    host.ready(server.addresses());
    let reason = host.asked_to_stop().await;
    host.stopping(reason);
    tokio::select! {
        _ = server.stop(reason) => Ok(()),
        why = host.while_stopping() => Err(Failure::running("stopped at once", why)),
    }
}

fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    bind(address).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => Failure::AddressInUse(address),
        // Windows, of an address that is part of what another has for itself alone (0.0.0.0), or that it reserves.
        io::ErrorKind::PermissionDenied if cfg!(windows) => Failure::AddressInUse(address),
        _ => Failure::running(&format!("cannot listen on {address}"), error),
    })
}
