//! Keeping order: what commands become on the wire, and what is told of it.

use chat_proto::{
    Act, Answer, ClientPacket, ErrorCode, LOBBY, Moderated, RoomSettings, ServerPacket, room_flag,
};

use super::{
    fake::{LIMITS, Peer, run},
    fake_rooms::{SETTINGS, entry},
};

#[test]
fn an_act_is_for_the_marked_room_or_where_lines_go_or_the_whole_server() {
    type Asked = (&'static str, u64, Act, u32, &'static str, &'static str);
    let acts: [Asked; 9] = [
        ("/kick lee #dev flooding", 5, Act::Kick, 0, "flooding", "lee is kicked from dev"),
        ("/ban lee 10m", 5, Act::Ban, 600, "", "lee is banned from dev for 10m"),
        ("/mute lee # 1h spam", LOBBY, Act::Mute, 3_600, "spam", "lee is muted on the whole server for 1h"),
        ("/invite lee dev", 5, Act::Invite, 0, "", "lee is invited to dev"),
        ("/appoint lee", 5, Act::Appoint, 0, "", "lee is a moderator of dev"),
        ("/lobby", 0, Act::Kick, 0, "", "lines go to the lobby"),
        ("/추방 lee", LOBBY, Act::Kick, 0, "", "lee is kicked from the whole server"),
        ("/unban lee #dev", 5, Act::Unban, 0, "", "lee may come back to dev"),
        ("/ban lee", LOBBY, Act::Ban, 0, "", "lee is banned from the whole server for good"),
    ];
    let input = acts.map(|(line, ..)| line).join("\n");
    let ran = run("-r dev --wait-ack", input, move |peer| {
        peer.welcome(LIMITS);
        peer.let_in(5, "dev");
        for (line, conversation, act, seconds, reason, _) in acts.into_iter().filter(|act| act.1 != 0) {
            let asked = peer.moderate(None);
            assert_eq!((asked.name.as_str(), asked.reason.as_str()), ("lee", reason), "{line}");
            assert_eq!((asked.conversation, asked.act, asked.seconds), (conversation, act as u16, seconds));
        }
        peer.farewell();
    });
    let told: Vec<_> = ran.stderr.lines().skip(2).collect();
    assert_eq!(told, acts.map(|(.., told)| format!("* {told}")));
    assert_eq!(ran.code, Some(0));
}

#[test]
fn an_act_that_is_refused_is_a_line_that_was_not_acknowledged() {
    let ran = run("-q --wait-ack", "/kick lee\n/invite lee\n", |peer| {
        peer.welcome(LIMITS);
        peer.moderate(Some(ErrorCode::PermissionDenied));
        peer.farewell();
    });
    let told = "chat-client: line 1 was refused: not permitted (2004)\n\
                chat-client: line 2 was refused: there is no such room (2001)\n\
                chat-client: lines not acknowledged: 2\n";
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(6), told));
}

#[test]
fn a_room_that_one_is_not_in_is_looked_for_in_the_list_of_rooms() {
    let ran = run("-q --wait-ack", "/close Ops\n/kick lee #none\n", |peer| {
        peer.welcome(LIMITS);
        peer.list_rooms(0, 5, vec![entry(5, "dev")]);
        peer.list_rooms(5, 0, vec![entry(8, "ops")]);
        let Some(ClientPacket::CloseRoom(close)) = peer.recv() else { panic!("a CloseRoom is next") };
        assert_eq!(close.conversation, 8);
        peer.send(&ServerPacket::CloseRoomAnswer(Answer { id: close.id, outcome: Ok(()) }));
        peer.list_rooms(0, 0, vec![entry(5, "dev")]);
        peer.farewell();
    });
    assert_eq!(ran.code, Some(6));
    assert!(ran.stderr.starts_with("chat-client: line 2 was refused: there is no such room (2001)\n"));
}

fn take_settings(peer: &mut Peer) -> (u64, RoomSettings, Option<String>) {
    let Some(ClientPacket::SetRoom(set)) = peer.recv() else { panic!("a SetRoom is next") };
    peer.send(&ServerPacket::SetRoomAnswer(Answer { id: set.id, outcome: Ok(()) }));
    (set.conversation, set.settings, set.password.map(|password| password.as_str().to_owned()))
}

#[test]
fn a_room_is_changed_as_far_as_was_asked_and_of_the_lobby_only_its_speed() {
    let input = "/set dev hidden=on slow=1m\n/방설정 dev password=\n/set # slow=5s\n";
    let ran = run("-q -r dev --wait-ack", input, |peer| {
        peer.welcome(LIMITS);
        peer.let_in(5, "dev");
        let had = room_flag::PASSWORD | room_flag::PERSISTENT;
        let mut dev = entry(5, "dev");
        dev.settings.flags = had;
        peer.list_rooms(4, 0, vec![dev.clone()]);
        let flags = room_flag::PERSISTENT | room_flag::HIDDEN;
        assert_eq!(take_settings(peer), (5, RoomSettings { flags, slow_s: 60, ..SETTINGS }, None));
        peer.list_rooms(4, 0, vec![dev]);
        let settings = RoomSettings { flags: room_flag::PERSISTENT, ..SETTINGS };
        assert_eq!(take_settings(peer), (5, settings, Some(String::new())));
        let settings = RoomSettings { capacity: 0, flags: 0, slow_s: 5 };
        assert_eq!(take_settings(peer), (LOBBY, settings, None));
        peer.farewell();
    });
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
}

#[test]
fn topics_presence_announcements_and_registration_are_asked_for() {
    let input = "/topic dev plans for May\n/away\n/back\n/ignore lee\n/unignore lee\n/announce soon\n/freeze\n/thaw\n";
    let ran = run("-r dev --wait-ack", input, |peer| {
        peer.welcome(LIMITS);
        peer.let_in(5, "dev");
        let Some(ClientPacket::SetTopic(set)) = peer.recv() else { panic!("a SetTopic is next") };
        assert_eq!((set.conversation, set.topic.as_str()), (5, "plans for May"));
        peer.send(&ServerPacket::SetTopicAnswer(Answer { id: set.id, outcome: Ok(()) }));
        for state in [1, 0] {
            let Some(ClientPacket::SetPresence(set)) = peer.recv() else { panic!("a SetPresence is next") };
            assert_eq!(set.state, state);
            peer.send(&ServerPacket::SetPresenceAnswer(Answer { id: set.id, outcome: Ok(()) }));
        }
        for on in [1, 0] {
            let Some(ClientPacket::Ignore(ignore)) = peer.recv() else { panic!("an Ignore is next") };
            assert_eq!((ignore.name.as_str(), ignore.on), ("lee", on));
            peer.send(&ServerPacket::IgnoreAnswer(Answer { id: ignore.id, outcome: Ok(()) }));
        }
        let Some(ClientPacket::Announce(announce)) = peer.recv() else { panic!("an Announce is next") };
        assert_eq!(announce.text.as_str(), "soon");
        peer.send(&ServerPacket::AnnounceAnswer(Answer { id: announce.id, outcome: Ok(()) }));
        for on in [1, 0] {
            let Some(ClientPacket::FreezeRegistration(freeze)) = peer.recv() else {
                panic!("a freeze is next")
            };
            assert_eq!(freeze.on, on);
            peer.send(&ServerPacket::FreezeRegistrationAnswer(Answer { id: freeze.id, outcome: Ok(()) }));
        }
        peer.farewell();
    });
    assert_eq!(ran.code, Some(0));
    assert_eq!(ran.stderr.lines().filter(|line| *line == "* done").count(), 8, "{}", ran.stderr);
}

#[test]
fn what_is_done_to_us_is_told() {
    let ran = run("-r dev -C 1", "", |peer| {
        peer.welcome(LIMITS);
        peer.let_in(5, "dev");
        let [room, by, text] = ["dev", "lee", "spam"].map(str::to_owned);
        let muted = Moderated { conversation: 5, room, act: Act::Mute as u16, by, seconds: 600, text };
        peer.send(&ServerPacket::Moderated(muted));
        peer.send(&super::fake::broadcast("lee", "hi"));
        peer.farewell();
    });
    assert!(ran.stderr.ends_with("* lee muted you in dev for 10m: spam\n"), "{}", ran.stderr);
}
