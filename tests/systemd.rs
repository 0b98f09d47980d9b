//! What systemd hears from the server, at a socket that stands for its own.
#![cfg(unix)]

use std::{
    env, fs,
    os::unix::net::UnixDatagram,
    path::PathBuf,
    process::{self, Command},
    time::Duration,
};

#[path = "common/process.rs"]
mod process_under_test;
use process_under_test::ServerProcess;

/// A folder that goes when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = env::temp_dir().join(format!("iocp-chat-{name}-{}", process::id()));
        fs::create_dir(&path).expect("nobody else has this name");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn server_told_of(socket: &PathBuf) -> ServerProcess {
    ServerProcess::spawn(Command::new(env!("CARGO_BIN_EXE_chat-server")).env("NOTIFY_SOCKET", socket))
}

/// The next message, as its lines.
fn message(socket: &UnixDatagram) -> Vec<String> {
    let mut bytes = [0; 4096];
    let length = socket.recv(&mut bytes).expect("the server says something");
    String::from_utf8_lossy(&bytes[..length]).lines().map(Into::into).collect()
}

#[test]
fn systemd_hears_that_the_server_listens_and_that_it_drains() {
    let folder = Folder::new("notify");
    let path = folder.0.join("notify");
    let socket = UnixDatagram::bind(&path).expect("the folder is ours");
    socket.set_read_timeout(Some(Duration::from_secs(60))).expect("not zero");

    let server = server_told_of(&path);
    assert_eq!(message(&socket), ["READY=1", &format!("STATUS=listening on {}", server.address)]);

    server.interrupt();
    // 20 s to drain, by default, and 5 beside.
    assert_eq!(message(&socket), ["STOPPING=1", "EXTEND_TIMEOUT_USEC=25000000", "STATUS=draining"]);
    assert!(server.ended().0.success());
}

#[test]
fn a_server_that_cannot_reach_systemd_serves_all_the_same() {
    let folder = Folder::new("no-notify");
    let server = server_told_of(&folder.0.join("nobody"));
    server.interrupt();
    let (status, log) = server.ended();
    assert!(status.success(), "{log}");
    assert_eq!(log.matches("systemd_not_told").count(), 2, "{log}");
}
