//! Rooms in a pipe: going in and out, where lines go, how those of others look.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::PathBuf,
};

use chat_proto::{
    Answer, ClientPacket, ErrorCode, Joined, LeaveReason, Left, Missed, RoomSettings, ServerPacket,
    SystemText, room_flag,
};

use super::{
    fake::{LIMITS, Peer, broadcast, client, feed, refusal, run, serve},
    fake_rooms::{entered, head, removed, room_line},
};

#[test]
fn lines_go_to_the_room_that_was_entered_last_until_the_input_says_otherwise() {
    let input =
        "/join dev\nhi\n/join ops\nops here\n/JOIN Dev\nagain\n/r ops still\n/lobby\nall\n/leave ops\nend\n";
    let ran = run("--wait-ack", input, |peer| {
        peer.welcome(LIMITS);
        peer.let_in(5, "dev");
        assert_eq!(peer.hear_in(5), "hi");
        peer.let_in(6, "ops");
        assert_eq!(peer.hear_in(6), "ops here");
        assert_eq!(peer.hear_in(5), "again");
        assert_eq!(peer.hear_in(6), "still");
        assert_eq!(peer.hear(), "all");
        peer.let_go(6);
        assert_eq!(peer.hear(), "end");
        peer.farewell();
    });
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), ""));
    let told: Vec<_> = ran.stderr.lines().skip(1).collect();
    assert_eq!(
        told,
        ["* you are in dev, 3 here", "* you are in ops, 3 here", "* lines go to the lobby", "* you left ops"]
    );
}

#[test]
fn leaving_the_room_that_lines_go_to_is_the_way_back_to_the_lobby() {
    for leave in ["/leave", "/퇴장 dev", "/leave #DEV"] {
        let ran = run("-q --wait-ack", format!("/입장 dev\nhi\n{leave}\nall\n"), |peer| {
            peer.welcome(LIMITS);
            peer.let_in(5, "dev");
            assert_eq!(peer.hear_in(5), "hi");
            peer.let_go(5);
            assert_eq!(peer.hear(), "all");
            peer.farewell();
        });
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{leave}");
    }
}

#[test]
fn a_room_that_one_is_not_in_is_neither_spoken_to_nor_left() {
    let ran = run("-q --wait-ack", "/r dev hi\n/leave dev\n/leave\nall\n", |peer| {
        peer.welcome(LIMITS);
        assert_eq!(peer.hear(), "all");
        peer.farewell();
    });
    let refused = |line| format!("chat-client: line {line} was refused: not in this room (2005)\n");
    let told = refused(1) + &refused(2) + &refused(3) + "chat-client: lines not acknowledged: 3\n";
    assert_eq!((ran.code, ran.stderr), (Some(6), told));
}

#[test]
fn lines_refused_as_too_fast_are_sent_again_before_the_room_is_left() {
    let ran = run("-q --wait-ack", "/join dev\nhi\n/leave\n", |peer| {
        peer.welcome(chat_proto::Limits { chat_per_second: 0, ..LIMITS });
        peer.let_in(5, "dev");
        let Some(ClientPacket::RoomChat(said)) = peer.recv() else { panic!("a line") };
        let outcome = Err(refusal(ErrorCode::RateLimited, 1));
        peer.send(&ServerPacket::RoomChatAnswer(Answer { id: said.id, outcome }));
        assert_eq!(peer.hear_in(5), "hi");
        peer.let_go(5);
        peer.farewell();
    });
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
}

/// Someone in dev, whose lines and what happens there is told, and that of the lobby too.
fn a_room_full(peer: &mut Peer) {
    let name = || "lee".to_owned();
    peer.welcome(LIMITS);
    peer.let_in(5, "dev");
    peer.send(&ServerPacket::Joined(Joined { head: head(5), name: name() }));
    peer.send(&room_line(5, "lee", "안녕"));
    peer.send(&broadcast("lee", "all"));
    peer.send(&ServerPacket::Missed(Missed { conversation: 5, epoch: 5, from: 4, to: 6 }));
    peer.send(&ServerPacket::Left(Left { head: head(5), name: name(), reason: LeaveReason::Banned as u16 }));
    peer.send(&ServerPacket::SystemText(SystemText { head: head(5), text: "곧 점검".to_owned() }));
    peer.farewell();
}

#[test]
fn what_comes_from_a_room_names_it_and_the_rest_still_comes() {
    let ran = run("-r dev -C 3", "", a_room_full);
    let heard = "[dev] <lee> 안녕\n<lee> all\n[dev] -!- 곧 점검\n";
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), heard));
    let told: Vec<_> = ran.stderr.lines().skip(1).collect();
    assert_eq!(
        told,
        [
            "* you are in dev, 3 here",
            "* lee joined dev",
            "chat-client: lines missed in dev: 3; they came faster than they were read",
            "* lee left dev (banned)"
        ]
    );
}

#[test]
fn json_has_the_room_of_each_line_and_tells_when_one_comes_and_goes() {
    let ran = run("-q --json", "/join dev\n/leave\n", |peer| {
        peer.welcome(LIMITS);
        peer.let_in(5, "dev");
        // Before the answer to the leaving, as the protocol has it.
        peer.send(&room_line(5, "lee", "bye"));
        peer.let_go(5);
        peer.farewell();
    });
    let lines: Vec<_> = ran.stdout.lines().skip(1).take(3).collect();
    let entered = r#"{"type":"entered","conversation":"5","room":"dev","epoch":"5","seq":"2","relation":"member","members":3,"capacity":50,"hidden":false,"invite_only":false,"persistent":false,"password":false,"slow_s":0,"topic":""}"#;
    let said = r#"{"type":"broadcast","conversation":"5","room":"dev","epoch":"5","seq":"3","time_ms":1700000000000,"from":"lee","text":"bye"}"#;
    assert_eq!(lines, [entered, said, r#"{"type":"exited","conversation":"5","room":"dev"}"#]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
}

#[test]
fn the_room_of_the_arguments_is_entered_before_the_first_line_with_the_password_of_a_file() {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("client_cli_room");
    fs::write(&path, "열려라 참깨\r\n").expect("a folder for it");
    let (address, server) = serve(|peer| {
        peer.welcome(LIMITS);
        let (id, password) = peer.recv_join("dev");
        assert_eq!(password, "열려라 참깨");
        peer.send(&ServerPacket::JoinRoomAnswer(Answer { id, outcome: Ok(entered(5, "dev")) }));
        assert_eq!(peer.hear_in(5), "hi");
        peer.farewell();
    });
    let mut command = client(address, "-q --wait-ack --room #dev --room-password-file");
    let ran = feed(command.arg(path).spawn().expect("it starts"), b"hi\n");
    server.join().unwrap_or_else(|_| panic!("the script was not kept: {ran:?}"));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
}

#[test]
fn a_room_that_cannot_be_entered_ends_the_program_before_a_line_is_said() {
    let ran = run("-q -r dev", "secret\n", |peer| {
        peer.welcome(LIMITS);
        peer.refuse_join("dev", ErrorCode::RoomNotFound);
        peer.farewell();
    });
    let said = "chat-client: cannot go into dev: there is no such room (2001)\n";
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(3), said));
}

#[test]
fn a_room_is_made_where_there_is_none_and_that_was_asked_for() {
    let create = |peer: &mut Peer, outcome| {
        let Some(ClientPacket::CreateRoom(create)) = peer.recv() else { panic!("a CreateRoom is next") };
        assert_eq!((create.name.as_str(), create.password.as_str(), create.topic.as_str()), ("dev", "", ""));
        let capacity = LIMITS.room_members;
        assert_eq!(create.settings, RoomSettings { capacity, flags: 0, slow_s: 0 });
        peer.send(&ServerPacket::CreateRoomAnswer(Answer { id: create.id, outcome }));
    };
    let ran = run("-q -r dev --create", "hi\n", move |peer| {
        peer.welcome(LIMITS);
        peer.refuse_join("dev", ErrorCode::RoomNotFound);
        create(peer, Ok(entered(5, "dev")));
        assert_eq!(peer.hear_in(5), "hi");
        peer.farewell();
    });
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    // Somebody else makes it in between.
    let ran = run("-q -r dev --create", "hi\n", move |peer| {
        peer.welcome(LIMITS);
        peer.refuse_join("dev", ErrorCode::RoomNotFound);
        create(peer, Err(refusal(ErrorCode::NameTaken, 0)));
        peer.let_in(5, "dev");
        assert_eq!(peer.hear_in(5), "hi");
        peer.farewell();
    });
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
}

#[test]
fn a_room_is_made_as_its_options_say() {
    let input = "/create dev sesame --hidden --capacity 7 --persistent --topic plans for May\n";
    let ran = run("-q --wait-ack", input, |peer| {
        peer.welcome(LIMITS);
        let Some(ClientPacket::CreateRoom(create)) = peer.recv() else { panic!("a CreateRoom is next") };
        assert_eq!((create.password.as_str(), create.topic.as_str()), ("sesame", "plans for May"));
        let flags = room_flag::HIDDEN | room_flag::PERSISTENT;
        assert_eq!(create.settings, RoomSettings { capacity: 7, flags, slow_s: 0 });
        let outcome = Ok(entered(5, "dev"));
        peer.send(&ServerPacket::CreateRoomAnswer(Answer { id: create.id, outcome }));
        peer.farewell();
    });
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
}

#[test]
fn a_wait_that_is_long_is_told_and_not_waited_for() {
    let ran = run("-q --wait-ack", "/create dev\n", |peer| {
        peer.welcome(LIMITS);
        let Some(ClientPacket::CreateRoom(create)) = peer.recv() else { panic!("a CreateRoom is next") };
        let outcome = Err(refusal(ErrorCode::RateLimited, 20_000));
        peer.send(&ServerPacket::CreateRoomAnswer(Answer { id: create.id, outcome }));
        peer.farewell();
    });
    let said = "chat-client: line 1 was refused: too fast; wait and try again (3001); wait 20 s\n";
    assert_eq!((ran.code, ran.stderr), (Some(6), format!("{said}chat-client: lines not acknowledged: 1\n")));
}

#[test]
fn what_was_meant_for_a_room_one_was_put_out_of_is_said_nowhere() {
    let (address, server) = serve(|peer| {
        peer.welcome(LIMITS);
        peer.let_in(5, "dev");
        peer.send(&removed(5, LeaveReason::Kicked as u16));
        assert_eq!(peer.hear(), "all");
        peer.let_in(5, "dev");
        assert_eq!(peer.hear_in(5), "back");
        peer.farewell();
    });
    let mut child = client(address, "-q -r dev --wait-ack").spawn().expect("it starts");
    let mut stderr = BufReader::new(child.stderr.take().expect("piped"));
    let mut told = || {
        let mut line = String::new();
        stderr.read_line(&mut line).expect("it writes");
        line
    };
    let out =
        "chat-client: lee put you out of dev (kicked): flooding; lines go nowhere until /join or /lobby\n";
    assert_eq!(told(), out);
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(b"one\ntwo\n/lobby\nall\n/join dev\nback\n").expect("it reads");
    drop(stdin);
    for line in [1, 2] {
        let lost = format!("chat-client: line {line} was not said: you are not in dev\n");
        assert_eq!(told(), lost);
    }
    assert_eq!(told(), "chat-client: lines not acknowledged: 2\n");
    assert_eq!(child.wait().expect("it ends").code(), Some(6));
    server.join().expect("the script was kept");
}

#[test]
fn what_was_meant_for_a_room_that_does_not_let_one_in_is_said_nowhere() {
    let ran = run("-q --wait-ack", "/join dev sesam\nsecret\n/join dev sesame\nhi\n", |peer| {
        peer.welcome(LIMITS);
        peer.refuse_join("dev", ErrorCode::PermissionDenied);
        peer.let_in(5, "dev");
        assert_eq!(peer.hear_in(5), "hi");
        peer.farewell();
    });
    let told = "chat-client: line 1 was refused: not permitted (2004)\n\
                chat-client: line 2 was not said: you are not in dev\n\
                chat-client: lines not acknowledged: 2\n";
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(6), told));
}

#[test]
fn where_one_is_in_one_place_at_a_time_going_elsewhere_loses_nothing() {
    let moved = LeaveReason::Moved as u16;
    let ran = run("-q --wait-ack", "/join dev\nhi\n/join ops\nhere\n", move |peer| {
        peer.welcome(LIMITS);
        for (from, to, name, said) in [(1, 5, "dev", "hi"), (5, 6, "ops", "here")] {
            let (id, _) = peer.recv_join(name);
            peer.send(&removed(from, moved));
            peer.send(&ServerPacket::JoinRoomAnswer(Answer { id, outcome: Ok(entered(to, name)) }));
            assert_eq!(peer.hear_in(to), said);
        }
        peer.farewell();
    });
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
}
