//! How the program ends, and the exit code that tells so.

use std::{
    ffi::OsStr,
    net::{Ipv4Addr, SocketAddr},
    process::{Command, Stdio},
    thread,
};

use chat_proto::{ClientPacket, Code, ErrorCode, ServerPacket};
use socket2::{Domain, Socket, Type};

use super::fake::{LIMITS, Peer, broadcast, client, feed, goodbye, run};

#[test]
fn nobody_listening_is_a_network_error() {
    // Bound, so that nobody else listens there meanwhile.
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).expect("a free port");
    let address = socket.local_addr().ok().and_then(|address| address.as_socket()).expect("bound");
    let ran = feed(client(address, "").spawn().expect("it starts"), b"hi\n");
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""));
    assert!(ran.stderr.starts_with("chat-client: connection failed: "), "{}", ran.stderr);
}

#[test]
fn a_wrong_command_line_is_a_usage_error_and_help_is_none() {
    for (arguments, code) in [
        (&["-u", "a/b"][..], 2),
        (&[], 2),
        (&["-u", "kim", "host:0"], 2),
        (&["--help"], 0),
        (&["--version"], 0),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chat-client"));
        let output = command.env_remove("CHAT_USER").args(arguments).output().expect("it runs");
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        assert_eq!(output.stdout.is_empty(), code != 0, "{arguments:?}");
    }
}

/// Gives it as a name, as a server, and as a name in the environment.
pub fn not_text_is_a_usage_error(broken: &OsStr) {
    let client = || Command::new(env!("CARGO_BIN_EXE_chat-client"));
    let (mut name, mut server, mut variable) = (client(), client(), client());
    name.arg("-u").arg(broken);
    server.args(["-u", "kim"]).arg(broken);
    variable.env("CHAT_USER", broken);
    for command in [&mut name, &mut server, &mut variable] {
        let output = command.output().expect("it runs");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{command:?}: {stderr}");
        assert!(stderr.contains("invalid UTF-8"), "{command:?}: {stderr}");
    }
}

#[test]
fn the_name_may_come_from_the_environment() {
    let (address, server) = super::fake::serve(|peer| {
        assert_eq!(peer.welcome(LIMITS), "김철수");
        peer.farewell();
    });
    let mut command = Command::new(env!("CARGO_BIN_EXE_chat-client"));
    command.arg(address.to_string()).env("CHAT_USER", "김철수").stdin(Stdio::null());
    assert_eq!(command.output().expect("it runs").status.code(), Some(0));
    server.join().expect("the script was kept");
}

#[test]
fn a_refused_login_and_a_full_server_say_so_in_one_line() {
    let ran = run("", "hi\n", |peer| peer.refuse_login(ErrorCode::NameTaken));
    assert_eq!(
        (ran.code, ran.stderr.as_str()),
        (Some(3), "chat-client: refused: this name is in use (1301)\n")
    );
    let ran = run("", "hi\n", |peer| {
        peer.send(&goodbye(ErrorCode::ServerFull, ""));
        while peer.recv().is_some() {}
    });
    assert_eq!(ran.code, Some(3));
    assert_eq!(ran.stderr, "chat-client: the server said goodbye: the server is full (1204)\n");
}

#[test]
fn a_goodbye_that_was_not_asked_for_says_why() {
    for (code, exit) in
        [(ErrorCode::ShuttingDown, 1), (ErrorCode::SessionReplaced, 3), (ErrorCode::FrameTooLarge, 4)]
    {
        let ran = run("-q --eof=wait", "", move |peer| {
            peer.welcome(LIMITS);
            peer.send(&goodbye(code, "see\nyou"));
        });
        assert_eq!(ran.code, Some(exit));
        assert_eq!(
            ran.stderr,
            format!("chat-client: the server said goodbye: {}: see⏎you\n", code_line(code))
        );
    }
}

fn code_line(code: ErrorCode) -> String {
    format!("{} ({})", code.line(), code as u16)
}

#[test]
fn a_connection_that_breaks_is_a_network_error() {
    let ran = run("-q --eof=wait", "", |peer| {
        peer.welcome(LIMITS);
    });
    assert_eq!(ran.code, Some(1));
    assert_eq!(ran.stderr, "chat-client: the server closed the connection without a word\n");
}

#[test]
fn a_server_that_speaks_something_else_is_a_protocol_error() {
    let ran = run("", "", |peer| {
        peer.send_bytes(b"\x01\x00garbage");
        while peer.recv().is_some() {}
    });
    assert_eq!(ran.code, Some(4), "{}", ran.stderr);
}

#[test]
fn the_program_ends_after_as_many_messages_as_it_was_told() {
    let ran = run("-C 2", "", |peer| {
        peer.welcome(LIMITS);
        for text in ["one", "two", "three"] {
            peer.send(&broadcast("lee", text));
        }
        peer.farewell();
    });
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "<lee> one\n<lee> two\n"));
}

/// Time enough to come to what is waited for, however slow the machine is.
const TIME: &str = "-q -W 10";

#[test]
fn the_end_of_time_has_its_own_code_whatever_is_waited_for() {
    let greeting = || run(TIME, "", |peer| while peer.recv().is_some() {});
    let messages = || {
        run(&format!("{TIME} --eof=wait"), "", |peer| {
            peer.welcome(LIMITS);
            peer.farewell();
        })
    };
    let answer = || {
        run(TIME, "never answered\n", |peer| {
            peer.welcome(LIMITS);
            peer.recv_broadcast();
            peer.farewell();
        })
    };
    thread::scope(|scope| {
        for ran in [scope.spawn(greeting), scope.spawn(messages), scope.spawn(answer)] {
            let ran = ran.join().expect("the script was kept");
            assert_eq!((ran.code, ran.stderr.as_str()), (Some(5), "chat-client: the time of -W is up\n"));
        }
    });
}

fn refuses_the_second(peer: &mut Peer) {
    peer.welcome(LIMITS);
    peer.hear();
    let (id, _) = peer.recv_broadcast();
    peer.refuse_broadcast(id, ErrorCode::Muted, 60_000);
    peer.hear();
    peer.farewell();
}

#[test]
fn a_line_that_is_not_acknowledged_is_told_and_counts_where_that_was_asked_for() {
    let told = "chat-client: line 2 was refused: muted (2008); wait 60 s\n";
    let ran = run("-q", "1\n2\n3\n", refuses_the_second);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), told));
    let ran = run("-q --wait-ack", "1\n2\n3\n", refuses_the_second);
    assert_eq!((ran.code, ran.stderr), (Some(6), format!("{told}chat-client: lines not acknowledged: 1\n")));
    let ran = run(&format!("{TIME} --wait-ack"), "1\n", |peer| {
        peer.welcome(LIMITS);
        peer.recv_broadcast();
        peer.farewell();
    });
    assert_eq!(ran.code, Some(6));
    let ran = run("-q --wait-ack", "1\n", |peer| {
        peer.welcome(LIMITS);
        peer.recv_broadcast();
        peer.send(&goodbye(ErrorCode::ShuttingDown, ""));
    });
    assert_eq!(ran.code, Some(6));
}

#[test]
fn an_answer_just_before_the_end_counts() {
    let ran = run("-q --wait-ack --eof=wait", "1\n", |peer| {
        peer.welcome(LIMITS);
        let (id, _) = peer.recv_broadcast();
        let mut last = Vec::new();
        let outcome = Ok(chat_proto::Receipt { epoch: 1, seq: 1, time_ms: 0 });
        last.extend(ServerPacket::BroadcastAnswer(chat_proto::Answer { id, outcome }).to_bytes());
        last.extend(goodbye(ErrorCode::ShuttingDown, "").to_bytes());
        peer.send_bytes(&last);
    });
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
}

#[test]
fn after_its_own_quit_the_program_is_content_with_any_end() {
    for code in [Some(Code::OK), Some(ErrorCode::ShuttingDown.into()), None] {
        let ran = run("-q", "/quit\n", move |peer| {
            peer.welcome(LIMITS);
            assert!(matches!(peer.recv(), Some(ClientPacket::Logout(_))));
            if let Some(code) = code {
                peer.send(&goodbye(code, ""));
            }
        });
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    }
}
