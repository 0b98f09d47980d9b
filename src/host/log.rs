//! Where the server's log goes, and what may be changed of that while it runs.
//!
//! ```text
//!  tracing ─▶ level ─┬▶ a line ─▶ queue, 1 MiB ─▶ a thread ─▶ standard error
//!                    ├▶ a line ─▶ queue, 1 MiB ─▶ a thread ─▶ the log file
//!                    └▶ the Event Log of Windows (a service)
//! ```
//!
//! Whoever logs waits for no queue. What one has no room for is counted, and told by `log_lines_dropped`. The Event Log takes
//! the few rare events that have a number from whoever logs them.

pub(super) mod escape;
mod file;
mod line;
mod queue;
mod rotation;

use std::{
    io::{self, IsTerminal as _, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use tracing::{Event, Subscriber};
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    layer::{Context, SubscriberExt as _},
    reload,
    util::SubscriberInitExt as _,
};

use self::{
    file::LogFile,
    line::LineFormat,
    queue::{Output, QUEUE_BYTES_MAX, Queue},
    rotation::Rotation,
};
use super::{exit::Failure, now_ms};
use crate::config::{LogConfig, log_filter};

/// How long the end of the program waits for lines to be written.
const FLUSH_MAX: Duration = Duration::from_secs(3);
/// How long whoever wants the file opened anew waits for it.
const REOPEN_MAX: Duration = Duration::from_secs(5);

/// The log, from now until the program ends. Dropped, it waits a moment for what is not yet written.
pub struct Log(LogControl);

impl Log {
    /// A hold on it.
    pub fn control(&self) -> LogControl {
        self.0.clone()
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        for destination in &*self.0.0.destinations.0 {
            destination.queue.flush(FLUSH_MAX);
        }
    }
}

/// A hold on the running log. Cheap to clone.
#[derive(Clone)]
pub struct LogControl(Arc<Reach>);

struct Reach {
    level: reload::Handle<EnvFilter, Registry>,
    destinations: Destinations,
    file: Option<PathBuf>,
}

impl LogControl {
    /// From now on logs what these directives say. An error leaves it as it was, and says what is wrong with them.
    pub fn set_level(&self, directives: &str) -> Result<(), String> {
        let filter = log_filter(directives)?;
        self.0.level.reload(filter).map_err(|error| error.to_string())
    }

    /// Goes on in a new file of the same name, for whoever has moved the old one away; what was logged before is in the
    /// old one. Waits for that, 5 s at most. Without a file there is nothing to be done.
    pub fn reopen(&self) -> io::Result<()> {
        self.of_file().map_or(Ok(()), |file| file.queue.reopen(REOPEN_MAX))
    }

    /// The same without waiting: the log itself says how it went.
    #[cfg_attr(unix, expect(dead_code, reason = "the service manager of Windows asks"))]
    pub fn ask_to_reopen(&self) {
        if let Some(file) = self.of_file() {
            file.queue.ask_to_reopen();
        }
    }

    /// Lines that were not written since the start: their queue was full, or writing failed.
    pub fn dropped(&self) -> u64 {
        self.0.destinations.0.iter().map(|one| one.queue.dropped()).sum()
    }

    /// The file it goes to, if it goes to one.
    pub fn file(&self) -> Option<&Path> {
        self.0.file.as_deref()
    }

    fn of_file(&self) -> Option<&Destination> {
        self.0.destinations.0.iter().find(|one| one.is_file)
    }
}

/// One place where lines go, as they are written there.
struct Destination {
    format: LineFormat,
    queue: Queue,
    is_file: bool,
}

/// All of them.
#[derive(Clone)]
struct Destinations(Arc<[Destination]>);

impl<S: Subscriber> Layer<S> for Destinations {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let now = SystemTime::now();
        for destination in &*self.0 {
            destination.queue.push(&destination.format.line(event, now));
        }
    }
}

/// Standard error. Windows stops whoever writes to a console in which somebody marks text.
struct StandardError;

impl Output for StandardError {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        io::stderr().lock().write_all(lines).map(|()| lines.len())
    }

    fn reopen(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Logs to standard error and to the file, as configured.
pub fn of_console(config: &LogConfig) -> Result<Log, Failure> {
    let file = config.file.as_deref().filter(|file| !file.as_os_str().is_empty());
    start(config, config.console, file, Vec::new())
}

/// The file of a service: unless one is configured, in its data folder; a relative path begins there.
#[cfg(windows)]
pub fn file_of_service(config: &LogConfig, data: &Path) -> Option<PathBuf> {
    match &config.file {
        None => Some(data.join("log").join("chat-server.log")),
        Some(never) if never.as_os_str().is_empty() => None,
        Some(file) => Some(data.join(file)),
    }
}

/// Logs to the file of a service, and to the Event Log.
#[cfg(windows)]
pub fn of_service(
    config: &LogConfig,
    data: &Path,
    events: super::service::EventLayer,
) -> Result<Log, Failure> {
    start(config, false, file_of_service(config, data).as_deref(), vec![Box::new(events)])
}

/// Logs every panic from now on, and tells it to `also`: it is a defect, and the only trace of it.
pub fn tell_panics(also: impl Fn(&std::panic::PanicHookInfo<'_>) + Send + Sync + 'static) {
    // A programmer at work sees where it comes from. It is written by whoever panics, who may have to wait for it.
    let traced = std::env::var_os("RUST_BACKTRACE").is_some().then(std::panic::take_hook);
    std::panic::set_hook(Box::new(move |panic| {
        tracing::error!(event = "panic", err = %panic, "a part of the server failed");
        also(panic);
        if let Some(traced) = &traced {
            traced(panic);
        }
    }));
}

type Sink = Box<dyn Layer<Registry> + Send + Sync>;

fn start(config: &LogConfig, console: bool, file: Option<&Path>, also: Vec<Sink>) -> Result<Log, Failure> {
    let failure = |error| Failure::running("the log cannot be written", error);
    let format = |colour| LineFormat { format: config.format, colour, addresses: config.addresses };
    let mut destinations = Vec::new();
    if console {
        let queue = Queue::start("stderr".into(), QUEUE_BYTES_MAX, StandardError).map_err(failure)?;
        destinations.push(Destination { format: format(takes_colour()), queue, is_file: false });
    }
    if let Some(path) = file {
        let name = path.display().to_string();
        let failure = |error| Failure::running(&format!("the log cannot be written to {name}"), error);
        let output = LogFile::open(path, Rotation::of(config), now_ms).map_err(failure)?;
        let queue = Queue::start(name.clone(), QUEUE_BYTES_MAX, output).map_err(failure)?;
        destinations.push(Destination { format: format(false), queue, is_file: true });
    }
    let filter = log_filter(&config.level).map_err(Failure::Config)?;
    let (subscriber, control) = assemble(destinations, file, filter, also);
    // A log that is already there stays.
    let _ = subscriber.try_init();
    Ok(Log(control))
}

fn assemble(
    destinations: Vec<Destination>,
    file: Option<&Path>,
    filter: EnvFilter,
    mut also: Vec<Sink>,
) -> (impl Subscriber + Send + Sync + use<>, LogControl) {
    let destinations = Destinations(destinations.into());
    also.push(Box::new(destinations.clone()));
    let (filter, level) = reload::Layer::new(filter);
    let subscriber = tracing_subscriber::registry().with(also.with_filter(filter));
    (subscriber, LogControl(Arc::new(Reach { level, destinations, file: file.map(Into::into) })))
}

fn takes_colour() -> bool {
    io::stderr().is_terminal()
        && !anstyle_query::no_color()
        && anstyle_query::term_supports_color()
        && anstyle_query::windows::enable_ansi_colors() != Some(false)
}

#[cfg(test)]
pub(super) mod tests;
