//! A whole conversation at trace level: its secrets and words are not in the log, and each line has its form.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    process::Command,
    time::Duration,
};

use chat_proto::{Act, Credential, ResumeToken, RoomSettings, feature};
use iocp_chat::client::{
    Client, Events, Session, Timeouts,
    tls::{Tls, Trust},
};
use serde_json::Value;

use crate::{
    Logging,
    folder::Folder,
    is, lines,
    process::{self, ServerProcess},
};

const PASSWORD: &str = "canary-password-horse";
const NEW_PASSWORD: &str = "canary-new-password-staple";
const WRONG_PASSWORD: &str = "canary-wrong-password-nail";
const ROOM_PASSWORD: &str = "canary-room-password";
const WRONG_ROOM_PASSWORD: &str = "canary-wrong-room-password";
const BROADCAST: &str = "canary broadcast 안녕하세요";
const WHISPER: &str = "canary whisper";
const TO_AWAY: &str = "canary whisper to somebody away";
const ROOM_LINE: &str = "canary line in a room";
const TOPIC: &str = "canary topic";

/// Names of fields that have numbers.
const NUMBERS: [&str; 9] =
    ["conn", "session", "account", "conversation", "code", "dur_ms", "bytes", "missed", "lines"];
/// Names of fields that have texts.
const TEXTS: [&str; 8] = ["event", "user", "room", "peer", "transport", "reason", "err", "log"];

fn password(text: &str) -> Credential {
    Credential::Password(text.as_bytes().into())
}

async fn client(log: &Logging) -> Client {
    let client = Client::connect_asking(log.server.address, Timeouts::default(), feature::RESUME).await;
    client.expect("it listens")
}

async fn log_in(log: &Logging, name: &str, typed: &str) -> (Session, Events) {
    client(log).await.log_in(name, password(typed)).await.expect("logged in")
}

/// The ways in which bytes get into a log by mistake.
fn forms(bytes: &[u8]) -> [String; 3] {
    let hex = bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)]))
        .collect();
    let debug = format!("{bytes:?}").trim_matches(['[', ']']).to_owned();
    [String::from_utf8_lossy(bytes).into_owned(), hex, debug]
}

fn token(session: &Session) -> ResumeToken {
    session.welcome().resume_token.expect("it was asked for")
}

#[tokio::test]
async fn a_log_at_trace_has_no_word_that_was_said_and_no_secret() {
    let mut log = Logging::with(&["log.level=trace"]);
    let invite = log.told(&["invite", "create", "--uses", "2"]);
    let invite = invite.lines().find(|line| line.len() == 19).expect("a code alone").to_owned();
    for name in ["kim", "이순신"] {
        let mut guest = client(&log).await;
        guest.register(name, password(PASSWORD), &invite).await.expect("registered");
    }
    assert!(client(&log).await.log_in("kim", password(WRONG_PASSWORD)).await.is_err());
    let (kim, _to_kim) = log_in(&log, "kim", PASSWORD).await;
    let (lee, to_lee) = log_in(&log, "이순신", PASSWORD).await;
    kim.broadcast(BROADCAST).await.expect("said");
    kim.whisper("이순신", WHISPER).await.expect("said");
    let settings = RoomSettings { capacity: 9, flags: 0, slow_s: 0 };
    let made = kim.create_room("garden", ROOM_PASSWORD, settings, TOPIC).await.expect("made");
    let room = made.place.conversation;
    assert!(lee.join_room("garden", WRONG_ROOM_PASSWORD).await.is_err());
    lee.join_room("garden", ROOM_PASSWORD).await.expect("in");
    lee.room_chat(room, ROOM_LINE).await.expect("said");
    kim.moderate(room, Act::Kick, "이순신", 0, "so much noise").await.expect("done");
    kim.change_password(password(PASSWORD), password(NEW_PASSWORD)).await.expect("changed");
    let tokens = [token(&kim), token(&lee)];
    drop((lee, to_lee));
    let (lee, _) = client(&log).await.resume(tokens[1]).await.expect("back");
    let again = token(&lee);
    lee.log_out().await.expect("bye");
    kim.whisper("이순신", TO_AWAY).await.expect("kept for later");
    kim.log_out().await.expect("bye");
    log.stop();
    let lines = lines(log.file());
    let text = lines.iter().map(ToString::to_string).collect::<String>();
    let secrets = [
        PASSWORD,
        NEW_PASSWORD,
        WRONG_PASSWORD,
        ROOM_PASSWORD,
        WRONG_ROOM_PASSWORD,
        BROADCAST,
        WHISPER,
        TO_AWAY,
        ROOM_LINE,
        TOPIC,
        &*invite,
        &*invite.replace('-', ""),
        "canary",
        "$argon2",
    ];
    for secret in secrets.map(str::as_bytes).into_iter().chain([&tokens[0].0[..], &tokens[1].0, &again.0]) {
        for form in forms(secret) {
            assert!(!text.contains(&form), "{form:?} is in the log");
        }
    }
    let count = |event| lines.iter().filter(is(event)).count();
    assert_eq!(
        (count("registered"), count("moderated"), count("password_changed")),
        (2, 1, 1),
        "it was all logged"
    );
    check_form(&lines);
}

/// Each line has the fields of all, and each field its kind; our own lines have an event.
fn check_form(lines: &[Value]) {
    for line in lines {
        let fields = line.as_object().expect("an object");
        let time = line["ts"].as_str().expect("a time");
        assert!(humantime::parse_rfc3339(time).is_ok() && time.len() == 24 && time.ends_with('Z'), "{line}");
        let level = line["level"].as_str().expect("a level");
        assert!(["ERROR", "WARN", "INFO", "DEBUG", "TRACE"].contains(&level), "{line}");
        assert!(line["msg"].is_string(), "{line}");
        if line["target"].as_str().expect("a target").starts_with("iocp_chat") {
            let event = line["event"].as_str().expect("an event");
            assert!(event.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{line}");
            for (name, value) in fields {
                assert!(!NUMBERS.contains(&&**name) || value.is_u64(), "{name}: {line}");
                assert!(!TEXTS.contains(&&**name) || value.is_string(), "{name}: {line}");
            }
        }
    }
    let of = |event| lines.iter().find(is(event)).expect(event);
    let (start, end) = (of("session_start"), of("session_end"));
    assert!(start["conn"].as_u64() > Some(0) && start["user"] == "kim", "{start}");
    assert!(start["peer"].as_str().is_some_and(|peer| peer.starts_with("127.0.0.1:")), "{start}");
    assert!(end["dur_ms"].is_u64() && end["reason"].is_string(), "{end}");
}

#[tokio::test]
async fn hostile_bytes_are_nowhere_in_a_log_at_trace() {
    let mut log = Logging::with(&["log.level=trace", "database.url=none"]);
    let esc = "\u{1b}[2J\u{1b}]0;owned\u{7}\r\n{\"event\":\"panic\"}\n\u{202e}";
    let hostile = [
        esc.as_bytes().to_vec(),
        b"GET / HTTP/1.1\r\nHost: \x1b[31m\r\n\r\n".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        b"\x00\x00\n\n\n".to_vec(),
        // A Hello's type, and a body that is none.
        [&[0x40, 0, 0xe9, 3][..], &[0x1b; 60]].concat(),
    ];
    for bytes in hostile {
        let mut socket = TcpStream::connect(log.server.address).expect("it listens");
        socket.set_read_timeout(Some(Duration::from_secs(30))).expect("a socket");
        // It may have hung up before it was all sent.
        let _ = socket.write_all(&bytes);
        let _ = socket.shutdown(std::net::Shutdown::Write);
        let _ = socket.read_to_end(&mut Vec::new());
    }
    log.stop();
    let text = std::fs::read_to_string(log.file()).expect("text");
    let acts = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
    assert!(!text.contains(acts), "{text:?}");
    assert!(!text.contains("owned") && !text.contains("HTTP"), "{text}");
    let lines = lines(log.file());
    assert_eq!(lines.iter().filter(is("guest_end")).count(), 5);
    assert!(lines.iter().all(|line| line["event"] != "panic"));
}

/// The libraries for TLS and HTTP log at trace too.
#[tokio::test]
async fn over_tls_and_in_the_admins_http_there_is_nothing_to_be_read_either() {
    let folder = Folder::new("chat log tls");
    let (data, file) = (folder.join("data"), folder.join("chat.log"));
    let run = |args: &[&str]| {
        let output = Command::new(process::program()).arg("--data").arg(&data).args(args).output();
        let output = output.expect("it runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    run(&["cert", "selfsigned", "--host", "localhost"]);
    let setting = format!("log.file={}", file.display());
    let settings = [
        "log.level=trace",
        "database.url=none",
        "tls.listen=127.0.0.1:0",
        "admin.listen=127.0.0.1:0",
        &setting,
    ];
    let set: Vec<_> = settings.into_iter().flat_map(|setting| ["--set", setting]).collect();
    let server = ServerProcess::with_accounts(&data, &set);
    let port = server.tls.expect("it listens").port();
    let tls = Tls::new("127.0.0.1", port, Trust::Anyone).expect("a client");
    let client = Client::connect_tls(&tls).await.expect("hands are shaken");
    let (kim, _events) = client.log_in("kim", Credential::None).await.expect("free");
    kim.broadcast(BROADCAST).await.expect("said");
    kim.log_out().await.expect("bye");
    let esc = "\u{1b}[2Jowned\u{7}\r\nX: \u{202e}owned\r\n\r\n";
    for (port, begin) in
        [(port, "\u{16}\u{3}\u{1}"), (admin_port(&server), "GET /owned HTTP/1.1\r\nHost: owned")]
    {
        let mut socket = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
        socket.set_read_timeout(Some(Duration::from_secs(30))).expect("a socket");
        let _ = socket.write_all(format!("{begin}{esc}").as_bytes());
        let _ = socket.read_to_end(&mut Vec::new());
    }
    run(&["ctl", "stop"]);
    assert!(server.ended().0.success());
    let text = std::fs::read_to_string(&file).expect("text");
    let acts = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
    assert!(!text.contains(acts), "{text:?}");
    for secret in [BROADCAST, "canary", "owned"] {
        for form in forms(secret.as_bytes()) {
            assert!(!text.contains(&form), "{form:?} is in the log");
        }
    }
    let told = lines(file);
    let start = told.iter().find(is("session_start")).expect("kim came");
    assert_eq!(start["transport"], "tls");
    assert!(told.iter().any(|line| line["event"] == "tls_failed"), "{text}");
    check_form(&told);
}

fn admin_port(server: &ServerProcess) -> u16 {
    server.admin.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port")
}
