//! The golden bytes of `vectors/`, and the tables of `PROTOCOL.md`, against the crate.

#[path = "vectors/fields.rs"]
mod fields;

use std::{collections::BTreeSet, fs, path::Path};

use bytes::BytesMut;
use chat_proto::{Act, ClientPacket, ErrorCode, FrameError, Limits, PacketCodec, ServerPacket, kind, limits};
use serde_json::{Value, json};
use tokio_util::codec::Decoder as _;

use fields::{client_fields, server_fields, to_hex};

/// Every type number, its name and who sends it, as the crate has them.
const KINDS: [(u16, &str, &str); 72] = [
    (kind::REGISTER, "Register", "C → S"),
    (kind::REGISTER_ANSWER, "RegisterAnswer", "S → C"),
    (kind::CHANGE_PASSWORD, "ChangePassword", "C → S"),
    (kind::CHANGE_PASSWORD_ANSWER, "ChangePasswordAnswer", "S → C"),
    (kind::PUBLISH_KEY, "PublishKey", "C → S"),
    (kind::PUBLISH_KEY_ANSWER, "PublishKeyAnswer", "S → C"),
    (kind::REMOVE_KEY, "RemoveKey", "C → S"),
    (kind::REMOVE_KEY_ANSWER, "RemoveKeyAnswer", "S → C"),
    (kind::KEYS_OF, "KeysOf", "C → S"),
    (kind::KEYS_OF_ANSWER, "KeysOfAnswer", "S → C"),
    (kind::HELLO, "Hello", "C → S"),
    (kind::HELLO_ANSWER, "HelloAnswer", "S → C"),
    (kind::LOGIN, "Login", "C → S"),
    (kind::LOGIN_ANSWER, "LoginAnswer", "S → C"),
    (kind::LOGOUT, "Logout", "C → S"),
    (kind::LOGOUT_ANSWER, "LogoutAnswer", "S → C"),
    (kind::SET_PRESENCE, "SetPresence", "C → S"),
    (kind::SET_PRESENCE_ANSWER, "SetPresenceAnswer", "S → C"),
    (kind::RESUME, "Resume", "C → S"),
    (kind::RESUME_ANSWER, "ResumeAnswer", "S → C"),
    (kind::ATTACH, "Attach", "C → S"),
    (kind::ATTACH_ANSWER, "AttachAnswer", "S → C"),
    (kind::BROADCAST, "Broadcast", "C → S"),
    (kind::BROADCAST_ANSWER, "BroadcastAnswer", "S → C"),
    (kind::ROOM_CHAT, "RoomChat", "C → S"),
    (kind::ROOM_CHAT_ANSWER, "RoomChatAnswer", "S → C"),
    (kind::WHISPER, "Whisper", "C → S"),
    (kind::WHISPER_ANSWER, "WhisperAnswer", "S → C"),
    (kind::IGNORE, "Ignore", "C → S"),
    (kind::IGNORE_ANSWER, "IgnoreAnswer", "S → C"),
    (kind::IGNORED, "Ignored", "C → S"),
    (kind::IGNORED_ANSWER, "IgnoredAnswer", "S → C"),
    (kind::HISTORY, "History", "C → S"),
    (kind::HISTORY_ANSWER, "HistoryAnswer", "S → C"),
    (kind::SEALED_WHISPER, "SealedWhisper", "C → S"),
    (kind::SEALED_WHISPER_ANSWER, "SealedWhisperAnswer", "S → C"),
    (kind::BROADCAST_LINE, "BroadcastLine", "S → C"),
    (kind::WHISPER_LINE, "WhisperLine", "S → C"),
    (kind::SEALED_LINE, "SealedLine", "S → C"),
    (kind::MISSED, "Missed", "S → C"),
    (kind::WHO, "Who", "C → S"),
    (kind::WHO_ANSWER, "WhoAnswer", "S → C"),
    (kind::CREATE_ROOM, "CreateRoom", "C → S"),
    (kind::CREATE_ROOM_ANSWER, "CreateRoomAnswer", "S → C"),
    (kind::JOIN_ROOM, "JoinRoom", "C → S"),
    (kind::JOIN_ROOM_ANSWER, "JoinRoomAnswer", "S → C"),
    (kind::LEAVE_ROOM, "LeaveRoom", "C → S"),
    (kind::LEAVE_ROOM_ANSWER, "LeaveRoomAnswer", "S → C"),
    (kind::ROOMS, "Rooms", "C → S"),
    (kind::ROOMS_ANSWER, "RoomsAnswer", "S → C"),
    (kind::SET_TOPIC, "SetTopic", "C → S"),
    (kind::SET_TOPIC_ANSWER, "SetTopicAnswer", "S → C"),
    (kind::SET_ROOM, "SetRoom", "C → S"),
    (kind::SET_ROOM_ANSWER, "SetRoomAnswer", "S → C"),
    (kind::MODERATE, "Moderate", "C → S"),
    (kind::MODERATE_ANSWER, "ModerateAnswer", "S → C"),
    (kind::CLOSE_ROOM, "CloseRoom", "C → S"),
    (kind::CLOSE_ROOM_ANSWER, "CloseRoomAnswer", "S → C"),
    (kind::JOINED, "Joined", "S → C"),
    (kind::LEFT, "Left", "S → C"),
    (kind::ROOM_CHANGED, "RoomChanged", "S → C"),
    (kind::REMOVED, "Removed", "S → C"),
    (kind::MODERATED, "Moderated", "S → C"),
    (kind::PING, "Ping", "C ↔ S"),
    (kind::PONG, "Pong", "C ↔ S"),
    (kind::SYSTEM_TEXT, "SystemText", "S → C"),
    (kind::ERROR, "Error", "S → C"),
    (kind::GOODBYE, "Goodbye", "S → C"),
    (kind::ANNOUNCE, "Announce", "C → S"),
    (kind::ANNOUNCE_ANSWER, "AnnounceAnswer", "S → C"),
    (kind::FREEZE_REGISTRATION, "FreezeRegistration", "C → S"),
    (kind::FREEZE_REGISTRATION_ANSWER, "FreezeRegistrationAnswer", "S → C"),
];

#[test]
fn every_valid_client_vector_is_exactly_its_fields_and_its_bytes() {
    for vector in entries("client", "valid") {
        let (name, bytes, fields) = (text(&vector, "name"), hex(&vector, "hex"), &vector["fields"]);
        let (kind, body) = split(&bytes);
        let packet = ClientPacket::decode(kind, body).unwrap_or_else(|e| panic!("{name}: {e}"));

        let mut expected = fields.clone();
        let read_as = vector.get("read_as").and_then(Value::as_object);
        for (field, value) in read_as.into_iter().flatten() {
            expected[field] = value.clone();
        }
        assert_eq!(client_fields(&packet), expected, "{name}");
        assert_eq!(u64::from(kind), vector["type"], "{name}");
        assert_eq!(packet.request().0, kind, "{name}");
        if read_as.is_none() {
            let mut encoded = BytesMut::new();
            packet.encode(&mut encoded);
            assert_eq!(encoded, bytes, "{name}");
        }
    }
}

#[test]
fn every_valid_server_vector_is_exactly_its_fields_and_its_bytes() {
    for vector in entries("server", "valid") {
        let (name, bytes) = (text(&vector, "name"), hex(&vector, "hex"));
        let (kind, body) = split(&bytes);
        let packet = ServerPacket::decode(kind, body).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(server_fields(&packet), vector["fields"], "{name}");
        assert_eq!(u64::from(kind), vector["type"], "{name}");
        let mut encoded = BytesMut::new();
        packet.encode(&mut encoded);
        assert_eq!(encoded, bytes, "{name}");
    }
}

#[test]
fn every_invalid_client_vector_is_refused_with_exactly_its_code_and_id() {
    for vector in entries("client", "invalid") {
        let (name, bytes) = (text(&vector, "name"), hex(&vector, "hex"));
        let (kind, body) = split(&bytes);
        let refused = ClientPacket::decode(kind, body).expect_err(name);
        let id = refused.id.map_or(0, std::num::NonZeroU32::get);
        assert_eq!((refused.kind, json!(refused.code as u16)), (kind, vector["code"].clone()), "{name}");
        assert_eq!(json!(id), vector["id"], "{name}");
    }
}

#[test]
fn every_invalid_server_vector_is_refused_with_exactly_its_code() {
    for vector in entries("server", "invalid") {
        let (name, bytes) = (text(&vector, "name"), hex(&vector, "hex"));
        let (kind, body) = split(&bytes);
        let refused = ServerPacket::decode(kind, body).expect_err(name);
        assert_eq!(json!(refused.error_code() as u16), vector["code"], "{name}");
    }
}

#[test]
fn no_valid_vector_is_a_refusal_in_a_form_that_no_server_gives_it() {
    for vector in entries("server", "valid") {
        let packet = text(&vector, "packet");
        if packet.ends_with("Answer") && packet != "HelloAnswer" {
            let code = vector["fields"]["code"].as_u64().expect("a code");
            assert!(code == 0 || code >= 1200, "told by an Error: {vector}");
        }
    }
}

#[test]
fn every_frame_vector_is_cut_as_it_says_whole_and_byte_by_byte() {
    for vector in entries("frames", "frames") {
        let name = text(&vector, "name");
        let bytes = hex(&vector, "hex");
        let limit = u16::try_from(vector["limit"].as_u64().expect("a limit")).expect("a limit");
        for pieces in [bytes.len().max(1), 1] {
            let (packets, end) = cut(&bytes, limit, pieces);
            assert_eq!(json!(packets), vector["packets"], "{name}, in pieces of {pieces}");
            assert_eq!(end, vector["end"], "{name}, in pieces of {pieces}");
        }
    }
}

#[test]
fn every_packet_type_has_valid_and_invalid_vectors_in_each_of_its_directions() {
    for (side, direction) in [("client", "S → C"), ("server", "C → S")] {
        let expected: BTreeSet<_> =
            KINDS.iter().filter(|(.., d)| *d != direction).map(|(number, ..)| u64::from(*number)).collect();
        let valid: BTreeSet<_> =
            entries(side, "valid").iter().map(|vector| vector["type"].as_u64().expect("a type")).collect();
        assert_eq!(valid, expected, "{side}");
        let invalid: BTreeSet<_> =
            entries(side, "invalid").iter().map(|vector| u64::from(split(&hex(vector, "hex")).0)).collect();
        assert!(invalid.is_superset(&expected), "{side}");
    }
}

#[test]
fn every_vector_has_the_keys_of_the_schema_and_a_name_of_its_own() {
    let keys = |side: &str, part: &str, required: &[&str], optional: &[&str]| {
        for vector in entries(side, part) {
            let has: BTreeSet<_> =
                vector.as_object().expect("an object").keys().map(String::as_str).collect();
            let required: BTreeSet<_> = required.iter().copied().collect();
            assert!(has.is_superset(&required), "{vector}");
            assert!(has.difference(&required).all(|key| optional.contains(key)), "{vector}");
        }
    };
    keys("client", "valid", &["name", "packet", "type", "hex", "fields"], &["read_as"]);
    keys("server", "valid", &["name", "packet", "type", "hex", "fields"], &[]);
    keys("client", "invalid", &["name", "hex", "code", "id"], &[]);
    keys("server", "invalid", &["name", "hex", "code"], &[]);
    keys("frames", "frames", &["name", "limit", "hex", "packets", "end"], &[]);
    for side in ["client", "server"] {
        let all: Vec<_> = ["valid", "invalid"].into_iter().flat_map(|part| entries(side, part)).collect();
        let names: BTreeSet<_> = all.iter().map(|vector| text(vector, "name")).collect();
        assert_eq!(names.len(), all.len(), "{side}");
        for vector in entries(side, "valid") {
            let known = KINDS.iter().find(|(_, name, _)| *name == text(&vector, "packet"));
            assert_eq!(known.map(|(number, ..)| u64::from(*number)), vector["type"].as_u64(), "{vector}");
        }
    }
}

#[test]
fn the_crate_knows_exactly_the_types_of_the_packet_table() {
    let specified: BTreeSet<_> =
        table("## 4. Packet types").iter().map(|row| [0, 1, 2].map(|cell| row[cell].clone())).collect();
    let known: BTreeSet<_> = KINDS
        .iter()
        .map(|(number, name, direction)| [number.to_string(), (*name).to_owned(), (*direction).to_owned()])
        .collect();
    assert_eq!(specified, known);

    // An empty body is malformed for every type of a direction: only a type that is not of it is told apart.
    for number in 0..=u16::MAX {
        let direction = KINDS.iter().find(|(known, ..)| *known == number).map(|(.., direction)| *direction);
        let client = ClientPacket::decode(number, &[]).expect_err("no type has an empty body").code;
        let expected = match direction {
            Some("S → C") => ErrorCode::WrongDirection,
            Some(_) => ErrorCode::MalformedBody,
            None => ErrorCode::UnknownType,
        };
        assert_eq!(client, expected, "type {number}");
        let server = ServerPacket::decode(number, &[]).expect_err("no type has an empty body").error_code();
        let expected = match direction {
            None | Some("C → S") => ErrorCode::UnknownType,
            Some(_) => ErrorCode::MalformedBody,
        };
        assert_eq!(server, expected, "type {number}");
    }
}

#[test]
fn the_registry_of_the_specification_is_exactly_the_list_of_the_crate() {
    let specified: Vec<_> = table("## 10. Result codes")
        .into_iter()
        .map(|row| (row[0].parse::<u16>().expect("a code"), row[1].clone()))
        .collect();
    let known: Vec<_> = ErrorCode::ALL.iter().map(|code| (*code as u16, code.name().to_owned())).collect();
    assert_eq!(specified, known);
}

#[test]
fn the_default_limits_of_the_specification_are_those_of_the_crate() {
    let page = specification();
    let Value::Object(limits) = json!(Limits::DEFAULT) else { panic!("limits are fields") };
    for (field, limit) in limits {
        let start = format!("| `{field}` | `u");
        let row = page.lines().find_map(|line| line.strip_prefix(start.as_str())).expect(&field);
        let default = row.split(" | ").nth(1).expect(&field);
        assert_eq!(json!(default.replace(',', "").parse::<u64>().expect(&field)), limit, "{field}");
    }
}

#[test]
fn the_acts_of_the_specification_are_those_of_the_crate() {
    let page = specification();
    let (_, rows) = page.split_once("| `act` | name |").expect("the table of acts");
    let specified: Vec<_> = rows
        .lines()
        .skip(2)
        .map_while(|line| line.strip_prefix("| "))
        .map(|row| row.split('|').map(str::trim).collect::<Vec<_>>())
        .map(|row| (row[0].to_owned(), row[1].to_owned(), row[4] == "yes"))
        .collect();
    let known: Vec<_> =
        Act::ALL.iter().map(|act| ((*act as u16).to_string(), format!("{act:?}"), act.lasts())).collect();
    assert_eq!(specified, known);
}

#[test]
fn the_session_of_the_specification_is_made_of_real_packets() {
    let mut seen = BTreeSet::new();
    for (side, bytes) in example() {
        let size = usize::from(u16::from_le_bytes([bytes[0], bytes[1]]));
        assert_eq!(size, bytes.len(), "{bytes:02x?}");
        let (kind, body) = split(&bytes);
        seen.insert(kind);
        let mut encoded = BytesMut::new();
        match side {
            'C' => ClientPacket::decode(kind, body).expect("a packet").encode(&mut encoded),
            _ => ServerPacket::decode(kind, body).expect("a packet").encode(&mut encoded),
        }
        assert_eq!(encoded, bytes);
    }
    assert_eq!(seen.len(), 27);
}

// What follows reads the files.

fn crate_file(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).expect(name)
}

fn specification() -> String {
    crate_file("PROTOCOL.md")
}

fn entries(file: &str, part: &str) -> Vec<Value> {
    let mut file: Value = serde_json::from_str(&crate_file(&format!("vectors/{file}.json"))).expect(file);
    match file[part].take() {
        Value::Array(entries) if !entries.is_empty() => entries,
        other => panic!("{part}: {other}"),
    }
}

fn text<'a>(vector: &'a Value, key: &str) -> &'a str {
    vector[key].as_str().expect(key)
}

fn hex(vector: &Value, key: &str) -> Vec<u8> {
    from_hex(text(vector, key))
}

fn from_hex(hex: &str) -> Vec<u8> {
    assert!(hex.len().is_multiple_of(2) && !hex.contains(|c: char| c.is_ascii_uppercase()), "{hex}");
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect(hex)).collect()
}

/// The type and the body of a packet whose framing is known to be right.
fn split(packet: &[u8]) -> (u16, &[u8]) {
    assert_eq!(usize::from(u16::from_le_bytes([packet[0], packet[1]])), packet.len());
    assert!(packet.len() <= limits::SERVER_PACKET_BYTES_MAX.into());
    (u16::from_le_bytes([packet[2], packet[3]]), &packet[4..])
}

fn cut(bytes: &[u8], limit: u16, pieces: usize) -> (Vec<Value>, Value) {
    let mut codec = PacketCodec::new(limit);
    let mut buffer = BytesMut::new();
    let mut packets = Vec::new();
    let mut whole_until = 0;
    for piece in bytes.chunks(pieces) {
        buffer.extend_from_slice(piece);
        loop {
            match codec.decode(&mut buffer) {
                Ok(Some(frame)) => {
                    whole_until += 4 + frame.body.len();
                    packets.push(json!({ "type": frame.kind, "body": to_hex(&frame.body) }));
                }
                Ok(None) => break,
                Err(error) => {
                    let code = match error {
                        FrameError::Malformed => ErrorCode::MalformedFrame,
                        FrameError::TooLarge => ErrorCode::FrameTooLarge,
                        FrameError::Io(error) => panic!("without a transport: {error}"),
                    };
                    return (packets, json!(code as u16));
                }
            }
        }
    }
    (packets, json!(if whole_until == bytes.len() { "whole" } else { "partial" }))
}

/// The rows of the tables in a section whose first cell is a number, without the marks of Markdown.
fn table(heading: &str) -> Vec<Vec<String>> {
    let page = specification();
    let section = page.split(&format!("\n{heading}\n")).nth(1).expect(heading);
    let section = section.split("\n## ").next().expect("a section");
    section
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"))
        .map(|row| row.split(" | ").map(|cell| cell.trim().to_owned()).collect::<Vec<_>>())
        .filter(|row| row[0].parse::<u16>().is_ok())
        .collect()
}

/// The packets of section 13: lines of hex, which begin with the side or go on from the line before.
fn example() -> Vec<(char, Vec<u8>)> {
    let page = specification();
    let section =
        page.split("\n## 13. ").nth(1).and_then(|rest| rest.split("\n## ").next()).expect("section 13");
    let mut packets: Vec<(char, Vec<u8>)> = Vec::new();
    for line in section.lines() {
        let bytes = |hex: &str| from_hex(&hex.replace([' ', '|'], ""));
        if let Some(hex) = line.strip_prefix("C ") {
            packets.push(('C', bytes(hex)));
        } else if let Some(hex) = line.strip_prefix("S ") {
            packets.push(('S', bytes(hex)));
        } else if let Some(hex) = line.strip_prefix("    | ") {
            packets.last_mut().expect("a packet to go on with").1.extend(bytes(hex));
        }
    }
    packets
}
