//! Accounts without a terminal: passwords from files and the environment, and what each refusal says.

use std::{fs, path::PathBuf, process::Command};

use chat_proto::{Answer, ClientPacket, ErrorCode, Refusal, Registered, Role, ServerPacket, way_in};

use super::fake::{LIMITS, Peer, Ran, client, feed, password, refusal, serve};

const ALL_WAYS: u16 = way_in::GUEST | way_in::PASSWORD | way_in::REGISTRATION | way_in::INVITATION;
const SECRET: &str = "틀림없는 비밀";

/// A file of this test's own.
fn file(name: &str, bytes: &[u8]) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("client_cli_{name}"));
    fs::write(&path, bytes).expect("a folder for it");
    path
}

/// Runs a client, as `set` makes it, to its end, and the script too.
fn run(
    arguments: &str,
    set: impl FnOnce(&mut Command),
    script: impl FnOnce(&mut Peer) + Send + 'static,
) -> Ran {
    let (address, server) = serve(script);
    let mut command = client(address, arguments);
    set(&mut command);
    let ran = feed(command.spawn().expect("it starts"), b"");
    server.join().unwrap_or_else(|_| panic!("the script was not kept: {ran:?}"));
    assert!(!ran.stderr.contains(SECRET) && !ran.stdout.contains(SECRET), "{ran:?}");
    ran
}

fn with_secret(command: &mut Command) {
    command.env("CHAT_PASSWORD", SECRET);
}

/// Takes the one login that there is, which must have this password.
fn log_in(with: Option<&'static str>) -> impl FnOnce(&mut Peer) + Send + 'static {
    move |peer| {
        peer.greet_by(ALL_WAYS, LIMITS);
        assert_eq!(peer.take_login(Role::User), ("kim".to_owned(), with.map(str::to_owned)));
        peer.farewell();
    }
}

/// Takes a registration: the password and the invitation.
fn take_register(peer: &mut Peer, outcome: Result<Registered, Refusal>) -> (Option<String>, String) {
    peer.greet_by(ALL_WAYS, LIMITS);
    let Some(ClientPacket::Register(register)) = peer.recv() else { panic!("a Register is second") };
    assert_eq!(register.name.as_str(), "kim");
    peer.send(&ServerPacket::RegisterAnswer(Answer { id: register.id, outcome }));
    (password(register.credential), register.invite.into())
}

fn take_change(peer: &mut Peer, outcome: Result<(), Refusal>) -> [Option<String>; 2] {
    peer.greet_by(ALL_WAYS, LIMITS);
    peer.take_login(Role::User);
    let Some(ClientPacket::ChangePassword(change)) = peer.recv() else { panic!("the change is next") };
    peer.send(&ServerPacket::ChangePasswordAnswer(Answer { id: change.id, outcome }));
    [password(change.current), password(change.new)]
}

#[test]
fn the_first_line_of_a_file_is_the_password_whatever_editor_wrote_it() {
    for (name, end) in [("lf", "\n"), ("crlf", "\r\nsecond\r\n"), ("bare", "")] {
        let path = file(name, format!("\u{feff}{SECRET}{end}").as_bytes());
        let from_file = |command: &mut Command| {
            command.arg("--password-file").arg(path).env("CHAT_PASSWORD", "another one");
        };
        let ran = run("", from_file, log_in(Some(SECRET)));
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    }
}

#[test]
fn the_password_may_come_from_the_environment_and_without_one_a_pipe_is_a_guest() {
    assert_eq!(run("", with_secret, log_in(Some(SECRET))).code, Some(0));
    let empty = |command: &mut Command| {
        command.env("CHAT_PASSWORD", "");
    };
    assert_eq!(run("", empty, log_in(None)).code, Some(0));
    assert_eq!(run("", |_| {}, log_in(None)).code, Some(0));
}

#[test]
fn a_file_without_a_password_is_told_before_anybody_is_called() {
    let empty = file("empty", b"\r\nsecond\n");
    let missing = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("client_cli_missing");
    for (path, said) in [(empty, "is no password"), (missing, "cannot read the password file")] {
        let mut command = client(([127, 0, 0, 1], 1).into(), "--password-file");
        let ran = feed(command.arg(path).spawn().expect("it starts"), b"");
        assert_eq!(ran.code, Some(2), "{}", ran.stderr);
        assert!(ran.stderr.contains(said), "{}", ran.stderr);
    }
}

#[test]
fn who_registers_is_logged_in_with_the_same_password() {
    let registered = || Ok(Registered { name: "kim".to_owned(), role: Role::User as u16 });
    let script = move |invite: &'static str| {
        move |peer: &mut Peer| {
            let asked = take_register(peer, registered());
            assert_eq!(asked, (Some(SECRET.to_owned()), invite.to_owned()));
            assert_eq!(peer.take_login(Role::User).1.as_deref(), Some(SECRET));
            peer.farewell();
        }
    };
    let ran = run("--register", with_secret, script(""));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stderr.starts_with("* kim is registered\n* kim is logged in at "), "{}", ran.stderr);
    assert_eq!(run("--register --invite ABCD-EFGH", with_secret, script("ABCDEFGH")).code, Some(0));
    let invited = |command: &mut Command| {
        command.env("CHAT_PASSWORD", SECRET).env("CHAT_INVITE", "XY");
    };
    assert_eq!(run("--register", invited, script("XY")).code, Some(0));
}

#[test]
fn a_password_is_changed_and_nothing_else_is_done() {
    let path = file("new", "새로운 비밀\r\n".as_bytes());
    let from_file = |command: &mut Command| {
        with_secret(command);
        command.arg("--new-password-file").arg(path);
    };
    let ran = run("--change-password", from_file, |peer| {
        let asked = take_change(peer, Ok(()));
        assert_eq!(asked, [SECRET, "새로운 비밀"].map(|password| Some(password.to_owned())));
        peer.farewell();
    });
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), "the password of kim is changed\n"));
}

#[test]
fn a_password_is_never_sent_where_it_is_of_no_use() {
    let nothing_more = |ways_in| {
        move |peer: &mut Peer| {
            peer.greet_by(ways_in, LIMITS);
            assert_eq!(peer.recv(), None);
        }
    };
    for (arguments, ways_in, said) in [
        ("", way_in::GUEST, "this server takes guests only, and no password"),
        ("--password", way_in::GUEST, "this server takes guests only, and no password"),
        ("--change-password", way_in::GUEST, "this server takes guests only, and no password"),
        ("--register", way_in::GUEST | way_in::PASSWORD, "refused: registration is closed (1304)"),
    ] {
        let ran = run(arguments, with_secret, nothing_more(ways_in));
        assert_eq!((ran.code, ran.stderr), (Some(3), format!("chat-client: {said}\n")));
    }
    let ran = run("", |_| {}, nothing_more(way_in::PASSWORD));
    assert_eq!(ran.code, Some(3));
    assert!(ran.stderr.starts_with("chat-client: this server takes no guests; "), "{}", ran.stderr);
}

/// Each refusal that a login can get, with the wait that the server asks for, and its two lines.
const LOGIN_REFUSALS: &[(ErrorCode, u32, &str, &str)] = &[
    (
        ErrorCode::AuthFailed,
        0,
        "the name or the credential is wrong (1201)",
        "이름이나 비밀번호가 틀렸습니다 (1201)",
    ),
    (
        ErrorCode::AuthThrottled,
        4_200,
        "too many failed logins; wait and try again (1202); wait 5 s",
        "로그인 실패가 너무 많습니다. 잠시 뒤에 다시 시도하세요 (1202). 5초 기다리세요",
    ),
    (
        ErrorCode::SessionReplaced,
        0,
        "another login of this name took over (1203)",
        "같은 이름으로 다른 곳에서 로그인했습니다 (1203)",
    ),
    (ErrorCode::Banned, 0, "banned from this server (1206)", "이 서버의 이용이 정지되었습니다 (1206)"),
    (
        ErrorCode::AuthBusy,
        2_000,
        "too many logins at once; wait and try again (1207); wait 2 s",
        "로그인이 몰리고 있습니다. 잠시 뒤에 다시 시도하세요 (1207). 2초 기다리세요",
    ),
    (ErrorCode::NameTaken, 0, "this name is in use (1301)", "이미 사용 중인 이름입니다 (1301)"),
    (ErrorCode::NameInvalid, 0, "this name is not allowed (1302)", "사용할 수 없는 이름입니다 (1302)"),
    (ErrorCode::PermissionDenied, 0, "not permitted (2004)", "권한이 없습니다 (2004)"),
    (
        ErrorCode::StorageUnavailable,
        0,
        "the server's storage does not answer (5002)",
        "서버의 저장소가 응답하지 않습니다 (5002)",
    ),
];

/// As above, of a registration.
const REGISTER_REFUSALS: &[(ErrorCode, u32, &str, &str)] = &[
    (
        ErrorCode::PasswordInvalid,
        0,
        "this password is not allowed (1303); it takes 8 to 128 bytes of text, of which a Korean letter is 3",
        "사용할 수 없는 비밀번호입니다 (1303). 8~128바이트의 글자여야 하고, 한글은 한 글자가 3바이트입니다",
    ),
    (ErrorCode::RegistrationClosed, 0, "registration is closed (1304)", "가입을 받지 않습니다 (1304)"),
    (
        ErrorCode::InviteInvalid,
        0,
        "the invite is not valid (1305); --invite CODE gives one",
        "초대가 유효하지 않습니다 (1305). 초대 코드는 --invite 로 줍니다",
    ),
];

fn assert_says(ran: &Ran, lang: &str, [english, korean]: [&str; 2]) {
    let said = if lang == "C" { format!("refused: {english}") } else { format!("거절됨: {korean}") };
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(3), &*format!("chat-client: {said}\n")));
}

#[test]
fn each_refusal_has_one_clear_line_in_both_languages() {
    for lang in ["C", "ko_KR.UTF-8"] {
        let set = |command: &mut Command| {
            command.env("CHAT_PASSWORD", SECRET).env("LC_ALL", lang);
        };
        for &(code, retry_ms, english, korean) in LOGIN_REFUSALS {
            let ran = run("", set, move |peer| peer.refuse_login_by(ALL_WAYS, refusal(code, retry_ms)));
            assert_says(&ran, lang, [english, korean]);
        }
        for &(code, retry_ms, english, korean) in REGISTER_REFUSALS {
            let ran = run("--register", set, move |peer| {
                take_register(peer, Err(refusal(code, retry_ms)));
                assert_eq!(peer.recv(), None, "a refused registration is followed by no login");
            });
            assert_says(&ran, lang, [english, korean]);
        }
    }
}

#[test]
fn a_new_password_that_is_refused_is_told_in_the_same_way() {
    let path = file("short", b"short");
    let from_file = |command: &mut Command| {
        with_secret(command);
        command.arg("--new-password-file").arg(path);
    };
    let ran = run("--change-password", from_file, |peer| {
        take_change(peer, Err(refusal(ErrorCode::PasswordInvalid, 0)));
        while peer.recv().is_some() {}
    });
    assert_eq!(ran.code, Some(3));
    assert!(ran.stderr.starts_with("chat-client: refused: this password is not allowed (1303); "), "{ran:?}");
}

#[test]
fn json_tells_the_role() {
    let ran = run("--json", with_secret, log_in(Some(SECRET)));
    let welcome = r#"{"type":"welcome","session":"7","name":"kim","role":"user"}"#;
    assert_eq!(ran.stdout.lines().next(), Some(welcome));
}
