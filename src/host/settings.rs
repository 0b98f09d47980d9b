//! `chat-server config` and `chat-server check`: which settings there are, which are in force, what is wrong with them.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::{args::Settings, database, exit::Failure, print, tls};
use crate::config::{Loaded, default_environment, default_toml, schema};

/// What to print.
#[derive(Args)]
pub struct ConfigArgs {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Subcommand)]
enum Verb {
    /// Print a configuration file with every key, its default and what it is for.
    Default,
    /// Print the settings in force, and where each comes from. The same as without a word.
    Effective {
        /// With the passwords in them.
        #[arg(long)]
        show_secrets: bool,
        /// Without passwords, as it is anyway.
        #[arg(long, conflicts_with = "show_secrets")]
        redact: bool,
    },
    /// Print a JSON Schema, with which editors complete and check a configuration file.
    Schema,
    /// Print the variables of the environment that set a key, with the defaults.
    Env,
}

/// Does what the command line says.
pub fn run(args: &ConfigArgs, settings: &Settings) -> Result<(), Failure> {
    match &args.verb {
        None => print(&settings.read()?.to_toml(false)),
        Some(Verb::Effective { show_secrets, .. }) => print(&settings.read()?.to_toml(*show_secrets)),
        Some(Verb::Default) => print(&default_toml()),
        Some(Verb::Schema) => print(&format!("{:#}\n", schema())),
        Some(Verb::Env) => print(&default_environment()),
    }
}

/// Refuses what no server starts with, though each key alone can be: plain text for others that nobody allowed, a
/// certificate that cannot be shown, a database that is none.
pub fn judge(loaded: &Loaded) -> Result<(), Failure> {
    let config = &loaded.config;
    let judged = tls::refuse_plaintext(config)
        .and_then(|()| tls::acceptor(config).map(drop))
        .and_then(|()| database::place(config).map(drop));
    judged.map_err(|failure| match failure {
        Failure::Config(message) => Failure::Config(loaded.located(&message)),
        other => other,
    })
}

/// Says whether the settings can be, and all that is wrong with them, a line each as compilers write them.
pub fn check(settings: &Settings) -> ExitCode {
    match settings.read().and_then(|loaded| judge(&loaded)) {
        Ok(()) => super::done(print("the configuration is valid\n")),
        Err(failure) => {
            eprintln!("{failure}");
            failure.into()
        }
    }
}
