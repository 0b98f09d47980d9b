//! Events and answers as JSON Lines, as `--help` promises.

use std::io;

use chat_proto::{
    Act, HistoryEntry, LOBBY, LeaveReason, LineHead, Relation, Role, RoomEntry, RoomSettings, Welcome,
    WhoEntry, millis, room_flag,
};
use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter};

use super::{
    escape::acts,
    json_record::{Entry, Member, Place, Record, Room, Said, Settings},
    rooms::{self, Rooms},
};
use crate::client::{Event, tls::Agreement};

/// The event as one line, without its line end; `None` for the end of the connection. What it changes about the
/// rooms is said to them as where it is [shown](super::show::Style::show).
#[must_use]
pub fn line(event: &Event, rooms: &Rooms) -> Option<String> {
    record(event, rooms).map(|record| to_line(&record))
}

/// What was agreed on with the server, in the same way.
#[must_use]
pub fn tls(agreement: &Agreement) -> String {
    let (version, cipher, key) = (agreement.version(), agreement.cipher(), agreement.key.to_string());
    to_line(&Record::Tls { version, cipher, key })
}

/// What the login was answered with, as one line in the same way.
#[must_use]
pub fn welcome(welcome: &Welcome) -> String {
    let Welcome { session, name, role: number, .. } = welcome;
    to_line(&Record::Welcome { session: *session, name, role: role(*number) })
}

/// Rooms that were asked for; `more`: there are others.
#[must_use]
pub fn rooms(rooms: &[RoomEntry], more: bool) -> String {
    to_line(&Record::Rooms { rooms: rooms.iter().map(entry).collect(), more })
}

/// Members that were asked for, of `count` that there are.
#[must_use]
pub fn members(room: &rooms::Room, count: u32, members: &[WhoEntry]) -> String {
    to_line(&Record::Members { room: of_room(room), count, members: members.iter().map(member).collect() })
}

/// What was said in a conversation; `more`: there is more before it.
#[must_use]
pub fn history(room: &rooms::Room, entries: &[HistoryEntry], more: bool) -> String {
    to_line(&Record::History { room: of_room(room), entries: entries.iter().map(said).collect(), more })
}

/// Whom one ignores.
#[must_use]
pub fn ignored(names: &[String]) -> String {
    to_line(&Record::Ignored { names })
}

fn of_room(room: &rooms::Room) -> Room {
    let name = (room.conversation != LOBBY).then(|| room.name.clone());
    Room { conversation: room.conversation, room: name }
}

fn said(entry: &HistoryEntry) -> Said<'_> {
    let HistoryEntry { epoch, seq, time_ms, sender, text } = entry;
    Said { epoch: *epoch, seq: *seq, time_ms: *time_ms, from: sender, text }
}

fn role(number: u16) -> String {
    Role::of_number(number).map_or_else(|| number.to_string(), |role| role.to_string())
}

pub(super) fn place(head: LineHead, rooms: &Rooms) -> Place {
    let LineHead { conversation, epoch, seq, time_ms } = head;
    Place { room: Room { conversation, room: rooms.name_of(conversation) }, epoch, seq, time_ms }
}

pub(super) fn to_line(record: &Record) -> String {
    let mut line = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut line, Escaping);
    record.serialize(&mut serializer).expect("strings and numbers into memory");
    String::from_utf8(line).expect("JSON is UTF-8")
}

fn record<'a>(event: &'a Event, rooms: &Rooms) -> Option<Record<'a>> {
    let room = |conversation| Room { conversation, room: rooms.name_of(conversation) };
    let place = |head| place(head, rooms);
    Some(match event {
        Event::Broadcast(line) => {
            Record::Broadcast { place: place(line.head), from: &line.sender, text: &line.text }
        }
        Event::Whisper(line) => {
            Record::Whisper { place: place(line.head), from: &line.sender, text: &line.text, seal: None }
        }
        Event::System(system) => Record::System { place: place(system.head), text: &system.text },
        Event::Joined(joined) => Record::Joined { place: place(joined.head), name: &joined.name },
        Event::Left(left) => {
            Record::Left { place: place(left.head), name: &left.name, reason: reason(left.reason) }
        }
        Event::RoomEntered(entered) => Record::Entered {
            conversation: entered.place.conversation,
            room: &entered.name,
            epoch: entered.place.epoch,
            seq: entered.place.seq,
            relation: relation(entered.relation),
            members: entered.members,
            settings: settings(entered.settings),
            topic: &entered.topic,
        },
        Event::RoomLeft { conversation, .. } => Record::Exited { room: room(*conversation) },
        Event::RoomChanged(changed) => Record::Changed {
            place: place(changed.head),
            by: &changed.by,
            settings: settings(changed.settings),
            topic: &changed.topic,
        },
        Event::Removed(removed) => Record::Removed {
            room: room(removed.conversation),
            reason: reason(removed.reason),
            by: &removed.by,
            text: &removed.text,
        },
        Event::Moderated(moderated) => {
            let name = (!moderated.room.is_empty()).then(|| moderated.room.clone());
            let act = Act::of_number(moderated.act);
            Record::Moderated {
                room: Room { conversation: moderated.conversation, room: name },
                act: act.map_or_else(|| moderated.act.to_string(), |act| act.name().to_owned()),
                by: &moderated.by,
                seconds: moderated.seconds,
                text: &moderated.text,
            }
        }
        Event::Missed(missed) => Record::Missed {
            room: room(missed.conversation),
            epoch: missed.epoch,
            from_seq: missed.from,
            to_seq: missed.to,
        },
        Event::Error(notice) => {
            Record::Error { kind: notice.kind, id: notice.id, code: notice.code.0, retry_ms: notice.retry_ms }
        }
        Event::Goodbye(goodbye) => {
            Record::Goodbye { code: goodbye.code.0, retry_ms: goodbye.retry_ms, text: &goodbye.text }
        }
        Event::Reconnecting { attempt, wait, why } => {
            let wait_ms = millis(*wait);
            Record::Reconnecting { attempt: *attempt, wait_ms, why: why.to_string() }
        }
        Event::Resumed(back) => Record::Resumed {
            behind: back.behind,
            lost: back.lost.iter().copied().map(room).collect(),
            entered: back.entered.iter().map(|place| room(place.conversation)).collect(),
        },
        Event::Restarted(anew) => Record::Restarted {
            session: anew.welcome.session,
            name: &anew.welcome.name,
            role: role(anew.welcome.role),
            lost: anew.rooms.iter().map(|(lost, _)| room(*lost)).collect(),
            uncertain: anew.uncertain.iter().map(|line| line.text.as_str()).collect(),
        },
        // A sealed one is told by whoever has opened it.
        Event::Sealed(_) | Event::Disconnected(_) => return None,
    })
}

fn entry(entry: &RoomEntry) -> Entry<'_> {
    Entry {
        conversation: entry.conversation,
        room: &entry.name,
        members: entry.members,
        settings: settings(entry.settings),
        topic: &entry.topic,
    }
}

fn member(entry: &WhoEntry) -> Member<'_> {
    let state = match entry.state {
        0 => "here".to_owned(),
        1 => "away".to_owned(),
        2 => "reconnecting".to_owned(),
        unknown => unknown.to_string(),
    };
    Member { name: &entry.name, relation: relation(entry.relation), state }
}

fn settings(settings: RoomSettings) -> Settings {
    let RoomSettings { capacity, flags, slow_s } = settings;
    let has = |flag| flags & flag != 0;
    Settings {
        capacity,
        hidden: has(room_flag::HIDDEN),
        invite_only: has(room_flag::INVITE_ONLY),
        persistent: has(room_flag::PERSISTENT),
        password: has(room_flag::PASSWORD),
        slow_s,
    }
}

fn relation(number: u16) -> String {
    match number {
        n if n == Relation::Member as u16 => "member".to_owned(),
        n if n == Relation::Moderator as u16 => "moderator".to_owned(),
        n if n == Relation::Owner as u16 => "owner".to_owned(),
        unknown => unknown.to_string(),
    }
}

fn reason(number: u16) -> String {
    match number {
        n if n == LeaveReason::Quit as u16 => "quit".to_owned(),
        n if n == LeaveReason::Lost as u16 => "lost".to_owned(),
        n if n == LeaveReason::Timeout as u16 => "timeout".to_owned(),
        n if n == LeaveReason::Kicked as u16 => "kicked".to_owned(),
        n if n == LeaveReason::Replaced as u16 => "replaced".to_owned(),
        n if n == LeaveReason::Misbehaved as u16 => "misbehaved".to_owned(),
        n if n == LeaveReason::Banned as u16 => "banned".to_owned(),
        n if n == LeaveReason::Closed as u16 => "closed".to_owned(),
        n if n == LeaveReason::Moved as u16 => "moved".to_owned(),
        unknown => unknown.to_string(),
    }
}

/// Compact, and with everything escaped that would act on a terminal: serde escapes only what JSON must.
struct Escaping;

impl Formatter for Escaping {
    fn write_string_fragment<W: io::Write + ?Sized>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut plain = 0;
        for (at, c) in fragment.char_indices().filter(|(_, c)| acts(*c)) {
            CompactFormatter.write_string_fragment(out, &fragment[plain..at])?;
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}")?;
            }
            plain = at + c.len_utf8();
        }
        CompactFormatter.write_string_fragment(out, &fragment[plain..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chat_proto::{
        ErrorCode, ErrorNotice, Goodbye, Joined, Left, Line, List, Missed, Moderated, Presence, Removed,
        RoomChanged, RoomEntered, RoomLeft, SystemText,
    };

    const HEAD: LineHead = LineHead { conversation: 1, epoch: u64::MAX, seq: 3, time_ms: 1_700_000_000_000 };

    fn said(text: &str) -> Line<String> {
        Line { head: HEAD, sender: "김철수".to_owned(), text: text.to_owned() }
    }

    #[test]
    fn every_event_has_its_documented_form() {
        let name = || "lee".to_owned();
        let place = r#""conversation":"1","epoch":"18446744073709551615","seq":"3","time_ms":1700000000000"#;
        for (event, rest) in [
            (
                Event::Broadcast(said("안녕 \"x\"")),
                format!(r#"broadcast",{place},"from":"김철수","text":"안녕 \"x\"""#),
            ),
            (Event::Whisper(said("hi")), format!(r#"whisper",{place},"from":"김철수","text":"hi""#)),
            (
                Event::System(SystemText { head: HEAD, text: name() }),
                format!(r#"system",{place},"text":"lee""#),
            ),
            (Event::Joined(Joined { head: HEAD, name: name() }), format!(r#"joined",{place},"name":"lee""#)),
            (
                Event::Left(Left { head: HEAD, name: name(), reason: 5 }),
                format!(r#"left",{place},"name":"lee","reason":"misbehaved""#),
            ),
            (
                Event::Left(Left { head: HEAD, name: name(), reason: 77 }),
                format!(r#"left",{place},"name":"lee","reason":"77""#),
            ),
            (
                Event::Missed(Missed { conversation: 1, epoch: 2, from: 3, to: 4 }),
                r#"missed","conversation":"1","epoch":"2","from_seq":"3","to_seq":"4""#.to_owned(),
            ),
            (
                Event::Error(ErrorNotice {
                    kind: 7002,
                    id: 0,
                    code: ErrorCode::RateLimited.into(),
                    retry_ms: 5,
                }),
                r#"error","kind":7002,"id":0,"code":3001,"retry_ms":5"#.to_owned(),
            ),
            (
                Event::Goodbye(Goodbye { code: ErrorCode::ShuttingDown.into(), retry_ms: 9, text: name() }),
                r#"goodbye","code":5001,"retry_ms":9,"text":"lee""#.to_owned(),
            ),
        ] {
            let lobby = Rooms::new(false);
            assert_eq!(line(&event, &lobby).expect("sent by a server"), format!(r#"{{"type":"{rest}}}"#));
        }
    }

    const SETTINGS: RoomSettings =
        RoomSettings { capacity: 50, flags: room_flag::PASSWORD | room_flag::INVITE_ONLY, slow_s: 5 };
    const SET: &str =
        r#""capacity":50,"hidden":false,"invite_only":true,"persistent":false,"password":true,"slow_s":5"#;

    fn in_dev() -> (Rooms, RoomEntered) {
        let (rooms, topic) = (Rooms::new(false), "plans".to_owned());
        let place = Presence { conversation: 5, epoch: 2, seq: 3 };
        let entered = RoomEntered {
            place,
            name: "개발".to_owned(),
            relation: 2,
            members: 3,
            settings: SETTINGS,
            topic,
        };
        rooms.enter(&entered);
        (rooms, entered)
    }

    #[test]
    fn what_is_about_a_room_has_its_number_and_its_name() {
        let (name, (rooms, entered)) = (|| "lee".to_owned(), in_dev());
        let head = LineHead { conversation: 5, epoch: 2, seq: 3, time_ms: 4 };
        let place = r#""conversation":"5","room":"개발","epoch":"2","seq":"3","time_ms":4"#;
        for (event, rest) in [
            (
                Event::Broadcast(Line { head, sender: name(), text: name() }),
                format!(r#"broadcast",{place},"from":"lee","text":"lee""#),
            ),
            (Event::Joined(Joined { head, name: name() }), format!(r#"joined",{place},"name":"lee""#)),
            (
                Event::Left(Left { head, name: name(), reason: 6 }),
                format!(r#"left",{place},"name":"lee","reason":"banned""#),
            ),
            (
                Event::Missed(Missed { conversation: 5, epoch: 2, from: 3, to: 4 }),
                r#"missed","conversation":"5","room":"개발","epoch":"2","from_seq":"3","to_seq":"4""#.to_owned(),
            ),
            (
                Event::RoomEntered(entered),
                format!(
                    r#"entered","conversation":"5","room":"개발","epoch":"2","seq":"3","relation":"owner","members":3,{SET},"topic":"plans""#
                ),
            ),
            (
                Event::RoomLeft { conversation: 5, left: RoomLeft { entered: List::default() } },
                r#"exited","conversation":"5","room":"개발""#.to_owned(),
            ),
            (
                Event::RoomChanged(RoomChanged { head, by: name(), settings: SETTINGS, topic: name() }),
                format!(r#"changed",{place},"by":"lee",{SET},"topic":"lee""#),
            ),
            (
                Event::Removed(Removed {
                    conversation: 5,
                    reason: 7,
                    by: name(),
                    text: String::new(),
                    entered: List::default(),
                }),
                r#"removed","conversation":"5","room":"개발","reason":"closed","by":"lee","text":"""#.to_owned(),
            ),
            (
                Event::Moderated(Moderated {
                    conversation: 6,
                    room: "ops".to_owned(),
                    act: 4,
                    by: name(),
                    seconds: 60,
                    text: name(),
                }),
                r#"moderated","conversation":"6","room":"ops","act":"mute","by":"lee","seconds":60,"text":"lee""#
                    .to_owned(),
            ),
        ] {
            assert_eq!(line(&event, &rooms).expect("sent by a server"), format!(r#"{{"type":"{rest}}}"#));
        }
    }

    #[test]
    fn what_is_asked_for_is_one_record_each() {
        let entry = RoomEntry {
            conversation: 5,
            name: "개발".to_owned(),
            members: 3,
            settings: SETTINGS,
            topic: String::new(),
        };
        let room = format!(r#"{{"conversation":"5","room":"개발","members":3,{SET},"topic":""}}"#);
        assert_eq!(rooms(&[entry], true), format!(r#"{{"type":"rooms","rooms":[{room}],"more":true}}"#));
        let kim = WhoEntry { name: "kim".to_owned(), state: 1, relation: 1 };
        let member = r#"{"name":"kim","relation":"moderator","state":"away"}"#;
        let dev = rooms::Room { conversation: 5, name: "개발".to_owned() };
        assert_eq!(
            members(&dev, 9, &[kim]),
            format!(
                r#"{{"type":"members","conversation":"5","room":"개발","count":9,"members":[{member}]}}"#
            )
        );
        assert_eq!(ignored(&["lee".to_owned()]), r#"{"type":"ignored","names":["lee"]}"#);
    }

    #[test]
    fn a_role_of_a_later_version_is_its_number() {
        let of = |role| {
            let (name, conversations) = ("김철수".to_owned(), List(Vec::new()));
            let (session, time_ms, resume_token, grace_ms) = (u64::MAX, 0, None, 0);
            welcome(&Welcome { session, name, time_ms, role, resume_token, grace_ms, conversations })
        };
        let start = r#"{"type":"welcome","session":"18446744073709551615","name":"김철수","role":""#;
        assert_eq!(of(Role::Guest as u16), format!("{start}guest\"}}"));
        assert_eq!(of(77), format!("{start}77\"}}"));
    }

    #[test]
    fn what_would_act_on_a_terminal_is_escaped_and_reads_back_as_it_was() {
        let text = "a\u{1b}[2J\u{7f}\u{9b}\u{85}\u{202e}\u{2028}\u{e0041}\n\t\\ 안녕 👍";
        let json = line(&Event::Broadcast(said(text)), &Rooms::new(false)).expect("sent by a server");
        assert!(
            json.contains(r#""a\u001b[2J\u007f\u009b\u0085\u202e\u2028\udb40\udc41\n\t\\ 안녕 👍""#),
            "{json}"
        );
        let value: serde_json::Value = serde_json::from_str(&json).expect("valid");
        assert_eq!(value["text"], text);
    }
}
