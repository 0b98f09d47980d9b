//! What lines of input become on the wire.

use std::time::{Duration, Instant};

use chat_proto::{
    Answer, ClientPacket, ErrorCode, Limits, List, ServerPacket, WhisperReceipt, WhoEntry, WhoPage,
};

use super::fake::{LIMITS, Peer, broadcast, run};

fn answer_whisper(peer: &mut Peer) -> (String, String) {
    let Some(ClientPacket::Whisper(whisper)) = peer.recv() else { panic!("a whisper") };
    let outcome = Ok(WhisperReceipt { time_ms: 0, kept: 0 });
    peer.send(&ServerPacket::WhisperAnswer(Answer { id: whisper.id, outcome }));
    (whisper.to.as_str().to_owned(), whisper.text.as_str().to_owned())
}

fn answer_who(peer: &mut Peer) {
    let Some(ClientPacket::Who(who)) = peer.recv() else { panic!("a who") };
    let entry = |name: &str, state| WhoEntry { name: name.to_owned(), state, relation: 0 };
    let entries = List(vec![entry("kim", 0), entry("김철수", 2), entry("e\u{1b}", 0)]);
    let outcome = Ok(WhoPage { members: 3, next: 0, entries });
    peer.send(&ServerPacket::WhoAnswer(Answer { id: who.id, outcome }));
}

#[test]
fn a_line_in_a_pipe_is_said_and_the_program_leaves_politely() {
    let ran = run("", "안녕하세요, 여러분\n", |peer| {
        assert_eq!(peer.welcome(LIMITS), "kim");
        assert_eq!(peer.hear(), "안녕하세요, 여러분");
        peer.farewell();
    });
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), ""));
    assert!(ran.stderr.contains("kim is logged in at 127.0.0.1:"), "{}", ran.stderr);
}

#[test]
fn windows_line_ends_byte_order_mark_blank_lines_and_a_missing_last_line_end_are_no_trouble() {
    let ran = run("", "\u{feff}one\r\n\r\n  \ntwo \tx\r\nlast", |peer| {
        peer.welcome(LIMITS);
        assert_eq!([peer.hear(), peer.hear(), peer.hear()], ["one", "two \tx", "last"]);
        peer.farewell();
    });
    assert_eq!(ran.code, Some(0));
}

#[test]
fn bytes_that_are_not_utf8_are_said_with_a_warning() {
    let ran = run("--wait-ack", b"\xb0\xa1 ok\nnext\n", |peer| {
        peer.welcome(LIMITS);
        assert_eq!([peer.hear(), peer.hear()], ["\u{fffd}\u{fffd} ok", "next"]);
        peer.farewell();
    });
    assert_eq!(ran.code, Some(0));
    assert!(ran.stderr.contains("line 1 is not UTF-8"), "{}", ran.stderr);
}

#[test]
fn commands_have_korean_names_and_their_answers_are_on_stderr() {
    for input in [
        "/w 김철수 안녕\n/who\n/quit\nnever said\n",
        "/귓 김철수 안녕\n/누구\n/나가기\nnever said\n",
        "/귓말 김철수 안녕\n/누구\n",
    ] {
        let ran = run("--quiet", input, |peer| {
            peer.welcome(LIMITS);
            assert_eq!(answer_whisper(peer), ("김철수".to_owned(), "안녕".to_owned()));
            answer_who(peer);
            peer.farewell();
        });
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), ""));
        assert_eq!(ran.stderr, "3 here:\n  kim, 김철수 (reconnecting), e\\u{1b}\n");
    }
}

#[test]
fn two_slashes_say_a_line_that_begins_with_one_and_mistakes_are_not_said() {
    let ran = run("-q --wait-ack", "//etc\n/etc\n/w lee\n/도움말\n", |peer| {
        peer.welcome(LIMITS);
        assert_eq!(peer.hear(), "/etc");
        peer.farewell();
    });
    assert_eq!(ran.code, Some(6));
    assert!(ran.stderr.contains("line 2: there is no command /etc"), "{}", ran.stderr);
    assert!(ran.stderr.contains("line 3: write /w NAME TEXT"), "{}", ran.stderr);
    assert!(ran.stderr.contains("/who"), "{}", ran.stderr);
}

#[test]
fn lines_refused_as_too_fast_are_sent_again_in_order_and_none_is_lost() {
    let input = (0..100).map(|n| format!("line {n}")).collect::<Vec<_>>().join("\n");
    let ran = run("-q --wait-ack", input, |peer| {
        peer.welcome(LIMITS);
        for n in 0..100 {
            let wanted = format!("line {n}");
            let message_id = |packet| match packet {
                Some(ClientPacket::Broadcast(said)) if said.text.as_str() == wanted => {
                    (said.id, said.message_id)
                }
                other => panic!("{other:?} is not {wanted}"),
            };
            let (mut id, first) = message_id(peer.recv());
            for code in [ErrorCode::RateLimited, ErrorCode::Overloaded].into_iter().take(n % 3) {
                peer.refuse_broadcast(id, code, 1);
                let (again, same) = message_id(peer.recv());
                assert_eq!(first, same, "a line that is sent again keeps its number");
                id = again;
            }
            peer.acknowledge(id, 1);
        }
        peer.farewell();
    });
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
}

#[test]
fn the_announced_rate_is_kept() {
    let ran = run("", "1\n2\n3\n4\n5\n6\n", |peer| {
        // Before anybody is let in: later, some of that time might be over.
        let start = Instant::now();
        peer.welcome(Limits { chat_per_second: 20, chat_burst: 2, ..LIMITS });
        for _ in 0..6 {
            peer.hear();
        }
        // Two at once, four at 50 ms each; clocks have their grain.
        assert!(start.elapsed() >= Duration::from_millis(150), "{:?}", start.elapsed());
        peer.farewell();
    });
    assert_eq!(ran.code, Some(0));
}

#[test]
fn where_there_is_no_rate_lines_do_not_wait_for_each_others_answers() {
    let ran = run("-v", "1\n2\n3\n", |peer| {
        peer.welcome(Limits { chat_per_second: 0, ..LIMITS });
        let said = [peer.recv_broadcast(), peer.recv_broadcast(), peer.recv_broadcast()];
        assert_eq!(said.each_ref().map(|(_, text)| text.as_str()), ["1", "2", "3"]);
        for ((id, _), seq) in said.into_iter().rev().zip(40..) {
            peer.acknowledge(id, seq);
        }
        peer.farewell();
    });
    assert_eq!(ran.code, Some(0));
    assert!(ran.stderr.contains("line 1: epoch 5, seq 42"), "{}", ran.stderr);
}

#[test]
fn what_comes_before_the_goodbye_is_still_shown() {
    let ran = run("-q", "hi\n", |peer| {
        peer.welcome(LIMITS);
        peer.hear();
        let Some(ClientPacket::Logout(logout)) = peer.recv() else { panic!("a logout") };
        peer.send(&broadcast("lee", "wait!"));
        peer.send(&ServerPacket::LogoutAnswer(Answer { id: logout.id, outcome: Ok(()) }));
        peer.send(&broadcast("lee", "bye"));
        peer.send(&super::fake::goodbye(chat_proto::Code::OK, ""));
    });
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "<lee> wait!\n<lee> bye\n"));
}
