//! A session that outlives the program, in the file of `--state`.

use std::{fs, path::PathBuf};

use super::{
    fake::{LIMITS, Peer, Ran, client, feed, serve},
    fake_resume::{at, line_at, lobby},
    folder::Folder,
};

/// A file in a folder of the test's own, which goes with it.
struct State(Folder);

impl State {
    fn new() -> Self {
        Self(Folder::new("chat-client state"))
    }

    fn file(&self) -> PathBuf {
        self.0.join("state.json")
    }
}

/// Runs a client that keeps its session, as if always at one address: the port is another each time.
fn run_keeping(
    state: &State,
    arguments: &str,
    input: &str,
    script: impl FnOnce(&mut Peer) + Send + 'static,
) -> Ran {
    let (address, server) = serve(script);
    if let Ok(text) = fs::read_to_string(state.file()) {
        let mut kept: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        kept["server"] = address.to_string().into();
        fs::write(state.file(), kept.to_string()).expect("writable");
    }
    let mut command = client(address, arguments);
    command.arg("--state").arg(state.file());
    let ran = feed(command.spawn().expect("it starts"), input.as_bytes());
    server.join().unwrap_or_else(|_| panic!("the script was not kept: {:?}, {}", ran.code, ran.stderr));
    ran
}

#[test]
fn the_next_run_goes_on_after_the_last_line_that_was_written_and_quit_ends_it() {
    let state = State::new();
    let ran = run_keeping(&state, "-q -C 2", "", |peer| {
        peer.greet_lasting();
        peer.let_in_lasting(1, &[at(0, 5, 0), lobby(0)]);
        for (seq, text) in [(1, "one"), (2, "two"), (3, "three")] {
            peer.send(&line_at(seq, text));
        }
        assert_eq!(peer.recv(), None, "no logout");
    });
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "<lee> one\n<lee> two\n"), "{}", ran.stderr);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(state.file()).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    let ran = run_keeping(&state, "-q", "hello\n/quit\n", |peer| {
        peer.greet_lasting();
        assert_eq!(peer.let_back_in(1, &[at(0, 5, 0), lobby(3)]), [at(0, 5, 0), lobby(2)]);
        peer.send(&line_at(3, "three"));
        assert_eq!(peer.hear(), "hello");
        peer.farewell();
    });
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "<lee> three\n"), "{}", ran.stderr);
    assert!(!state.file().exists());
}

#[test]
fn a_line_without_an_answer_is_said_again_by_the_next_run_with_its_number() {
    let state = State::new();
    let (number, numbered) = std::sync::mpsc::channel();
    let ran = run_keeping(&state, "-q --wait-ack", "hello\n", move |peer| {
        peer.greet_lasting();
        peer.let_in_lasting(1, &[lobby(0)]);
        number.send(peer.recv_numbered().1).expect("the next script waits");
    });
    assert_eq!(ran.code, Some(6), "without --reconnect the end is the end");
    let ran = run_keeping(&state, "-q", "", move |peer| {
        peer.greet_lasting();
        peer.let_back_in(1, &[lobby(0)]);
        let (id, again, text) = peer.recv_numbered();
        assert_eq!((again, text.as_str()), (numbered.recv().expect("it was said"), "hello"));
        peer.acknowledge(id, 1);
        assert_eq!(peer.recv(), None, "no logout at the end of input either");
    });
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let kept = fs::read_to_string(state.file()).expect("it is there");
    assert!(kept.contains(&"02".repeat(32)), "{kept}");
}

#[test]
fn somebody_elses_session_another_servers_and_what_is_none_are_usage_errors() {
    let state = State::new();
    run_keeping(&state, "-q -C 1", "", |peer| {
        peer.greet_lasting();
        peer.let_in_lasting(1, &[lobby(0)]);
        peer.send(&line_at(1, "one"));
        assert_eq!(peer.recv(), None);
    });
    let kept = fs::read_to_string(state.file()).expect("it is there");
    for (text, why) in [
        (kept.replace("127.0.0.1", "127.0.0.2"), "is another session: kim @ 127.0.0.2:"),
        (kept.replace("\"kim\"", "\"lee\""), "is another session: lee @ "),
        (kept.replace("\"version\":1", "\"version\":2"), "is no session of this program's: version 2"),
        ("{".to_owned(), "is no session of this program's: EOF"),
    ] {
        fs::write(state.file(), &text).expect("writable");
        // Nobody is connected to for it.
        let address = kept.split('"').find(|part| part.starts_with("127.")).expect("it is in there");
        let mut command = client(address.parse().expect("an address"), "");
        command.arg("--state").arg(state.file());
        let ran = feed(command.spawn().expect("it starts"), b"");
        assert_eq!(ran.code, Some(2), "{}", ran.stderr);
        assert!(ran.stderr.contains(why), "{}", ran.stderr);
        assert_eq!(fs::read_to_string(state.file()).expect("it is there"), text);
    }
}

#[test]
fn without_a_server_that_lets_sessions_last_nothing_is_kept() {
    let state = State::new();
    let ran = run_keeping(&state, "-q", "", |peer| {
        peer.welcome(LIMITS);
        assert_eq!(peer.recv(), None);
    });
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    assert!(!state.file().exists());
}
