//! MQTT 5.0 (OASIS standard) at `QoS` 0: a topic for the room, and one for each person; nobody hears themselves
//! (subscriptions are `No Local`).

use iocp_chat::client::bench::parts::Broken;

use super::{Dialect, Frame, Heard, ROOM, To, Who};

/// Packet types, in the upper four bits of the first byte (section 2.1.2).
const CONNACK: u8 = 2;
const PUBLISH: u8 = 3;
const SUBACK: u8 = 9;
const DISCONNECT: u8 = 14;
/// Reason codes from here on are failures (section 2.4).
const FAILURE: u8 = 0x80;
/// Subscription options (section 3.8.3.1): `QoS` 0, No Local.
const NO_LOCAL: u8 = 0x04;

/// An MQTT broker: mosquitto.
pub struct Mqtt;

impl Dialect for Mqtt {
    fn enter(_entry: usize, who: Who<'_>, out: &mut Vec<u8>) {
        // Version 5, a clean start, no keep-alive, no properties.
        let mut connect = b"\0\x04MQTT\x05\x02\0\0\0".to_vec();
        put_text(who.name, &mut connect);
        put_packet(0x10, &connect, out);
        // Packet identifier 1, no properties.
        let mut subscribe = vec![0, 1, 0];
        for topic in [ROOM, who.name] {
            put_text(topic, &mut subscribe);
            subscribe.push(NO_LOCAL);
        }
        put_packet(0x82, &subscribe, out);
    }

    fn frame(to: To<'_>, size: usize) -> Frame {
        let topic = match to {
            To::Room => ROOM,
            To::One(name) => name,
        };
        let mut body = Vec::new();
        put_text(topic, &mut body);
        body.push(0);
        let text_at = body.len();
        body.resize(text_at + size, b'x');
        let mut before = Vec::new();
        put_packet(PUBLISH << 4, &body, &mut before);
        before.truncate(before.len() - size);
        Frame { before, after: Vec::new() }
    }

    #[inline]
    fn next(bytes: &[u8]) -> Result<Option<(Heard<'_>, usize)>, Broken> {
        let Some(first) = bytes.first() else { return Ok(None) };
        let Some((size, size_bytes)) = variable(&bytes[1..])? else { return Ok(None) };
        let (start, end) = (1 + size_bytes, 1 + size_bytes + size);
        let Some(body) = bytes.get(start..end) else { return Ok(None) };
        let heard = match first >> 4 {
            PUBLISH => Heard::Line(payload(body)?),
            kind => other(kind, body)?,
        };
        Ok(Some((heard, end)))
    }

    fn leave(out: &mut Vec<u8>) {
        put_packet(DISCONNECT << 4, &[], out);
    }
}

/// What a `PUBLISH` at `QoS` 0 carries behind its topic and its properties.
#[inline]
fn payload(body: &[u8]) -> Result<&[u8], Broken> {
    let (topic_size, rest) = body.split_first_chunk().ok_or(Broken)?;
    let rest = rest.get(usize::from(u16::from_be_bytes(*topic_size))..).ok_or(Broken)?;
    after_properties(rest)
}

#[inline]
fn after_properties(bytes: &[u8]) -> Result<&[u8], Broken> {
    let (size, size_bytes) = variable(bytes)?.ok_or(Broken)?;
    bytes.get(size_bytes + size..).ok_or(Broken)
}

fn other(kind: u8, body: &[u8]) -> Result<Heard<'_>, Broken> {
    match (kind, body) {
        (CONNACK, [_, reason, ..]) if *reason >= FAILURE => Ok(Heard::Refused(b"CONNACK with a failure")),
        (SUBACK, [_, _, rest @ ..]) => {
            let reasons = after_properties(rest)?;
            let failed = reasons.iter().any(|reason| *reason >= FAILURE);
            Ok(if failed { Heard::Refused(b"SUBACK with a failure") } else { Heard::Entered })
        }
        (SUBACK, _) => Err(Broken),
        (DISCONNECT, _) => Ok(Heard::Refused(b"DISCONNECT")),
        _ => Ok(Heard::Other),
    }
}

/// A variable byte integer (section 1.5.5), and how many bytes it takes; `None` when it is not whole.
#[inline]
fn variable(bytes: &[u8]) -> Result<Option<(usize, usize)>, Broken> {
    let mut value = 0;
    for at in 0..4 {
        let Some(byte) = bytes.get(at) else { return Ok(None) };
        value |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Ok(Some((value, at + 1)));
        }
    }
    Err(Broken)
}

fn put_packet(first: u8, body: &[u8], out: &mut Vec<u8>) {
    out.push(first);
    let mut size = body.len();
    loop {
        let byte = size.to_le_bytes()[0] & 0x7f;
        size >>= 7;
        if size == 0 {
            out.push(byte);
            break;
        }
        out.push(byte | 0x80);
    }
    out.extend_from_slice(body);
}

/// UTF-8 with its size before it (section 1.5.4).
fn put_text(text: &str, out: &mut Vec<u8>) {
    let size = u16::try_from(text.len()).expect("names are short");
    out.extend_from_slice(&size.to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}
