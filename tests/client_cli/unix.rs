//! Signals, and a terminal as a pseudo-terminal gives one.

use std::{
    ffi::OsStr,
    fs::File,
    io::{Read, Write},
    net::SocketAddr,
    os::unix::ffi::OsStrExt,
    process::Child,
    sync::mpsc,
    thread,
    time::Instant,
};

use chat_proto::ErrorCode;
use rustix::{
    fs::{Mode, OFlags},
    process::{Pid, Signal, kill_process},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize},
};

use super::{
    endings::not_text_is_a_usage_error,
    fake::{LIMITS, PATIENCE, Peer, broadcast, client, feed, goodbye, serve},
};

fn interrupt(child: &Child) {
    let pid = Pid::from_child(child);
    kill_process(pid, Signal::INT).expect("it runs");
}

#[test]
fn ctrl_c_is_a_polite_end_with_its_own_code_even_where_a_line_is_unacknowledged() {
    let (said, heard) = mpsc::channel();
    let (address, server) = serve(move |peer| {
        peer.welcome(LIMITS);
        peer.recv_broadcast();
        said.send(()).expect("the test waits");
        peer.farewell();
    });
    let mut child = client(address, "--wait-ack").spawn().expect("it starts");
    child.stdin.as_mut().expect("piped").write_all(b"hi\n").expect("it reads");
    heard.recv_timeout(PATIENCE).expect("the line is said");
    interrupt(&child);
    assert_eq!(feed(child, b"").code, Some(130));
    server.join().expect("the script was kept");
}

/// A client on a terminal of its own, which is UTF-8 whatever its pipes would be.
pub struct Terminal {
    child: Child,
    near: File,
    far: File,
    output: mpsc::Receiver<Vec<u8>>,
    /// What was shown and not yet looked for: bytes, as a read may end in the middle of a character.
    shown: Vec<u8>,
    /// The modes before the client touched them.
    pub modes: LocalModes,
}

impl Terminal {
    fn start(address: SocketAddr, environment: &[(&str, &str)]) -> Self {
        Self::start_with(address, "--encoding cp949", environment)
    }

    /// With further arguments.
    pub fn start_with(address: SocketAddr, arguments: &str, environment: &[(&str, &str)]) -> Self {
        let near = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pseudo-terminal");
        grantpt(&near).and_then(|()| unlockpt(&near)).expect("it can be opened");
        let path = ptsname(&near, Vec::new()).expect("it has a name");
        let far = rustix::fs::open(path, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).expect("it opens");
        let (near, far) = (File::from(near), File::from(far));
        tcsetwinsize(&far, Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 }).expect("a size");
        let modes = tcgetattr(&far).expect("a terminal").local_modes;
        let end = || far.try_clone().expect("it can be shared");
        let mut command = client(address, arguments);
        command.stdin(end()).stdout(end()).stderr(end()).env("TERM", "xterm").envs(environment.to_vec());
        let child = command.spawn().expect("it starts");
        let (sender, output) = mpsc::channel();
        let mut reader = near.try_clone().expect("it can be shared");
        thread::spawn(move || {
            // One at a time: characters are torn everywhere, as now and then in any case.
            let mut bytes = [0; 1];
            while let Ok(read) = reader.read(&mut bytes) {
                if read == 0 || sender.send(bytes[..read].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { child, near, far, output, shown: Vec::new(), modes }
    }

    /// Waits until this is shown; returns what was shown before it.
    pub fn wait_for(&mut self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = memchr::memmem::find(&self.shown, text.as_bytes()) {
                let rest = self.shown.split_off(at + text.len());
                let shown = std::mem::replace(&mut self.shown, rest);
                return String::from_utf8_lossy(&shown).into_owned();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let bytes = self
                .output
                .recv_timeout(left)
                .unwrap_or_else(|_| panic!("no {text:?} in {:?}", String::from_utf8_lossy(&self.shown)));
            self.shown.extend(bytes);
        }
    }

    pub fn type_keys(&mut self, keys: &str) {
        self.near.write_all(keys.as_bytes()).expect("it is there");
    }

    pub fn modes_now(&self) -> LocalModes {
        tcgetattr(&self.far).expect("a terminal").local_modes
    }

    pub fn wait(&mut self) -> Option<i32> {
        self.child.wait().expect("it ends").code()
    }
}

#[test]
fn on_a_terminal_lines_are_edited_and_what_comes_does_not_tear_them() {
    let ((typed, typing), (said, heard)) = (mpsc::channel(), mpsc::channel());
    let (address, server) = serve(move |peer: &mut Peer| {
        peer.welcome(LIMITS);
        assert_eq!(peer.hear(), "한글 hi");
        typing.recv().expect("the test types");
        peer.send(&broadcast("lee", "안녕"));
        assert_eq!(peer.hear(), "partial");
        assert_eq!(peer.hear(), "partial", "the last line of the history");
        said.send(()).expect("the test waits");
        peer.farewell();
    });
    let mut terminal = Terminal::start(address, &[]);
    // What comes before the line stands before it.
    assert!(terminal.wait_for("> ").contains("* kim is logged in at "));
    terminal.type_keys("한긆\u{7f}글 hi\r");
    terminal.wait_for("\n");
    terminal.wait_for("> ");
    terminal.type_keys("par");
    terminal.wait_for("par");
    typed.send(()).expect("the server waits");
    terminal.wait_for("\u{1b}[36m<lee>\u{1b}[0m 안녕");
    terminal.wait_for("> par");
    terminal.type_keys("tial\r");
    terminal.wait_for("\n");
    terminal.wait_for("> ");
    terminal.type_keys("\u{1b}[A\r");
    terminal.wait_for("\n");
    terminal.wait_for("> ");
    heard.recv_timeout(PATIENCE).expect("the line is said");
    terminal.type_keys("\u{3}");
    assert_eq!(terminal.wait(), Some(130));
    assert_eq!(terminal.modes_now(), terminal.modes);
    server.join().expect("the script was kept");
}

#[test]
fn an_escape_key_by_itself_holds_nothing_up() {
    let (typed, typing) = mpsc::channel();
    let (address, server) = serve(move |peer: &mut Peer| {
        peer.welcome(LIMITS);
        typing.recv().expect("the test types");
        peer.send(&broadcast("lee", "still here"));
        peer.farewell();
    });
    let mut terminal = Terminal::start(address, &[("NO_COLOR", "1")]);
    terminal.wait_for("> ");
    terminal.type_keys("a\u{1b}");
    terminal.wait_for("a");
    typed.send(()).expect("the server waits");
    terminal.wait_for("<lee> still here");
    terminal.type_keys("\u{3}");
    assert_eq!(terminal.wait(), Some(130));
    server.join().expect("the script was kept");
}

#[test]
fn lines_that_are_pasted_together_are_all_said() {
    let lines = ["one", "two", "셋", "four"];
    let (address, server) = serve(move |peer: &mut Peer| {
        peer.welcome(LIMITS);
        for line in lines {
            assert_eq!(peer.hear(), line);
        }
        peer.farewell();
    });
    let mut terminal = Terminal::start(address, &[]);
    terminal.wait_for("> ");
    terminal.type_keys(&(lines.join("\r") + "\r/quit\r"));
    assert_eq!(terminal.wait(), Some(0));
    server.join().expect("the script was kept");
}

#[test]
fn a_server_that_ends_puts_the_terminal_right_in_the_middle_of_a_line() {
    let (typed, typing) = mpsc::channel();
    let (address, server) = serve(move |peer: &mut Peer| {
        peer.welcome(LIMITS);
        typing.recv().expect("the test types");
        peer.send(&broadcast("lee", "last"));
        peer.send(&goodbye(ErrorCode::ShuttingDown, ""));
    });
    let mut terminal = Terminal::start_with(address, "--reconnect=0", &[("NO_COLOR", "1")]);
    terminal.wait_for("> ");
    terminal.type_keys("half a li");
    terminal.wait_for("half a li");
    assert_ne!(terminal.modes_now(), terminal.modes);
    typed.send(()).expect("the server waits");
    let shown = terminal.wait_for("<lee> last");
    assert!(!shown.contains("\u{1b}[36m"), "NO_COLOR is set, and {shown:?} is shown");
    terminal.wait_for("chat-client: the server said goodbye: the server is shutting down (5001)");
    assert_eq!(terminal.wait(), Some(1));
    assert_eq!(terminal.modes_now(), terminal.modes);
    server.join().expect("the script was kept");
}

#[test]
fn arguments_and_variables_that_are_no_text_are_usage_errors() {
    not_text_is_a_usage_error(OsStr::from_bytes(b"kim\xb0\xa1"));
}
