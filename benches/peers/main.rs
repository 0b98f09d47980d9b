//! The generator that measures other chat and publish/subscribe servers beside ours: `scripts/compare.sh` runs it.
//!
//! It prints the report of `chat-client bench --json`, on one line.

mod dialect;
mod load;

use std::{net::SocketAddr, process::ExitCode, time::Duration};

use clap::{Parser, ValueEnum};
use dialect::{Chat, Irc, Mqtt, Nats, Redis};
use iocp_chat::client::bench::{Error, Plan, Report, Scenario};

/// A line was lost, doubled or reordered, or a connection was cut; as `chat-client bench` ends.
const EXIT_CHECK_FAILED: u8 = 7;

#[derive(Clone, Copy, ValueEnum)]
enum Protocol {
    Chat,
    Redis,
    Nats,
    Irc,
    Mqtt,
}

/// Measure a server of another kind, and check every line at every receiver.
#[derive(Parser)]
#[command(name = "peers")]
struct Args {
    /// What is done to the server: all but stalled; idle is silent
    #[arg(value_name = "SCENARIO")]
    scenario: Scenario,

    /// What it speaks
    #[arg(value_name = "PROTOCOL")]
    protocol: Protocol,

    /// Where it listens
    #[arg(value_name = "ADDRESS")]
    server: SocketAddr,

    /// Members; in churn, connections at a time [default: as of chat-client bench, and so are the next]
    #[arg(short, long, value_name = "N")]
    clients: Option<usize>,

    /// How many of them talk
    #[arg(short, long, value_name = "N")]
    talkers: Option<usize>,

    /// Lines a talker may have said that its own listener has not heard
    #[arg(short, long, value_name = "LINES")]
    window: Option<usize>,

    /// Measure this long
    #[arg(short, long, value_name = "SECONDS")]
    duration: Option<f64>,

    /// Members that are on their way in at a time: a server's queue of connections may be short
    #[arg(long, value_name = "N", default_value_t = 64)]
    at_once: usize,

    /// A process of the server; may be given several times
    #[arg(long = "server-pid", value_name = "PID")]
    server_pids: Vec<u32>,

    /// What cargo gives every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    if std::env::args().skip(1).all(|arg| arg == "--bench") {
        eprintln!("peers: scripts/compare.sh starts the servers and runs this; --help says how");
        return ExitCode::SUCCESS;
    }
    let args = Args::parse();
    match args.run() {
        Ok(report) => {
            println!("{}", serde_json::to_string(&report).expect("a report is made of what JSON has"));
            if report.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_CHECK_FAILED) }
        }
        Err(error) => {
            eprintln!("peers: {error}");
            ExitCode::FAILURE
        }
    }
}

impl Args {
    fn run(&self) -> Result<Report, Error> {
        let plan = self.plan()?;
        match self.protocol {
            Protocol::Chat => load::run::<Chat>(&plan, self.at_once),
            Protocol::Redis => load::run::<Redis>(&plan, self.at_once),
            Protocol::Nats => load::run::<Nats>(&plan, self.at_once),
            Protocol::Irc => load::run::<Irc>(&plan, self.at_once),
            Protocol::Mqtt => load::run::<Mqtt>(&plan, self.at_once),
        }
    }

    fn plan(&self) -> Result<Plan, Error> {
        let defaults = Plan::new(self.scenario, self.server);
        let duration = match self.duration {
            None => defaults.duration,
            Some(seconds) => {
                Duration::try_from_secs_f64(seconds).map_err(|error| Error::Plan(error.to_string()))?
            }
        };
        let clients = self.clients.unwrap_or(defaults.clients);
        let talkers = match self.scenario {
            Scenario::Whisper => clients / 2,
            _ => defaults.talkers,
        };
        Ok(Plan {
            clients,
            talkers: self.talkers.unwrap_or(talkers),
            window: self.window.unwrap_or(defaults.window),
            duration,
            server_pids: self.server_pids.clone(),
            ..defaults
        })
    }
}
