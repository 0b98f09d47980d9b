//! The server's executable: its command line, its log, its exit codes.

use std::{
    io::{self, IsTerminal},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand};
use iocp_chat::{
    config::{Config, LogFormat},
    net::bind,
    platform,
    server::{Server, Stopped},
    stop::StopReason,
};
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

/// Something failed while running.
const EXIT_RUNTIME: u8 = 1;
/// The configuration cannot be. (2 is clap's, for the command line.)
const EXIT_CONFIG: u8 = 3;
/// An address to listen on is taken.
const EXIT_PORT_IN_USE: u8 = 4;

/// A chat server: log in, talk to everyone, whisper to one.
///
/// Settings come, the first that has one wins, from the command line, from the environment, from the file,
/// from the defaults. `chat-server config` shows what is in force, and every key there is.
#[derive(Parser)]
#[command(version, max_term_width = 100, after_long_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Subcommand)]
enum Command {
    /// Serve until Ctrl-C or SIGTERM. The default.
    Run,
    /// Check the configuration and say what is wrong with it.
    Check,
    /// Print the settings in force, as a configuration file.
    Config,
}

#[derive(Args)]
struct Settings {
    /// Read settings from this TOML file.
    #[arg(short, long, global = true, env = "CHAT_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Listen here; may be given several times [default: 127.0.0.1:11021].
    #[arg(short, long, global = true, env = "CHAT_LISTEN", value_name = "ADDR:PORT", value_delimiter = ',')]
    listen: Vec<std::net::SocketAddr>,
    /// Set any key of the configuration; may be given several times.
    #[arg(short, long, global = true, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// error, warn, info, debug or trace, or tracing directives [default: info].
    #[arg(long, global = true, env = "CHAT_LOG", value_name = "LEVEL")]
    log: Option<String>,
}

const AFTER_HELP: &str = "\
Environment:
  CHAT_CONFIG, CHAT_LISTEN, CHAT_LOG   as the flags; CHAT_LISTEN takes a list with commas
  CHAT_<SECTION>__<KEY>                any key: CHAT_LIMITS__CONNECTIONS=500, CHAT_RATES__CHAT__BURST=20

Examples:
  chat-server                                     serve this machine only, on 127.0.0.1:11021
  chat-server --listen 0.0.0.0:11021 --listen [::]:11021
  chat-server --set limits.connections=500 --set 'rates.chat={per_second=20,burst=40}'
  chat-server config > chat.toml && chat-server --config chat.toml

Exit codes:
  0  stopped as asked            3  the configuration is wrong
  1  failed while running        4  an address to listen on is taken
  2  wrong command line          5  the data store failed";

fn main() -> ExitCode {
    let cli = Cli::parse();
    let config = match cli.settings.load() {
        Ok(config) => config,
        Err(error) => return fail(EXIT_CONFIG, &error),
    };
    match cli.command.unwrap_or(Command::Run) {
        Command::Run => run(&config),
        Command::Check => {
            println!("the configuration is valid");
            ExitCode::SUCCESS
        }
        Command::Config => {
            print!("{}", config.to_toml());
            ExitCode::SUCCESS
        }
    }
}

impl Settings {
    fn load(self) -> anyhow::Result<Config> {
        let environment =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
        // A value that is not Unicode is nobody's setting, unless it is one of ours: then it is wrong.
        let environment = environment.map(|(name, value)| (name, value.to_string_lossy().into_owned()));
        let mut set = self.set;
        if !self.listen.is_empty() {
            set.push(format!("listen={:?}", self.listen.iter().map(ToString::to_string).collect::<Vec<_>>()));
        }
        if let Some(level) = self.log {
            set.push(format!("log.level={level}"));
        }
        let config = Config::load(self.config.as_deref(), environment, &set)?;
        EnvFilter::try_new(&config.log.level)
            .map_err(|error| anyhow::anyhow!("`log.level`: {error}: {:?}", config.log.level))?;
        Ok(config)
    }
}

fn run(config: &Config) -> ExitCode {
    let filter = EnvFilter::new(&config.log.level);
    let colour =
        io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(colour)
        .with_target(false);
    match config.log.format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(EXIT_RUNTIME, &error),
    };
    runtime.block_on(serve(config))
}

async fn serve(config: &Config) -> ExitCode {
    let descriptors = platform::raise_descriptor_limit();
    let mut listeners = Vec::new();
    for address in &config.listen {
        match bind(*address) {
            Ok(listener) => listeners.push(listener),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                return fail(EXIT_PORT_IN_USE, &format!("{address} is in use by another program"));
            }
            Err(error) => return fail(EXIT_RUNTIME, &format!("cannot listen on {address}: {error}")),
        }
    }
    match serve_on(config, listeners, descriptors).await {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => fail(EXIT_RUNTIME, &error),
    }
}

async fn serve_on(
    config: &Config,
    listeners: Vec<TcpListener>,
    descriptors: Option<u64>,
) -> io::Result<Stopped> {
    let server = Server::start(config, listeners)?;
    tracing::info!(
        event = "started",
        version = env!("CARGO_PKG_VERSION"),
        listen = ?server.addresses(),
        connections_max = config.limits.connections,
        descriptors,
        "listening"
    );
    let reason = StopReason::wait().await?;
    tokio::select! {
        stopped = server.stop(reason) => Ok(stopped),
        again = StopReason::wait() => {
            again?;
            Err(io::Error::new(io::ErrorKind::Interrupted, "asked twice to stop: stopped at once"))
        }
    }
}

fn fail(code: u8, why: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("chat-server: {why}");
    ExitCode::from(code)
}
