//! The server as a Windows service: run by the service manager, and installed, started, stopped and removed by
//! `chat-server service`.

mod early_log;
mod event_log;
mod installed;
mod manage;
mod running;
mod system;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use windows_service::service::ServiceAccess;

use super::exit::Failure;
pub use event_log::EventLayer;
pub use manage::manage;
pub use running::run;

/// The service's name, if nobody chose another.
const NAME: &str = "chat-server";
/// Characters of a service's name, so that `NT SERVICE\name` is an account wherever names of accounts are shown.
const NAME_MAX: usize = 80;

/// What to do with which service.
#[derive(Args)]
pub struct ServiceArgs {
    #[command(subcommand)]
    verb: Verb,
    /// The service's name: several servers on one machine need several. 1 to 80 letters, digits, '-', '_' or '.'.
    #[arg(short, long, global = true, value_name = "NAME", default_value = NAME, value_parser = name)]
    name: String,
}

#[derive(Subcommand)]
enum Verb {
    /// Install the service with the settings of this command line, and what the environment says of them.
    ///
    /// It runs as the account `NT SERVICE\NAME`, which has rights of its own on its data folder alone, starts with
    /// the system, and is started again when it fails. Needs an administrator.
    Install {
        /// Let other machines connect: adds a rule for this program to the Windows firewall.
        #[arg(long)]
        firewall: bool,
        /// When it starts.
        #[arg(long, value_enum, default_value = "auto")]
        start: StartType,
    },
    /// Stop and remove the service, its event source and its firewall rule. Its data stays.
    Uninstall,
    /// Start the service, and wait until it listens.
    Start,
    /// Stop the service, and wait until it has said goodbye to everyone.
    Stop,
    /// Stop it, if it runs, and start it.
    Restart,
    /// Say what it does: exit code 0 if it runs, else 1.
    Status,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum StartType {
    /// With the system.
    Auto,
    /// With the system, after all that is not delayed.
    Delayed,
    /// By hand.
    Manual,
}

/// Whether this can be a service's name.
pub fn name(text: &str) -> Result<String, &'static str> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if (1..=NAME_MAX).contains(&text.len()) && text.chars().all(fits) {
        Ok(text.to_owned())
    } else {
        Err("1 to 80 ASCII letters, digits, '-', '_' or '.'")
    }
}

/// Where a service that is installed keeps its data.
pub fn folder(name: &str) -> Result<PathBuf, Failure> {
    Ok(installed::Installed::open(name, ServiceAccess::QUERY_CONFIG)?.folder())
}

/// Where a service keeps its data, if nobody chose another folder.
fn default_folder(name: &str) -> PathBuf {
    let root = std::env::var_os("ProgramData").unwrap_or_else(|| r"C:\ProgramData".into());
    PathBuf::from(root).join("iocp-chat").join(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_needs_no_quotes_anywhere() {
        for good in ["a", "chat-server", "Chat_2.0", &"x".repeat(NAME_MAX)] {
            assert_eq!(name(good).as_deref(), Ok(good));
        }
        for bad in ["", "a b", "a\\b", "a/b", "a\"", "서버", &"x".repeat(NAME_MAX + 1)] {
            assert!(name(bad).is_err(), "{bad}");
        }
    }
}
