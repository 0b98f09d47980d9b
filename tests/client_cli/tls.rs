//! Conversations over TLS, and servers that are not trusted.

use std::{
    fs,
    io::{Read, Write},
};

use super::{
    certificates::{Authority, Certificate},
    fake::{LIMITS, Peer, Ran, accept_bytes, client, client_at, feed, goodbye, listen, run, serve},
    fake_resume::{line_at, lobby},
    folder::Folder,
    tls_server::{meets, refuses, run_tls, serve_tls},
};

const HERE: &str = "127.0.0.1";

/// A file with this in it, and its folder, which goes with it.
fn file_of(text: &str) -> (Folder, String) {
    let folder = Folder::new("chat-client tls");
    let path = folder.join("ca.pem");
    fs::write(&path, text).expect("writable");
    let path = path.to_str().expect("text").to_owned();
    (folder, path)
}

fn says_hi(peer: &mut Peer) {
    peer.welcome(LIMITS);
    assert_eq!(peer.hear(), "hi");
    peer.farewell();
}

/// That there was a conversation, and nothing to complain of.
fn assert_spoken(ran: &Ran) {
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
}

/// That there was none, and the one line that says why.
fn assert_refused(ran: &Ran, line: &str) {
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(8), format!("chat-client: {line}\n").as_str()));
}

#[test]
fn a_server_is_trusted_that_a_given_authority_vouches_for() {
    let authority = Authority::new();
    let (_folder, file) = file_of(&authority.pem);
    let ran = run_tls("-q", &["--ca", &file], "hi\n", vec![meets(authority.vouches_for(HERE), says_hi)]);
    assert_spoken(&ran);
}

#[test]
fn a_given_authority_may_be_the_servers_own_certificate() {
    for certificate in [Certificate::of_itself(HERE), Certificate::of_itself_as_authority(HERE)] {
        let (_folder, file) = file_of(&certificate.pem);
        assert_spoken(&run_tls("-q", &["--ca", &file], "hi\n", vec![meets(certificate, says_hi)]));
    }
    let certificate = Certificate::of_itself_as_authority("elsewhere.example");
    let (_folder, file) = file_of(&certificate.pem);
    let ran = run_tls("-q", &["--ca", &file], "", vec![refuses(certificate)]);
    assert_refused(&ran, "the server's certificate is not for 127.0.0.1, but for elsewhere.example");
}

#[test]
fn a_url_the_file_of_an_authority_from_the_environment_and_details() {
    let authority = Authority::new();
    let (_folder, file) = file_of(&authority.pem);
    let certificate = authority.vouches_for(HERE);
    let pin = certificate.pin;
    let (address, server) = serve_tls(vec![meets(certificate, says_hi)]);
    let mut command = client_at(&format!("chats://{address}/"), "-v --json");
    let ran = feed(command.env("CHAT_CA", &file).spawn().expect("it starts"), b"hi\n");
    server.join().expect("the script was kept");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let welcome = format!("* kim is logged in at chats://{address}\n");
    let details = format!("* TLS 1.3, TLS_AES_256_GCM_SHA384, {pin}\n");
    assert!(ran.stderr.starts_with(&(welcome + &details)), "{}", ran.stderr);
    let record = format!(
        "{{\"type\":\"tls\",\"version\":\"TLS 1.3\",\"cipher\":\"TLS_AES_256_GCM_SHA384\",\"key\":\"{pin}\"}}\n"
    );
    assert!(ran.stdout.starts_with(&record), "{}", ran.stdout);
}

#[test]
fn what_the_environment_says_about_tls_is_nothing_to_a_server_without_it() {
    let (address, server) = serve(says_hi);
    let mut command = client(address, "-q");
    command.env("CHAT_CA", "nowhere.pem").env("CHAT_PIN", "nothing");
    assert_spoken(&feed(command.spawn().expect("it starts"), b"hi\n"));
    server.join().expect("the script was kept");
}

#[test]
fn a_pinned_key_is_trusted_whatever_its_certificate_says_and_no_other_is() {
    let authority = Authority::new();
    let (right, old) = (Certificate::of_itself("elsewhere.example"), authority.vouched_for(HERE));
    let pins = [right.pin.to_string(), old.pin.to_string().replace("sha256//", "")];
    let pins = ["--pin", &pins[0], "--pin", &pins[1]];
    assert_spoken(&run_tls("-q", &pins, "hi\n", vec![meets(right, says_hi)]));
    assert_spoken(&run_tls("-q", &pins, "hi\n", vec![meets(old, says_hi)]));
    let other = authority.vouches_for(HERE);
    let told = format!(
        "the server is not the one that is meant: its key is {}, which is not that of --pin",
        other.pin
    );
    assert_refused(&run_tls("-q", &pins, "", vec![refuses(other)]), &told);
}

#[test]
fn nobody_who_is_too_old_too_young_or_somebody_else_is_trusted() {
    let authority = Authority::new();
    let (_folder, file) = file_of(&authority.pem);
    for (certificate, told) in [
        (
            authority.vouched_for(HERE),
            "the server's certificate has expired, on 2001-02-03; its operator must renew it",
        ),
        (
            authority.will_vouch_for(HERE),
            "the server's certificate is not valid yet, but from 3000-01-02; is the clock of this machine right?",
        ),
        (
            authority.vouches_for("chat.example"),
            "the server's certificate is not for 127.0.0.1, but for chat.example",
        ),
    ] {
        assert_refused(&run_tls("-q", &["--ca", &file], "", vec![refuses(certificate)]), told);
    }
    let stranger = Authority::new().vouches_for(HERE);
    let told = format!(
        "no authority that is trusted here has signed the server's certificate; its key is {}; if that is right, give \
         its authority with --ca, or the key with --pin",
        stranger.pin
    );
    assert_refused(&run_tls("-q", &["--ca", &file], "", vec![refuses(stranger)]), &told);
}

#[test]
fn insecure_takes_anyone_and_says_so_each_time() {
    let ran =
        run_tls("-q --insecure", &[], "hi\n", vec![meets(Certificate::of_itself("x.example"), says_hi)]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(
        ran.stderr,
        "chat-client: WARNING: --insecure: nobody has checked who the server is, and whoever stands in between reads \
         and writes everything\n"
    );
}

#[test]
fn a_port_without_tls_and_a_port_with_it_are_told_apart() {
    let ran = run("-q --tls --insecure", "", |peer| {
        peer.send(&goodbye(chat_proto::ErrorCode::FrameTooLarge, ""));
        peer.send_bytes(&[]);
    });
    let told = "the server does not speak TLS there; without TLS it usually listens at port 11021\n";
    assert!(ran.code == Some(4) && ran.stderr.ends_with(told), "{ran:?}");

    let (address, server) = listen(|listener| {
        let mut stream = Certificate::of_itself(HERE).accept(accept_bytes(listener));
        assert!(stream.conn.complete_io(&mut stream.sock).is_err(), "that was no TLS");
    });
    let ran = feed(client(address, "").spawn().expect("it starts"), b"");
    server.join().expect("the script was kept");
    let told = "chat-client: the server speaks TLS there: write chats://HOST, or --tls\n";
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(4), told));
}

#[test]
fn a_server_that_hangs_up_in_the_handshake_is_a_network_error() {
    let (address, server) = listen(|listener| drop(accept_bytes(listener)));
    let ran = feed(client(address, "--tls --pin").arg("0".repeat(64)).spawn().expect("it starts"), b"");
    server.join().expect("the script was kept");
    let told = "chat-client: the server hung up instead of speaking TLS; is it the right port?\n";
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(1), told));
}

#[test]
fn what_is_no_file_of_authorities_no_pin_or_both_is_a_usage_error() {
    let (_folder, file) = file_of("nothing");
    let nobody = "127.0.0.1:1".parse().expect("an address");
    for (variables, ca, told) in [
        (&[][..], Some(file.as_str()), "there is no certificate in it"),
        (&[], Some("nowhere.pem"), "cannot read nowhere.pem: "),
        (&[("CHAT_PIN", "abc")], None, "CHAT_PIN is no fingerprint"),
        (&[("CHAT_PIN", "abc"), ("CHAT_CA", "f")], None, "CHAT_CA and CHAT_PIN exclude each other"),
    ] {
        let mut command = client(nobody, "--tls");
        command.envs(variables.iter().copied());
        if let Some(ca) = ca {
            command.arg("--ca").arg(ca);
        }
        let ran = feed(command.spawn().expect("it starts"), b"");
        assert!(ran.code == Some(2) && ran.stderr.contains(told), "{ran:?}");
    }
}

#[test]
fn over_tls_too_one_comes_back_and_the_session_outlives_the_program() {
    let folder = Folder::new("chat-client tls");
    let state = folder.join("state.json");
    let state = state.to_str().expect("text");
    let key = || Certificate::of_itself(HERE);
    let (first, second, other) = (key(), key(), key());
    let pins = [first.pin, second.pin].map(|pin| pin.to_string());
    let more = ["--pin", &pins[0], "--pin", &pins[1], "--state", state];
    let meetings = vec![
        meets(first, |peer| {
            peer.greet_lasting();
            peer.let_in_lasting(1, &[lobby(0)]);
            peer.send(&line_at(1, "before"));
        }),
        meets(second, |peer| {
            peer.greet_lasting();
            assert_eq!(peer.let_back_in(1, &[lobby(2)]), [lobby(1)]);
            peer.send(&line_at(2, "meanwhile"));
        }),
        refuses(other),
    ];
    let ran = run_tls("-q --reconnect --eof=wait", &more, "", meetings);
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (Some(8), "<lee> before\n<lee> meanwhile\n"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("is not the one that is meant"), "it is not come back to: {}", ran.stderr);
    let kept = fs::read_to_string(state).expect("it is there");
    assert!(kept.contains("\"server\":\"chats://127.0.0.1:"), "{kept}");
    // What was given over TLS is not shown without it.
    let address = kept.split("chats://").nth(1).and_then(|rest| rest.split('"').next()).expect("an address");
    let mut command = client(address.parse().expect("an address"), "");
    let ran = feed(command.arg("--state").arg(state).spawn().expect("it starts"), b"");
    assert!(ran.code == Some(2) && ran.stderr.contains("is another session: kim @ chats://"), "{ran:?}");
}

#[test]
fn an_alert_is_a_refusal_with_a_reason() {
    // A server that is full, and one that speaks something else.
    for (alert, code, told) in [
        (80, 1, "the server takes no connection now: it may be full, or not want this address"),
        (120, 4, "the server refused the TLS connection: NoApplicationProtocol"),
    ] {
        let (address, server) = listen(move |listener| {
            let mut stream = accept_bytes(listener);
            stream.write_all(&[21, 3, 3, 0, 2, 2, alert]).expect("the client is there");
            while matches!(stream.read(&mut [0; 4_096]), Ok(1..)) {}
        });
        let ran = feed(client(address, "--tls --insecure").spawn().expect("it starts"), b"");
        server.join().expect("the script was kept");
        assert!(ran.code == Some(code) && ran.stderr.ends_with(&format!(": {told}\n")), "{ran:?}");
    }
}
