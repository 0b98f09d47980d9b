//! Text in other encodings than UTF-8, through pipes as Windows has them.

use std::{
    io::{BufRead, BufReader, Write},
    net::SocketAddr,
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio},
};

use chat_proto::{Joined, ServerPacket};
use encoding_rs::{EUC_KR, Encoding, UTF_8};

use super::{
    fake::{HEAD, LIMITS, Peer, broadcast, client, run, run_bytes, serve},
    process::ServerProcess,
};

fn cp949(text: &str) -> Vec<u8> {
    let (bytes, _, lacking) = EUC_KR.encode(text);
    assert!(!lacking, "{text}");
    bytes.into_owned()
}

/// A client whose pipes are all in one encoding.
struct Person {
    child: Child,
    encoding: &'static Encoding,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    stderr: BufReader<ChildStderr>,
}

impl Person {
    fn log_in(address: SocketAddr, name: &str, encoding: &'static Encoding) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chat-client"));
        command.arg(address.to_string()).args(["-u", name, "--encoding", encoding.name()]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).env("LC_ALL", "ko_KR");
        let mut child = command.spawn().expect("it starts");
        let stdin = child.stdin.take().expect("piped");
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        let stderr = BufReader::new(child.stderr.take().expect("piped"));
        let mut person = Self { child, encoding, stdin, stdout, stderr };
        assert_eq!(person.is_told(), format!("* {name}, {address} 에 로그인했습니다"));
        person
    }

    fn say(&mut self, line: &str) {
        let (bytes, ..) = self.encoding.encode(line);
        self.stdin.write_all(&bytes).and_then(|()| self.stdin.write_all(b"\r\n")).expect("it reads");
    }

    fn hears(&mut self) -> String {
        next_line(&mut self.stdout, self.encoding)
    }

    fn is_told(&mut self) -> String {
        next_line(&mut self.stderr, self.encoding)
    }

    fn leave(mut self) {
        drop(self.stdin);
        assert_eq!(self.child.wait().expect("it ends").code(), Some(0));
    }
}

fn next_line(from: &mut impl BufRead, encoding: &'static Encoding) -> String {
    let mut bytes = Vec::new();
    from.read_until(b'\n', &mut bytes).expect("it writes");
    let (text, broken) = encoding.decode_without_bom_handling(&bytes);
    assert!(!broken, "{bytes:x?} is not {}", encoding.name());
    text.strip_suffix('\n').unwrap_or_else(|| panic!("it ended after {text:?}")).to_owned()
}

#[test]
fn somebody_in_cp949_and_somebody_in_utf8_talk_and_whisper() {
    let server = ServerProcess::start(&[]);
    let mut kim = Person::log_in(server.address, "김철수", EUC_KR);
    let mut lee = Person::log_in(server.address, "이똠", UTF_8);
    assert_eq!(kim.is_told(), "* 이똠 님이 들어왔습니다");

    kim.say("안녕하세요, 똠방각하 \\|~");
    assert_eq!(lee.hears(), "<김철수> 안녕하세요, 똠방각하 \\|~");
    lee.say("반가워요 뷁");
    assert_eq!(kim.hears(), "<이똠> 반가워요 뷁");
    kim.say("/귓 이똠 비밀");
    assert_eq!(lee.hears(), "*김철수* 비밀");
    lee.say("/w 김철수 알았어 👍");
    assert_eq!(kim.hears(), "*이똠* 알았어 \\u{1f44d}");

    kim.say("/누구");
    assert_eq!(kim.is_told(), "2명 접속 중:");
    kim.leave();
    assert_eq!(lee.is_told(), "* 김철수 님이 나갔습니다");
    lee.leave();
}

fn says_korean(peer: &mut Peer) {
    peer.welcome(LIMITS);
    assert_eq!(peer.hear(), "가나");
    peer.send(&ServerPacket::Joined(Joined { head: HEAD, name: "이영희".to_owned() }));
    peer.send(&broadcast("김철수", "한글\n😀é"));
    peer.farewell();
}

#[test]
fn all_three_streams_follow_the_encoding_by_any_of_its_names() {
    for name in ["cp949", "uhc", "EUC-KR", "ks_c_5601-1987"] {
        let ran = run_bytes(&format!("-C 1 --encoding {name}"), b"\xb0\xa1\xb3\xaa\n", says_korean);
        assert_eq!(ran.code, Some(0));
        assert_eq!(ran.stdout, cp949("<김철수> 한글\\u{23ce}\\u{1f600}\\u{e9}\n"));
        let joined = cp949("* 이영희 joined\n");
        assert!(ran.stderr.ends_with(&joined), "{:x?}", ran.stderr);
    }
}

#[test]
fn json_is_utf8_whatever_the_other_streams_are() {
    let ran = run_bytes("-C 1 --json -v --encoding cp949", b"\xb0\xa1\xb3\xaa\n", says_korean);
    let stdout = String::from_utf8(ran.stdout).expect("UTF-8");
    assert!(stdout.ends_with("\"from\":\"김철수\",\"text\":\"한글\\n😀é\"}\n"), "{stdout}");
    assert_eq!(ran.code, Some(0));
}

#[test]
fn broken_characters_are_said_with_a_warning_and_the_next_line_is_right() {
    for (arguments, input, encoding) in [
        ("-q --wait-ack", b"\xea\xb0\x80 \xed\xa0\xbd\xff\n\xea\xb0\x80\n".as_slice(), "UTF-8"),
        ("-q --wait-ack --encoding cp949", b"\xb0\xa1 \xff\xb0 \xb0\n\xb0\xa1\n", "cp949"),
    ] {
        let ran = run(arguments, input, |peer| {
            peer.welcome(LIMITS);
            let said = peer.hear();
            assert!(said.starts_with("가 \u{fffd}") && said.ends_with('\u{fffd}'), "{said}");
            assert_eq!(peer.hear(), "가");
            peer.farewell();
        });
        assert_eq!(ran.code, Some(0));
        assert_eq!(
            ran.stderr,
            format!("chat-client: line 1 is not {encoding}; what could not be read is sent as U+FFFD\n")
        );
    }
}

#[test]
fn a_character_that_comes_in_two_writes_is_one() {
    let (address, server) = serve(|peer| {
        peer.welcome(LIMITS);
        // So that the second half is written after the first was read.
        assert_eq!(peer.hear(), "가");
        peer.send(&broadcast("lee", "half is here"));
        assert_eq!(peer.hear(), "나");
        peer.farewell();
    });
    let mut child = client(address, "-q --encoding cp949").spawn().expect("it starts");
    let mut stdin = child.stdin.take().expect("piped");
    let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
    stdin.write_all(b"\xb0\xa1\n\xb3").expect("it reads");
    assert_eq!(next_line(&mut stdout, EUC_KR), "<lee> half is here");
    stdin.write_all(b"\xaa\n").expect("it reads");
    drop(stdin);
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
    server.join().expect("the script was kept");
}

#[test]
fn an_encoding_that_is_none_for_lines_is_a_usage_error() {
    for name in ["utf-16", "iso-2022-jp", "hangul"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chat-client"));
        let output = command.args(["-u", "kim", "--encoding", name]).output().expect("it runs");
        assert_eq!(output.status.code(), Some(2), "{name}");
    }
}
