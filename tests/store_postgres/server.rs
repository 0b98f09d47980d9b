//! A PostgreSQL server as a child process.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use parking_lot::Mutex;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/postgres.sh");

/// Ends, and is gone, when it is dropped or the process ends in any way.
pub struct Server {
    url: String,
    child: Child,
    pipes: Mutex<Option<(ChildStdin, BufReader<ChildStdout>)>>,
}

impl Server {
    pub fn start() -> Self {
        let mut child = Command::new(SCRIPT)
            .arg(free_port().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let (stdin, stdout) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
        let mut stdout = BufReader::new(stdout);
        let url = line(&mut stdout);
        Self { url, child, pipes: Mutex::new(Some((stdin, stdout))) }
    }

    /// Where a database of it is.
    pub fn url(&self, database: &str) -> String {
        format!("{}/{database}", self.url)
    }

    /// `kill` or `start`, done when this returns.
    pub fn tell(&self, word: &str) {
        let mut pipes = self.pipes.lock();
        let (stdin, stdout) = pipes.as_mut().expect("it runs");
        writeln!(stdin, "{word}").expect("it listens");
        assert_eq!(line(stdout), word);
    }
}

/// One that nobody gets by chance, also while the server is down: below those that systems give to connections.
fn free_port() -> u16 {
    loop {
        let port = rand::random_range(20_000..30_000);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

fn line(stdout: &mut BufReader<ChildStdout>) -> String {
    let mut line = String::new();
    stdout.read_line(&mut line).expect("text");
    assert!(line.ends_with('\n'), "PostgreSQL did not start: is the package postgresql there?");
    line.trim_end().to_owned()
}

impl Drop for Server {
    fn drop(&mut self) {
        *self.pipes.lock() = None;
        // It says itself what went wrong.
        let _ = self.child.wait();
    }
}
