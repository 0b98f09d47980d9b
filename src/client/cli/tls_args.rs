//! The part of a command line that is about TLS.

use std::{env, path::PathBuf};

use clap::Args;

use super::address::{Address, Server};
use crate::client::tls::{Fingerprint, KnownHosts, Trust};

/// A file of authorities, for whoever does not want it among the arguments.
const CA_VARIABLE: &str = "CHAT_CA";
/// Pins, separated by commas, in the same way.
const PIN_VARIABLE: &str = "CHAT_PIN";
/// A file of known hosts, in the same way.
const KNOWN_HOSTS_VARIABLE: &str = "CHAT_KNOWN_HOSTS";

/// Whether it is over TLS, and who is trusted then.
#[derive(Debug, Default, Args)]
pub struct TlsArgs {
    /// Speak TLS
    #[arg(help = "Speak TLS, as with chats://HOST; the port is then 11022 where none is named")]
    #[arg(long)]
    pub tls: bool,

    /// Trust the authorities in FILE (PEM), or the server's own certificate there, in place of the system's
    #[arg(
        help = "Trust the authorities in FILE (PEM), or the server's own certificate there, in place of the \
                  system's; or CHAT_CA in the environment"
    )]
    #[arg(long, value_name = "FILE", conflicts_with_all = ["pin", "insecure"])]
    pub ca: Option<PathBuf>,

    /// Trust the server with this key alone, whatever its certificate says
    #[arg(
        help = "Trust the server with this key alone, whatever its certificate says; may be given several \
                  times; or CHAT_PIN in the environment"
    )]
    #[arg(long, value_name = "SHA256", conflicts_with = "insecure")]
    pub pin: Vec<Fingerprint>,

    /// Trust anyone: whoever stands between you and the server reads and writes everything
    #[arg(long)]
    pub insecure: bool,
}

/// What becomes of servers that nobody vouches for.
#[derive(Debug, Default, Args)]
pub struct KnownHostsArgs {
    /// Trust a server that nobody vouches for at first sight, without asking, and know it by its key from then on
    #[arg(long, conflicts_with_all = ["ca", "pin", "insecure"])]
    pub trust_new: bool,

    /// Servers that are known by their keys
    #[arg(help = "Servers that are known by their keys, or CHAT_KNOWN_HOSTS in the environment [default: \
                  iocp-chat/known_hosts in the folder of the user's settings]")]
    #[arg(long, value_name = "FILE", conflicts_with_all = ["ca", "pin", "insecure"])]
    pub known_hosts: Option<PathBuf>,
}

/// Why nobody knows whom to trust.
#[derive(Debug)]
pub enum NoTrust {
    /// The file of authorities with this name cannot be used.
    Authorities(String, std::io::Error),
    /// The variable is no fingerprint.
    Pin,
    /// There are both of the variables that exclude each other.
    Both,
}

impl TlsArgs {
    /// The server at an address; or what is wrong with these options.
    pub fn server(&self, address: &Address) -> Result<Server, String> {
        if self.tls && address.is_plain() {
            return Err("--tls is not for chat://; write chats:// or the host alone".to_owned());
        }
        let server = address.server(self.tls);
        if !server.is_tls && (self.ca.is_some() || !self.pin.is_empty() || self.insecure) {
            return Err("--ca, --pin and --insecure are for TLS: write chats://HOST, or --tls".to_owned());
        }
        Ok(server)
    }

    /// Whom to trust. `known`: the file of known hosts, where there is one.
    pub fn trust(&self, known: Option<KnownHosts>) -> Result<Trust, NoTrust> {
        if self.insecure {
            return Ok(Trust::Anyone);
        }
        if !self.pin.is_empty() {
            return Ok(Trust::Pins(self.pin.clone()));
        }
        match (self.ca.clone(), variable(CA_VARIABLE), pins()) {
            (Some(file), _, _) | (None, Some(file), None) => {
                Trust::of_file(&file).map_err(|why| NoTrust::Authorities(file.display().to_string(), why))
            }
            (None, Some(_), Some(_)) => Err(NoTrust::Both),
            (None, None, Some(pins)) => pins
                .split(',')
                .map(str::parse)
                .collect::<Result<_, _>>()
                .map_or(Err(NoTrust::Pin), |pins| Ok(Trust::Pins(pins))),
            (None, None, None) => Ok(Trust::System(known)),
        }
    }
}

impl KnownHostsArgs {
    /// Whether there is nothing of it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.trust_new && self.known_hosts.is_none()
    }

    /// The file; `None` where there is no place for one.
    #[must_use]
    pub fn file(&self) -> Option<KnownHosts> {
        let file = self.known_hosts.clone().or_else(|| variable(KNOWN_HOSTS_VARIABLE));
        file.map(KnownHosts::at).or_else(|| KnownHosts::of_user(|name| env::var_os(name)))
    }
}

/// A file's name from the environment; an empty variable is none.
fn variable(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Pins from the environment. One that is no text is no fingerprint either.
fn pins() -> Option<String> {
    env::var_os(PIN_VARIABLE).map(|pins| pins.to_string_lossy().into_owned()).filter(|pins| !pins.is_empty())
}
