//! A connection that is lost, and another that follows.

use std::sync::mpsc;

use chat_proto::{
    Answer, ClientPacket, Code, ErrorCode, HistoryEntry, HistoryPage, List, ServerPacket, feature, way_in,
};

use super::{
    fake::{LIMITS, Peer, Ran, Script, client, feed, goodbye, run, serve_each},
    fake_resume::{at, line_at, lobby},
};

/// Runs a client on an input against scripts, one for each of its connections.
fn run_each(arguments: &str, input: &str, scripts: Vec<Script>) -> Ran {
    let (address, server) = serve_each(scripts);
    let ran = feed(client(address, arguments).spawn().expect("it starts"), input.as_bytes());
    server.join().unwrap_or_else(|_| panic!("the script was not kept: {:?}, {}", ran.code, ran.stderr));
    ran
}

#[test]
fn what_was_said_is_said_again_and_what_was_missed_is_shown_once() {
    let (number, numbered) = mpsc::channel();
    let ran = run_each(
        "--reconnect --wait-ack",
        "one\ntwo\n",
        vec![
            Box::new(move |peer| {
                peer.greet_lasting();
                peer.let_in_lasting(1, &[at(0, 5, 0), lobby(2)]);
                peer.send(&line_at(3, "before"));
                number.send(peer.recv_numbered().1).expect("the next script waits");
            }),
            Box::new(move |peer| {
                peer.greet_lasting();
                assert_eq!(peer.let_back_in(1, &[at(0, 5, 0), lobby(5)]), [at(0, 5, 0), lobby(3)]);
                peer.send(&line_at(4, "meanwhile"));
                let (id, again, text) = peer.recv_numbered();
                assert_eq!((again, text.as_str()), (numbered.recv().expect("it was said"), "one"));
                peer.acknowledge(id, 5);
                assert_eq!(peer.hear(), "two");
                peer.farewell();
            }),
        ],
    );
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (Some(0), "<lee> before\n<lee> meanwhile\n"),
        "{}",
        ran.stderr
    );
    let told = "chat-client: the server closed the connection without a word; reconnecting\n\
                * back; up to 2 lines you missed follow\n";
    assert!(ran.stderr.ends_with(told), "{}", ran.stderr);
}

#[test]
fn in_a_pipe_nothing_of_it_happens_unless_it_is_asked_for() {
    for arguments in ["-q --eof=wait", "-q --eof=wait --reconnect=0"] {
        let ran = run(arguments, "", |peer| {
            let asked = peer.greet_granting(0, way_in::GUEST, LIMITS);
            assert_eq!(asked & feature::RESUME, 0, "it is not asked for");
            peer.take_login(chat_proto::Role::Guest);
        });
        assert_eq!(ran.code, Some(1));
        assert_eq!(ran.stderr, "chat-client: the server closed the connection without a word\n");
    }
}

#[test]
fn whoever_is_replaced_stays_away() {
    let ran = run_each(
        "-q --eof=wait --reconnect",
        "",
        vec![Box::new(|peer| {
            peer.greet_lasting();
            peer.let_in_lasting(1, &[lobby(0)]);
            peer.send(&goodbye(ErrorCode::SessionReplaced, ""));
        })],
    );
    assert_eq!(ran.code, Some(3));
    let why = "chat-client: the server said goodbye: another login of this name took over (1203)\n";
    assert_eq!(ran.stderr, why);
}

#[test]
fn attempts_come_to_their_end_with_the_code_of_a_network_error() {
    let ran = run_each(
        "--reconnect=1 --eof=wait",
        "",
        vec![
            Box::new(|peer| {
                peer.greet_lasting();
                peer.let_in_lasting(1, &[lobby(0)]);
                peer.send(&goodbye(ErrorCode::ShuttingDown, ""));
            }),
            // Hung up on.
            Box::new(|_| {}),
        ],
    );
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("the server is shutting down (5001); reconnecting\n"), "{}", ran.stderr);
}

fn comes_in(peer: &mut Peer, token: u8) {
    peer.let_in_lasting(token, &[lobby(9)]);
    peer.let_in(5, "dev");
}

#[test]
fn where_the_session_is_gone_the_room_is_entered_again_and_what_is_uncertain_is_told() {
    let ran = run_each(
        "--reconnect --json --wait-ack -r dev -C 1",
        "hello\n",
        vec![
            Box::new(|peer| {
                peer.greet_lasting();
                comes_in(peer, 1);
                assert!(matches!(peer.recv(), Some(ClientPacket::RoomChat(_))));
            }),
            Box::new(|peer| {
                peer.greet_lasting();
                peer.refuse_resume(1);
                comes_in(peer, 4);
                peer.send(&line_at(10, "enough"));
                peer.farewell();
            }),
        ],
    );
    assert_eq!(ran.code, Some(6), "{}", ran.stderr);
    assert!(ran.stderr.contains("line 1 may or may not have been said"), "{}", ran.stderr);
    let records: Vec<_> = ran.stdout.lines().collect();
    let why = "the server closed the connection without a word";
    assert_eq!(records[2], format!(r#"{{"type":"reconnecting","attempt":1,"wait_ms":0,"why":"{why}"}}"#));
    let lost = r#""lost":[{"conversation":"5","room":"dev"}],"uncertain":["hello"]"#;
    assert_eq!(
        records[3],
        format!(r#"{{"type":"restarted","session":"7","name":"kim","role":"guest",{lost}}}"#)
    );
    // The second time in the room, which the program may have left before it was told.
    assert!(records[1].starts_with(r#"{"type":"entered","conversation":"5","room":"dev""#));
}

#[test]
fn a_room_that_was_lost_meanwhile_is_said_to_be() {
    let ran = run_each(
        "--reconnect -r dev -C 1",
        "",
        vec![
            Box::new(|peer| {
                peer.greet_lasting();
                comes_in(peer, 1);
            }),
            Box::new(|peer| {
                peer.greet_lasting();
                assert_eq!(peer.let_back_in(1, &[lobby(9)]), [lobby(9)]);
                peer.send(&line_at(10, "enough"));
                peer.farewell();
            }),
        ],
    );
    assert_eq!(ran.code, Some(0));
    assert!(
        ran.stderr.contains("you missed nothing\nchat-client: you are no longer in dev\n"),
        "{}",
        ran.stderr
    );
}

fn tells_history(peer: &mut Peer, epoch: u64, seq: u64, limit: u16, more: u16, said: &[(&str, &str)]) {
    let Some(ClientPacket::History(asked)) = peer.recv() else { panic!("a History is next") };
    assert_eq!((asked.conversation, asked.direction, asked.epoch, asked.seq), (1, 0, epoch, seq));
    assert_eq!(asked.limit, limit);
    let entry = |(sender, text): &(&str, &str)| HistoryEntry {
        epoch: 5,
        seq: 8,
        time_ms: 1_700_000_000_000,
        sender: (*sender).to_owned(),
        text: (*text).to_owned(),
    };
    let entries = List(said.iter().map(entry).collect());
    let outcome = Ok(HistoryPage { more, epoch: 5, seq: 8, entries });
    peer.send(&ServerPacket::HistoryAnswer(Answer { id: asked.id, outcome }));
}

#[test]
fn the_past_is_told_page_by_page_in_order() {
    let ran = run("-q", "/history 3\n", |peer| {
        peer.welcome(LIMITS);
        tells_history(peer, 0, 0, 3, 1, &[("lee", "two"), ("", "three\u{7}")]);
        tells_history(peer, 5, 8, 1, 1, &[("kim", "one")]);
        peer.farewell();
    });
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), ""));
    let time = "2023-11-14T22:13:20Z";
    assert_eq!(ran.stderr, format!("  {time} <kim> one\n  {time} <lee> two\n  {time} -!- three\\u{{7}}\n"));

    let ran = run("-q --json", "/기록 1\n/history # 2\n", |peer| {
        peer.welcome(LIMITS);
        tells_history(peer, 0, 0, 1, 1, &[("lee", "hi")]);
        tells_history(peer, 0, 0, 2, 0, &[]);
        peer.farewell();
    });
    let lines: Vec<_> = ran.stdout.lines().skip(1).take(2).collect();
    let entry = r#"{"epoch":"5","seq":"8","time_ms":1700000000000,"from":"lee","text":"hi"}"#;
    assert_eq!(
        lines,
        [
            format!(r#"{{"type":"history","conversation":"1","entries":[{entry}],"more":true}}"#),
            r#"{"type":"history","conversation":"1","entries":[],"more":false}"#.to_owned(),
        ]
    );
}

#[test]
fn a_logout_is_not_come_back_from() {
    let ran = run_each(
        "-q --reconnect",
        "hi\n",
        vec![Box::new(|peer| {
            peer.greet_lasting();
            peer.let_in_lasting(1, &[lobby(0)]);
            peer.hear();
            let Some(ClientPacket::Logout(_)) = peer.recv() else { panic!("a logout") };
            peer.send(&goodbye(Code::OK, ""));
        })],
    );
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
}
