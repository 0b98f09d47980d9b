//! Redis pub/sub in RESP2 (the Redis serialization protocol specification): a channel for the room, and one for each
//! person.
//!
//! Such a connection that subscribes cannot publish, so who talks does nothing else.

use std::io::Write as _;

use iocp_chat::client::bench::parts::Broken;

use super::{Dialect, Frame, Heard, ROOM, To, Who, counted, decimal, text_line};

/// Elements of the longest array that is sent to a subscriber.
const ELEMENTS_MAX: usize = 3;

/// A redis-server.
pub struct Redis;

impl Dialect for Redis {
    const TALKERS_LISTEN: bool = false;

    fn enter(_entry: usize, who: Who<'_>, out: &mut Vec<u8>) {
        if who.listens {
            command(&[b"SUBSCRIBE", ROOM.as_bytes(), who.name.as_bytes()], out);
        } else {
            command(&[b"PING"], out);
        }
    }

    fn frame(to: To<'_>, size: usize) -> Frame {
        let channel = match to {
            To::Room => ROOM,
            To::One(name) => name,
        };
        let mut before = Vec::new();
        command(&[b"PUBLISH", channel.as_bytes(), &vec![b'x'; size]], &mut before);
        before.truncate(before.len() - size - 2);
        Frame { before, after: b"\r\n".to_vec() }
    }

    #[inline]
    fn next(bytes: &[u8]) -> Result<Option<(Heard<'_>, usize)>, Broken> {
        let Some((line, used)) = text_line(bytes) else { return Ok(None) };
        match line.split_first() {
            Some((b'*', count)) => array(bytes, decimal(count)?, used),
            Some((b'+', b"PONG")) => Ok(Some((Heard::Entered, used))),
            Some((b'-', why)) => Ok(Some((Heard::Refused(why), used))),
            Some((b'+' | b':', _)) => Ok(Some((Heard::Other, used))),
            _ => Err(Broken),
        }
    }

    fn leave(out: &mut Vec<u8>) {
        command(&[b"QUIT"], out);
    }
}

/// A message, or the answer to a subscription.
#[inline]
fn array(bytes: &[u8], count: usize, mut at: usize) -> Result<Option<(Heard<'_>, usize)>, Broken> {
    if count > ELEMENTS_MAX {
        return Err(Broken);
    }
    let mut elements: [&[u8]; ELEMENTS_MAX] = [b""; ELEMENTS_MAX];
    for element in &mut elements[..count] {
        let Some((line, used)) = text_line(&bytes[at..]) else { return Ok(None) };
        at += used;
        match line.split_first() {
            Some((b':', number)) => *element = number,
            Some((b'$', size)) => {
                let Some((text, end)) = counted(bytes, at, decimal(size)?)? else { return Ok(None) };
                (*element, at) = (text, end);
            }
            _ => return Err(Broken),
        }
    }
    let heard = match elements {
        [b"message", _, text] => Heard::Line(text),
        // The number of channels by now: the room, and one's own.
        [b"subscribe", _, b"2"] => Heard::Entered,
        _ => Heard::Other,
    };
    Ok(Some((heard, at)))
}

fn command(words: &[&[u8]], out: &mut Vec<u8>) {
    // Writing to a vector does not fail.
    let _ = write!(out, "*{}\r\n", words.len());
    for word in words {
        let _ = write!(out, "${}\r\n", word.len());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
}
