//! The real client, the load generator and the client in Python against the real server, over TLS.

#[path = "common/folder.rs"]
mod folder;
#[path = "common/process.rs"]
mod process;

use std::{
    fs,
    io::Write,
    process::{Command, Output, Stdio},
    time::Duration,
};

use folder::Folder;
use iocp_chat::client::{
    bench::{Plan, Scenario, run},
    tls::{Tls, Trust},
};
use process::ServerProcess;

/// A server with a certificate that it has made for itself.
struct House {
    server: ServerProcess,
    folder: Folder,
}

impl House {
    fn new(args: &[&str]) -> Self {
        let folder = Folder::new("iocp-chat tls");
        Self::make_certificate(&folder, &[]);
        let tls = ["--listen-tls", "127.0.0.1:0"];
        Self { server: ServerProcess::with_accounts(&folder, &[&tls, args].concat()), folder }
    }

    fn make_certificate(folder: &Folder, args: &[&str]) {
        let mut command = Command::new(process::program());
        command.arg("--data").arg(&**folder).args(["cert", "selfsigned", "--host", "127.0.0.1"]).args(args);
        let made = command.output().expect("it runs");
        assert!(made.status.success(), "{made:?}");
    }

    /// What `cert show` tells people.
    fn pin(&self) -> String {
        let mut command = Command::new(process::program());
        let shown =
            command.arg("--data").arg(&*self.folder).args(["cert", "show"]).output().expect("it runs");
        let shown = String::from_utf8(shown.stdout).expect("text");
        let pin = shown.lines().find_map(|line| line.strip_prefix("pin")).expect("it tells the pin");
        pin.trim().to_owned()
    }

    fn url(&self) -> String {
        format!("chats://{}", self.server.tls.expect("it listens"))
    }

    /// A client that says one line, with further arguments.
    fn say(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chat-client"));
        for variable in ["LC_ALL", "LC_MESSAGES", "LANG", "CHAT_CA", "CHAT_PIN"] {
            command.env_remove(variable);
        }
        command.env("CHAT_KNOWN_HOSTS", self.folder.join("known_hosts"));
        command.args([&self.url(), "-u", "kim"]).args(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        // Whoever does not come in does not read it.
        let _ = child.stdin.take().expect("piped").write_all(b"hi\n");
        child.wait_with_output().expect("it ends")
    }
}

#[test]
fn a_self_signed_server_is_trusted_by_its_pin_its_certificate_or_at_first_sight() {
    let house = House::new(&[]);
    let certificate = house.folder.join("tls").join("certificate.pem");
    let certificate = certificate.to_str().expect("a path in UTF-8");
    for args in [&["--pin", &house.pin()][..], &["--ca", certificate], &["--trust-new"], &[]] {
        let said = house.say(args);
        assert!(said.status.success(), "{args:?}: {said:?}");
    }
    let known = fs::read_to_string(house.folder.join("known_hosts")).expect("it is there");
    assert_eq!(known, format!("{} {}\n", house.server.tls.expect("it listens"), house.pin()));
}

#[test]
fn a_server_with_a_new_key_is_refused_by_whoever_knows_the_old_one() {
    let house = House::new(&[]);
    assert!(house.say(&["--trust-new"]).status.success());
    let server = house.server.tls;
    House::make_certificate(&house.folder, &["--force"]);
    // The server looks after its files every few seconds.
    let until = std::time::Instant::now() + Duration::from_mins(3);
    let refused = loop {
        let said = house.say(&[]);
        if !said.status.success() || std::time::Instant::now() > until {
            break said;
        }
        std::thread::sleep(Duration::from_millis(200));
    };
    assert_eq!(refused.status.code(), Some(8), "{refused:?}");
    let told = String::from_utf8(refused.stderr).expect("text");
    assert!(told.starts_with(&format!("chat-client: DANGER: {} ", server.expect("it listens"))), "{told}");
    assert!(told.contains("known_hosts, line 1"), "{told}");
}

#[test]
fn the_generator_finds_the_server_right_over_tls() {
    let house = House::new(&["--set", "rates.chat.per_second=0"]);
    let address = house.server.tls.expect("it listens");
    let pin = house.pin().parse().expect("a pin");
    let tls = Tls::new("127.0.0.1", address.port(), Trust::Pins(vec![pin])).expect("an address");
    let tls = Some(tls.without_resumption());
    for scenario in [Scenario::Broadcast, Scenario::Idle, Scenario::Churn, Scenario::Reconnect] {
        let defaults = Plan::new(scenario, address);
        let plan = Plan {
            tls: tls.clone(),
            clients: 8,
            talkers: if scenario == Scenario::Churn { 0 } else { 2 },
            rate: if defaults.rate > 0.0 { 100.0 } else { 0.0 },
            warm_up: Duration::from_millis(50),
            duration: Duration::from_millis(200),
            patience: Duration::from_mins(2),
            server_pids: vec![house.server.pid()],
            ..defaults
        };
        let report = run(&plan, &mut |_| {}).unwrap_or_else(|why| panic!("{scenario:?}: {why}"));
        assert_eq!(report.failures, [""; 0], "{scenario:?}");
        assert_eq!(report.check.delivered, report.check.expected, "{scenario:?}");
    }
}
