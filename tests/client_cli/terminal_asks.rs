//! Somebody at a terminal, who is asked whether to trust a server.

use std::fs;

use super::{
    certificates::Certificate,
    fake::LIMITS,
    folder::Folder,
    tls_server::{meets, refuses, serve_tls},
    unix::Terminal,
};

#[test]
fn a_new_server_is_asked_about_with_its_key_and_yes_makes_it_known() {
    let folder = Folder::new("chat-client asks");
    let known = folder.join("known_hosts");
    let certificate = Certificate::of_itself("127.0.0.1");
    let key = certificate.pin.to_string();
    let meetings = vec![
        refuses(certificate.again()),
        meets(certificate, |peer| {
            peer.welcome(LIMITS);
            peer.farewell();
        }),
    ];
    let (address, server) = serve_tls(meetings);
    let file = known.to_str().expect("text");
    let mut terminal = Terminal::start_with(
        address,
        "--tls --reconnect=0",
        &[("NO_COLOR", "1"), ("CHAT_KNOWN_HOSTS", file)],
    );
    terminal.wait_for(&format!("{address} is not known yet"));
    terminal.wait_for(&key);
    terminal.wait_for("[yes/no] ");
    terminal.type_keys("yes\r");
    terminal.wait_for("is known from now on by its key");
    terminal.wait_for("kim is logged in at chats://");
    terminal.type_keys("/quit\r");
    assert_eq!(terminal.wait(), Some(0));
    server.join().expect("the script was kept");
    assert_eq!(fs::read_to_string(&known).expect("it is there"), format!("{address} {key}\n"));
}

#[test]
fn whoever_does_not_say_yes_is_not_let_in_and_nothing_is_written() {
    let folder = Folder::new("chat-client asks");
    let known = folder.join("known_hosts");
    let (address, server) = serve_tls(vec![refuses(Certificate::of_itself("127.0.0.1"))]);
    let file = known.to_str().expect("text");
    let mut terminal =
        Terminal::start_with(address, "--tls", &[("LANG", "ko_KR.UTF-8"), ("CHAT_KNOWN_HOSTS", file)]);
    terminal.wait_for("앞으로 신뢰할까요? [예/아니요] ");
    terminal.type_keys("아니요\r");
    terminal.wait_for("--trust-new");
    assert_eq!(terminal.wait(), Some(8));
    server.join().expect("the script was kept");
    assert!(!known.exists());
}
