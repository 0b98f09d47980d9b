//! `chat-server service`: installs, removes, starts, stops and shows a service.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

use windows_service::{
    service::{
        Service, ServiceAccess, ServiceAction, ServiceActionType, ServiceErrorControl, ServiceExitCode,
        ServiceFailureActions, ServiceFailureResetPeriod, ServiceInfo, ServiceSidType, ServiceStartType,
        ServiceState, ServiceType,
    },
    service_manager::ServiceManagerAccess,
};

use super::{
    ServiceArgs, StartType, Verb, default_folder, event_log,
    installed::{Installed, code, failure, manager},
    system,
};
use crate::{
    config::{self, Config, Loaded, Origin},
    host::{
        args::{Settings, environment},
        exit::Failure,
        log, tls,
    },
};

/// The system lets a service that stops before a shutdown have this long: its 15 s, and some to end.
const PRESHUTDOWN: Duration = Duration::from_secs(20);
/// Pauses before a failed service is started again; the last is for all that follow, whatever failed: a disk may
/// be back, an address free.
const RESTART_AFTER: [Duration; 3] =
    [Duration::from_secs(5), Duration::from_secs(30), Duration::from_secs(60)];
/// After this time without a failure they begin anew.
const FAILURES_FORGOTTEN: Duration = Duration::from_secs(24 * 60 * 60);

/// `ERROR_SERVICE_EXISTS`
const EXISTS: i32 = 1073;
/// `ERROR_INVALID_LEVEL`: a setting that this Windows (or what passes for it) does not know.
const UNKNOWN_SETTING: i32 = 124;

/// `ERROR_SERVICE_NEVER_STARTED`, since the system started.
const NEVER_STARTED: u32 = 1077;

/// Does what the command line says.
pub fn manage(args: &ServiceArgs, settings: &Settings) -> Result<(), Failure> {
    let name = &args.name;
    let control = ServiceAccess::START | ServiceAccess::STOP | looking();
    match &args.verb {
        Verb::Install { firewall, start } => install(name, settings, *start, *firewall)?,
        Verb::Uninstall => uninstall(name)?,
        Verb::Start => {
            Installed::open(name, control)?.start()?;
            println!("{name} runs");
        }
        Verb::Stop => {
            Installed::open(name, control)?.stop()?;
            println!("{name} has stopped");
        }
        Verb::Restart => {
            let service = Installed::open(name, control)?;
            service.stop()?;
            service.start()?;
            println!("{name} runs again");
        }
        Verb::Status => status(name)?,
    }
    Ok(())
}

fn looking() -> ServiceAccess {
    ServiceAccess::QUERY_STATUS | ServiceAccess::QUERY_CONFIG
}

fn install(name: &str, settings: &Settings, start: StartType, firewall: bool) -> Result<(), Failure> {
    // What cannot run is not installed.
    let loaded = settings.read()?;
    let config = &loaded.config;
    tls::refuse_plaintext(config)?;
    refuse_password(&loaded)?;
    let program = std::env::current_exe().map_err(|error| Failure::running("where am I", error))?;
    let chosen = config.data.as_deref().map(absolute).transpose()?;
    let folder = chosen.clone().unwrap_or_else(|| default_folder(name));
    warn(&program, config, firewall);
    let info = ServiceInfo {
        name: name.into(),
        display_name: format!("iocp-chat ({name})").into(),
        service_type: ServiceType::OWN_PROCESS,
        start_type: match start {
            StartType::Auto | StartType::Delayed => ServiceStartType::AutoStart,
            StartType::Manual => ServiceStartType::OnDemand,
        },
        error_control: ServiceErrorControl::Normal,
        executable_path: program.clone(),
        launch_arguments: launch_arguments(settings, &loaded, &folder)?,
        dependencies: Vec::new(),
        account_name: Some(format!(r"NT SERVICE\{name}").into()),
        account_password: None,
    };
    let service = manager(ServiceManagerAccess::CONNECT | ServiceManagerAccess::CREATE_SERVICE)?
        .create_service(&info, ServiceAccess::ALL_ACCESS)
        .map_err(|error| match code(&error) {
            Some(EXISTS) => Failure::Runtime(format!("there is a service {name} already")),
            _ => failure(&format!("cannot install {name}"), &error),
        })?;
    let installed = Installed::new(name, service);
    let finished = configure(installed.service(), start).and_then(|()| {
        let give = if chosen.is_some() { system::share_folder } else { system::own_folder };
        give(&folder, name).map_err(|error| Failure::running("the data folder", error))?;
        event_log::register(name).map_err(|error| Failure::running("the event source", error))?;
        if firewall {
            system::open_firewall(name, &program).map_err(|error| Failure::running("the firewall", error))?;
        }
        Ok(())
    });
    if let Err(error) = finished {
        // But for an empty folder, all or nothing. What cannot be taken back is reported by what went wrong before.
        let _ = remove(&installed);
        return Err(error);
    }
    let log = log::file_of_service(&config.log, &folder);
    let log = log.as_deref().and_then(Path::parent).map(|folder| folder.display().to_string());
    println!("installed {name}, which keeps its log in {}", log.as_deref().unwrap_or("no file"));
    println!("start it with: chat-server service start --name {name}");
    Ok(())
}

/// Refuses a password that would be on the service's command line, which everybody on the machine may read.
fn refuse_password(loaded: &Loaded) -> Result<(), Failure> {
    let database = &loaded.config.database;
    if database.shown_url() == database.url || !is_on_command_line(loaded, "database.url") {
        return Ok(());
    }
    Err(Failure::Config(loaded.located(
        "`database.url` has a password, and everybody may read a service's command line: write it into a file that only \
         the service reads, and name that with `database.url_file`",
    )))
}

/// Whether a key is one of those that the service is given with its command line.
fn is_on_command_line(loaded: &Loaded, key: &str) -> bool {
    matches!(loaded.origin(key), Origin::Environment(_) | Origin::CommandLine(_))
        && (key != "database.url" || loaded.config.database.url_file.is_none())
}

/// What is allowed, and most likely not meant.
fn warn(program: &Path, config: &Config, firewall: bool) {
    let below = |variable| std::env::var_os(variable).is_some_and(|folder| program.starts_with(folder));
    if !below("ProgramFiles") && !below("ProgramW6432") {
        eprintln!(
            "chat-server: warning: {} is not below Program Files: whoever may change it there becomes the service",
            program.display()
        );
    }
    if firewall && config.listen.iter().chain(&config.tls.listen).all(|address| address.ip().is_loopback()) {
        eprintln!(
            "chat-server: warning: --firewall opens nothing: the service listens on this machine alone"
        );
    }
}

/// What the service manager knows beside what a service is created with.
fn configure(service: &Service, start: StartType) -> Result<(), Failure> {
    let restart = ServiceFailureActions {
        reset_period: ServiceFailureResetPeriod::After(FAILURES_FORGOTTEN),
        reboot_msg: None,
        command: None,
        actions: Some(
            RESTART_AFTER
                .map(|delay| ServiceAction { action_type: ServiceActionType::Restart, delay })
                .to_vec(),
        ),
    };
    let description = "Chat server (iocp-chat): people log in, talk to everyone and whisper to one.";
    let settings = [
        ("description", service.set_description(description)),
        ("delayed start", service.set_delayed_auto_start(start == StartType::Delayed)),
        ("restart on failure", service.update_failure_actions(restart)),
        ("restart on an exit code", service.set_failure_actions_on_non_crash_failures(true)),
        ("time to stop before a shutdown", service.set_preshutdown_timeout(PRESHUTDOWN)),
        ("own identity", service.set_config_service_sid_info(ServiceSidType::Unrestricted)),
    ];
    for (what, result) in settings {
        match result {
            Ok(()) => {}
            Err(error) if code(&error) == Some(UNKNOWN_SETTING) => {
                eprintln!("chat-server: warning: this system has no setting for: {what}");
            }
            Err(error) => return Err(failure(what, &error)),
        }
    }
    Ok(())
}

/// The command line of the service: the settings of this one, with paths that are right in any folder.
fn launch_arguments(settings: &Settings, loaded: &Loaded, folder: &Path) -> Result<Vec<OsString>, Failure> {
    let mut arguments: Vec<OsString> = vec!["run".into(), "--data".into(), folder.into()];
    if let Some(config) = &settings.config {
        arguments.extend(["--config".into(), absolute(config)?.into()]);
    }
    for address in &settings.listen {
        arguments.extend(["--listen".into(), address.to_string().into()]);
    }
    for address in &settings.listen_tls {
        arguments.extend(["--listen-tls".into(), address.to_string().into()]);
    }
    if settings.allow_plaintext {
        arguments.push("--allow-plaintext".into());
    }
    for (name, value) in environment()? {
        // The folder has just been said.
        if let Some(key) = config::key_of_variable(&name).filter(|key| key != "data") {
            arguments.extend(["--set".into(), format!("{key}={value}").into()]);
        }
    }
    for setting in &settings.set {
        arguments.extend(["--set".into(), setting.into()]);
    }
    let Config { database, tls, .. } = &loaded.config;
    for (key, path) in [
        ("database.url_file", &database.url_file),
        ("tls.certificate", &tls.certificate),
        ("tls.key", &tls.key),
        ("tls.client_ca", &tls.client_ca),
    ] {
        // The last goes before the others.
        if let Some(path) = path.as_ref().filter(|_| is_on_command_line(loaded, key)) {
            arguments.extend(["--set".into(), format!("{key}={}", absolute(path)?.display()).into()]);
        }
    }
    if let Some(level) = &settings.log {
        arguments.extend(["--log".into(), level.into()]);
    }
    Ok(arguments)
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| Failure::running(&path.display().to_string(), error))
}

fn uninstall(name: &str) -> Result<(), Failure> {
    let installed = Installed::open(name, ServiceAccess::STOP | ServiceAccess::DELETE | looking())?;
    let folder = installed.folder();
    installed.stop()?;
    remove(&installed)?;
    println!("removed {name}; its data stays in {}", folder.display());
    Ok(())
}

/// Deletes the service, and what was made for it.
fn remove(installed: &Installed) -> Result<(), Failure> {
    let name = &installed.name;
    installed.service().delete().map_err(|error| failure(&format!("cannot remove {name}"), &error))?;
    // Neither need be there.
    let _ = event_log::unregister(name);
    let _ = system::close_firewall(name);
    Ok(())
}

fn status(name: &str) -> Result<(), Failure> {
    let installed = Installed::open(name, looking())?;
    let status = installed.state()?;
    let config = installed
        .service()
        .query_config()
        .map_err(|error| failure("cannot read how it is installed", &error))?;
    println!("service  {name} ({})", config.display_name.to_string_lossy());
    println!("state    {}", word(status.current_state));
    match (status.process_id, status.exit_code) {
        (Some(process), _) if status.current_state != ServiceState::Stopped => println!("process  {process}"),
        (_, ServiceExitCode::ServiceSpecific(code)) => println!("ended    with exit code {code}"),
        (_, ServiceExitCode::Win32(0 | NEVER_STARTED)) => {}
        (_, ServiceExitCode::Win32(code)) => println!("ended    with Windows error {code}"),
    }
    println!(
        "start    {}",
        if config.start_type == ServiceStartType::AutoStart { "with the system" } else { "by hand" }
    );
    println!("account  {}", config.account_name.unwrap_or_default().to_string_lossy());
    println!("command  {}", installed.command_line()?);
    println!("data     {}", installed.folder().display());
    if status.current_state == ServiceState::Running {
        Ok(())
    } else {
        Err(Failure::Runtime(format!("{name} does not run")))
    }
}

fn word(state: ServiceState) -> &'static str {
    match state {
        ServiceState::Stopped => "stopped",
        ServiceState::StartPending => "starting",
        ServiceState::StopPending => "stopping",
        ServiceState::Running => "running",
        ServiceState::ContinuePending => "continuing",
        ServiceState::PausePending => "pausing",
        ServiceState::Paused => "paused",
    }
}
