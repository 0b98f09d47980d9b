//! Settings that change while a server runs: by `ctl reload`, and by SIGHUP.

use std::path::PathBuf;
#[cfg(unix)]
use std::{process::Command, time::Instant};

use chat_proto::Credential;
use iocp_chat::client::{Client, Events, Session};
use serde_json::Value;

#[cfg(unix)]
use crate::process;
use crate::{Data, Said, process::ServerProcess};

/// A server with a file of settings.
struct Served {
    server: ServerProcess,
    data: Data,
    file: PathBuf,
}

impl Served {
    fn new(text: &str, more: &[&str]) -> Self {
        let data = Data::new();
        let file = data.put("chat.toml", text.as_bytes());
        let args = [&["--config", file.to_str().expect("text")], more].concat();
        let server = ServerProcess::with_accounts(&data.folder, &args);
        Self { server, data, file }
    }

    fn write(&self, text: &str) {
        self.data.put("chat.toml", text.as_bytes());
    }

    fn reload(&self) -> Said {
        self.data.run(&["ctl", "reload"])
    }

    #[cfg(unix)]
    fn status(&self) -> Value {
        serde_json::from_str(&self.data.done(&["ctl", "status", "--json"])).expect("JSON")
    }

    async fn guest(&self, name: &str) -> Result<(Session, Events), iocp_chat::client::Error> {
        Client::connect(self.server.address).await?.log_in(name, Credential::None).await
    }

    /// Stops it; what it logged.
    fn log(self) -> String {
        self.data.done(&["ctl", "stop"]);
        let (status, log) = self.server.ended();
        assert_eq!(status.code(), Some(0), "{log}");
        log
    }
}

#[tokio::test]
async fn what_can_change_does_and_what_cannot_is_told() {
    let without = ["--set", "database.url=none", "--set", "limits.guests=50"];
    let served = Served::new("[limits]\nconnections = 100\n", &without);
    let (kim, _events) = served.guest("kim").await.expect("let in");
    served.write(
        "listen = ['127.0.0.1:1']\n[limits]\nconnections = 1\nguests = 7\n[log]\nlevel = 'debug'\n[lobby]\nlines = 9\n",
    );
    let said = served.reload();
    let expected = "in force now:\n  limits.connections\n  log.level\nneeds a restart:\n  lobby.lines\n";
    assert_eq!((said.code, said.out.as_str()), (Some(0), expected), "{said:?}");
    served.guest("lee").await.map(drop).expect_err("there is room for one");
    kim.broadcast("still here").await.expect("nobody is put out");
    let again: Value =
        serde_json::from_str(&served.data.done(&["ctl", "reload", "--json"])).expect("one record");
    assert_eq!(again["in_force"], serde_json::json!([]));
    assert_eq!(again["restart"], serde_json::json!(["lobby.lines"]));
    served.write("[limits]\nconnections = 100\n");
    assert_eq!(served.reload().out, "in force now:\n  limits.connections\n  log.level\n");
    assert_eq!(served.reload().out, "nothing has changed\n");
    served.guest("lee").await.expect("there is room again");
    let log = served.log();
    assert_eq!(log.matches("\"config_reloaded\"").count(), 4, "{log}");
    assert_eq!(log.matches("\"turned_away\"").count(), 1, "debug was in force meanwhile: {log}");
}

#[tokio::test]
async fn a_file_that_is_wrong_leaves_everything_as_it_was_and_the_answer_says_where() {
    let served = Served::new("[limits]\nconnections = 100\n", &["--set", "database.url=none"]);
    served.write("[limits]\nconnections = 1\nguest = 5\nper_address = 'x'\n");
    let said = served.reload();
    let name = served.file.display();
    let expected = format!(
        "chat-server: {name}:3:1: there is no key `limits.guest`; did you mean `limits.guests`?\n\
         chat-server: {name}:4:15: `limits.per_address` takes a whole number from 0 to 4294967295\n"
    );
    assert_eq!((said.code, said.err.as_str()), (Some(1), expected.as_str()));
    let (_kim, _) = served.guest("kim").await.expect("let in");
    let (_lee, _) = served.guest("lee").await.expect("a second one too");
    std::fs::remove_file(&served.file).expect("ours");
    let said = served.reload();
    assert!(said.code == Some(1) && said.err.contains("chat.toml: "), "{said:?}");
    served.write("[limits]\nconnections = 2\n");
    assert_eq!(served.reload().code, Some(0));
    served.guest("park").await.map(drop).expect_err("there is room for two");
    let log = served.log();
    assert_eq!(log.matches("\"config_reload_failed\"").count(), 2, "one event each: {log}");
}

#[test]
fn settings_with_which_no_server_would_start_are_refused_though_they_would_need_a_restart() {
    let served = Served::new("", &["--set", "database.url=none", "--set", "limits.guests=50"]);
    let name = served.file.display();
    for (text, wrong) in [
        ("admin.listen = 'none'\n[tls]\nlisten = ['0.0.0.0:1']\n", "3:10: `tls.listen` needs a certificate"),
        ("[limits]\nconnections = 1\n[tls]\nkey = 'key.pem'\n", "4:7: `tls.key` needs `tls.certificate`"),
        ("[tls]\nkey = 'key.pem'\ncertificate = 'no such.pem'\n", "no such.pem: "),
    ] {
        served.write(text);
        let said = served.reload();
        assert!(said.code == Some(1) && said.err.contains(wrong), "{said:?}");
        assert!(
            !wrong.starts_with(char::is_numeric) || said.err.contains(&format!("{name}:{wrong}")),
            "{said:?}"
        );
    }
    served.write("");
    assert_eq!(served.reload().out, "nothing has changed\n");
    let log = served.log();
    assert_eq!(log.matches("\"config_reload_failed\"").count(), 3, "{log}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_that_does_not_answer_keeps_no_server_from_ending() {
    use std::{fs::File, sync::mpsc, thread, time::Duration};
    let served = Served::new("", &["--set", "database.url=none"]);
    std::fs::remove_file(&served.file).expect("ours");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mkfifoat(rustix::fs::CWD, &served.file, mode).expect("a new one");
    served.server.hang_up();
    // Opens when the server has, and keeps it waiting for what is never written.
    let near = File::options().write(true).open(&served.file).expect("the server reads it");
    let (ended, told) = mpsc::channel();
    let holding = thread::spawn(move || {
        let has_ended = told.recv_timeout(Duration::from_mins(3)).is_ok();
        drop(near);
        has_ended
    });
    served.log();
    // Whoever waited for too long hears nothing any more.
    let _ = ended.send(());
    assert!(holding.join().expect("no panic"), "it has ended only when it could read on");
}

#[cfg(unix)]
#[test]
fn sighup_reads_the_settings_again_and_never_ends_the_server() {
    let served = Served::new("[accounts]\nregistration = 'open'\n", &[]);
    let becomes = |registration: bool| {
        let begun = Instant::now();
        while served.status()["registration"] != registration {
            assert!(begun.elapsed().as_secs() < 60, "nothing has changed");
        }
    };
    becomes(true);
    served.write("[accounts]\nregistration = 'closed'\n");
    served.server.hang_up();
    becomes(false);
    served.write("[accounts]\nregistration = 'ajar'\n");
    served.server.hang_up();
    // Behind it, so it has been done when this has.
    assert_eq!(served.reload().code, Some(1));
    becomes(false);
    served.write("[accounts]\nregistration = 'invite'\n");
    served.server.hang_up();
    becomes(true);
    let log = served.log();
    assert!(log.matches("\"config_reloaded\"").count() >= 2, "{log}");
    assert!(log.contains("chat.toml:2:16: `accounts.registration`"), "{log}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_terminal_that_is_closed_ends_the_server_that_was_started_in_it() {
    use std::{fs::File, io::Read as _, process::Stdio};

    use rustix::{
        fs::{Mode, OFlags},
        pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    };
    // Nobody else has its near end, or it would not be closed here.
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let near = openpt(flags).expect("a pseudo-terminal");
    grantpt(&near).and_then(|()| unlockpt(&near)).expect("it can be opened");
    let path = ptsname(&near, Vec::new()).expect("it has a name");
    let far = rustix::fs::open(path, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).expect("it opens");
    let mut far = File::from(far);
    let data = Data::new();
    let mut command = Command::new(process::program());
    command.arg("--data").arg(&*data.folder).stdin(far.try_clone().expect("another")).stdout(Stdio::null());
    let server = ServerProcess::spawn(&mut command);
    server.hang_up();
    // It answers, so it has not ended.
    assert_eq!(data.done(&["ctl", "reload"]), "nothing has changed\n");
    drop((near, command));
    // A process that another test is just starting may hold the near end for a moment yet. Then there is nothing more to read.
    assert!(far.read(&mut [0]).map_or(true, |read| read == 0));
    server.hang_up();
    let (status, log) = server.ended();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.contains("ConsoleClosed"), "{log}");
}
