//! Servers that nobody vouches for, and that are known by their keys.

use std::{fs, path::Path};

use super::{
    certificates::Certificate,
    fake::{LIMITS, Ran, client, feed},
    folder::Folder,
    tls_server::{meets, refuses, run_tls, serve_tls},
};

const HERE: &str = "127.0.0.1";

/// Runs a client three times at one server.
fn run_thrice(known: &Path, meetings: Vec<super::tls_server::Meeting>, arguments: [&str; 3]) -> [Ran; 3] {
    let (address, server) = serve_tls(meetings);
    let ran = arguments.map(|arguments| {
        let mut command = client(address, "-q --tls");
        // A variable, so that the folder has to be made as well.
        command.args(arguments.split_whitespace()).env("CHAT_KNOWN_HOSTS", known);
        feed(command.spawn().expect("it starts"), b"")
    });
    server.join().unwrap_or_else(|_| panic!("the script was not kept: {ran:?}"));
    ran
}

#[test]
fn a_server_that_is_trusted_once_is_known_and_another_key_is_loudly_refused() {
    let folder = Folder::new("chat-client known");
    let known = folder.join("iocp-chat").join("known_hosts");
    let (first, other) = (Certificate::of_itself("some.example"), Certificate::of_itself(HERE));
    let (key, its) = (first.pin, other.pin);
    let again = first.again();
    let session = |peer: &mut super::fake::Peer| {
        peer.welcome(LIMITS);
        peer.farewell();
    };
    // Trusted without asking: the first handshake tells the key, and the second finds it known.
    let meetings = vec![refuses(first.again()), meets(first, session), meets(again, session), refuses(other)];
    let [new, old, changed] = run_thrice(&known, meetings, ["--trust-new", "", "--trust-new"]);
    assert_eq!((new.code, new.stderr.as_str()), (Some(0), ""));
    assert_eq!((old.code, old.stderr.as_str()), (Some(0), ""));
    let text = fs::read_to_string(&known).expect("it is there");
    let (host, rest) = text.split_once(' ').expect("two words");
    assert_eq!(rest, format!("{key}\n"));
    assert_eq!(changed.code, Some(8), "{}", changed.stderr);
    let told = format!(
        "chat-client: DANGER: {host} is not the server that it was, or somebody is listening in: its key is {its}, and \
         the one that is known is in {}, line 1; if its operator says that the key has changed, remove that line\n",
        known.display()
    );
    assert_eq!(changed.stderr, told);
    #[cfg(unix)]
    for path in [known.as_path(), known.parent().expect("its folder")] {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(path).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}", path.display());
    }
}

#[test]
fn a_pipe_refuses_who_is_new_and_says_how_to_trust_them() {
    let folder = Folder::new("chat-client known");
    let known = folder.join("known_hosts");
    let file = known.to_str().expect("text");
    for (language, told) in
        [("C", " is not known yet, and no "), ("ko_KR.UTF-8", " 은(는) 처음 보는 서버이고")]
    {
        let certificate = Certificate::of_itself(HERE);
        let key = certificate.pin;
        let (address, server) = serve_tls(vec![refuses(certificate)]);
        let mut command = client(address, "--tls");
        let ran = command.args(["--known-hosts", file]).env("LC_ALL", language).spawn();
        let ran = feed(ran.expect("it starts"), b"yes\n");
        server.join().expect("the script was kept");
        assert_eq!(ran.code, Some(8), "{}", ran.stderr);
        let line = format!("chat-client: {address}{told}");
        assert!(ran.stderr.starts_with(&line) && ran.stderr.contains(&key.to_string()), "{}", ran.stderr);
        assert!(ran.stderr.contains("--trust-new"), "{}", ran.stderr);
        assert!(!known.exists());
    }
}

#[test]
fn a_damaged_file_of_known_hosts_lets_nobody_in() {
    let folder = Folder::new("chat-client known");
    let known = folder.join("known_hosts");
    fs::write(&known, "# mine\n127.0.0.1:1 sha256\n").expect("writable");
    let file = known.to_str().expect("text");
    let refused = vec![refuses(Certificate::of_itself(HERE))];
    let ran = run_tls("-q --trust-new", &["--known-hosts", file], "", refused);
    assert_eq!(ran.code, Some(8), "{}", ran.stderr);
    let told = format!("chat-client: cannot read {file}: line 2 is not HOST:PORT and a fingerprint\n");
    assert_eq!(ran.stderr, told);
}

#[test]
fn a_line_is_added_after_what_is_there_even_without_a_line_end() {
    let folder = Folder::new("chat-client known");
    let known = folder.join("known_hosts");
    fs::write(&known, "# mine").expect("writable");
    let file = known.to_str().expect("text");
    let certificate = Certificate::of_itself(HERE);
    let meetings = vec![
        refuses(certificate.again()),
        meets(certificate, |peer| {
            peer.welcome(LIMITS);
            peer.farewell();
        }),
    ];
    let ran = run_tls("--trust-new", &["--known-hosts", file], "", meetings);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stderr.contains("is known from now on by its key sha256//"), "{}", ran.stderr);
    let text = fs::read_to_string(&known).expect("it is there");
    assert!(text.starts_with("# mine\n127.0.0.1:") && text.ends_with("=\n"), "{text}");
}
