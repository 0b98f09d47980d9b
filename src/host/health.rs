//! `chat-server health`: connects as a client does and reads the server's Hello.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Instant,
};

use super::{
    args::{HealthArgs, Settings},
    exit::Failure,
};
use crate::client::Client;

/// Asks the server, and returns the line that says it is well.
pub fn check(args: &HealthArgs, settings: &Settings) -> Result<String, Failure> {
    let address = match args.address {
        Some(address) => address,
        None => reachable(settings.load()?.listen[0]),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::running("the runtime does not start", error))?;
    let started = Instant::now();
    let answer =
        runtime.block_on(async { tokio::time::timeout(args.timeout, Client::connect(address)).await });
    match answer {
        Ok(Ok(_)) => {
            Ok(format!("{address} is well: it said hello after {} ms", started.elapsed().as_millis()))
        }
        Ok(Err(error)) => Err(Failure::running(&address.to_string(), error)),
        Err(_) => Err(Failure::running(
            &address.to_string(),
            format_args!("no hello within {}", humantime::format_duration(args.timeout)),
        )),
    }
}

/// Where this machine finds a server that listens on all of its addresses.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}
