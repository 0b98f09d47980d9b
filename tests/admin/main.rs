//! The operator's commands, as child processes in folders of their own.

mod acts;
mod coming_back;
mod ctl;
mod databases;
mod first_start;
#[cfg(unix)]
mod folders;
mod history;
mod http;
mod invites;
mod moving;
mod reload;
mod settings;
mod users;

#[path = "../common/folder.rs"]
mod folder;
#[path = "../common/page.rs"]
mod page;
#[path = "../common/process.rs"]
mod process;

use std::{
    fs,
    io::Write as _,
    path::PathBuf,
    process::{Command, Stdio},
};

use folder::Folder;

/// A data folder, and what the commands in it said.
struct Data {
    folder: Folder,
}

/// How a command ended, and what it said.
#[derive(Debug)]
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Data {
    /// An empty one.
    fn new() -> Self {
        Self { folder: Folder::new("chat 관리 #1") }
    }

    /// Runs `chat-server` with these arguments on this folder, with nothing to read.
    fn run(&self, args: &[&str]) -> Said {
        self.run_with(args, b"")
    }

    /// The same, with something to read.
    fn run_with(&self, args: &[&str], input: &[u8]) -> Said {
        finish(Command::new(process::program()).arg("--data").arg(&*self.folder).args(args), input)
    }

    /// The same, which must go well; what it printed.
    fn done(&self, args: &[&str]) -> String {
        let said = self.run(args);
        assert_eq!(said.code, Some(0), "{args:?}: {said:?}");
        said.out
    }

    /// Makes an account.
    fn add(&self, name: &str, more: &[&str]) -> Said {
        let args = [&["user", "add", name, "--password-file", "-"], more].concat();
        self.run_with(&args, b"correct horse\n")
    }

    /// Makes accounts, which must go well.
    fn with(accounts: &[(&str, &str)]) -> Self {
        let data = Self::new();
        for (name, role) in accounts {
            let said = data.add(name, &["--role", role]);
            assert_eq!(said.code, Some(0), "{said:?}");
        }
        data
    }

    /// Puts a file into the folder.
    fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.join(name);
        fs::write(&path, bytes).expect("the folder is ours");
        path
    }

    /// What `user list --json` says, a value a line.
    fn accounts(&self) -> Vec<serde_json::Value> {
        let lines = self.done(&["user", "list", "--json"]);
        lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }
}

/// Runs a command to its end.
fn finish(command: &mut Command, input: &[u8]) -> Said {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    // It may have ended without reading.
    let _ = child.stdin.take().expect("piped").write_all(input);
    let output = child.wait_with_output().expect("it ends");
    Said {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
