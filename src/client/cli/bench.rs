//! `chat-client bench`: its command line, its progress line, and where the report goes.

use std::{
    fs,
    io::{self, IsTerminal, Write},
    net::{SocketAddr, ToSocketAddrs},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use clap::{Parser, ValueEnum, builder::PossibleValue};

use super::{
    address::{Address, Server},
    exit::Exit,
    tls_args::TlsArgs,
    words::Lang,
};
use crate::client::{
    bench::{Error, Plan, Progress, Report, Scenario, page, run, table},
    tls::Tls,
};

/// What calls it, as the first word.
pub const NAMES: [&str; 2] = ["bench", "dummy"];

/// A line was lost, doubled, reordered, or said to be missed; or a connection was cut.
const EXIT_CHECK_FAILED: u8 = 7;

const LONG_ABOUT: &str = "\
Measure a server, and check every line at every receiver.

Logs in CLIENTS members and does what SCENARIO says:

  broadcast   some talk as fast as their windows let them, everyone hears
  steady      some talk at a fixed rate, everyone hears: the times that users see
  idle        all are silent but one, who says a line at times: memory of each, time to the last
  whisper     pairs: one whispers, the other hears
  churn       log in, log out, come again
  stalled     as broadcast, while some members never read
  rooms       as broadcast, in many rooms at once, all of one size
  crowded     as broadcast, in a room of CLIENTS, beside pairs that talk elsewhere: are they late?
  reconnect   all lose their connections at once and come back: how long does that take?

Each receiver checks that it gets every line once and in order, in the numbers that the server itself gives, and \
none that was said in another room. \
Anything else is in the report, and the exit code is 7.";

const AFTER_LONG_HELP: &str = "\
The server must not limit its members' speed; what is measured here is usually started like this:

  chat-server --set rates.chat.per_second=0 --set limits.notice_members=0 --set limits.connections=20000

Latency: with --rate (and always in steady and idle) a line's time counts from when it was due by its talker's \
schedule, whenever it could be sent: a server that stops for a second is late for every line of that second. \
Without a rate it counts from when the line was sent, and says how long a line takes at full load.

CPU and memory of the server are read from /proc (Linux): of the process that listens at the server's address, or \
of those that --server-pid names. The figures mean nothing if the generator is the slower side; the report says so. \
Each report names the generator's and the server's executables by their SHA-256. \
The memory of one member is what it adds to a server that was started for this run.

Above 25,000 members a server on this machine is connected to from 127.0.0.2 and so on too; it must exempt these \
addresses from its limits (limits.exempt_addresses), and both sides need the descriptors (ulimit -n).

Over TLS every log-in is a whole handshake, none is taken up again, and no file of known hosts is asked: a server that no \
authority of the system vouches for is named by --pin or --ca.

A host that is called bench is written bench:11021.

Examples:
  chat-client bench broadcast --clients 1000 --talkers 4 --window 32
  chat-client bench steady --clients 1000 --talkers 5 --rate 10 --duration 30 --html steady.html
  chat-client bench idle 127.0.0.1:11021 --clients 5000 --json
  chat-client bench rooms --clients 1000 --rooms 50
  chat-client bench crowded --clients 10000 --rooms 50 --rate 10
  chat-client bench reconnect --clients 1000 --restart
  chat-client bench idle chats://127.0.0.1 --pin sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=

Exit codes: 0 measured and right; 1 no connection; 2 usage; 3 the server ended a connection; 7 measured and wrong";

#[derive(Debug, Parser)]
#[command(
    name = "chat-client bench",
    bin_name = "chat-client bench",
    version,
    about = "Measure a server, and check every line"
)]
#[command(long_about = LONG_ABOUT, after_long_help = AFTER_LONG_HELP)]
struct Args {
    /// What is done to the server
    #[arg(value_name = "SCENARIO")]
    scenario: Scenario,

    /// The server
    #[arg(help = "The server, or chats://HOST[:PORT] over TLS; the port is 11021, over TLS 11022")]
    #[arg(value_name = "HOST[:PORT]", default_value = "127.0.0.1", value_parser = Address::parse)]
    server: Address,

    #[command(flatten)]
    tls: TlsArgs,

    /// Members logged in; in churn, connections at a time [default: 1000; whisper, stalled 100; churn 32;
    /// crowded 10000]
    #[arg(short, long, value_name = "N")]
    clients: Option<usize>,

    /// How many of them talk; in rooms, of each room [default: 4; steady 5; idle 1; rooms 2; whisper half of the
    /// members]
    #[arg(short, long, value_name = "N")]
    talkers: Option<usize>,

    /// Rooms, in rooms; of two each, beside the crowd, in crowded [default: 50]
    #[arg(long, value_name = "N")]
    rooms: Option<usize>,

    /// Lines a second of each talker; in crowded, of the pairs [default: as fast as the window; steady 10;
    /// idle 4; crowded 10; reconnect 2]
    #[arg(short, long, value_name = "LINES")]
    rate: Option<f64>,

    /// Bytes of each line's text
    #[arg(short, long, value_name = "BYTES", default_value_t = 64)]
    size: usize,

    /// Lines a talker may have unanswered [default: 32; idle 1]
    #[arg(short, long, value_name = "LINES")]
    window: Option<usize>,

    /// Members that never read, in stalled [default: 1]
    #[arg(long, value_name = "N")]
    stalled: Option<usize>,

    /// Let the members log in over this time [default: as fast as the server takes them]
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    ramp: Option<Duration>,

    /// Talk this long before measuring [default: 1]
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    warm_up: Option<Duration>,

    /// Measure this long [default: 5; steady, idle 10; stalled 15; reconnect 60]
    #[arg(short, long, value_name = "SECONDS", value_parser = parse_seconds)]
    duration: Option<Duration>,

    /// In reconnect, wait until the server is restarted, at most DURATION, and do not cut the connections
    #[arg(long)]
    restart: bool,

    /// A process of the server; may be given several times [default: the one that listens there]
    #[arg(long = "server-pid", value_name = "PID")]
    server_pids: Vec<u32>,

    /// Write the report as one JSON document to standard output, instead of a table
    #[arg(long)]
    json: bool,

    /// Write the report, with plots, as one page to this file too
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,

    /// Show no progress
    #[arg(short, long)]
    quiet: bool,
}

impl ValueEnum for Scenario {
    fn value_variants<'a>() -> &'a [Self] {
        const VARIANTS: [Scenario; 9] = {
            let all = Scenario::ALL;
            [all[0].1, all[1].1, all[2].1, all[3].1, all[4].1, all[5].1, all[6].1, all[7].1, all[8].1]
        };
        &VARIANTS
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name()))
    }
}

/// Runs the subcommand; `args` begins with its name.
pub fn main(args: impl Iterator<Item = std::ffi::OsString>) -> ExitCode {
    let args = Args::parse_from(args);
    if args.tls.insecure {
        eprintln!("chat-client bench: {}", Lang::English.insecure());
    }
    let done = args.plan().and_then(|plan| {
        let mut line = ProgressLine::new(args.quiet);
        let report = run(&plan, &mut |progress| line.show(progress));
        line.clear();
        let report = report?;
        args.write(&report).map_err(Error::Network)?;
        Ok(report)
    });
    match done {
        Ok(report) if report.failures.is_empty() => Exit::Done.into(),
        Ok(_) => ExitCode::from(EXIT_CHECK_FAILED),
        Err(error) => {
            eprintln!("chat-client bench: {error}");
            match error {
                Error::Plan(_) => ExitCode::from(2),
                Error::Network(_) => Exit::Network.into(),
                Error::Refused(_) => Exit::Refused.into(),
            }
        }
    }
}

impl Args {
    fn plan(&self) -> Result<Plan, Error> {
        let server = self.tls.server(&self.server).map_err(Error::Plan)?;
        let defaults = Plan::new(self.scenario, address(&server).map_err(Error::Network)?);
        let clients = self.clients.unwrap_or(defaults.clients);
        let talkers = match self.scenario {
            Scenario::Whisper => clients / 2,
            _ => defaults.talkers,
        };
        let plan = Plan {
            tls: server.is_tls.then(|| self.tls(&server)).transpose()?,
            clients,
            talkers: self.talkers.unwrap_or(talkers),
            rooms: self.rooms.unwrap_or(defaults.rooms),
            rate: self.rate.unwrap_or(defaults.rate),
            size: self.size,
            window: self.window.unwrap_or(defaults.window),
            stalled: self.stalled.unwrap_or(defaults.stalled),
            ramp: self.ramp.unwrap_or(defaults.ramp),
            warm_up: self.warm_up.unwrap_or(defaults.warm_up),
            duration: self.duration.unwrap_or(defaults.duration),
            restart: self.restart,
            server_pids: self.server_pids.clone(),
            ..defaults
        };
        plan.check().map_err(Error::Plan)?;
        Ok(plan)
    }

    /// Nobody becomes known here: what is measured is named.
    fn tls(&self, server: &Server) -> Result<Tls, Error> {
        let trust = self.tls.trust(None).map_err(|why| Error::Plan(Lang::English.no_trust(&why)))?;
        let tls = Tls::new(&server.host, server.port, trust).map_err(Error::Network)?;
        // Else most log-ins would be cheaper than a new user's.
        Ok(tls.without_resumption())
    }

    fn write(&self, report: &Report) -> io::Result<()> {
        if let Some(file) = &self.html {
            fs::write(file, page(report))?;
        }
        let text = if self.json { serde_json::to_string_pretty(report)? + "\n" } else { table(report) };
        io::stdout().write_all(text.as_bytes())
    }
}

fn address(server: &Server) -> io::Result<SocketAddr> {
    let mut addresses = (server.host.as_str(), server.port).to_socket_addrs()?;
    addresses.next().ok_or_else(|| io::ErrorKind::NotFound.into())
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.ok_or_else(|| "a number of seconds, such as 2.5".to_owned())
}

/// One line of standard error that is written over and over; only where a terminal shows it.
struct ProgressLine {
    is_shown: bool,
}

impl ProgressLine {
    fn new(quiet: bool) -> Self {
        Self { is_shown: !quiet && io::stderr().is_terminal() }
    }

    fn show(&mut self, progress: &Progress<'_>) {
        let text = match progress {
            Progress::LoggingIn { members, of } => format!("{members} of {of} logged in"),
            Progress::Measuring { of, sample } => format!(
                "{:.1} of {:.1} s: {:.0}/s, p50 {:.2} ms, p99 {:.2} ms",
                sample.at_s,
                of.as_secs_f64(),
                sample.per_second,
                sample.latency.p50_ms,
                sample.latency.p99_ms
            ),
        };
        self.write(&text);
    }

    fn clear(&mut self) {
        self.write("");
    }

    fn write(&mut self, text: &str) {
        if self.is_shown {
            // Back to the line's beginning, and what was there before is wiped. Nobody to tell if it fails.
            let _ = write!(io::stderr(), "\r\x1b[K{text}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(line: &str) -> Result<Plan, String> {
        let args = Args::try_parse_from(line.split(' ')).map_err(|error| error.to_string())?;
        args.plan().map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_not_said_is_the_scenarios_default() {
        let steady = plan("bench steady").expect("valid");
        assert_eq!((steady.clients, steady.talkers), (1_000, 5));
        assert!((steady.rate - 10.0).abs() < 1e-9);
        let whisper = plan("bench whisper -c 40 -d 0.5").expect("valid");
        assert_eq!((whisper.talkers, whisper.duration), (20, Duration::from_millis(500)));
        assert_eq!(whisper.server.port(), 11_021);
        let rooms = plan("bench rooms --rooms 10").expect("valid");
        assert_eq!((rooms.clients, rooms.rooms, rooms.talkers), (1_000, 10, 2));
        assert_eq!(plan("bench crowded").expect("valid").connections(), 10_100);
    }

    #[test]
    fn what_cannot_be_meant_is_a_usage_error() {
        let of_all =
            ["bench", "bench loud", "bench broadcast -c 1", "bench broadcast -s 7", "bench churn -r 5"];
        let of_rooms = ["bench broadcast --rooms 2", "bench rooms --rooms 3", "bench crowded --rate 0"];
        for bad in [&of_all[..], &of_rooms].concat() {
            assert!(plan(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_help_is_consistent() {
        use clap::CommandFactory;
        Args::command().debug_assert();
    }
}
