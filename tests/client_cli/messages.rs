//! What is received, as it stands on standard output and standard error.

use std::io::{BufRead, BufReader};

use chat_proto::{Joined, Left, Missed, ServerPacket, SystemText};

use super::fake::{HEAD, LIMITS, Peer, broadcast, client, feed, line, run, serve};

fn everything(peer: &mut Peer) {
    let name = || "lee".to_owned();
    peer.welcome(LIMITS);
    peer.send(&ServerPacket::Joined(Joined { head: HEAD, name: name() }));
    peer.send(&broadcast("김철수", "안녕 👍"));
    peer.send_bytes(&[6, 0, 0x10, 0x27, 1, 2]);
    peer.send(&ServerPacket::WhisperLine(line("lee", "psst")));
    peer.send(&ServerPacket::Missed(Missed { conversation: 1, epoch: 5, from: 4, to: 6 }));
    peer.send(&ServerPacket::Left(Left { head: HEAD, name: name(), reason: 1 }));
    peer.send(&ServerPacket::SystemText(SystemText { head: HEAD, text: "곧 점검".to_owned() }));
    peer.farewell();
}

#[test]
fn messages_are_on_stdout_and_all_else_on_stderr() {
    let ran = run("-C 3", "", everything);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "<김철수> 안녕 👍\n*lee* psst\n-!- 곧 점검\n"));
    let stderr: Vec<_> = ran.stderr.lines().skip(1).collect();
    assert_eq!(
        stderr,
        [
            "* lee joined",
            "chat-client: lines missed: 3; they came faster than they were read",
            "* lee left (connection lost)"
        ]
    );
}

#[test]
fn quiet_leaves_only_warnings_on_stderr() {
    let ran = run("-C 3 -q", "", everything);
    assert_eq!(ran.stderr, "chat-client: lines missed: 3; they came faster than they were read\n");
}

#[test]
fn notices_and_refusals_are_korean_where_the_locale_is() {
    let (address, server) = serve(everything);
    let ran = feed(client(address, "-C 3").env("LANG", "ko_KR.UTF-8").spawn().expect("it starts"), b"");
    server.join().expect("the script was kept");
    assert!(ran.stderr.contains("* lee 님이 들어왔습니다\n"), "{}", ran.stderr);
    assert!(ran.stdout.starts_with("<김철수> 안녕 👍\n"), "{}", ran.stdout);

    let (address, server) = serve(|peer| peer.refuse_login(chat_proto::ErrorCode::NameTaken));
    let ran = feed(client(address, "").env("LC_ALL", "ko_KR").spawn().expect("it starts"), b"");
    server.join().expect("the script was kept");
    assert_eq!(ran.stderr, "chat-client: 거절됨: 이미 사용 중인 이름입니다 (1301)\n");
}

#[test]
fn json_lines_have_their_documented_fields() {
    let ran = run("-C 3 --json -q", "", everything);
    let place = r#""conversation":"1","epoch":"5","seq":"3","time_ms":1700000000000"#;
    let lines: Vec<_> = ran.stdout.lines().collect();
    assert_eq!(
        lines,
        [
            r#"{"type":"welcome","session":"7","name":"kim","role":"guest"}"#.to_owned(),
            format!(r#"{{"type":"joined",{place},"name":"lee"}}"#),
            format!(r#"{{"type":"broadcast",{place},"from":"김철수","text":"안녕 👍"}}"#),
            format!(r#"{{"type":"whisper",{place},"from":"lee","text":"psst"}}"#),
            r#"{"type":"missed","conversation":"1","epoch":"5","from_seq":"4","to_seq":"6"}"#.to_owned(),
            format!(r#"{{"type":"left",{place},"name":"lee","reason":"lost"}}"#),
            format!(r#"{{"type":"system",{place},"text":"곧 점검"}}"#),
        ]
    );
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
}

#[test]
fn what_would_act_on_a_terminal_is_escaped_in_both_forms() {
    let hostile = |peer: &mut Peer| {
        peer.welcome(LIMITS);
        peer.send(&broadcast("e\u{1b}[2J", "a\u{9b}2J\u{7f}\u{202e}b\nc\u{0}"));
        peer.farewell();
    };
    let ran = run("-C 1", "", hostile);
    assert_eq!(ran.stdout, "<e\\u{1b}\\u{5b}2J> a\\u{9b}2J\\u{7f}\\u{202e}b⏎c\\u{0}\n");
    let ran = run("-C 1 --json", "", hostile);
    assert!(
        ran.stdout.ends_with("\"from\":\"e\\u001b[2J\",\"text\":\"a\\u009b2J\\u007f\\u202eb\\nc\\u0000\"}\n")
    );
}

#[test]
fn a_pipe_gets_each_line_at_once_and_no_colour() {
    let (address, server) = serve(|peer| {
        peer.welcome(LIMITS);
        for _ in 0..3 {
            let said = peer.hear();
            peer.send(&broadcast("lee", &said));
        }
        peer.farewell();
    });
    let mut child = client(address, "-q").spawn().expect("it starts");
    let (mut stdin, mut stdout) =
        (child.stdin.take().expect("piped"), BufReader::new(child.stdout.take().expect("piped")));
    for said in ["하나\n", "둘\n", "셋\n"] {
        std::io::Write::write_all(&mut stdin, said.as_bytes()).expect("it reads");
        let mut heard = String::new();
        stdout.read_line(&mut heard).expect("it writes");
        assert_eq!(heard, format!("<lee> {said}"));
    }
    drop(stdin);
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
    server.join().expect("the script was kept");
}

#[test]
fn a_reader_that_goes_away_ends_the_program_politely() {
    let (address, server) = serve(|peer| {
        peer.welcome(LIMITS);
        peer.hear();
        peer.send(&broadcast("lee", "nobody reads this"));
        peer.farewell();
    });
    let mut child = client(address, "--eof=wait").spawn().expect("it starts");
    drop(child.stdout.take());
    let ran = feed(child, b"hi\n");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    server.join().expect("the script was kept");
}

#[test]
fn a_reader_that_takes_nothing_does_not_hold_up_the_end_of_time() {
    let (address, server) = serve(|peer| {
        peer.welcome(LIMITS);
        let line = broadcast("lee", &"x".repeat(1_000));
        // A program whose time is up does not wait for long to be let go.
        if (0..1_000).all(|_| peer.try_send(&line).is_ok()) {
            while peer.recv().is_some() {}
        }
    });
    // Time enough to come in, however slow the machine is.
    let mut child = client(address, "-q -W 10 --eof=wait").spawn().expect("it starts");
    let _unread = child.stdout.take();
    assert_eq!(feed(child, b"").code, Some(5));
    server.join().expect("the script was kept");
}
