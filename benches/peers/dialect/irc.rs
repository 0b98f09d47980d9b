//! IRC (RFC 2812): a channel for the room, private messages for one.

use std::io::Write as _;

use iocp_chat::client::bench::parts::Broken;

use super::{Dialect, Frame, Heard, To, Who, text_line};

const CHANNEL: &str = "#room";

/// An IRC server.
pub struct Irc;

impl Dialect for Irc {
    const ENTRIES: usize = 2;

    fn enter(entry: usize, who: Who<'_>, out: &mut Vec<u8>) {
        let name = who.name;
        // Writing to a vector does not fail.
        let _ = match entry {
            0 => write!(out, "NICK {name}\r\nUSER {name} 0 * :{name}\r\n"),
            _ => write!(out, "JOIN {CHANNEL}\r\n"),
        };
    }

    fn frame(to: To<'_>, _size: usize) -> Frame {
        let target = match to {
            To::Room => CHANNEL,
            To::One(name) => name,
        };
        Frame { before: format!("PRIVMSG {target} :").into(), after: b"\r\n".to_vec() }
    }

    #[inline]
    fn next(bytes: &[u8]) -> Result<Option<(Heard<'_>, usize)>, Broken> {
        let Some((line, used)) = text_line(bytes) else { return Ok(None) };
        let (first, rest) = word(line);
        let (command, parameters) = if first.starts_with(b":") { word(rest) } else { (first, rest) };
        if command == b"PRIVMSG" {
            let (_target, text) = word(parameters);
            return Ok(Some((Heard::Line(text.strip_prefix(b":").ok_or(Broken)?), used)));
        }
        Ok(Some((other(command, parameters), used)))
    }

    fn leave(out: &mut Vec<u8>) {
        out.extend_from_slice(b"QUIT\r\n");
    }

    fn pong(ping: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(b"PONG ");
        out.extend_from_slice(ping);
        out.extend_from_slice(b"\r\n");
    }
}

fn other<'a>(command: &[u8], parameters: &'a [u8]) -> Heard<'a> {
    match command {
        // Welcome; the end of the channel's names.
        b"001" | b"366" => Heard::Entered,
        b"PING" => Heard::Ping(parameters),
        // That there is no message of the day is no failure.
        b"ERROR" | [b'4' | b'5', b'0'..=b'9', b'0'..=b'9'] if command != b"422" => Heard::Refused(parameters),
        _ => Heard::Other,
    }
}

/// The first word, and what comes after the space behind it.
#[inline]
fn word(line: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr(b' ', line) {
        Some(end) => (&line[..end], &line[end + 1..]),
        None => (line, b""),
    }
}
