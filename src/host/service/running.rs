//! The service as the service manager runs it: says how far it is, and hears when to stop.

use std::{
    ffi::OsString,
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
    sync::{
        Mutex,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

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
};
use crate::{
    host::{
        args::Settings,
        exit::Failure,
        log,
        run::{self, Host},
    },
    platform::EventKind,
    stop::StopReason,
};

/// The service manager takes a starting service for dead after this time without news.
const START_HINT: Duration = Duration::from_secs(10);
/// A stopping service gives news this often,
const STOP_NEWS: Duration = Duration::from_secs(1);
/// and is taken for dead after this time without. Longer than a machine that shuts down is busy.
const STOP_HINT: Duration = Duration::from_secs(5);

type CommandLine = Result<Settings, clap::Error>;

/// The command line, on its way to the thread that the service manager starts the service on.
static COMMAND_LINE: Mutex<Option<CommandLine>> = Mutex::new(None);
/// The exit code, on its way back.
static EXIT_CODE: AtomicU8 = AtomicU8::new(0);

define_windows_service!(entry, service_main);

/// Runs the service, if the service manager started this process; else gives the command line back.
pub fn run(command_line: CommandLine) -> Result<ExitCode, CommandLine> {
    *COMMAND_LINE.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(command_line);
    // A service in a process of its own has whatever name it was installed with.
    let ran = service_dispatcher::start(NAME, entry);
    match (ran, take_command_line()) {
        // ERROR_FAILED_SERVICE_CONTROLLER_CONNECT (1063): started from a console. Whatever else keeps the service
        // manager away, the service never began, and a console is what is left.
        (Err(_), Some(command_line)) => Err(command_line),
        _ => Ok(EXIT_CODE.load(Ordering::Relaxed).into()),
    }
}

fn take_command_line() -> Option<CommandLine> {
    COMMAND_LINE.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take()
}

/// The service's life. `arguments` begins with the name it was installed with.
fn service_main(arguments: Vec<OsString>) {
    let name = arguments.first().map_or(NAME.into(), |name| name.to_string_lossy());
    let command_line = take_command_line().expect("a process is one service, and starts once");
    let folder = match &command_line {
        Ok(Settings { data: Some(folder), .. }) => folder.clone(),
        _ => default_folder(&name),
    };
    early_log::note(&folder, &format!("version {} starts as {name}", env!("CARGO_PKG_VERSION")));
    let events = EventLayer::open(&name);
    let mut service = match Service::register(&name) {
        Ok(service) => service,
        Err(error) => return early_log::note(&folder, &format!("failed: no service manager: {error}")),
    };
    let outcome = serve(command_line, &folder, events.clone(), &mut service);
    if let Err(failure) = &outcome {
        events.report(EventKind::Error, event_log::FAILED, &format!("The chat server failed: {failure}."));
        early_log::note(&folder, &format!("failed: {failure}"));
    }
    service.stopped(outcome.err().map(|failure| failure.code()));
}

fn serve(
    command_line: CommandLine,
    folder: &std::path::Path,
    events: EventLayer,
    service: &mut Service,
) -> Result<(), Failure> {
    let settings = command_line.map_err(|error| Failure::CommandLine(error.to_string()))?;
    let config = settings.load()?;
    let logs: PathBuf = config.data.as_deref().unwrap_or(folder).join("log");
    let _log = log::to_folder(&config.log, &logs, events)?;
    service.starting();
    let outcome = run::run(&config, |_| Ok(service));
    if let Err(failure) = &outcome {
        tracing::error!(event = "failed", code = failure.code(), %failure, "failed");
    }
    outcome
}

/// This process to the service manager.
struct Service {
    status: ServiceStatusHandle,
    stop: CancellationToken,
    checkpoint: u32,
}

impl Service {
    fn register(name: &str) -> windows_service::Result<Self> {
        let stop = CancellationToken::new();
        let asked = stop.clone();
        let status = service_control_handler::register(name, move |control| match control {
            ServiceControl::Stop | ServiceControl::Preshutdown => {
                asked.cancel();
                ServiceControlHandlerResult::NoError
            }
            ServiceControl::Interrogate => ServiceControlHandlerResult::NoError,
            _ => ServiceControlHandlerResult::NotImplemented,
        })?;
        let mut service = Self { status, stop, checkpoint: 0 };
        service.starting();
        Ok(service)
    }

    fn starting(&mut self) {
        self.checkpoint += 1;
        self.say(ServiceState::StartPending, ServiceExitCode::NO_ERROR, START_HINT);
    }

    fn stopped(mut self, failed: Option<u8>) {
        let code =
            failed.map_or(ServiceExitCode::NO_ERROR, |code| ServiceExitCode::ServiceSpecific(code.into()));
        EXIT_CODE.store(failed.unwrap_or_default(), Ordering::Relaxed);
        self.checkpoint = 0;
        self.say(ServiceState::Stopped, code, Duration::ZERO);
    }

    fn say(&self, state: ServiceState, exit_code: ServiceExitCode, wait_hint: Duration) {
        let controls_accepted = match state {
            ServiceState::Running => ServiceControlAccept::STOP | ServiceControlAccept::PRESHUTDOWN,
            _ => ServiceControlAccept::empty(),
        };
        let status = ServiceStatus {
            service_type: ServiceType::OWN_PROCESS,
            current_state: state,
            controls_accepted,
            exit_code,
            checkpoint: self.checkpoint,
            wait_hint,
            process_id: None,
        };
        if let Err(error) = self.status.set_service_status(status) {
            tracing::warn!(event = "service_status_failed", ?state, %error, "the service manager was not told");
        }
    }
}

impl Host for &mut Service {
    fn ready(&mut self, _: &[SocketAddr]) {
        self.checkpoint = 0;
        self.say(ServiceState::Running, ServiceExitCode::NO_ERROR, Duration::ZERO);
    }

    async fn asked_to_stop(&mut self) -> StopReason {
        self.stop.cancelled().await;
        StopReason::Service
    }

    fn stopping(&mut self, _: StopReason) {
        self.checkpoint += 1;
        self.say(ServiceState::StopPending, ServiceExitCode::NO_ERROR, STOP_HINT);
    }

    async fn while_stopping(&mut self) -> &'static str {
        loop {
            tokio::time::sleep(STOP_NEWS).await;
            self.stopping(StopReason::Service);
        }
    }
}
