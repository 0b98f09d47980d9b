//! Lists that are asked for: of rooms, of members, of whom one ignores.

use chat_proto::{
    Answer, ClientPacket, IgnoredEntry, IgnoredPage, List, RoomEntry, RoomSettings, ServerPacket, WhoEntry,
    WhoPage, room_flag,
};

use super::{
    fake::{LIMITS, Peer, run},
    fake_rooms::entry,
};

fn some_rooms() -> Vec<RoomEntry> {
    let settings = RoomSettings { capacity: 9, flags: room_flag::PASSWORD, slow_s: 30 };
    let topic = "계획 e\u{1b}".to_owned();
    vec![entry(5, "dev"), RoomEntry { settings, topic, ..entry(7, "개발") }]
}

fn list_members(peer: &mut Peer, conversation: u64) {
    let Some(ClientPacket::Who(who)) = peer.recv() else { panic!("a Who is next") };
    assert_eq!(who.conversation, conversation);
    let entry = |name: &str, state, relation| WhoEntry { name: name.to_owned(), state, relation };
    let entries =
        List(vec![entry("kim", 1, 2), entry("김철수", 0, 1), entry("e\u{1b}", 2, 0), entry("lee", 0, 0)]);
    let outcome = Ok(WhoPage { members: 4, next: 0, entries });
    peer.send(&ServerPacket::WhoAnswer(Answer { id: who.id, outcome }));
}

fn list_ignored(peer: &mut Peer, names: &[&str]) {
    let Some(ClientPacket::Ignored(ignored)) = peer.recv() else { panic!("an Ignored is next") };
    let entries = List(names.iter().map(|name| IgnoredEntry { name: (*name).to_owned() }).collect());
    let outcome = Ok(IgnoredPage { entries });
    peer.send(&ServerPacket::IgnoredAnswer(Answer { id: ignored.id, outcome }));
}

fn everything(peer: &mut Peer) {
    peer.welcome(LIMITS);
    peer.let_in(5, "dev");
    peer.list_rooms(0, 0, some_rooms());
    peer.list_rooms(4, 0, some_rooms());
    list_members(peer, 5);
    list_members(peer, 1);
    list_ignored(peer, &["lee", "e\u{1b}"]);
    peer.farewell();
}

const INPUT: &str = "/rooms\n/topic dev\n/members\n/members #\n/ignore\n";

#[test]
fn lists_are_on_stderr_where_text_is_written() {
    let ran = run("-q -r dev --wait-ack", INPUT, everything);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), ""));
    let members = "4 here:\n  kim (owner, away), 김철수 (moderator), e\\u{1b} (reconnecting), lee\n";
    let rooms = "  dev 3/50\n  개발 3/9 [password, slow mode 30s]: 계획 e\\u{1b}\n";
    let told = format!("{rooms}  dev 3/50\n{members}{members}you ignore lee, e\\u{{1b}}\n");
    assert_eq!(ran.stderr, told);
}

#[test]
fn lists_are_records_where_json_is_written() {
    let ran = run("-q -r dev --wait-ack --json", INPUT, everything);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    let records: Vec<serde_json::Value> =
        ran.stdout.lines().skip(2).map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let types: Vec<_> = records.iter().map(|record| record["type"].as_str().expect("a type")).collect();
    assert_eq!(types, ["rooms", "rooms", "members", "members", "ignored", "goodbye"]);
    assert_eq!(records[0]["rooms"][1]["room"], "개발");
    assert_eq!(records[0]["rooms"][1]["slow_s"], 30);
    assert_eq!(records[1]["rooms"].as_array().map(Vec::len), Some(1));
    assert_eq!(
        (&records[2]["room"], &records[2]["members"][0]["relation"]),
        (&"dev".into(), &"owner".into())
    );
    assert_eq!((&records[3]["conversation"], records[3].get("room")), (&"1".into(), None));
    assert_eq!(records[4]["names"][0], "lee");
}

#[test]
fn empty_lists_are_told_as_such() {
    let ran = run("-q", "/방목록\n/무시\n", |peer| {
        peer.welcome(LIMITS);
        peer.list_rooms(0, 0, Vec::new());
        list_ignored(peer, &[]);
        peer.farewell();
    });
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), "there are no rooms\nyou ignore nobody\n"));
}

#[test]
fn a_list_without_an_end_is_cut_and_said_to_be() {
    let ran = run("-q", "/rooms\n", |peer| {
        peer.welcome(LIMITS);
        for number in 5..10 {
            let after = if number == 5 { 0 } else { number - 1 };
            peer.list_rooms(after, number, vec![entry(number, &format!("room{number}"))]);
        }
        peer.farewell();
    });
    assert!(ran.stderr.ends_with("  room9 3/50\nand more\n"), "{}", ran.stderr);
}
