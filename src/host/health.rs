//! `chat-server health`: connects as a client does and reads the server's Hello, or asks its admin's HTTP.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Instant,
};

use rustls::AlertDescription;
use serde_json::Value;

use super::{
    admin::{self, LIVE, READY},
    args::{HealthArgs, Settings},
    exit::Failure,
};
use crate::client::{
    self, Client,
    tls::{Tls, TlsFault, Trust},
};

/// Asks the server, and returns the line that says it is well.
pub fn check(args: &HealthArgs, settings: &Settings) -> Result<String, Failure> {
    if args.live || args.ready {
        return ask(args, settings);
    }
    let (address, over_tls) = if let Some(address) = args.address {
        (address, args.tls)
    } else {
        let config = settings.load()?;
        let plain = config.listen.first().filter(|_| !args.tls);
        let address = plain.or(config.tls.listen.first());
        let none = || Failure::Config("the settings listen for nothing over TLS".into());
        (reachable(*address.ok_or_else(none)?), plain.is_none())
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::running("the runtime does not start", error))?;
    let started = Instant::now();
    let answer =
        runtime.block_on(async { tokio::time::timeout(args.timeout, connect(address, over_tls)).await });
    match answer {
        Ok(Ok(said)) => {
            Ok(format!("{address} is well: it {said} after {} ms\n", started.elapsed().as_millis()))
        }
        Ok(Err(error)) => Err(Failure::running(&address.to_string(), error)),
        Err(_) => Err(Failure::running(
            &address.to_string(),
            format_args!("no hello within {}", humantime::format_duration(args.timeout)),
        )),
    }
}

/// What the server has done.
async fn connect(address: SocketAddr, over_tls: bool) -> Result<&'static str, client::Error> {
    let greeted = if over_tls {
        // It asks whether somebody serves, and tells them nothing.
        let tls = Tls::new(&address.ip().to_string(), address.port(), Trust::Anyone)?;
        Client::connect_tls(&tls).await
    } else {
        Client::connect(address).await
    };
    match greeted {
        // Whoever wants to see a certificate serves those who have one.
        Err(client::Error::Tls(TlsFault::Alert(AlertDescription::CertificateRequired))) => {
            Ok("asked for a certificate")
        }
        greeted => greeted.map(|_| "said hello"),
    }
}

/// Asks the admin's HTTP.
fn ask(args: &HealthArgs, settings: &Settings) -> Result<String, Failure> {
    let address = match args.address {
        Some(address) => address,
        None => settings.load()?.admin.address().ok_or_else(|| {
            Failure::Config("`admin.listen` is \"none\": --live and --ready have nobody to ask".into())
        })?,
    };
    let (path, what) = if args.live { (LIVE, "live") } else { (READY, "ready") };
    let place = address.to_string();
    let asked = async { Ok(tokio::time::timeout(args.timeout, admin::ask(address, path)).await) };
    let Ok(told) = super::alone(asked)? else {
        let patience = humantime::format_duration(args.timeout);
        return Err(Failure::running(&place, format_args!("no answer within {patience}")));
    };
    let told = told.map_err(|error| Failure::running(&place, error))?;
    let record: Value = serde_json::from_str(&told.page).unwrap_or_default();
    match (told.status.as_u16(), record[what].as_bool()) {
        (200, Some(true)) => Ok(format!("{place} is {what}\n")),
        (503, Some(false)) => {
            let reasons = record["reasons"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let reasons = reasons.collect::<Vec<_>>().join(", ");
            let why = if reasons.is_empty() { String::new() } else { format!(": {reasons}") };
            Err(Failure::Runtime(format!("{place} is not {what}{why}")))
        }
        (status, _) => Err(Failure::running(&place, format_args!("no health is told there, but {status}"))),
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
