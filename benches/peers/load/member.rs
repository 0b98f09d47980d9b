//! One connection: how far it is, and what it makes of what it hears.

use std::io::{self, Read, Write};

use iocp_chat::client::bench::parts::{Broken, Checker, Clock, Phase, Row, Tally};
use mio::net::TcpStream;

use super::text;
use crate::dialect::{Dialect, Heard, Who};

pub struct Member {
    pub socket: TcpStream,
    pub phase: Phase,
    name: String,
    listens: bool,
    /// When connecting began.
    since: u64,
    /// Requests of coming in that are answered.
    entered: usize,
    /// The beginning of something whose rest has not come.
    partial: Vec<u8>,
    out: Vec<u8>,
    written: usize,
    /// The talkers it hears, from this number on.
    first: usize,
    heard: Vec<Checker>,
    /// Its own number as a talker: it must not hear itself.
    own: Option<usize>,
}

impl Member {
    /// A connection on its way.
    pub fn new(socket: TcpStream, name: String, listens: bool, since: u64) -> Self {
        Self {
            socket,
            phase: Phase::Connecting,
            name,
            listens,
            since,
            entered: 0,
            partial: Vec::new(),
            out: Vec::new(),
            written: 0,
            first: 0,
            heard: Vec::new(),
            own: None,
        }
    }

    /// What others know it by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// From now on it must hear `count` talkers from number `first` on, but for its own lines.
    pub fn listen(&mut self, first: usize, count: usize, own: Option<usize>) {
        if self.listens {
            (self.first, self.own) = (first, own);
            self.heard = vec![Checker::new(0, 0, false); count];
        }
    }

    /// The last line of a talker that it has heard.
    pub fn heard(&self, talker: usize) -> u64 {
        self.heard.get(talker.wrapping_sub(self.first)).map_or(0, Checker::last)
    }

    /// Judges what it heard of each talker, who sent so many.
    pub fn finish(&self, sent: impl Fn(usize) -> u64, tally: &mut Tally) {
        for (number, checker) in (self.first..).zip(&self.heard) {
            if self.own != Some(number) {
                tally.check.lost += checker.clone().finish(sent(number)).lost;
            }
        }
    }

    /// The socket may be written to: begins to come in if that is due, and writes what waits.
    pub fn writable<D: Dialect>(&mut self, tally: &mut Tally) {
        if self.phase == Phase::Connecting {
            match self.socket.take_error() {
                Ok(None) if self.socket.peer_addr().is_ok() => {}
                Ok(None) => return,
                Ok(Some(error)) | Err(error) => return self.lost(&error.to_string(), tally),
            }
            // A line is one small packet; waiting for more would only make it late.
            let _ = self.socket.set_nodelay(true);
            self.phase = Phase::LoggingIn;
            self.enter::<D>();
        }
        self.flush(tally);
    }

    fn enter<D: Dialect>(&mut self) {
        D::enter(self.entered, Who { name: &self.name, listens: self.listens }, &mut self.out);
    }

    /// Says what `put` appends.
    pub fn say(&mut self, put: impl FnOnce(&mut Vec<u8>), tally: &mut Tally) {
        if self.phase == Phase::Here {
            put(&mut self.out);
            self.flush(tally);
        }
    }

    /// Leaves.
    pub fn leave<D: Dialect>(&mut self, tally: &mut Tally) {
        self.phase = Phase::Leaving;
        D::leave(&mut self.out);
        if self.out.is_empty() {
            // The server closes when it has seen this.
            let _ = self.socket.shutdown(std::net::Shutdown::Write);
        }
        self.flush(tally);
    }

    /// Takes what is there to be read; `to_the_end` when the server has closed, which no later event tells again.
    pub fn readable<D: Dialect>(
        &mut self,
        to_the_end: bool,
        buffer: &mut [u8],
        clock: Clock,
        tally: &mut Tally,
    ) {
        while self.phase != Phase::Gone && self.phase != Phase::Connecting {
            let held = self.partial.len();
            buffer[..held].copy_from_slice(&self.partial);
            match self.socket.read(&mut buffer[held..]) {
                Ok(0) => return self.closed(tally),
                Ok(count) => {
                    let filled = held + count;
                    match self.take::<D>(&buffer[..filled], clock.now(), tally) {
                        Ok(0) if filled == buffer.len() => {
                            return self.lost("it sent too much at once", tally);
                        }
                        Ok(used) => {
                            self.partial.clear();
                            self.partial.extend_from_slice(&buffer[used..filled]);
                        }
                        Err(Broken) => return self.lost("it sent what is not its protocol", tally),
                    }
                    // On Linux a read that is not full has emptied the socket, and news wakes again. Elsewhere
                    // only a read that would wait asks to be woken.
                    if cfg!(target_os = "linux") && filled < buffer.len() && !to_the_end {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return self.lost(&error.to_string(), tally),
            }
        }
        self.flush(tally);
    }

    fn take<D: Dialect>(&mut self, bytes: &[u8], now: u64, tally: &mut Tally) -> Result<usize, Broken> {
        let (mut row, mut at) = (Row::default(), 0);
        while let Some((heard, used)) = D::next(&bytes[at..])? {
            at += used;
            match heard {
                Heard::Line(text) => self.line(text, &mut row, now, tally),
                heard => self.other::<D>(heard, now, tally),
            }
        }
        tally.record(&row, now);
        Ok(at)
    }

    #[inline]
    fn line(&mut self, text: &[u8], row: &mut Row, now: u64, tally: &mut Tally) {
        let Some(said) = text::read(text) else { return tally.check.foreign += 1 };
        if self.own == Some(said.talker) {
            return tally.check.echoed += 1;
        }
        let Some(checker) = self.heard.get_mut(said.talker.wrapping_sub(self.first)) else {
            return tally.check.foreign += 1;
        };
        if let Err(fault) = checker.take(0, said.number) {
            tally.fault(fault);
        }
        tally.delivered(Some(said.due), row, now);
    }

    fn other<D: Dialect>(&mut self, heard: Heard<'_>, now: u64, tally: &mut Tally) {
        match heard {
            Heard::Entered if self.phase == Phase::LoggingIn => {
                self.entered += 1;
                if self.entered < D::ENTRIES {
                    return self.enter::<D>();
                }
                self.phase = Phase::Here;
                tally.log_ins += 1;
                tally.log_in_latency.record(now - self.since, 1);
            }
            Heard::Ping(ping) => D::pong(ping, &mut self.out),
            // A server may give a reason why somebody who leaves is gone.
            Heard::Refused(why) if self.phase != Phase::Leaving => {
                self.lost(&String::from_utf8_lossy(why), tally);
            }
            _ => {}
        }
    }

    fn flush(&mut self, tally: &mut Tally) {
        while self.written < self.out.len() {
            match self.socket.write(&self.out[self.written..]) {
                Ok(count) => self.written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return self.lost(&error.to_string(), tally),
            }
        }
        self.out.clear();
        self.written = 0;
    }

    fn closed(&mut self, tally: &mut Tally) {
        if self.phase == Phase::Leaving {
            self.phase = Phase::Gone;
        } else {
            self.lost("it closed the connection", tally);
        }
    }

    fn lost(&mut self, why: &str, tally: &mut Tally) {
        if self.phase != Phase::Gone {
            self.phase = Phase::Gone;
            tally.broken(format!("{}: {why}", self.name));
        }
    }
}
