//! The server's executable as a child process.
#![allow(dead_code, reason = "each test target uses its own part of it")]

use std::{
    ffi::OsString,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex},
    thread::JoinHandle,
    time::Duration,
};

/// Set to a program, that one is tested in the place of this build's server: chat-server.exe under Wine.
const PROGRAM_VARIABLE: &str = "CHAT_TEST_SERVER";

/// No admin's HTTP, unless a test asks for it: its one default port would be had by the first of the servers that run beside
/// each other, and the others would say so in their logs.
const NO_ADMIN: (&str, &str) = ("CHAT_ADMIN__LISTEN", "none");

/// How long a line of the log is waited for.
const PATIENCE: Duration = Duration::from_mins(2);

/// The server to test.
pub fn program() -> OsString {
    std::env::var_os(PROGRAM_VARIABLE).unwrap_or_else(|| env!("CARGO_BIN_EXE_chat-server").into())
}

/// A running server, killed when dropped.
pub struct ServerProcess {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// Where it listens for TLS, if it does.
    pub tls: Option<SocketAddr>,
    /// Where it hears its operator: a socket, a pipe, or "none".
    pub ctl: String,
    /// Where it tells metrics and health: an address, "taken", or "none".
    pub admin: String,
    log: Arc<Log>,
    reading: Option<JoinHandle<()>>,
}

/// What a server has logged so far.
#[derive(Default)]
struct Log {
    text: Mutex<String>,
    news: Condvar,
}

impl ServerProcess {
    /// Starts the executable on a free port of 127.0.0.1, with further arguments. It keeps no accounts.
    pub fn start(args: &[&str]) -> Self {
        Self::spawn(Command::new(program()).args(args))
    }

    /// As [`start`](Self::start), with accounts in this folder.
    pub fn with_accounts(folder: &Path, args: &[&str]) -> Self {
        Self::launch(Command::new(program()).arg("--data").arg(folder).args(args))
    }

    /// As [`start`](Self::start), of a command that ends in the executable.
    pub fn spawn(command: &mut Command) -> Self {
        Self::launch(command.args(["--set", "database.url=none"]))
    }

    fn launch(command: &mut Command) -> Self {
        let mut child = command
            .env(NO_ADMIN.0, NO_ADMIN.1)
            .args(["--listen", "127.0.0.1:0", "--set", "log.format=json"])
            .stderr(Stdio::piped())
            .spawn()
            .expect("the executable starts");
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let mut log = String::new();
        let (address, tls, ctl, admin) = loop {
            let line =
                lines.next().unwrap_or_else(|| panic!("it said where it listens: {log}")).expect("text");
            log += &line;
            log.push('\n');
            if let Some((_, rest)) = line.split_once("\"listen\":\"[") {
                let address = rest.split(']').next().and_then(|address| address.parse().ok());
                let started: serde_json::Value = serde_json::from_str(&line).expect("JSON");
                let place = |key: &str| started[key].as_str().expect("it says where").to_owned();
                let tls = place("tls").trim_matches(['[', ']']).parse().ok();
                break (address.expect("an address"), tls, place("ctl"), place("admin"));
            }
        };
        let log = Arc::new(Log { text: Mutex::new(log), news: Condvar::new() });
        let theirs = Arc::clone(&log);
        let reading = std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                *theirs.text.lock().expect("whole") += &(line + "\n");
                theirs.news.notify_all();
            }
        });
        Self { child, address, tls, ctl, admin, log, reading: Some(reading) }
    }

    /// The process's number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends Ctrl-C's signal.
    #[cfg(unix)]
    pub fn interrupt(&self) {
        self.signal(rustix::process::Signal::INT);
    }

    /// Sends the signal that daemons read their settings again at.
    #[cfg(unix)]
    pub fn hang_up(&self) {
        self.signal(rustix::process::Signal::HUP);
    }

    #[cfg(unix)]
    fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).expect("it is there");
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        self.child.kill().expect("it is there");
        // A system may hold for a while yet what the dying one held.
        self.child.wait().expect("a child");
    }

    /// Waits until its log has this.
    pub fn until_logged(&self, what: &str) {
        let text = self.log.text.lock().expect("whole");
        let waited = self.log.news.wait_timeout_while(text, PATIENCE, |text| !text.contains(what));
        let (text, waited) = waited.expect("whole");
        assert!(!waited.timed_out(), "no {what}: {text}");
    }

    /// Waits for it to end; its exit status. Then its log is complete, in files too.
    pub fn wait(&mut self) -> ExitStatus {
        self.child.wait().expect("a child")
    }

    /// The same; its exit status and its log.
    pub fn ended(mut self) -> (ExitStatus, String) {
        let status = self.wait();
        self.reading.take().expect("taken once").join().expect("no panic");
        (status, std::mem::take(&mut self.log.text.lock().expect("whole")))
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // Already gone is just as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
