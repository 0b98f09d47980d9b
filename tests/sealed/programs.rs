//! The real programs, with accounts for two people.

use std::{
    fs,
    io::Write as _,
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
};

use serde_json::Value;

use crate::{
    folder::Folder,
    process::{ServerProcess, program},
};

/// A server of kim and lee, and their clients.
pub struct House {
    pub folder: Folder,
    password: PathBuf,
}

impl House {
    pub fn new() -> Self {
        let folder = Folder::new("chat sealed");
        let password = folder.join("password.txt");
        fs::write(&password, "correct horse\n").expect("the folder is ours");
        fs::create_dir(folder.join("data")).expect("a new folder");
        let house = Self { folder, password };
        for name in ["kim", "lee"] {
            house.run(&["user", "add", name, "--password-file", &house.password.display().to_string()]);
        }
        house
    }

    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    pub fn run(&self, args: &[&str]) {
        let done = Command::new(program()).arg("--data").arg(self.data()).args(args).output();
        let done = done.expect("it starts");
        assert!(done.status.success(), "{args:?}: {done:?}");
    }

    pub fn serve(&self) -> ServerProcess {
        ServerProcess::with_accounts(&self.data(), &["--log", "trace"])
    }

    /// Starts a client of somebody's, on the device of their name, or with another of theirs: `lee-phone`.
    pub fn client(&self, address: SocketAddr, device: &str, args: &[&str]) -> Child {
        let (name, _) = device.split_once('-').unwrap_or((device, ""));
        let mut command = Command::new(env!("CARGO_BIN_EXE_chat-client"));
        command.arg(address.to_string()).args(["-u", name, "--json", "--password-file"]).arg(&self.password);
        command.arg("--keys").arg(self.folder.join(format!("{device}.json"))).args(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("it starts")
    }

    /// Runs a client on an input to its end.
    pub fn talk(&self, address: SocketAddr, device: &str, args: &[&str], input: &str) -> Output {
        let mut client = self.client(address, device, args);
        client.stdin.take().expect("piped").write_all(input.as_bytes()).expect("it reads");
        let done = client.wait_with_output().expect("it ends");
        assert!(done.status.success(), "{device}: {done:?}");
        done
    }
}

/// The whispers that a client has written.
pub fn whispers(output: &Output) -> Vec<Value> {
    let lines = String::from_utf8(output.stdout.clone()).expect("UTF-8");
    let records = lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    records.filter(|record| record["type"] == "whisper").collect()
}
