//! The program: `chat-server cert`, and what it starts with.

use std::{
    path::Path,
    process::{Command, Output},
};

use crate::{
    folder::Folder,
    process::{ServerProcess, program},
    stage::{params, put_pair},
};

fn run(data: &Path, args: &[&str]) -> Output {
    Command::new(program()).args(args).arg("--data").arg(data).output().expect("it runs")
}

/// Exit code, standard output, standard error.
fn said(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// The value of a line that begins with this word.
fn line<'a>(text: &'a str, word: &str) -> &'a str {
    let found = text.lines().find_map(|line| line.strip_prefix(word));
    found.unwrap_or_else(|| panic!("no {word} in {text}")).trim()
}

#[test]
fn a_selfsigned_certificate_is_made_shown_checked_and_served() {
    let folder = Folder::new("tls program");
    let (code, made, errors) =
        said(&run(&folder, &["cert", "selfsigned", "--host", "chat.example.com", "--host", "192.0.2.7"]));
    assert_eq!(code, Some(0), "{errors}");
    assert_eq!(line(&made, "for"), "chat.example.com, 192.0.2.7");
    assert!(line(&made, "good until").contains("(825 days left)"), "{made}");
    let pin = line(&made, "pin").to_owned();
    assert!(pin.starts_with("sha256//") && pin.len() == 8 + 44, "{pin}");
    assert!(made.contains(&format!("chat-client --pin {pin} chats://chat.example.com")), "{made}");
    #[cfg(unix)]
    for (name, mode) in [("tls", 0o40_700), ("tls/key.pem", 0o100_600)] {
        use std::os::unix::fs::MetadataExt as _;
        let found = std::fs::metadata(folder.join(name)).expect("it is there").mode();
        assert_eq!(found, mode, "{name}: {found:o}");
    }
    assert_eq!(Folder::files(&folder), ["tls"]);

    let (code, _, errors) = said(&run(&folder, &["cert", "selfsigned"]));
    assert!(code == Some(1) && errors.contains("--force"), "{errors}");
    let (code, shown, errors) = said(&run(&folder, &["cert", "show"]));
    assert!(code == Some(0) && line(&shown, "pin") == pin, "{shown}{errors}");
    let file = folder.join("tls/certificate.pem");
    let (code, of_file, _) = said(&run(&folder, &["cert", "show", file.to_str().expect("text")]));
    assert_eq!((code, of_file), (Some(0), shown));
    let (code, checked, errors) = said(&run(&folder, &["cert", "check"]));
    assert!(code == Some(0) && checked.contains("It fits its key."), "{checked}{errors}");

    let (code, again, _) = said(&run(&folder, &["cert", "selfsigned", "--force", "--days", "3"]));
    assert_eq!((code, line(&again, "for")), (Some(0), "localhost, 127.0.0.1, ::1"));
    assert_ne!(line(&again, "pin"), pin);
    let (code, checked, _) = said(&run(&folder, &["cert", "check"]));
    assert!(code == Some(0) && checked.contains("renewed now"), "{checked}");

    let server = ServerProcess::with_accounts(&folder, &["--listen-tls", "127.0.0.1:0"]);
    let tls = server.tls.expect("it listens for TLS");
    let health = |args: &[&str]| said(&run(&folder, &[&["health", "--timeout", "60s"][..], args].concat()));
    let (code, well, errors) = health(&["--tls", "--address", &tls.to_string()]);
    assert!(code == Some(0) && well.contains("is well"), "{well}{errors}");
    // Each of the two ports, asked in the other's way.
    assert_eq!(health(&["--address", &tls.to_string()]).0, Some(1));
    assert_eq!(health(&["--tls", "--address", &server.address.to_string()]).0, Some(1));
    let only_tls = ["--set", "listen=[]", "--listen-tls", &tls.to_string()];
    let (code, well, errors) = health(&only_tls);
    assert!(code == Some(0) && well.contains(&tls.to_string()), "{well}{errors}");
}

#[test]
fn a_server_that_wants_certificates_of_its_clients_is_well_without_one_of_who_asks() {
    let folder = Folder::new("tls client ca");
    let (code, _, errors) = said(&run(&folder, &["cert", "selfsigned"]));
    assert_eq!(code, Some(0), "{errors}");
    let authority = folder.join("tls/certificate.pem");
    let authority = format!("tls.client_ca={}", authority.display());
    let server = ServerProcess::with_accounts(&folder, &["--listen-tls", "127.0.0.1:0", "--set", &authority]);
    let tls = server.tls.expect("it listens for TLS").to_string();
    let (code, well, errors) =
        said(&run(&folder, &["health", "--timeout", "60s", "--tls", "--address", &tls]));
    assert!(code == Some(0) && well.contains("it asked for a certificate"), "{well}{errors}");
}

#[test]
fn names_that_no_certificate_can_have_are_a_wrong_command_line() {
    let folder = Folder::new("tls names");
    let (code, _, errors) = said(&run(&folder, &["cert", "selfsigned", "--host", "채팅.example"]));
    assert!(code == Some(2) && errors.contains("--host"), "{errors}");
    assert_eq!(said(&run(&folder, &["cert", "selfsigned", "--days", "0"])).0, Some(2));
    assert!(Folder::files(&folder).is_empty());
}

#[test]
fn a_check_of_what_cannot_be_served_says_why_with_exit_code_1() {
    let folder = Folder::new("tls check");
    let (code, _, errors) = said(&run(&folder, &["cert", "check"]));
    assert!(code == Some(1) && errors.contains("cert selfsigned"), "{errors}");
    std::fs::create_dir(folder.join("tls")).expect("made");
    let (other, pair) = (Folder::new("tls other"), Folder::new("tls pair"));
    put_pair(&other, &params(-1, 10));
    for (from, until, key, says) in
        [(-20, -1, &pair, "expired"), (1, 20, &pair, "not valid yet"), (-1, 20, &other, "no pair")]
    {
        put_pair(&pair, &params(from, until));
        std::fs::copy(pair.join("certificate.pem"), folder.join("tls/certificate.pem")).expect("copied");
        std::fs::copy(key.join("key.pem"), folder.join("tls/key.pem")).expect("copied");
        let (code, _, errors) = said(&run(&folder, &["cert", "check"]));
        assert!(code == Some(1) && errors.contains(says), "{errors}, not {says}");
        // The server does not start with it either; with what has only the wrong date it does if that is meant.
        let (code, _, errors) = said(&run(&folder, &["run", "--listen", "127.0.0.1:0"]));
        assert!(code == Some(3) && errors.contains(says), "{errors}, not {says}");
        let accepting = run(&folder, &["check", "--set", "tls.accept_expired=true"]);
        assert_eq!(said(&accepting).0, Some(if says == "no pair" { 3 } else { 0 }));
    }
}

#[test]
fn plain_text_for_others_needs_a_word_and_is_warned_of() {
    let folder = Folder::new("tls plain");
    let refused = |args: &[&str], variables: &[(&str, &str)]| {
        let mut command = Command::new(program());
        command.args(args).arg("--data").arg(&*folder).envs(variables.iter().copied());
        said(&command.output().expect("it runs"))
    };
    for verb in ["run", "check"] {
        let (code, _, errors) = refused(&[verb, "--listen", "127.0.0.1:0", "--listen", "0.0.0.0:0"], &[]);
        assert!(code == Some(3) && errors.trim().lines().count() == 1, "{errors}");
        assert!(errors.contains("0.0.0.0:0") && errors.contains("cert selfsigned"), "{errors}");
        assert!(errors.contains("--listen-tls") && errors.contains("--allow-plaintext"), "{errors}");
    }
    assert!(Folder::files(&folder).is_empty(), "nothing was made");
    let checked = |args: &[&str], variables: &[(&str, &str)]| {
        let args = [&["check", "--listen", "[::]:0"][..], args].concat();
        refused(&args, variables).0
    };
    assert_eq!(checked(&["--allow-plaintext"], &[]), Some(0));
    assert_eq!(checked(&["--set", "allow_plaintext=true"], &[]), Some(0));
    assert_eq!(checked(&[], &[("CHAT_ALLOW_PLAINTEXT", "true")]), Some(0));
    assert_eq!(checked(&[], &[("CHAT_ALLOW_PLAINTEXT", "false")]), Some(3));
    assert_eq!(checked(&[], &[("CHAT_ALLOW_PLAINTEXT", "perhaps")]), Some(3));
}

#[test]
fn an_address_for_tls_without_a_certificate_is_refused_and_a_server_without_either_too() {
    let folder = Folder::new("tls none");
    for args in [
        &["check", "--listen-tls", "0.0.0.0:11022"][..],
        &["check", "--set", "listen=[]"],
        &["check", "--set", "tls.certificate=none.pem", "--set", "tls.key=none.pem"],
    ] {
        let (code, _, errors) = said(&run(&folder, args));
        assert_eq!(code, Some(3), "{args:?}: {errors}");
    }
    let server = ServerProcess::with_accounts(&folder, &[]);
    assert_eq!(server.tls, None);
}
