//! The command line of `chat-server`, and its help.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand};

use super::exit::Failure;
use crate::config::{Config, ConfigError, Flag, Loaded, Sources, key_of_variable};

/// A chat server: log in, talk to everyone, whisper to one.
///
/// Settings come, the first that has one wins, from the command line, from the environment, from the file,
/// from the defaults. `chat-server config` shows what is in force, and every key there is.
#[derive(Parser)]
#[command(name = "chat-server", version, max_term_width = 100, after_long_help = AFTER_HELP)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// With which settings.
    #[command(flatten)]
    pub settings: Settings,
}

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// Serve until asked to stop (Ctrl-C, SIGTERM, the service manager). The default.
    Run,
    /// Check the configuration and say all that is wrong with it, with file, line and column.
    Check,
    /// Print the settings in force, the defaults, a schema for editors, or the variables that set a key.
    Config(super::settings::ConfigArgs),
    /// Ask a running server whether it is well: exit code 0 if it answers, else 1.
    Health(HealthArgs),
    /// Make, change, list and move accounts, beside a running server or without one.
    User(super::user::UserArgs),
    /// Make, list and revoke invites, with which people register.
    Invite(super::invite::InviteArgs),
    /// Show who kept order and how: kicks, bans, mutes, the newest first.
    Audit(super::audit::AuditArgs),
    /// Delete what was said: all that one person said, or what is too old or too much.
    History(super::history::HistoryArgs),
    /// Make a certificate for TLS, show it, check it.
    Cert(super::cert::CertArgs),
    /// Look after the database: migrate it, copy it, check it.
    Db(super::db::DbArgs),
    /// Ask a running server on this machine: who is here, who is slow; kick, ban, announce, drain, stop.
    Ctl(super::ctl::CtlArgs),
    /// Install, remove and run this server as a Windows service.
    #[cfg(windows)]
    Service(super::service::ServiceArgs),
}

/// Which server to ask, and how long to wait.
#[derive(Args)]
pub struct HealthArgs {
    /// The server [default: the first address the settings listen on; for --live and --ready, `admin.listen`].
    #[arg(short, long, value_name = "ADDR:PORT")]
    pub address: Option<SocketAddr>,
    /// Ask over TLS, whatever certificate it shows [default: where the settings listen for nothing else].
    #[arg(long)]
    pub tls: bool,
    /// How long it may take to answer.
    #[arg(short, long, value_name = "TIME", default_value = "3s", value_parser = humantime::parse_duration)]
    pub timeout: Duration,
    /// Ask its admin's HTTP whether it gets on with its work, instead of connecting as a client: if not, it has to be
    /// started anew.
    #[arg(long, conflicts_with = "ready")]
    pub live: bool,
    /// The same, whether people may be sent to it: not while it drains or stops, or its database takes no changes.
    #[arg(long)]
    pub ready: bool,
}

/// Where settings come from, but for the environment.
#[derive(Args, Clone, Default)]
pub struct Settings {
    /// Read settings from this TOML file.
    #[arg(short, long, global = true, env = "CHAT_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Keep what outlives the process in this folder: accounts, and the log when run as a service.
    ///
    /// Default: the one that systemd gives, else iocp-chat in XDG's data folder (~/.local/share); on Windows
    /// %LOCALAPPDATA%\iocp-chat, and %ProgramData%\iocp-chat\NAME for a service.
    #[arg(short, long, global = true, value_name = "FOLDER")]
    pub data: Option<PathBuf>,
    /// Listen here; may be given several times [default: 127.0.0.1:11021].
    #[arg(short, long, global = true, value_name = "ADDR:PORT", value_delimiter = ',')]
    pub listen: Vec<SocketAddr>,
    /// Listen here for connections over TLS; may be given several times [default: 127.0.0.1:11022].
    ///
    /// In force where there is a certificate: see `chat-server cert`.
    #[arg(long, global = true, value_name = "ADDR:PORT", value_delimiter = ',')]
    pub listen_tls: Vec<SocketAddr>,
    /// Serve others than this machine without TLS as well: whoever is on the way reads all they say, and passwords.
    #[arg(long, global = true)]
    pub allow_plaintext: bool,
    /// Set any key of the configuration; may be given several times.
    #[arg(short, long, global = true, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// error, warn, info, debug or trace, or tracing directives [default: info].
    #[arg(long, global = true, value_name = "LEVEL")]
    pub log: Option<String>,
}

const AFTER_HELP: &str = "\
Environment:
  CHAT_CONFIG, CHAT_DATA, CHAT_LISTEN, CHAT_LISTEN_TLS, CHAT_ALLOW_PLAINTEXT, CHAT_LOG
                          as the flags; addresses are a list with commas
  CHAT_<SECTION>__<KEY>   any key: CHAT_LIMITS__CONNECTIONS=500; `config env` prints them all
  CHAT_DATABASE__URL_FILE a file with the database's URL, for a password that nobody sees

Examples:
  chat-server                                     serve this machine only, on 127.0.0.1:11021
  chat-server cert selfsigned --host chat.example.com
  chat-server --listen-tls 0.0.0.0:11022 --listen-tls [::]:11022
  chat-server --set limits.connections=500 --set 'rates.chat={per_second=20,burst=40}'
  chat-server config default > chat.toml          every key, with what it is for
  chat-server check --config chat.toml            what is wrong in it, and where
  chat-server ctl reload                          have a running server read it again
  chat-server health --address 127.0.0.1:11021
  chat-server health --ready                      for a container or a load balancer
  chat-server user add kim --role admin           asks for the password; a running server may go on
  chat-server db backup                           a copy in the data folder
  chat-server ctl status                          of the server that runs in the data folder

Exit codes:
  0  stopped as asked            3  the configuration is wrong
  1  failed while running        4  an address to listen on is taken
  2  wrong command line          5  the data store failed";

impl Settings {
    /// All settings, with the environment's and the file's.
    pub fn load(&self) -> Result<Config, Failure> {
        self.read().map(|loaded| loaded.config)
    }

    /// The same, with where each comes from.
    pub fn read(&self) -> Result<Loaded, Failure> {
        let sources =
            Sources { file: self.config.clone(), environment: environment()?, flags: self.flags()? };
        let mut loaded = sources.load()?;
        // As it was typed: a path need not be Unicode.
        if let Some(data) = &self.data {
            loaded.config.data = Some(data.clone());
        }
        Ok(loaded)
    }

    fn flags(&self) -> Result<Vec<Flag>, ConfigError> {
        let flag = |name: &str, path: &str, text: String| Flag { name: name.into(), path: path.into(), text };
        let mut flags = self.set.iter().map(|text| Flag::set(text)).collect::<Result<Vec<_>, _>>()?;
        if !self.listen.is_empty() {
            flags.push(flag("--listen", "listen", list(&self.listen)));
        }
        if !self.listen_tls.is_empty() {
            flags.push(flag("--listen-tls", "tls.listen", list(&self.listen_tls)));
        }
        if self.allow_plaintext {
            flags.push(flag("--allow-plaintext", "allow_plaintext", "true".into()));
        }
        if let Some(level) = &self.log {
            flags.push(flag("--log", "log.level", level.clone()));
        }
        if let Some(data) = &self.data {
            flags.push(flag("--data", "data", data.to_string_lossy().into_owned()));
        }
        Ok(flags)
    }
}

/// The variables. What is not Unicode is nobody's setting, unless its name is one of ours: then it is wrong.
pub fn environment() -> Result<Vec<(String, String)>, Failure> {
    let mut variables = Vec::new();
    for (name, value) in std::env::vars_os() {
        let Ok(name) = name.into_string() else { continue };
        match value.into_string() {
            Ok(value) => variables.push((name, value)),
            Err(_) if key_of_variable(&name).is_some() => {
                return Err(Failure::Config(format!("environment {name}: its value is not Unicode")));
            }
            Err(_) => {}
        }
    }
    Ok(variables)
}

/// Addresses as a variable has them.
fn list(addresses: &[SocketAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}
