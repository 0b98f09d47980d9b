//! Rooms on a terminal, whose prompt shows where lines go.

use std::sync::mpsc;

use chat_proto::{Answer, ClientPacket, ErrorCode, LeaveReason, ServerPacket};

use super::{
    fake::{LIMITS, refusal, serve},
    fake_rooms::{removed, room_line},
    unix::Terminal,
};

const PLAIN: &[(&str, &str)] = &[("NO_COLOR", "1")];

#[test]
fn the_prompt_shows_the_room_that_lines_go_to() {
    let (address, server) = serve(|peer| {
        peer.welcome(LIMITS);
        peer.let_in(5, "개발");
        assert_eq!(peer.hear_in(5), "hi");
        peer.send(&room_line(5, "lee", "안녕"));
        assert_eq!(peer.hear(), "all");
        peer.let_go(5);
        peer.farewell();
    });
    let mut terminal = Terminal::start_with(address, "", PLAIN);
    terminal.wait_for("> ");
    terminal.type_keys("/join 개발\r");
    terminal.wait_for("* you are in 개발, 3 here");
    terminal.wait_for("개발> ");
    terminal.type_keys("hi\r");
    terminal.wait_for("[개발] <lee> 안녕");
    terminal.type_keys("/lobby\r");
    terminal.wait_for("* lines go to the lobby");
    terminal.wait_for("> ");
    terminal.type_keys("all\r/leave 개발\r");
    terminal.wait_for("* you left 개발");
    terminal.type_keys("/quit\r");
    assert_eq!(terminal.wait(), Some(0));
    server.join().expect("the script was kept");
}

#[test]
fn the_line_that_is_typed_while_one_is_put_out_is_not_said_in_the_lobby() {
    let (typed, typing) = mpsc::channel();
    let (address, server) = serve(move |peer| {
        peer.welcome(LIMITS);
        peer.let_in(5, "dev");
        typing.recv().expect("the test types");
        peer.send(&removed(5, LeaveReason::Kicked as u16));
        assert_eq!(peer.hear(), "hello");
        peer.farewell();
    });
    let mut terminal = Terminal::start_with(address, "-r dev", PLAIN);
    terminal.wait_for("* you are in dev, 3 here");
    terminal.type_keys("sec");
    terminal.wait_for("sec");
    typed.send(()).expect("the server waits");
    terminal.wait_for("lee put you out of dev (kicked): flooding; lines go to the lobby now");
    terminal.type_keys("ret\r");
    terminal.wait_for("line 1 was not said: you are not in dev; the next go to the lobby");
    terminal.type_keys("hello\r/quit\r");
    assert_eq!(terminal.wait(), Some(0));
    server.join().expect("the script was kept");
}

#[test]
fn whoever_types_is_told_of_a_slow_room_and_not_kept_waiting() {
    let (address, server) = serve(|peer| {
        peer.welcome(LIMITS);
        peer.let_in(5, "dev");
        let Some(ClientPacket::RoomChat(said)) = peer.recv() else { panic!("a line") };
        let outcome = Err(refusal(ErrorCode::RateLimited, 29_500));
        peer.send(&ServerPacket::RoomChatAnswer(Answer { id: said.id, outcome }));
        peer.farewell();
    });
    let mut terminal = Terminal::start_with(address, "-r dev", PLAIN);
    terminal.wait_for("* you are in dev, 3 here");
    terminal.type_keys("hi\r");
    terminal.wait_for("line 1 was refused: too fast; wait and try again (3001); wait 30 s");
    terminal.type_keys("/quit\r");
    assert_eq!(terminal.wait(), Some(0));
    server.join().expect("the script was kept");
}
