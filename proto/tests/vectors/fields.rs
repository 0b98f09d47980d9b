//! Packets as the fields that `PROTOCOL.md` names, in the JSON of the vectors.

use chat_proto::{
    Answer, ClientPacket, Credential, KeyEntry, LineHead, List, Presence, ResumeToken, RoomEntered,
    RoomPassword, ServerPacket, Welcome,
};
use serde_json::{Map, Value, json};

pub fn to_hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("a string takes all");
        hex
    })
}

/// A `u64` as the schema has it: beyond what every JSON reader holds exactly, a string.
fn wide(number: u64) -> Value {
    if number < 1 << 53 { json!(number) } else { json!(number.to_string()) }
}

pub fn client_fields(packet: &ClientPacket) -> Value {
    match packet {
        ClientPacket::Hello(p) => json!({ "id": p.id, "version": p.version, "features": wide(p.features) }),
        ClientPacket::Register(p) => json!({
            "id": p.id, "name": p.name.as_str(), "credential": credential(&p.credential), "invite": p.invite,
        }),
        ClientPacket::ChangePassword(p) => {
            json!({ "id": p.id, "current": credential(&p.current), "new": credential(&p.new) })
        }
        ClientPacket::Login(p) => {
            json!({ "id": p.id, "name": p.name.as_str(), "credential": credential(&p.credential) })
        }
        ClientPacket::Logout(p) => json!({ "id": p.id }),
        ClientPacket::Broadcast(p) => {
            json!({ "id": p.id, "message_id": wide(p.message_id), "text": p.text.as_str() })
        }
        ClientPacket::Whisper(p) => json!({
            "id": p.id, "message_id": wide(p.message_id), "to": p.to.as_str(), "text": p.text.as_str(),
        }),
        ClientPacket::SealedWhisper(p) => json!({
            "id": p.id, "message_id": wide(p.message_id), "to": p.to.as_str(),
            "envelope": to_hex(p.text.as_bytes()),
        }),
        ClientPacket::PublishKey(p) => json!({ "id": p.id, "key": to_hex(&p.key.0) }),
        ClientPacket::RemoveKey(p) => json!({ "id": p.id, "key": to_hex(&p.key.0) }),
        ClientPacket::KeysOf(p) => json!({ "id": p.id, "name": p.name.as_str() }),
        ClientPacket::Who(p) => json!({
            "id": p.id, "conversation": wide(p.conversation), "after": wide(p.after), "limit": p.limit,
        }),
        ClientPacket::Resume(p) => json!({ "id": p.id, "token": token(&p.token) }),
        ClientPacket::Attach(p) => json!({ "id": p.id, "last": p.last, "cursors": places(&p.cursors) }),
        ClientPacket::History(p) => json!({
            "id": p.id, "conversation": wide(p.conversation), "direction": p.direction, "epoch": wide(p.epoch),
            "seq": wide(p.seq), "limit": p.limit,
        }),
        ClientPacket::Ping(p) => json!({ "payload": to_hex(p.payload.as_bytes()) }),
        ClientPacket::Pong(p) => json!({ "payload": to_hex(p.payload.as_bytes()) }),
        packet => client_fields_of_rooms(packet),
    }
}

fn client_fields_of_rooms(packet: &ClientPacket) -> Value {
    match packet {
        ClientPacket::SetPresence(p) => json!({ "id": p.id, "state": p.state }),
        ClientPacket::RoomChat(p) => json!({
            "id": p.id, "message_id": wide(p.message_id), "conversation": wide(p.conversation),
            "text": p.text.as_str(),
        }),
        ClientPacket::Ignore(p) => json!({ "id": p.id, "name": p.name.as_str(), "on": p.on }),
        ClientPacket::Ignored(p) => json!({ "id": p.id }),
        ClientPacket::CreateRoom(p) => json!({
            "id": p.id, "name": p.name.as_str(), "password": p.password.as_str(),
            // Named as in the specification, and none wider than 32 bits.
            "settings": p.settings,
            "topic": p.topic.as_str(),
        }),
        ClientPacket::JoinRoom(p) => {
            json!({ "id": p.id, "name": p.name.as_str(), "password": p.password.as_str() })
        }
        ClientPacket::LeaveRoom(p) => json!({ "id": p.id, "conversation": wide(p.conversation) }),
        ClientPacket::Rooms(p) => json!({ "id": p.id, "after": wide(p.after), "limit": p.limit }),
        ClientPacket::SetTopic(p) => {
            json!({ "id": p.id, "conversation": wide(p.conversation), "topic": p.topic.as_str() })
        }
        ClientPacket::SetRoom(p) => json!({
            "id": p.id, "conversation": wide(p.conversation), "settings": p.settings,
            "password": p.password.as_ref().map(RoomPassword::as_str),
        }),
        ClientPacket::Moderate(p) => json!({
            "id": p.id, "conversation": wide(p.conversation), "act": p.act, "name": p.name.as_str(),
            "seconds": p.seconds, "reason": p.reason.as_str(),
        }),
        ClientPacket::CloseRoom(p) => json!({ "id": p.id, "conversation": wide(p.conversation) }),
        ClientPacket::Announce(p) => json!({ "id": p.id, "text": p.text.as_str() }),
        ClientPacket::FreezeRegistration(p) => json!({ "id": p.id, "on": p.on }),
        other => panic!("{other:?} is not about rooms"),
    }
}

fn credential(credential: &Credential) -> Value {
    let (kind, bytes): (u16, &[u8]) = match credential {
        Credential::None => (0, &[]),
        Credential::Password(bytes) => (1, bytes),
        Credential::Other(kind) => (*kind, &[]),
    };
    json!({ "kind": kind, "bytes": to_hex(bytes) })
}

pub fn server_fields(packet: &ServerPacket) -> Value {
    match packet {
        ServerPacket::HelloAnswer(p) => json!({
            "id": p.id, "code": p.code.0, "version_min": p.version_min, "version_max": p.version_max,
            "features": wide(p.features), "durability": p.durability, "ways_in": p.ways_in,
            "time_ms": wide(p.time_ms),
            // Its fields are named as in the specification, and none is wider than 32 bits.
            "limits": p.limits,
        }),
        ServerPacket::RegisterAnswer(answer) => {
            answer_fields(answer, |p| json!({ "name": p.name, "role": p.role }))
        }
        ServerPacket::ChangePasswordAnswer(answer)
        | ServerPacket::PublishKeyAnswer(answer)
        | ServerPacket::RemoveKeyAnswer(answer)
        | ServerPacket::LogoutAnswer(answer) => answer_fields(answer, |()| json!({})),
        ServerPacket::KeysOfAnswer(answer) => answer_fields(answer, |p| {
            let entry = |e: &KeyEntry| json!({ "key": to_hex(&e.key.0), "time_ms": wide(e.time_ms) });
            let entries: Vec<_> = p.entries.0.iter().map(entry).collect();
            json!({ "entries": entries })
        }),
        ServerPacket::LoginAnswer(answer) | ServerPacket::ResumeAnswer(answer) => {
            answer_fields(answer, welcome)
        }
        ServerPacket::AttachAnswer(answer) => answer_fields(answer, |p| {
            let lost: Vec<_> = p.lost.0.iter().copied().map(wide).collect();
            json!({ "lost": lost })
        }),
        ServerPacket::BroadcastAnswer(answer) | ServerPacket::RoomChatAnswer(answer) => answer_fields(
            answer,
            |p| json!({ "epoch": wide(p.epoch), "seq": wide(p.seq), "time_ms": wide(p.time_ms) }),
        ),
        ServerPacket::WhisperAnswer(answer) | ServerPacket::SealedWhisperAnswer(answer) => {
            answer_fields(answer, |p| json!({ "time_ms": wide(p.time_ms), "kept": p.kept }))
        }
        ServerPacket::HistoryAnswer(answer) => answer_fields(answer, |p| {
            let entries: Vec<_> = p
                .entries
                .0
                .iter()
                .map(|e| {
                    json!({
                        "epoch": wide(e.epoch), "seq": wide(e.seq), "time_ms": wide(e.time_ms),
                        "sender": e.sender, "text": e.text,
                    })
                })
                .collect();
            json!({ "more": p.more, "epoch": wide(p.epoch), "seq": wide(p.seq), "entries": entries })
        }),
        ServerPacket::WhoAnswer(answer) => answer_fields(answer, |p| {
            let entries: Vec<_> = p
                .entries
                .0
                .iter()
                .map(|e| json!({ "name": e.name, "state": e.state, "relation": e.relation }))
                .collect();
            json!({ "members": p.members, "next": wide(p.next), "entries": entries })
        }),
        ServerPacket::BroadcastLine(p) | ServerPacket::WhisperLine(p) => {
            at(&p.head, json!({ "sender": p.sender, "text": p.text }))
        }
        ServerPacket::SealedLine(p) => {
            at(&p.head, json!({ "sender": p.sender, "envelope": to_hex(p.envelope.as_bytes()) }))
        }
        ServerPacket::Missed(p) => json!({
            "conversation": wide(p.conversation), "epoch": wide(p.epoch), "from": wide(p.from), "to": wide(p.to),
        }),
        ServerPacket::Joined(p) => at(&p.head, json!({ "name": p.name })),
        ServerPacket::Left(p) => at(&p.head, json!({ "name": p.name, "reason": p.reason })),
        ServerPacket::SystemText(p) => at(&p.head, json!({ "text": p.text })),
        ServerPacket::Ping(p) => json!({ "payload": to_hex(p.payload.as_bytes()) }),
        ServerPacket::Pong(p) => json!({ "payload": to_hex(p.payload.as_bytes()) }),
        ServerPacket::Error(p) => {
            json!({ "kind": p.kind, "id": p.id, "code": p.code.0, "retry_ms": p.retry_ms })
        }
        ServerPacket::Goodbye(p) => json!({ "code": p.code.0, "retry_ms": p.retry_ms, "text": p.text }),
        packet => server_fields_of_rooms(packet),
    }
}

fn server_fields_of_rooms(packet: &ServerPacket) -> Value {
    match packet {
        ServerPacket::SetPresenceAnswer(answer)
        | ServerPacket::IgnoreAnswer(answer)
        | ServerPacket::SetTopicAnswer(answer)
        | ServerPacket::SetRoomAnswer(answer)
        | ServerPacket::ModerateAnswer(answer)
        | ServerPacket::CloseRoomAnswer(answer)
        | ServerPacket::AnnounceAnswer(answer)
        | ServerPacket::FreezeRegistrationAnswer(answer) => answer_fields(answer, |()| json!({})),
        ServerPacket::IgnoredAnswer(answer) => answer_fields(answer, |p| {
            let entries: Vec<_> = p.entries.0.iter().map(|entry| json!({ "name": entry.name })).collect();
            json!({ "entries": entries })
        }),
        ServerPacket::CreateRoomAnswer(answer) | ServerPacket::JoinRoomAnswer(answer) => {
            answer_fields(answer, room_entered)
        }
        ServerPacket::LeaveRoomAnswer(answer) => {
            answer_fields(answer, |p| json!({ "entered": places(&p.entered) }))
        }
        ServerPacket::RoomsAnswer(answer) => answer_fields(answer, |p| {
            let entries: Vec<_> = p
                .entries
                .0
                .iter()
                .map(|room| {
                    json!({
                        "conversation": wide(room.conversation), "name": room.name, "members": room.members,
                        "settings": room.settings, "topic": room.topic,
                    })
                })
                .collect();
            json!({ "next": wide(p.next), "entries": entries })
        }),
        ServerPacket::RoomChanged(p) => {
            at(&p.head, json!({ "by": p.by, "settings": p.settings, "topic": p.topic }))
        }
        ServerPacket::Removed(p) => json!({
            "conversation": wide(p.conversation), "reason": p.reason, "by": p.by, "text": p.text,
            "entered": places(&p.entered),
        }),
        ServerPacket::Moderated(p) => json!({
            "conversation": wide(p.conversation), "room": p.room, "act": p.act, "by": p.by,
            "seconds": p.seconds, "text": p.text,
        }),
        other => panic!("{other:?} is not about rooms"),
    }
}

fn welcome(welcome: &Welcome) -> Value {
    json!({
        "session": wide(welcome.session), "name": welcome.name, "role": welcome.role,
        "time_ms": wide(welcome.time_ms), "resume_token": welcome.resume_token.as_ref().map(token),
        "grace_ms": welcome.grace_ms, "conversations": places(&welcome.conversations),
    })
}

fn token(token: &ResumeToken) -> String {
    to_hex(&token.0)
}

fn room_entered(room: &RoomEntered) -> Value {
    let about = json!({
        "name": room.name, "relation": room.relation, "members": room.members, "settings": room.settings,
        "topic": room.topic,
    });
    joined(place(&room.place), about)
}

fn places(places: &List<Presence>) -> Value {
    places.0.iter().map(place).collect()
}

fn place(place: &Presence) -> Value {
    json!({ "conversation": wide(place.conversation), "epoch": wide(place.epoch), "seq": wide(place.seq) })
}

fn answer_fields<T>(answer: &Answer<T>, fields: impl Fn(&T) -> Value) -> Value {
    match &answer.outcome {
        Ok(value) => joined(json!({ "id": answer.id, "code": 0 }), fields(value)),
        Err(refusal) => json!({ "id": answer.id, "code": refusal.code.0, "retry_ms": refusal.retry_ms }),
    }
}

fn at(head: &LineHead, fields: Value) -> Value {
    let place = json!({
        "conversation": wide(head.conversation), "epoch": wide(head.epoch), "seq": wide(head.seq),
        "time_ms": wide(head.time_ms),
    });
    joined(place, fields)
}

fn joined(one: Value, other: Value) -> Value {
    let all: Map<String, Value> = [one, other]
        .into_iter()
        .flat_map(|part| match part {
            Value::Object(fields) => fields,
            other => panic!("{other} has no fields"),
        })
        .collect();
    Value::Object(all)
}
