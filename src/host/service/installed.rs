//! One service as the service manager knows it.

use std::{
    io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use windows_service::{
    Error,
    service::{Service, ServiceAccess, ServiceExitCode, ServiceState, ServiceStatus},
    service_manager::{ServiceManager, ServiceManagerAccess},
};

use super::{default_folder, early_log};
use crate::host::exit::Failure;

/// How long a service may take to start or stop: more than the 15 s it has to say goodbye.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often its state is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// `ERROR_ACCESS_DENIED`
const ACCESS_DENIED: i32 = 5;
/// `ERROR_SERVICE_DOES_NOT_EXIST`
const NO_SUCH_SERVICE: i32 = 1060;
/// `ERROR_SERVICE_ALREADY_RUNNING`
const ALREADY_RUNNING: i32 = 1056;
/// `ERROR_SERVICE_NOT_ACTIVE`
const NOT_RUNNING: i32 = 1062;
/// `ERROR_SERVICE_CANNOT_ACCEPT_CTRL`: it is on its way up or down.
const NOT_NOW: i32 = 1061;

/// A service that is installed.
pub struct Installed {
    /// Its name.
    pub name: String,
    service: Service,
}

impl Installed {
    /// Finds it.
    pub fn open(name: &str, access: ServiceAccess) -> Result<Self, Failure> {
        let manager = manager(ServiceManagerAccess::CONNECT)?;
        let service = manager.open_service(name, access).map_err(|error| match code(&error) {
            Some(NO_SUCH_SERVICE) => Failure::Runtime(format!("there is no service {name}")),
            _ => failure(&format!("cannot open the service {name}"), &error),
        })?;
        Ok(Self { name: name.to_owned(), service })
    }

    /// The service that was just made.
    pub fn new(name: &str, service: Service) -> Self {
        Self { name: name.to_owned(), service }
    }

    /// The library's handle.
    pub fn service(&self) -> &Service {
        &self.service
    }

    /// What it does.
    pub fn state(&self) -> Result<ServiceStatus, Failure> {
        self.service.query_status().map_err(|error| failure("cannot ask what the service does", &error))
    }

    /// Starts it and waits until it runs.
    pub fn start(&self) -> Result<(), Failure> {
        match self.service.start::<&str>(&[]) {
            Ok(()) => {}
            // Or it is starting, or stopping: how it ends is to be seen.
            Err(error) if code(&error) == Some(ALREADY_RUNNING) => {}
            // Starting it was allowed, or it could not have been opened: it is the service that may not.
            Err(error) if code(&error) == Some(ACCESS_DENIED) => {
                return Err(Failure::Runtime(format!(
                    r"cannot start {0}: NT SERVICE\{0} may not run the program: put it below Program Files",
                    self.name
                )));
            }
            Err(error) => return Err(failure(&format!("cannot start {}", self.name), &error)),
        }
        let status = self.wait(ServiceState::Running)?;
        if status.current_state == ServiceState::Running { Ok(()) } else { Err(self.why_not(&status)) }
    }

    /// Stops it and waits until it has ended.
    pub fn stop(&self) -> Result<(), Failure> {
        loop {
            match self.service.stop() {
                Ok(_) => break,
                Err(error) if code(&error) == Some(NOT_RUNNING) => return Ok(()),
                Err(error) if code(&error) == Some(NOT_NOW) => {
                    if self.state()?.current_state != ServiceState::StartPending {
                        break;
                    }
                    self.wait(ServiceState::Running)?;
                }
                Err(error) => return Err(failure(&format!("cannot stop {}", self.name), &error)),
            }
        }
        self.wait(ServiceState::Stopped).map(|_| ())
    }

    /// The command line it runs with.
    pub fn command_line(&self) -> Result<String, Failure> {
        let config = self
            .service
            .query_config()
            .map_err(|error| failure("cannot read how it is installed", &error))?;
        Ok(config.executable_path.to_string_lossy().into_owned())
    }

    /// Where it keeps its data, by its command line.
    pub fn folder(&self) -> PathBuf {
        let data = self.command_line().ok().and_then(|line| data_of(&line));
        data.unwrap_or_else(|| default_folder(&self.name))
    }

    /// Waits until it is in this state, or has ended.
    fn wait(&self, state: ServiceState) -> Result<ServiceStatus, Failure> {
        let since = Instant::now();
        loop {
            let status = self.state()?;
            if status.current_state == state || status.current_state == ServiceState::Stopped {
                return Ok(status);
            }
            if since.elapsed() > PATIENCE {
                let state = status.current_state;
                return Err(Failure::Runtime(format!("{} is still {state:?} after {PATIENCE:?}", self.name)));
            }
            std::thread::sleep(LOOK);
        }
    }

    fn why_not(&self, status: &ServiceStatus) -> Failure {
        let folder = self.folder();
        let path = early_log::path(&folder);
        let ended = match status.exit_code {
            ServiceExitCode::Win32(code) => {
                io::Error::from_raw_os_error(code.try_into().unwrap_or(i32::MAX)).to_string()
            }
            ServiceExitCode::ServiceSpecific(code) => format!("exit code {code}"),
        };
        let why = early_log::failure(&folder).unwrap_or_else(|| "it did not say why".to_owned());
        Failure::Runtime(format!("{} did not start: {why} ({ended}; see {})", self.name, path.display()))
    }
}

/// The folder that a service's command line names. (The command line's own parser would see this process's
/// environment too.)
fn data_of(line: &str) -> Option<PathBuf> {
    winsplit::split(line).into_iter().skip_while(|argument| argument != "--data").nth(1).map(Into::into)
}

/// The service manager of this machine.
pub fn manager(access: ServiceManagerAccess) -> Result<ServiceManager, Failure> {
    ServiceManager::local_computer(None::<&Path>, access)
        .map_err(|error| failure("cannot reach the service manager", &error))
}

/// What went wrong, and why.
pub fn failure(what: &str, error: &Error) -> Failure {
    match (code(error), error) {
        (Some(ACCESS_DENIED), _) => {
            Failure::Runtime(format!("{what}: access denied: run this as administrator"))
        }
        // Its own text says only that there was an error.
        (_, Error::Winapi(error)) => Failure::running(what, error),
        (_, error) => Failure::running(what, error),
    }
}

/// The system's number of an error.
pub fn code(error: &Error) -> Option<i32> {
    match error {
        Error::Winapi(error) => error.raw_os_error(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_folder_is_read_back_from_the_command_line() {
        let line =
            r#""C:\Program Files\chat\chat-server.exe" run --data "D:\대화 data" --listen 0.0.0.0:11021"#;
        assert_eq!(data_of(line), Some(PathBuf::from(r"D:\대화 data")));
        assert_eq!(data_of(r"C:\chat-server.exe"), None);
        assert_eq!(
            data_of(r#"c.exe run --data "D:\my data\\" --log debug"#),
            Some(PathBuf::from(r"D:\my data\"))
        );
    }
}
