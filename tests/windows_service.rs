//! The life of a Windows service, with people who chat through it.
//!
//! Installing a service changes the machine and needs an administrator: hence `--features external`.
#![cfg(windows)]

#[path = "common/readme.rs"]
mod readme;

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    process::{Command, Output},
    time::Duration,
};

use chat_proto::{Broadcast, ClientPacket, Credential, Hello, Login, RequestId, Text, Username, VERSION};
use iocp_chat::client::{Client, Event, Events, Session};
use readme::{ADDRESS, FOLDER, HOST, System};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpSocket, TcpStream},
};
use windows_service::{
    service::{ServiceAccess, ServiceState, UserEventCode},
    service_manager::{ServiceManager, ServiceManagerAccess},
};
use windows_sys::Win32::System::Services::{ControlService, SERVICE_CONTROL_PARAMCHANGE, SERVICE_STATUS};
use winreg::{RegKey, enums::HKEY_LOCAL_MACHINE};

/// A service of one test: its name, its folder (with spaces, below one that every account may read), its port.
struct Service {
    name: String,
    folder: PathBuf,
    program: PathBuf,
    address: SocketAddr,
}

impl Service {
    fn new(test: &str) -> Self {
        let name = format!("chat-test-{test}-{}", std::process::id());
        let folder = program_data().join(format!("iocp chat 시험 {test} {}", std::process::id()));
        fs::create_dir_all(&folder).expect("an administrator");
        let program = folder.join("chat-server.exe");
        fs::copy(env!("CARGO_BIN_EXE_chat-server"), &program).expect("it was built");
        let free = TcpListener::bind("127.0.0.1:0").expect("loopback");
        let address = free.local_addr().expect("bound");
        Self { name, folder, program, address }
    }

    fn data(&self) -> PathBuf {
        self.folder.join("its data")
    }

    /// `chat-server service VERB --name NAME`, and more.
    fn tell(&self, verb: &str, more: &[&str]) -> Output {
        let mut command = Command::new(&self.program);
        command.args(["service", verb, "--name", &self.name]).args(more);
        command.output().expect("it runs")
    }

    #[track_caller]
    fn told(&self, verb: &str, more: &[&str]) -> String {
        let output = self.tell(verb, more);
        assert!(output.status.success(), "{verb}: {}", said(&output));
        said(&output)
    }

    fn install(&self, more: &[&str]) -> String {
        let (address, data) = (self.address.to_string(), self.data());
        let mut all = vec!["--listen", &address, "--data", data.to_str().expect("Unicode")];
        all.extend(more);
        self.told("install", &all)
    }

    async fn join(&self, name: &str) -> (Session, Events) {
        let client = Client::connect(self.address).await.expect("it listens");
        client.log_in(name, Credential::None).await.expect("the name is free")
    }

    fn log(&self) -> String {
        let files = fs::read_dir(self.data().join("log")).expect("the service made it");
        files.map(|file| fs::read_to_string(file.expect("readable").path()).expect("text")).collect()
    }

    fn event_source(&self) -> Option<String> {
        let path = format!(r"SYSTEM\CurrentControlSet\Services\EventLog\Application\{}", self.name);
        RegKey::predef(HKEY_LOCAL_MACHINE).open_subkey(path).ok()?.get_value("EventMessageFile").ok()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Gone already, if the test went well.
        self.tell("uninstall", &[]);
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn program_data() -> PathBuf {
    std::env::var_os("ProgramData").expect("every Windows has it").into()
}

/// The folder of a service for which nobody chose one.
fn default_folder(name: &str) -> PathBuf {
    program_data().join("iocp-chat").join(name)
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// The next event that is not somebody's coming or going.
async fn next(events: &mut Events) -> Event {
    loop {
        match tokio::time::timeout(Duration::from_mins(1), events.next()).await.expect("in time") {
            Some(Event::Joined(_) | Event::Left(_)) => {}
            event => return event.expect("something is said"),
        }
    }
}

#[tokio::test]
async fn a_service_is_installed_started_chatted_through_stopped_and_removed() {
    let service = Service::new("life");
    let installed = service.install(&["--start", "delayed", "--firewall"]);
    assert!(installed.contains(&service.name), "{installed}");
    assert!(service.event_source().expect("registered").ends_with("EventCreate.exe"));
    let stopped = service.tell("status", &[]);
    assert_eq!(stopped.status.code(), Some(1));
    let stopped = said(&stopped);
    assert!(stopped.contains("state    stopped"), "{stopped}");
    assert!(stopped.contains(&format!(r"account  NT SERVICE\{}", service.name)), "{stopped}");
    let quoted =
        format!("command  \"{}\" run --data \"{}\"", service.program.display(), service.data().display());
    assert!(stopped.contains(&quoted), "paths with spaces stand in quotes: {stopped}");

    service.told("start", &[]);
    assert!(service.told("status", &[]).contains("state    running"));
    assert!(service.told("start", &[]).contains("runs"), "what is so already is no failure");
    let (kim, mut to_kim) = service.join("김").await;
    let (_lee, mut to_lee) = service.join("이").await;
    kim.broadcast("서비스로 안녕").await.expect("said");
    assert!(
        matches!(next(&mut to_lee).await, Event::Broadcast(line) if line.text.as_str() == "서비스로 안녕")
    );

    service.told("stop", &[]);
    for events in [&mut to_kim, &mut to_lee] {
        assert!(matches!(next(events).await, Event::Goodbye(goodbye) if goodbye.retry_ms > 0));
    }
    service.told("stop", &[]);
    service.told("restart", &[]);
    service.join("김").await;
    let removed = service.told("uninstall", &[]);
    assert!(removed.contains("its data"), "{removed}");
    assert_eq!(service.event_source(), None);
    let gone = service.tell("status", &[]);
    assert_eq!((gone.status.code(), said(&gone).contains("there is no service")), (Some(1), true));
    let log = service.log();
    assert_eq!(log.matches("event=started").count(), 2, "{log}");
    assert_eq!(log.matches("reason=Service").count(), 2, "{log}");
    assert_eq!(log.matches("cut=0").count(), 2, "{log}");
    let early = fs::read_to_string(service.data().join("early.log")).expect("written");
    assert_eq!(early.lines().filter(|line| line.contains(&service.name)).count(), 2, "{early}");
}

#[tokio::test]
async fn two_services_run_beside_each_other_by_their_names() {
    let one = Service::new("one");
    // Or the system might give the other the same.
    let taken = TcpListener::bind(one.address).expect("free a moment ago");
    let other = Service::new("other");
    drop(taken);
    for service in [&one, &other] {
        service.install(&["--start", "manual"]);
        service.told("start", &[]);
    }
    one.join("kim").await;
    let (_kim, mut events) = other.join("kim").await;
    one.told("uninstall", &[]);
    assert!(other.told("status", &[]).contains("running"), "the other goes on");
    other.told("uninstall", &[]);
    assert!(matches!(next(&mut events).await, Event::Goodbye(_)));
}

#[test]
fn a_service_that_cannot_start_says_why_where_it_can_be_read() {
    let service = Service::new("taken");
    let taken = TcpListener::bind(service.address).expect("free a moment ago");
    service.install(&[]);
    let output = service.tell("start", &[]);
    assert_eq!(output.status.code(), Some(1));
    let why = format!("{} is in use by another program", service.address);
    assert!(said(&output).contains(&why), "{}", said(&output));
    let early = fs::read_to_string(service.data().join("early.log")).expect("written");
    assert!(early.contains(&format!("failed: {why}")), "{early}");
    assert!(service.log().contains(&why), "{}", service.log());
    let status = said(&service.tell("status", &[]));
    assert!(status.contains("exit code 4"), "{status}");
    drop(taken);
    service.told("start", &[]);
    service.told("uninstall", &[]);
}

#[test]
fn a_service_keeps_what_the_environment_said_when_it_was_installed() {
    let service = Service::new("variables");
    let output = Command::new(&service.program)
        .args(["service", "install", "--name", &service.name, "--set", "limits.guests=9"])
        .args(["--listen", &service.address.to_string()])
        .env("CHAT_LIMITS__CONNECTIONS", "77")
        .output()
        .expect("it runs");
    assert!(output.status.success(), "{}", said(&output));
    let folder = default_folder(&service.name);
    assert!(folder.is_dir(), "the folder that nobody chose");
    let status = said(&service.tell("status", &[]));
    assert!(status.contains("--set limits.connections=77 --set limits.guests=9"), "{status}");
    assert!(status.contains(&format!("data     {}", folder.display())), "{status}");
    service.told("start", &[]);
    service.told("uninstall", &[]);
    let log = fs::read_dir(folder.join("log")).expect("written").next().expect("a file").expect("readable");
    assert!(fs::read_to_string(log.path()).expect("text").contains("connections_max=77"));
    // The second time the folder is there.
    service.told("install", &[]);
    service.told("uninstall", &[]);
    fs::remove_dir_all(folder).expect("an administrator");
}

#[test]
fn readmes_five_commands_put_a_service_on_the_internet() {
    let service = Service::new("internet");
    let (name, address) = (&service.name, service.address.to_string());
    let folder = default_folder(name);
    // What stands there but for the name: as it stands there it would be a server that somebody may have.
    assert_eq!(default_folder("chat-server"), PathBuf::from(FOLDER));
    let data = folder.to_str().expect("Unicode");
    let password = service.folder.join("password.txt");
    fs::write(&password, "correct horse battery staple\r\n").expect("the folder is ours");
    let [install, certificate, account, start, client] = readme::commands(System::Windows);
    let run = |command: &[String], stand_ins: &[(&str, &str)], more: &[&str]| {
        let arguments = readme::arguments(command, "chat-server", stand_ins);
        let output = Command::new(&service.program).args(&arguments).args(more).output().expect("it runs");
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        said(&output)
    };
    let named = ["--name", name];
    // Others' servers may have the port without TLS.
    run(&install, &[(ADDRESS, &address)], &[&named[..], &["--listen", "127.0.0.1:0"]].concat());
    let printed = run(&certificate, &[(FOLDER, data), (HOST, "127.0.0.1")], &[]);
    run(&account, &[(FOLDER, data)], &["--password-file", password.to_str().expect("Unicode")]);
    run(&start, &[], &named);
    let told = readme::talk(&client, readme::pin(&printed), &address, &service.folder, &password);
    assert!(told.status.success(), "{}", said(&told));
    assert!(said(&told).contains(&format!("* kim is logged in at chats://{address}")), "{}", said(&told));
    service.told("uninstall", &[]);
    fs::remove_dir_all(folder).expect("an administrator");
}

#[test]
fn somebody_elses_event_source_is_left_alone() {
    let service = Service::new("source");
    let path = format!(r"SYSTEM\CurrentControlSet\Services\EventLog\Application\{}", service.name);
    let (key, _) = RegKey::predef(HKEY_LOCAL_MACHINE).create_subkey(&path).expect("an administrator");
    key.set_value("EventMessageFile", &r"C:\theirs.dll").expect("an administrator");
    let output = service.tell("install", &[]);
    assert!(!output.status.success() && said(&output).contains("another program's"), "{}", said(&output));
    assert!(said(&service.tell("status", &[])).contains("there is no service"), "all or nothing");
    assert_eq!(service.event_source().as_deref(), Some(r"C:\theirs.dll"));
    RegKey::predef(HKEY_LOCAL_MACHINE).delete_subkey(path).expect("ours");
}

#[test]
fn what_cannot_be_installed_leaves_nothing_behind() {
    let service = Service::new("wrong");
    let wrong = service.tell("install", &["--set", "limits.conections=1"]);
    assert_eq!(wrong.status.code(), Some(3), "{}", said(&wrong));
    let spaces = Command::new(&service.program).args(["service", "install", "--name", "a b"]).output();
    assert_eq!(spaces.expect("it runs").status.code(), Some(2));
    for verb in ["start", "stop", "restart", "uninstall", "status"] {
        let output = service.tell(verb, &[]);
        assert_eq!(output.status.code(), Some(1));
        assert!(said(&output).contains("there is no service"), "{}", said(&output));
    }
    service.install(&[]);
    let again = service.tell("install", &[]);
    assert!(said(&again).contains("already"), "{}", said(&again));
    service.told("uninstall", &[]);
}

#[tokio::test]
async fn while_it_drains_the_service_manager_hears_of_it_every_second() {
    let service = Service::new("drain");
    service.install(&[
        "--set=timeouts.drain=10s",
        "--set=timeouts.write=10m",
        "--set=rates.chat.per_second=0",
        "--set=lobby={lines=100000,bytes=100000000}",
    ]);
    service.told("start", &[]);
    // Somebody who takes nothing, and more than the sockets hold said to them.
    let deaf = deaf(service.address).await;
    let (kim, _) = service.join("kim").await;
    let line = "말".repeat(1_024);
    for _ in 0..2_000 {
        kim.broadcast(&line).await.expect("said");
    }
    let manager =
        ServiceManager::local_computer(None::<&str>, ServiceManagerAccess::CONNECT).expect("there is one");
    let access = ServiceAccess::STOP | ServiceAccess::QUERY_STATUS;
    let handle = manager.open_service(&service.name, access).expect("installed");
    handle.stop().expect("it listens to us");
    let mut checkpoints = Vec::new();
    loop {
        let status = handle.query_status().expect("installed");
        match status.current_state {
            ServiceState::Stopped => break,
            ServiceState::StopPending => checkpoints.push(status.checkpoint),
            state => assert_eq!(state, ServiceState::Running),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(checkpoints.is_sorted());
    checkpoints.dedup();
    assert!(checkpoints.len() >= 2, "{checkpoints:?}");
    assert!(service.log().contains("cut=1"), "{}", service.log());
    drop(deaf);
    service.told("uninstall", &[]);
}

#[tokio::test]
async fn control_128_lets_the_log_go_on_in_a_new_file() {
    let service = Service::new("reopen");
    service.install(&[]);
    service.told("start", &[]);
    let file = service.data().join("log").join("chat-server.log");
    let moved = file.with_extension("old");
    fs::rename(&file, &moved).expect("while it is written");
    let manager =
        ServiceManager::local_computer(None::<&str>, ServiceManagerAccess::CONNECT).expect("there is one");
    let handle = manager.open_service(&service.name, ServiceAccess::USER_DEFINED_CONTROL).expect("installed");
    handle.notify(UserEventCode::from_raw(128).expect("a service's own")).expect("it listens to us");
    let reopened = async {
        while !fs::read_to_string(&file).is_ok_and(|text| text.contains("event=log_reopened")) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), reopened).await.expect("in time");
    service.told("stop", &[]);
    let ends = [&moved, &file].map(|file| fs::read_to_string(file).expect("text").contains("event=stopped"));
    assert_eq!(ends, [false, true]);
    service.told("uninstall", &[]);
}

#[tokio::test]
async fn a_service_that_is_told_its_settings_have_changed_reads_them_again() {
    let service = Service::new("reload");
    let file = service.folder.join("chat.toml");
    let write = |text: &str| fs::write(&file, text).expect("the folder is ours");
    write("[limits]\r\nconnections = 100\r\n");
    service.install(&["--config", file.to_str().expect("text")]);
    service.told("start", &[]);
    let (_kim, _events) = service.join("kim").await;
    let manager =
        ServiceManager::local_computer(None::<&str>, ServiceManagerAccess::CONNECT).expect("there is one");
    let handle = manager.open_service(&service.name, ServiceAccess::PAUSE_CONTINUE).expect("installed");
    for (text, event) in [
        ("[limits]\r\nconections = 1\r\n", "config_reload_failed"),
        ("[limits]\r\nconnections = 1\r\n", "config_reloaded"),
    ] {
        write(text);
        param_change(&handle);
        let begun = std::time::Instant::now();
        while !service.log().contains(event) {
            assert!(begun.elapsed().as_secs() < 60, "{event}: {}", service.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    let client = Client::connect(service.address).await;
    assert!(client.is_err(), "there is room for one");
    service.told("uninstall", &[]);
}

/// What `sc control NAME paramchange` does; Wine's `sc` cannot, and the library has no call for it.
#[expect(unsafe_code, reason = "a system call that nobody wraps")]
fn param_change(service: &windows_service::service::Service) {
    let mut status = SERVICE_STATUS::default();
    // SAFETY: the handle is open as long as the service is borrowed, and the status is ours.
    let told = unsafe { ControlService(service.raw_handle(), SERVICE_CONTROL_PARAMCHANGE, &raw mut status) };
    assert_ne!(told, 0, "{}", std::io::Error::last_os_error());
}

/// Logs in and never reads.
async fn deaf(address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4_096).expect("a TCP option");
    let mut socket = socket.connect(address).await.expect("it listens");
    let id = |number| RequestId::new(number).expect("not zero");
    let mut out = bytes::BytesMut::new();
    ClientPacket::Hello(Hello { id: id(1), version: VERSION, features: 0 }).encode(&mut out);
    let name = Username::parse("deaf").expect("valid");
    ClientPacket::Login(Login { id: id(2), name, credential: Credential::None }).encode(&mut out);
    let text = Text::parse("my last word").expect("valid");
    ClientPacket::Broadcast(Broadcast { id: id(3), message_id: 0, text }).encode(&mut out);
    socket.write_all(&out).await.expect("it reads");
    socket
}
