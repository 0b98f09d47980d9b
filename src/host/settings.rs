//! `chat-server config` and `chat-server check`: which settings there are, which are in force, what is wrong with them.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::{args::Settings, exit::Failure, print, tls};
use crate::config::{default_environment, default_toml, schema};

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

/// Says whether the settings can be, and all that is wrong with them, a line each as compilers write them.
pub fn check(settings: &Settings) -> ExitCode {
    // What the files of a certificate have is part of what a server starts with.
    let valid = settings.load().and_then(|config| {
        tls::refuse_plaintext(&config)?;
        tls::acceptor(&config)
    });
    match valid {
        Ok(_) => {
            println!("the configuration is valid");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("{failure}");
            failure.into()
        }
    }
}
