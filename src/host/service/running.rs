//! The service as the service manager runs it: says how far it is, and hears when to stop.

use std::{
    convert::Infallible,
    ffi::OsString,
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{
        LazyLock, Mutex, OnceLock,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use windows_service::{
    define_windows_service,
    service::{
        ServiceControl, ServiceControlAccept, ServiceExitCode, ServiceState, ServiceStatus, ServiceType,
    },
    service_control_handler::{self, ServiceControlHandlerResult, ServiceStatusHandle},
    service_dispatcher,
};

use super::{
    NAME, default_folder, early_log,
    event_log::{self, EventLayer},
    installed::{code, failure},
};
use crate::{
    host::{
        args::Settings,
        exit::Failure,
        log::{self, LogControl},
        run::{self, Host, Wish},
        settings::judge,
    },
    platform::EventKind,
    stop::StopReason,
};

/// In the data folder: the invite for the first admin, of no use once it is used.
const FIRST_ADMIN_FILE: &str = "first-admin.txt";
/// How often a starting service says that it is still starting.
const START_NEWS: Duration = Duration::from_secs(3);
/// Whoever waits for a starting service takes it for dead after this time without news.
const START_HINT: Duration = Duration::from_secs(10);
/// A stopping service gives news this often,
const STOP_NEWS: Duration = Duration::from_secs(1);
/// and is taken for dead after this time without. Longer than a machine that shuts down is busy.
const STOP_HINT: Duration = Duration::from_secs(5);

/// The control that has the log file opened anew: the first of those that a service may give a meaning,
/// `sc control NAME 128`.
const REOPEN_LOG: u32 = 128;

/// `ERROR_FAILED_SERVICE_CONTROLLER_CONNECT`: the service manager did not start this process.
const AT_A_CONSOLE: i32 = 1063;

/// A command line, or what is wrong with it.
pub type CommandLine = Box<Result<Settings, clap::Error>>;

/// The command line, on its way to the thread that the service manager starts the service on.
static COMMAND_LINE: Mutex<Option<CommandLine>> = Mutex::new(None);
/// The exit code, on its way back.
static EXIT_CODE: AtomicU8 = AtomicU8::new(0);
/// That the service manager wants it to stop.
static STOP: LazyLock<CancellationToken> = LazyLock::new(CancellationToken::new);
/// The log, once there is one.
static LOG: OnceLock<LogControl> = OnceLock::new();
/// That somebody wants it to read its settings again: `sc control NAME paramchange`.
static RELOAD: Notify = Notify::const_new();
/// The way to the service manager, once there is one.
static STATUS: OnceLock<ServiceStatusHandle> = OnceLock::new();

define_windows_service!(entry, service_main);

/// Runs the service, if the service manager started this process; else gives the command line back.
pub fn run(command_line: CommandLine) -> Result<ExitCode, CommandLine> {
    *COMMAND_LINE.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(command_line);
    // A service in a process of its own has whatever name it was installed with.
    let ran = service_dispatcher::start(NAME, entry);
    match (ran, take_command_line()) {
        // Whatever keeps the service manager away, the service never began, and a console is what is left.
        (Err(error), Some(command_line)) => {
            if code(&error) != Some(AT_A_CONSOLE) {
                eprintln!("chat-server: warning: {}", failure("the service manager does not answer", &error));
            }
            Err(command_line)
        }
        _ => Ok(EXIT_CODE.load(Ordering::Relaxed).into()),
    }
}

fn take_command_line() -> Option<CommandLine> {
    COMMAND_LINE.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take()
}

/// The service's life. `arguments` begins with the name it was installed with.
#[expect(clippy::needless_pass_by_value, reason = "what the library calls has this form")]
fn service_main(arguments: Vec<OsString>) {
    let name = arguments.first().map_or(NAME.into(), |name| name.to_string_lossy());
    let command_line = take_command_line().expect("a process is one service, and starts once");
    let folder = match command_line.as_ref() {
        Ok(Settings { data: Some(folder), .. }) => folder.clone(),
        _ => default_folder(&name),
    };
    early_log::note(&folder, &format!("version {} starts as {name}", env!("CARGO_PKG_VERSION")));
    log::tell_panics({
        let folder = folder.clone();
        move |panic| early_log::note(&folder, &format!("{}{panic}", early_log::FAILED))
    });
    let events = EventLayer::open(&name);
    let mut service = match Service::register(&name) {
        Ok(service) => service,
        Err(error) => {
            return early_log::note(&folder, &format!("{}no service manager: {error}", early_log::FAILED));
        }
    };
    let outcome = serve(*command_line, &folder, events.clone(), &mut service);
    if let Err(failure) = &outcome {
        events.report(EventKind::Error, event_log::FAILED, &format!("The chat server failed: {failure}."));
        early_log::note(&folder, &format!("{}{failure}", early_log::FAILED));
    }
    service.stopped(outcome.err().map(|failure| failure.code()));
}

fn serve(
    command_line: Result<Settings, clap::Error>,
    folder: &Path,
    events: EventLayer,
    service: &mut Service,
) -> Result<(), Failure> {
    let settings = command_line.map_err(|error| Failure::CommandLine(error.to_string()))?;
    let mut config = settings.load()?;
    let data = config.data.get_or_insert_with(|| folder.into()).clone();
    let log = log::of_service(&config.log, &data, events)?;
    let control = LOG.get_or_init(|| log.control());
    service.folder = data;
    service.starting();
    let folder = folder.to_owned();
    let reread = Box::new(move || {
        let mut loaded = settings.read()?;
        loaded.config.data.get_or_insert_with(|| folder.clone());
        judge(&loaded)?;
        Ok(loaded.config)
    });
    let outcome = run::run(&config, control, reread, |_| Ok(service));
    if let Err(failure) = &outcome {
        tracing::error!(event = "failed", code = failure.code(), err = %failure, "failed");
    }
    outcome
}

/// Hears the service manager. A function, and not a closure: the library frees what a closure holds at the first
/// stop, and a second may come before the service has said that it takes no more.
fn on_control(control: ServiceControl) -> ServiceControlHandlerResult {
    match control {
        ServiceControl::Stop | ServiceControl::Preshutdown => {
            // At once: who asked looks at the state as soon as this returns.
            if let (Some(status), false) = (STATUS.get(), STOP.is_cancelled()) {
                say(*status, ServiceState::StopPending, ServiceExitCode::NO_ERROR, 1, STOP_HINT);
            }
            STOP.cancel();
            ServiceControlHandlerResult::NoError
        }
        ServiceControl::ParamChange => {
            RELOAD.notify_one();
            ServiceControlHandlerResult::NoError
        }
        ServiceControl::Interrogate => ServiceControlHandlerResult::NoError,
        ServiceControl::UserEvent(code) if code.to_raw() == REOPEN_LOG => {
            if let Some(log) = LOG.get() {
                log.ask_to_reopen();
            }
            ServiceControlHandlerResult::NoError
        }
        _ => ServiceControlHandlerResult::NotImplemented,
    }
}

/// Tells the service manager how far the service is.
fn say(
    status: ServiceStatusHandle,
    state: ServiceState,
    exit_code: ServiceExitCode,
    checkpoint: u32,
    wait_hint: Duration,
) {
    let controls_accepted = match state {
        ServiceState::Running => {
            ServiceControlAccept::STOP
                | ServiceControlAccept::PRESHUTDOWN
                | ServiceControlAccept::PARAM_CHANGE
        }
        _ => ServiceControlAccept::empty(),
    };
    let told = status.set_service_status(ServiceStatus {
        service_type: ServiceType::OWN_PROCESS,
        current_state: state,
        controls_accepted,
        exit_code,
        checkpoint,
        wait_hint,
        process_id: None,
    });
    if let Err(error) = told {
        tracing::warn!(event = "service_status_failed", ?state, err = %error, "the service manager was not told");
    }
}

/// This process to the service manager.
struct Service {
    status: ServiceStatusHandle,
    checkpoint: u32,
    /// Where its data is.
    folder: PathBuf,
}

impl Service {
    fn register(name: &str) -> windows_service::Result<Self> {
        let status = service_control_handler::register(name, on_control)?;
        let mut service =
            Self { status: *STATUS.get_or_init(|| status), checkpoint: 0, folder: PathBuf::new() };
        service.starting();
        Ok(service)
    }

    fn starting(&mut self) {
        self.checkpoint += 1;
        say(self.status, ServiceState::StartPending, ServiceExitCode::NO_ERROR, self.checkpoint, START_HINT);
    }

    fn stopped(self, failed: Option<u8>) {
        let code =
            failed.map_or(ServiceExitCode::NO_ERROR, |code| ServiceExitCode::ServiceSpecific(code.into()));
        EXIT_CODE.store(failed.unwrap_or_default(), Ordering::Relaxed);
        say(self.status, ServiceState::Stopped, code, 0, Duration::ZERO);
    }
}

impl Host for &mut Service {
    async fn while_starting(&mut self) -> Infallible {
        loop {
            self.starting();
            tokio::time::sleep(START_NEWS).await;
        }
    }

    /// Into a file: a service has nobody to show it to. The folder lets only administrators read it.
    fn first_admin(&mut self, line: &str) -> io::Result<()> {
        fs::write(self.folder.join(FIRST_ADMIN_FILE), format!("{line}\r\n"))
    }

    fn ready(&mut self, _: &[SocketAddr]) {
        say(self.status, ServiceState::Running, ServiceExitCode::NO_ERROR, 0, Duration::ZERO);
        // The first news of a stop is the handler's.
        self.checkpoint = 1;
    }

    async fn asked(&mut self) -> Wish {
        tokio::select! {
            biased;
            () = STOP.cancelled() => Wish::Stop(StopReason::Service),
            () = RELOAD.notified() => Wish::Reload,
        }
    }

    fn stopping(&mut self, _: StopReason, _: Duration) {
        self.checkpoint += 1;
        say(self.status, ServiceState::StopPending, ServiceExitCode::NO_ERROR, self.checkpoint, STOP_HINT);
    }

    async fn while_stopping(&mut self) -> &'static str {
        loop {
            tokio::time::sleep(STOP_NEWS).await;
            self.stopping(StopReason::Service, STOP_NEWS);
        }
    }
}
