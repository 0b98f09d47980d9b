//! The log of running servers: what is in it, what is never in it, where it goes.

mod conversation;
mod files;
#[cfg(unix)]
mod slow;

#[path = "../common/folder.rs"]
mod folder;
#[path = "../common/process.rs"]
mod process;

use std::{fs, path::PathBuf, process::Command};

use folder::Folder;
use process::ServerProcess;
use serde_json::Value;

/// A server with a log file and a data folder.
struct Logging {
    server: ServerProcess,
    folder: Folder,
}

impl Logging {
    /// Starts it with further settings, `key=value`.
    fn with(settings: &[&str]) -> Self {
        let folder = Folder::new("chat 기록 #1");
        let file = format!("log.file={}", folder.join("log").join("chat.log").display());
        let set = settings.iter().copied().chain([&*file]).flat_map(|setting| ["--set", setting]);
        let server = ServerProcess::with_accounts(&folder.join("data"), &set.collect::<Vec<_>>());
        Self { server, folder }
    }

    fn file(&self) -> PathBuf {
        self.folder.join("log").join("chat.log")
    }

    /// `chat-server` with these arguments, on its data folder: whether it went well, and what it said.
    fn tell(&self, args: &[&str]) -> (bool, String) {
        let output =
            Command::new(process::program()).arg("--data").arg(self.folder.join("data")).args(args).output();
        let output = output.expect("it runs");
        let said =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.success(), said)
    }

    #[track_caller]
    fn told(&self, args: &[&str]) -> String {
        let (done, said) = self.tell(args);
        assert!(done, "{args:?}: {said}");
        said
    }

    /// Stops it, and waits for its end: the log is complete then.
    fn stop(&mut self) {
        self.told(&["ctl", "stop"]);
        assert!(self.server.wait().success());
    }
}

/// What a file says, each line of it an object.
#[track_caller]
fn lines(file: PathBuf) -> Vec<Value> {
    let text = fs::read_to_string(file).expect("text");
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

fn is(event: &'static str) -> impl Fn(&&Value) -> bool {
    move |line| line["event"] == event
}
