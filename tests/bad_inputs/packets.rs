//! A client's packets, written from the protocol's page alone: what the library refuses to write can be written.

/// Bytes written as hex, with spaces anywhere.
pub fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| {
            u8::try_from(c.to_digit(16).unwrap_or_else(|| panic!("{c:?} in {text:?}"))).expect("below 16")
        })
        .collect();
    assert!(digits.len().is_multiple_of(2), "half a byte in {text:?}");
    digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// A whole packet.
pub fn packet(kind: u16, body: &[u8]) -> Vec<u8> {
    let size = u16::try_from(body.len() + 4).expect("a size of 16 bits");
    [&size.to_le_bytes()[..], &kind.to_le_bytes(), body].concat()
}

pub fn hello(id: u32, version: u16) -> Vec<u8> {
    packet(2001, &[number(id.into()), number(version.into()), number(0)].concat())
}

pub fn login(id: u32, name: &str, password: Option<&str>) -> Vec<u8> {
    let kind = u64::from(password.is_some());
    packet(
        2003,
        &[number(id.into()), string(name), number(kind), string(password.unwrap_or_default())].concat(),
    )
}

pub fn broadcast(id: u32, text: &str) -> Vec<u8> {
    packet(3001, &[number(id.into()), number(0), string(text)].concat())
}

pub fn whisper(id: u32, to: &str, text: &str) -> Vec<u8> {
    packet(3005, &[number(id.into()), number(0), string(to), string(text)].concat())
}

pub fn room_chat(id: u32, conversation: u64, text: &str) -> Vec<u8> {
    packet(3003, &[number(id.into()), number(0), number(conversation), string(text)].concat())
}

pub fn ignore(id: u32, name: &str, on: u16) -> Vec<u8> {
    packet(3007, &[number(id.into()), string(name), number(on.into())].concat())
}

pub fn who(id: u32, conversation: u64, after: u64, limit: u16) -> Vec<u8> {
    packet(4001, &[number(id.into()), number(conversation), number(after), number(limit.into())].concat())
}

/// How a room is: its capacity, its flags, its slow mode.
pub type Settings = (u32, u16, u32);

pub fn create_room(id: u32, name: &str, password: &str, how: Settings, topic: &str) -> Vec<u8> {
    let named = [number(id.into()), string(name), string(password)].concat();
    packet(4003, &[named, settings(how), string(topic)].concat())
}

pub fn join_room(id: u32, name: &str, password: &str) -> Vec<u8> {
    packet(4005, &[number(id.into()), string(name), string(password)].concat())
}

pub fn leave_room(id: u32, conversation: u64) -> Vec<u8> {
    packet(4007, &[number(id.into()), number(conversation)].concat())
}

pub fn rooms(id: u32, after: u64, limit: u16) -> Vec<u8> {
    packet(4009, &[number(id.into()), number(after), number(limit.into())].concat())
}

pub fn set_topic(id: u32, conversation: u64, topic: &str) -> Vec<u8> {
    packet(4011, &[number(id.into()), number(conversation), string(topic)].concat())
}

pub fn set_room(id: u32, conversation: u64, how: Settings, password: Option<&str>) -> Vec<u8> {
    let password = password.map_or(vec![0], |password| [vec![1], string(password)].concat());
    packet(4013, &[number(id.into()), number(conversation), settings(how), password].concat())
}

/// `act` by its number.
pub fn moderate(id: u32, conversation: u64, act: u16, name: &str, seconds: u32, reason: &str) -> Vec<u8> {
    let what = [number(id.into()), number(conversation), number(act.into()), string(name)].concat();
    packet(4015, &[what, number(seconds.into()), string(reason)].concat())
}

pub fn close_room(id: u32, conversation: u64) -> Vec<u8> {
    packet(4017, &[number(id.into()), number(conversation)].concat())
}

fn settings((capacity, flags, slow_s): Settings) -> Vec<u8> {
    [number(capacity.into()), number(flags.into()), number(slow_s.into())].concat()
}

pub fn ping(payload: &[u8]) -> Vec<u8> {
    packet(7001, &[&number(payload.len() as u64)[..], payload].concat())
}

pub fn pong(payload: &[u8]) -> Vec<u8> {
    packet(7002, &[&number(payload.len() as u64)[..], payload].concat())
}

fn string(text: &str) -> Vec<u8> {
    [&number(text.len() as u64)[..], text.as_bytes()].concat()
}

/// The shortest form that holds the value.
fn number(value: u64) -> Vec<u8> {
    let bytes = value.to_le_bytes();
    match value {
        0..=250 => vec![bytes[0]],
        251..=0xffff => [&[0xfb], &bytes[..2]].concat(),
        0x1_0000..=0xffff_ffff => [&[0xfc], &bytes[..4]].concat(),
        _ => [&[0xfd], &bytes[..]].concat(),
    }
}
