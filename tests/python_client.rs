//! The client in Python, written from the protocol's document alone, agrees with the vectors and with the server.

#[path = "common/folder.rs"]
mod folder;
#[path = "common/process.rs"]
mod process;
#[path = "common/way.rs"]
mod way;

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use folder::Folder;
use way::Way;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/chat.py");
const PYTHON: &str = if cfg!(windows) { "python" } else { "python3" };
/// How long anything may take before a test is given up.
const WATCHDOG: Duration = Duration::from_mins(5);

/// The lines of a pipe, as they arrive.
struct Lines {
    what: String,
    lines: Receiver<String>,
}

impl Lines {
    fn of(what: String, pipe: impl Read + Send + 'static) -> Self {
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            let mut pipe = BufReader::new(pipe);
            let mut line = Vec::new();
            while pipe.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
                let text = String::from_utf8_lossy(&line);
                if sender.send(text.trim_end_matches(['\r', '\n']).to_owned()).is_err() {
                    break;
                }
                line.clear();
            }
        });
        Self { what, lines }
    }

    /// The next line, or none at the pipe's end.
    fn next(&self, until: Instant) -> Option<String> {
        match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("{} stays silent", self.what),
        }
    }

    /// Skips lines up to the one that holds `part`.
    fn find(&self, part: &str) -> String {
        let until = Instant::now() + WATCHDOG;
        let mut skipped = Vec::new();
        while let Some(line) = self.next(until) {
            if line.contains(part) {
                return line;
            }
            skipped.push(line);
        }
        panic!("{} ended without {part:?}: {skipped:?}", self.what);
    }

    #[track_caller]
    fn expect(&self, line: &str) {
        assert_eq!(self.next(Instant::now() + WATCHDOG).as_deref(), Some(line), "{}", self.what);
    }

    /// All that is left, up to the pipe's end.
    fn rest(&self) -> Vec<String> {
        let until = Instant::now() + WATCHDOG;
        std::iter::from_fn(|| self.next(until)).collect()
    }
}

/// A program that ends with its test.
struct Program {
    child: Child,
    input: Option<ChildStdin>,
    out: Lines,
    err: Lines,
}

impl Program {
    fn start(what: &str, command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{what} does not start: {error}"));
        let out: ChildStdout = child.stdout.take().expect("stdout is piped");
        let err: ChildStderr = child.stderr.take().expect("stderr is piped");
        Self {
            input: child.stdin.take(),
            child,
            out: Lines::of(format!("stdout of {what}"), out),
            err: Lines::of(format!("stderr of {what}"), err),
        }
    }

    fn say(&mut self, line: &str) {
        let input = self.input.as_mut().expect("the input is open");
        input.write_all(format!("{line}\n").as_bytes()).expect("the program reads its input");
        input.flush().expect("the program reads its input");
    }

    /// Waits for the end, which the closed pipes tell; returns the exit and the lines of both pipes not yet taken.
    fn finish(mut self) -> (ExitStatus, Vec<String>, Vec<String>) {
        self.input = None;
        let (out, err) = (self.out.rest(), self.err.rest());
        (self.child.wait().expect("a child can be waited for"), out, err)
    }

    /// What Ctrl-C does.
    #[cfg(unix)]
    fn interrupt(&self) {
        let status = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        assert!(status.expect("kill starts").success(), "the signal is sent");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Server {
    #[cfg_attr(not(unix), expect(dead_code, reason = "only its end matters where there are no signals"))]
    program: Program,
    address: String,
}

impl Server {
    fn start() -> Self {
        Self::start_with(&["--set", "database.url=none"])
    }

    fn start_with(options: &[&str]) -> Self {
        let mut command = Command::new(process::program());
        let always = ["--listen", "127.0.0.1:0", "--set", "log.format=json"];
        let program = Program::start("the server", command.args(always).args(options));
        let line = program.err.find(r#""event":"started""#);
        let address = line
            .split_once(r#""listen":"["#)
            .and_then(|(_, rest)| rest.split_once(']'))
            .unwrap_or_else(|| panic!("no address in {line}"))
            .0
            .to_owned();
        Self { program, address }
    }

    /// The same server at another address, which leads to it.
    fn by(self, way: &Way) -> Self {
        way.lead_to(&self.address);
        Self { address: way.address.clone(), ..self }
    }

    /// A client, whatever becomes of its login.
    fn connect(&self, name: &str, options: &[&str]) -> Program {
        let mut command = Command::new(PYTHON);
        Program::start(name, command.args([SCRIPT, &self.address, "-u", name]).args(options))
    }

    /// A client that is logged in.
    fn client(&self, name: &str) -> Program {
        let client = self.connect(name, &[]);
        client.err.expect(&format!("* logged in as {name}"));
        client
    }
}

#[test]
fn the_python_client_agrees_with_every_vector() {
    let mut command = Command::new(PYTHON);
    let (exit, out, err) = Program::start("the self-check", command.args([SCRIPT, "--self-check"])).finish();
    assert!(exit.success(), "{out:?} {err:?}");
    assert!(out.concat().ends_with(" passed, 0 failed"), "{out:?}");
}

#[test]
fn an_account_is_made_logged_in_to_and_given_another_password_by_the_document_alone() {
    let folder = Folder::new("iocp-chat python");
    let data = folder.to_str().expect("a path in UTF-8");
    let (first, second) = (folder.join("first"), folder.join("second"));
    std::fs::write(&first, "correct horse\n").expect("a new file");
    std::fs::write(&second, "battery staple\n").expect("a new file");
    let [first, second] = [&first, &second].map(|file| file.to_str().expect("a path in UTF-8"));
    let server = Server::start_with(&["--data", data]);
    let made = server.connect("Kim", &["--register", "--password-file", first]);
    made.err.expect("* registered as Kim (user)");
    made.err.expect("* logged in as Kim (user)");
    made.finish();
    let changed = server.connect("kim", &["--password-file", first, "--new-password-file", second]);
    changed.err.expect("* logged in as Kim (user)");
    changed.err.expect("* the password is changed");
    changed.finish();
    for (options, refusal) in [
        (&["--password-file", first][..], "refused: 1201"),
        (&["--password-file", second, "--register"], "refused: 1301"),
        (&[], "refused: 1301"),
    ] {
        let (exit, _, err) = server.connect("KIM", options).finish();
        assert_eq!(exit.code(), Some(3), "{err:?}");
        assert!(err.iter().any(|line| line.contains(refusal)), "{err:?}");
    }
    let right = server.connect("kim", &["--password-file", second]);
    right.err.expect("* logged in as Kim (user)");
    right.finish();
}

#[test]
fn a_broadcast_reaches_the_others_and_not_its_sender() {
    let server = Server::start();
    let (mut alice, mut bob) = (server.client("alice"), server.client("bob"));
    alice.say("hello");
    bob.out.expect("alice: hello");
    bob.say("hello yourself");
    alice.out.expect("bob: hello yourself");
    for client in [alice, bob] {
        let (exit, out, err) = client.finish();
        assert_eq!((exit.code(), out), (Some(0), vec![]), "{err:?}");
        assert_eq!(err.last().map(String::as_str), Some("* goodbye"));
    }
}

#[test]
fn a_whisper_reaches_one_person() {
    let server = Server::start();
    let (mut alice, bob, carol) = (server.client("alice"), server.client("bob"), server.client("carol"));
    alice.say("/w BOB psst");
    bob.out.expect("alice -> you: psst");
    alice.say("all of you");
    bob.out.expect("alice: all of you");
    carol.out.expect("alice: all of you");
}

#[test]
fn a_whisper_to_nobody_is_told_so() {
    let server = Server::start();
    let mut alice = server.client("alice");
    alice.say("/w nobody psst");
    alice.err.find("! whisper to nobody: 2101 ");
    alice.say("/w alice psst");
    alice.err.find("! whisper to alice: 2102 ");
}

#[test]
fn a_name_in_use_is_refused_in_any_case() {
    let server = Server::start();
    let _alice = server.client("alice");
    let (exit, out, err) = server.connect("ALICE", &[]).finish();
    assert_eq!((exit.code(), out), (Some(3), vec![]), "{err:?}");
    assert!(err.concat().starts_with("refused: 1301 "), "{err:?}");
}

#[test]
fn korean_and_emoji_come_and_go_whatever_the_locale() {
    let server = Server::start();
    let mut alice = server.client("영희");
    let mut command = Command::new(PYTHON);
    let mut bob = Program::start(
        "김철수",
        command.args([SCRIPT, &server.address, "-u", "김철수"]).envs([
            ("LC_ALL", "C"),
            ("PYTHONUTF8", "0"),
            ("PYTHONCOERCECLOCALE", "0"),
        ]),
    );
    bob.err.expect("* logged in as 김철수");
    alice.say("안녕 👋 👨‍👩‍👧‍👦 🇰🇷");
    bob.out.expect("영희: 안녕 👋 👨‍👩‍👧‍👦 🇰🇷");
    bob.say("/w 영희 비밀이야 🤫");
    alice.out.expect("김철수 -> you: 비밀이야 🤫");
}

#[test]
fn everyone_is_listed() {
    let server = Server::start();
    let (mut alice, _bob) = (server.client("alice"), server.client("bob"));
    alice.say("/who");
    alice.err.find("* here: alice");
    alice.err.find("* here: bob");
    alice.err.find("* 2 in all");
}

#[test]
fn a_line_said_once_is_answered_before_the_logout() {
    let server = Server::start();
    let alice = server.client("alice");
    let (exit, _, err) = server.connect("bob", &["--once", "done"]).finish();
    assert_eq!(exit.code(), Some(0), "{err:?}");
    alice.out.expect("bob: done");
    alice.err.find("* bob left");
    let (exit, _, err) = server.connect("bob", &["--once", " "]).finish();
    assert_eq!(exit.code(), Some(3), "{err:?}");
}

#[test]
fn a_hurried_client_keeps_to_the_rate_and_loses_no_line() {
    let server = Server::start();
    let (mut alice, bob) = (server.client("alice"), server.client("bob"));
    for number in 0..20 {
        alice.say(&number.to_string());
    }
    let (exit, _, err) = alice.finish();
    assert_eq!(exit.code(), Some(0), "{err:?}");
    for number in 0..20 {
        bob.out.expect(&format!("alice: {number}"));
    }
}

#[test]
fn over_a_restart_each_line_comes_once_to_who_waited_and_to_who_was_started_again() {
    let folder = Folder::new("iocp-chat python restart");
    let data = ["--data", folder.to_str().expect("a path in UTF-8")];
    let file = folder.join("state of alice");
    let state = ["--reconnect", "--state", file.to_str().expect("a path in UTF-8")];
    let way = Way::new();
    let server = Server::start_with(&data).by(&way);
    let (alice, mut bob) = (server.connect("alice", &state), server.connect("bob", &["--reconnect"]));
    alice.err.expect("* logged in as alice");
    bob.err.expect("* logged in as bob");
    bob.say("before");
    alice.out.expect("bob: before");
    // Two who came in, and a line. What is heard is written down after it is shown.
    let written = || -> Option<u64> {
        let state: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).ok()?).ok()?;
        state["cursors"]["1"][1].as_u64()
    };
    let until = Instant::now() + WATCHDOG;
    while written() != Some(3) {
        assert!(Instant::now() < until, "{:?}", written());
        thread::yield_now();
    }
    drop(alice);
    let mut carol = server.client("carol");
    carol.say("to whom it may concern");
    bob.out.expect("carol: to whom it may concern");
    way.close();
    let mut stop = Command::new(process::program());
    let (exit, _, err) = Program::start("the stop", stop.args(data).args(["ctl", "stop"])).finish();
    assert!(exit.success(), "{err:?}");
    carol.err.find("* goodbye: 5001 ");

    let server = Server::start_with(&data).by(&way);
    bob.err.find("* back as bob");
    let mut alice = server.connect("alice", &state);
    alice.err.find("* back as alice");
    alice.out.expect("carol: to whom it may concern");
    bob.say("after");
    alice.out.expect("bob: after");
    alice.say("mine");
    bob.out.expect("alice: mine");
    alice.say("/history 4");
    for line in ["bob: before", "carol: to whom it may concern", "bob: after", "alice: mine"] {
        let told = alice.err.find(line);
        assert!(told.ends_with(line) && told.starts_with("* 20"), "{told}");
    }
    alice.err.expect("* 4 lines");
    for client in [alice, bob] {
        let (exit, out, err) = client.finish();
        assert_eq!((exit.code(), out), (Some(0), vec![]), "{err:?}");
    }
}

#[cfg(unix)]
#[test]
fn an_interrupted_client_logs_out() {
    let server = Server::start();
    let (alice, bob) = (server.client("alice"), server.client("bob"));
    alice.interrupt();
    // Its input is still open: it is the interrupt that ends it.
    alice.err.find("* goodbye");
    let (exit, _, err) = alice.finish();
    assert_eq!(exit.code(), Some(0), "{err:?}");
    bob.err.find("* alice left");
}

#[cfg(unix)]
#[test]
fn an_interrupted_server_says_goodbye_to_everyone() {
    let server = Server::start();
    let (alice, bob) = (server.client("alice"), server.client("bob"));
    server.program.interrupt();
    for client in [alice, bob] {
        client.err.find("* goodbye: 5001 ");
        let (exit, _, err) = client.finish();
        assert_eq!(exit.code(), Some(3), "{err:?}");
    }
}

#[test]
fn it_speaks_tls_with_a_server_whose_pin_or_certificate_it_knows_and_with_no_other() {
    let folder = Folder::new("iocp-chat python");
    let data = folder.to_str().expect("a path in UTF-8");
    let made = Command::new(process::program())
        .args(["--data", data, "cert", "selfsigned", "--host", "127.0.0.1"])
        .output()
        .expect("it runs");
    assert!(made.status.success(), "{made:?}");
    let made = String::from_utf8(made.stdout).expect("text");
    let pin = made.lines().find_map(|line| line.strip_prefix("pin")).expect("it tells the pin").trim();
    let certificate = folder.join("tls").join("certificate.pem");
    let certificate = certificate.to_str().expect("a path in UTF-8");
    let server = process::ServerProcess::with_accounts(&folder, &["--listen-tls", "127.0.0.1:0"]);
    let url = format!("chats://{}", server.tls.expect("it listens"));
    for (options, exit) in
        [(&["--pin", pin][..], 0), (&["--ca", certificate], 0), (&["--pin", &"0".repeat(64)], 8), (&[], 8)]
    {
        let mut command = Command::new(PYTHON);
        command.args(["-B", SCRIPT, &url, "-u", "kim", "--once", "hi"]).args(options);
        let said = command.output().expect("it runs");
        assert_eq!(said.status.code(), Some(exit), "{options:?}: {said:?}");
    }
}
