//! A terminal whose connection is lost while somebody types.

use chat_proto::ErrorCode;

use super::{
    fake::{goodbye, serve_each},
    fake_resume::{line_at, lobby},
    unix::Terminal,
};

#[test]
fn on_a_terminal_one_comes_back_and_the_line_being_typed_is_said_then() {
    let (address, server) = serve_each(vec![
        Box::new(|peer| {
            peer.greet_lasting();
            peer.let_in_lasting(1, &[lobby(0)]);
            peer.send(&line_at(1, "before"));
            peer.send(&goodbye(ErrorCode::ShuttingDown, ""));
        }),
        Box::new(|peer| {
            peer.greet_lasting();
            assert_eq!(peer.let_back_in(1, &[lobby(2)]), [lobby(1)]);
            peer.send(&line_at(2, "meanwhile"));
            assert_eq!(peer.hear(), "here");
            peer.farewell();
        }),
    ]);
    let mut terminal = Terminal::start_with(address, "", &[("NO_COLOR", "1"), ("LANG", "ko_KR.UTF-8")]);
    terminal.wait_for("<lee> before");
    terminal.wait_for("서버를 종료하는 중입니다 (5001). 다시 연결합니다");
    terminal.wait_for("* 다시 연결되었습니다. 놓친 줄이 많아야 1개 이어집니다");
    terminal.wait_for("<lee> meanwhile");
    terminal.type_keys("here\r/quit\r");
    assert_eq!(terminal.wait(), Some(0));
    server.join().expect("the script was kept");
}
