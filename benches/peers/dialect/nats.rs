//! NATS' client protocol: a subject for the room, and one for each person; nobody hears themselves (`echo` is off).

use std::io::Write as _;

use iocp_chat::client::bench::parts::Broken;

use super::{Dialect, Frame, Heard, ROOM, To, Who, counted, decimal, text_line};

/// A nats-server.
pub struct Nats;

impl Dialect for Nats {
    fn enter(_entry: usize, who: Who<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(b"CONNECT {\"verbose\":false,\"pedantic\":false,\"echo\":false}\r\n");
        if who.listens {
            // Writing to a vector does not fail.
            let _ = write!(out, "SUB {ROOM} 1\r\nSUB {} 2\r\n", who.name);
        }
        out.extend_from_slice(b"PING\r\n");
    }

    fn frame(to: To<'_>, size: usize) -> Frame {
        let subject = match to {
            To::Room => ROOM,
            To::One(name) => name,
        };
        Frame { before: format!("PUB {subject} {size}\r\n").into(), after: b"\r\n".to_vec() }
    }

    #[inline]
    fn next(bytes: &[u8]) -> Result<Option<(Heard<'_>, usize)>, Broken> {
        let Some((line, used)) = text_line(bytes) else { return Ok(None) };
        if line.starts_with(b"MSG ") {
            let size = line.rsplit(|byte| *byte == b' ').next().unwrap_or_default();
            let message = counted(bytes, used, decimal(size)?)?;
            return Ok(message.map(|(text, end)| (Heard::Line(text), end)));
        }
        let heard = match line {
            b"PONG" => Heard::Entered,
            b"PING" => Heard::Ping(b""),
            b"+OK" => Heard::Other,
            _ if line.starts_with(b"INFO ") => Heard::Other,
            _ if line.starts_with(b"-ERR") => Heard::Refused(line),
            _ => return Err(Broken),
        };
        Ok(Some((heard, used)))
    }

    fn pong(_ping: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(b"PONG\r\n");
    }
}
