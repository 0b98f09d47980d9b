//! The server as a program: its command line, its log, who starts and stops it, how it ends.

mod admin;
mod args;
mod audit;
mod cert;
mod confirm;
mod console;
mod ctl;
mod database;
mod db;
mod exit;
mod first_admin;
mod folder;
mod health;
mod history;
mod invite;
mod log;
mod password;
mod reload;
mod run;
#[cfg(windows)]
mod service;
mod settings;
#[cfg(unix)]
mod systemd;
mod tls;
mod transfer;
mod user;

use std::{
    io::{self, Write as _},
    process::ExitCode,
    sync::mpsc,
    thread,
    time::Duration,
};

use chat_proto::unix_ms as now_ms;
use clap::Parser;

use self::args::{Cli, Command, Settings};
use self::exit::Failure;
use crate::net;

/// How long the end of the program waits for whoever reads why.
const COMPLAINT_MAX: Duration = Duration::from_secs(5);

/// The program `chat-server`.
#[must_use]
pub fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(Cli { command, settings }) => match command.unwrap_or(Command::Run) {
            Command::Run => serve(Ok(settings)),
            Command::Check => settings::check(&settings),
            Command::Config(args) => done(settings::run(&args, &settings)),
            Command::Health(args) => done(health::check(&args, &settings).and_then(|line| print(&line))),
            Command::User(args) => done(alone(user::run(&args, &settings))),
            Command::Invite(args) => done(alone(invite::run(&args, &settings))),
            Command::Audit(args) => done(alone(audit::run(&args, &settings))),
            Command::History(args) => done(alone(history::run(&args, &settings))),
            Command::Cert(args) => done(cert::run(&args, &settings)),
            Command::Db(args) => done(alone(db::run(&args, &settings))),
            Command::Ctl(args) => done(alone(ctl::run(&args, &settings))),
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

/// Does a command's work on this thread.
fn alone<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::running("the runtime does not start", error))?
        .block_on(work)
}

/// Prints what a command found out. Whoever reads no further has read enough.
fn print(text: &str) -> Result<(), Failure> {
    print_to_reader(text).map(drop)
}

/// The same, and returns whether somebody may read more.
fn print_to_reader(text: &str) -> Result<bool, Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::running("standard output", error)),
    }
}

/// A time in milliseconds since 1970 UTC, as people and programs read it.
fn shown_time(ms: u64) -> String {
    net::shown_time(ms / 1_000)
}

fn done(result: Result<(), Failure>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            complain(&failure);
            failure.into()
        }
    }
}

/// Says on standard error what went wrong. Where nobody reads that, the program ends all the same: the log's own thread
/// may be waiting there with its hand on it.
fn complain(failure: &Failure) {
    let lines =
        failure.to_string().lines().fold(String::new(), |lines, line| lines + "chat-server: " + line + "\n");
    let (said, heard) = mpsc::sync_channel(1);
    let told = thread::Builder::new().spawn(move || {
        // The exit code says it too.
        let _ = io::stderr().write_all(lines.as_bytes());
        let _ = said.send(());
    });
    if told.is_ok() {
        let _ = heard.recv_timeout(COMPLAINT_MAX);
    }
}
