//! Passwords that somebody types at a terminal, which does not show them.

use std::{
    net::SocketAddr,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use chat_proto::{Answer, ClientPacket, Registered, Role, ServerPacket, way_in};
use rustix::termios::LocalModes;

use super::{
    fake::{LIMITS, PATIENCE, Peer, password, serve, serve_asking},
    unix::Terminal,
};

const ALL_WAYS: u16 = way_in::GUEST | way_in::PASSWORD | way_in::REGISTRATION;
const SECRET: &str = "비밀 secret";

/// Waits until this is asked for and the terminal is silent, and answers it.
fn answer(terminal: &mut Terminal, prompt: &str, keys: &str) {
    let before = terminal.wait_for(prompt);
    assert!(!before.contains("secret"), "{before:?}");
    let asked = Instant::now();
    while terminal.modes_now().contains(LocalModes::ECHO) {
        assert!(asked.elapsed() < PATIENCE, "{prompt:?} shows what is typed");
        thread::yield_now();
    }
    terminal.type_keys(keys);
    // The line end that was typed, and nothing of what was typed before it.
    assert_eq!(terminal.wait_for("\n").trim(), "", "after {prompt:?}");
}

fn log_in(with: Option<&'static str>) -> impl FnOnce(&mut Peer) + Send + 'static {
    move |peer| {
        assert_eq!(peer.take_login(Role::User), ("kim".to_owned(), with.map(str::to_owned)));
        assert_eq!(peer.hear(), "hi");
        peer.farewell();
    }
}

#[test]
fn a_password_is_asked_for_on_a_terminal_and_not_shown() {
    let (address, server) = serve_asking(ALL_WAYS, log_in(Some(SECRET)));
    let mut terminal = Terminal::start_with(address, "", &[]);
    let keys = format!("{SECRET}x\u{7f}\r");
    answer(&mut terminal, "Password for kim (Enter alone: as a guest): ", &keys);
    assert!(!terminal.wait_for("> ").contains("secret"));
    terminal.type_keys("hi\r/quit\r");
    assert_eq!(terminal.wait(), Some(0));
    assert_eq!(terminal.modes_now(), terminal.modes);
    server.join().expect("the script was kept");
}

#[test]
fn enter_alone_comes_in_as_a_guest_where_guests_are_taken() {
    let (address, server) = serve_asking(ALL_WAYS, log_in(None));
    let mut terminal = Terminal::start_with(address, "", &[("LANG", "ko_KR.UTF-8")]);
    answer(&mut terminal, "kim 비밀번호 (그냥 Enter: 손님으로): ", "\r");
    terminal.wait_for("> ");
    terminal.type_keys("hi\r/quit\r");
    assert_eq!(terminal.wait(), Some(0));
    server.join().expect("the script was kept");
}

/// Plays a server that only tells how people get in, to a client that ends by itself.
fn looked_at(ways_in: u16) -> (SocketAddr, JoinHandle<()>) {
    serve(move |peer| {
        peer.greet_by(ways_in, LIMITS);
        assert_eq!(peer.recv(), None);
    })
}

#[test]
fn enter_alone_is_no_password_where_one_is_needed() {
    for (arguments, ways_in) in [("", way_in::PASSWORD), ("--password", ALL_WAYS)] {
        let (address, server) = looked_at(ways_in);
        let mut terminal = Terminal::start_with(address, arguments, &[]);
        answer(&mut terminal, "Password for kim: ", "\r");
        terminal.wait_for("chat-client: no password was typed");
        assert_eq!(terminal.wait(), Some(2));
        server.join().expect("the script was kept");
    }
}

#[test]
fn who_registers_types_the_password_twice() {
    let (address, server) = serve_asking(ALL_WAYS, |peer| {
        let Some(ClientPacket::Register(register)) = peer.recv() else { panic!("a Register is second") };
        let outcome = Ok(Registered { name: "kim".to_owned(), role: Role::User as u16 });
        peer.send(&ServerPacket::RegisterAnswer(Answer { id: register.id, outcome }));
        assert_eq!(password(register.credential).as_deref(), Some(SECRET));
        log_in(Some(SECRET))(peer);
    });
    let mut terminal = Terminal::start_with(address, "--register", &[]);
    answer(&mut terminal, "New password for kim: ", &format!("{SECRET}\r"));
    answer(&mut terminal, "The same again: ", &format!("{SECRET}\r"));
    terminal.wait_for("> ");
    terminal.type_keys("hi\r/quit\r");
    assert_eq!(terminal.wait(), Some(0));
    server.join().expect("the script was kept");
}

#[test]
fn two_passwords_that_differ_register_nobody() {
    for (lang, prompts, said) in [
        ("C", ["New password for kim: ", "The same again: "], "the two passwords differ"),
        ("ko_KR", ["kim 새 비밀번호: ", "한 번 더: "], "두 비밀번호가 서로 다릅니다"),
    ] {
        let (address, server) = looked_at(ALL_WAYS);
        let mut terminal = Terminal::start_with(address, "--register", &[("LC_ALL", lang)]);
        answer(&mut terminal, prompts[0], &format!("{SECRET}\r"));
        answer(&mut terminal, prompts[1], &format!("{SECRET}!\r"));
        terminal.wait_for(said);
        assert_eq!(terminal.wait(), Some(2));
        assert_eq!(terminal.modes_now(), terminal.modes);
        server.join().expect("the script was kept");
    }
}

#[test]
fn a_change_asks_for_the_current_password_and_twice_for_the_new_one() {
    let (address, server) = serve_asking(ALL_WAYS, |peer| {
        assert_eq!(peer.take_login(Role::User).1.as_deref(), Some(SECRET));
        let Some(ClientPacket::ChangePassword(change)) = peer.recv() else { panic!("the change is next") };
        peer.send(&ServerPacket::ChangePasswordAnswer(Answer { id: change.id, outcome: Ok(()) }));
        let both = [password(change.current), password(change.new)];
        assert_eq!(both, [SECRET, "new secret"].map(|password| Some(password.to_owned())));
        peer.farewell();
    });
    let mut terminal = Terminal::start_with(address, "--change-password", &[]);
    answer(&mut terminal, "Password for kim: ", &format!("{SECRET}\r"));
    answer(&mut terminal, "New password for kim: ", "new secret\r");
    answer(&mut terminal, "The same again: ", "new secret\r");
    terminal.wait_for("the password of kim is changed");
    assert_eq!(terminal.wait(), Some(0));
    server.join().expect("the script was kept");
}

#[test]
fn ctrl_c_instead_of_a_password_ends_the_program_and_the_silence() {
    let (address, server) = looked_at(ALL_WAYS);
    let mut terminal = Terminal::start_with(address, "", &[]);
    answer(&mut terminal, "as a guest): ", "half a secret\u{3}");
    assert_eq!(terminal.wait(), Some(130));
    assert_eq!(terminal.modes_now(), terminal.modes);
    server.join().expect("the script was kept");
}

#[test]
fn the_time_that_somebody_types_is_not_counted() {
    let (address, server) = serve_asking(ALL_WAYS, |peer| {
        peer.take_login(Role::User);
        peer.farewell();
    });
    let mut terminal = Terminal::start_with(address, "-W 5 --eof=wait", &[]);
    terminal.wait_for("as a guest): ");
    // Longer than -W.
    thread::sleep(Duration::from_millis(5_200));
    answer(&mut terminal, "", &format!("{SECRET}\r"));
    terminal.wait_for("* kim is logged in at ");
    assert_eq!(terminal.wait(), Some(5));
    server.join().expect("the script was kept");
}
