//! What the generator must know of a server's protocol: how to come in, to speak, to hear and to leave.
//!
//! A member hears the room and, as in a chat, what is said to it alone; where a server knows neither rooms nor
//! people, a subject, topic or channel for each stands in for them.

mod chat;
mod irc;
mod mqtt;
mod nats;
mod redis;

pub use chat::Chat;
use iocp_chat::client::bench::parts::Broken;
pub use irc::Irc;
pub use mqtt::Mqtt;
pub use nats::Nats;
pub use redis::Redis;

/// The room, where a server does not name it itself.
const ROOM: &str = "room";

/// What a server sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard<'a> {
    /// A line, by its text.
    Line(&'a [u8]),
    /// The answer that a request of [`Dialect::enter`] waits for.
    Entered,
    /// It wants [`Dialect::pong`].
    Ping(&'a [u8]),
    /// It does not go on, and why.
    Refused(&'a [u8]),
    /// Anything else.
    Other,
}

/// Who comes in.
#[derive(Clone, Copy, Debug)]
pub struct Who<'a> {
    /// Its name, which nobody else has: a letter and at most 8 digits.
    pub name: &'a str,
    /// Whether it hears the room, and what is said to it; if not, it only talks.
    pub listens: bool,
}

/// To whom something is said.
#[derive(Clone, Copy, Debug)]
pub enum To<'a> {
    /// To the room.
    Room,
    /// To one, by name.
    One(&'a str),
}

/// A request that says a line, without the line's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub before: Vec<u8>,
    pub after: Vec<u8>,
}

/// A server's protocol, as a client speaks it.
pub trait Dialect {
    /// Whether who talks also listens, on the same connection.
    const TALKERS_LISTEN: bool = true;
    /// Requests it takes to come in, each of which waits for the answer to the one before.
    const ENTRIES: usize = 1;

    /// Appends one request of coming in; `entry` counts from 0.
    fn enter(entry: usize, who: Who<'_>, out: &mut Vec<u8>);

    /// What a line of `size` bytes stands in.
    fn frame(to: To<'_>, size: usize) -> Frame;

    /// What `bytes` begin with, and how many of them it takes; `None` when it is not whole.
    fn next(bytes: &[u8]) -> Result<Option<(Heard<'_>, usize)>, Broken>;

    /// Appends what is said before leaving, after which the server closes; nothing, where a client just closes.
    fn leave(_out: &mut Vec<u8>) {}

    /// Appends the answer to a [`Heard::Ping`].
    fn pong(_ping: &[u8], _out: &mut Vec<u8>) {}
}

/// The first line of text, without its end, and how many bytes it takes.
#[inline]
fn text_line(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let end = memchr::memchr(b'\n', bytes)?;
    let line = &bytes[..end];
    Some((line.strip_suffix(b"\r").unwrap_or(line), end + 1))
}

/// A number of decimal digits and nothing else.
#[inline]
fn decimal(digits: &[u8]) -> Result<usize, Broken> {
    if digits.is_empty() || digits.len() > 9 {
        return Err(Broken);
    }
    digits.iter().try_fold(0, |number, digit| match digit {
        b'0'..=b'9' => Ok(number * 10 + usize::from(digit - b'0')),
        _ => Err(Broken),
    })
}

/// The `size` bytes from `start` on, and where the line end behind them ends; `None` when they are not all there.
#[inline]
fn counted(bytes: &[u8], start: usize, size: usize) -> Result<Option<(&[u8], usize)>, Broken> {
    let end = start + size;
    match bytes.get(end..end + 2) {
        None => Ok(None),
        Some(b"\r\n") => Ok(Some((&bytes[start..end], end + 2))),
        Some(_) => Err(Broken),
    }
}
