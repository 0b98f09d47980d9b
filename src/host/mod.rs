//! The server as a program: its command line, its log, who starts and stops it, how it ends.

mod args;
mod console;
mod exit;
mod health;
mod log;
mod run;
#[cfg(windows)]
mod service;
#[cfg(unix)]
mod systemd;

use std::process::ExitCode;

use clap::Parser;

use self::args::{Cli, Command, Settings};
use self::exit::Failure;

/// The program `chat-server`.
#[must_use]
pub fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(Cli { command, settings }) => match command.unwrap_or(Command::Run) {
            Command::Run => serve(Ok(settings)),
            Command::Check => done(settings.load().map(|_| println!("the configuration is valid"))),
            Command::Config => done(settings.load().map(|config| print!("{}", config.to_toml()))),
            Command::Health(args) => done(health::check(&args, &settings).map(|line| println!("{line}"))),
            #[cfg(windows)]
            Command::Service(args) => done(service::manage(&args, &settings)),
        },
        Err(error) if error.use_stderr() && is_run() => serve(Err(error)),
        Err(error) => error.exit(),
    }
}

/// Whether a command line that cannot be read says to serve: then the service manager may be waiting for it.
fn is_run() -> bool {
    std::env::args_os()
        .nth(1)
        .is_none_or(|first| first == "run" || first.as_encoded_bytes().starts_with(b"-"))
}

/// Serves: as a Windows service if the service manager started the program, else at the console. A command line
/// that is wrong is reported in the same two ways.
fn serve(settings: Result<Settings, clap::Error>) -> ExitCode {
    #[cfg(windows)]
    let settings = match service::run(Box::new(settings)) {
        Ok(code) => return code,
        Err(at_the_console) => *at_the_console,
    };
    match settings {
        Ok(settings) => done(console::serve(&settings)),
        Err(error) => error.exit(),
    }
}

fn done(result: Result<(), Failure>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("chat-server: {failure}");
            failure.into()
        }
    }
}
