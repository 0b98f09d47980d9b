//! All connections of a run, and the one loop that waits for them.

use std::{io, marker::PhantomData, net::SocketAddr, time::Duration};

use iocp_chat::client::bench::{
    Error,
    parts::{Clock, EARLY, Phase, Tally},
};
use mio::{Events, Interest, Poll, Token, net::TcpStream};

use super::{member::Member, talker::Talker};
use crate::dialect::Dialect;

/// Events taken at a time.
const EVENTS: usize = 1_024;
/// How long nobody may come in while somebody should, in nanoseconds.
const LOG_IN_PATIENCE: u64 = 30_000_000_000;
/// Bytes read at once, by all connections into one buffer.
const READ_BYTES: usize = 256 * 1024;

pub struct Swarm<D> {
    poll: Poll,
    events: Events,
    buffer: Box<[u8]>,
    server: SocketAddr,
    pub clock: Clock,
    pub members: Vec<Member>,
    pub talkers: Vec<Talker>,
    pub tally: Tally,
    /// Names given so far: none is used twice, so that no log-in waits for a log-out to be noticed.
    names: usize,
    dialect: PhantomData<D>,
}

impl<D: Dialect> Swarm<D> {
    pub fn new(server: SocketAddr, receivers: usize) -> Result<Self, Error> {
        Ok(Self {
            poll: Poll::new().map_err(Error::Network)?,
            events: Events::with_capacity(EVENTS),
            buffer: vec![0; READ_BYTES].into(),
            server,
            clock: Clock::start(),
            members: Vec::new(),
            talkers: Vec::new(),
            tally: Tally::new(receivers),
            names: 0,
            dialect: PhantomData,
        })
    }

    /// Lets as many members come in as `listens` has, which says of each whether it does more than talk; at most
    /// `at_once` of them are on their way.
    pub fn log_in(&mut self, listens: &[bool], at_once: usize) -> Result<(), Error> {
        let count = listens.len();
        let mut progress = (0, self.clock.now());
        let mut here = 0;
        while here < count {
            while self.members.len() < count && self.members.len() - here < at_once {
                let member = self.connect(self.members.len(), listens[self.members.len()])?;
                self.members.push(member);
            }
            self.poll(Duration::from_millis(100))?;
            if self.tally.check.cut > 0 {
                return Err(self.refused());
            }
            here = usize::try_from(self.tally.log_ins).unwrap_or(usize::MAX);
            let now = self.clock.now();
            if here > progress.0 {
                progress = (here, now);
            } else if now - progress.1 > LOG_IN_PATIENCE {
                return Err(Error::Network(io::ErrorKind::TimedOut.into()));
            }
        }
        Ok(())
    }

    /// Lets everyone who is here leave, and everyone who is gone come again; takes what comes for so long.
    pub fn churn(&mut self, wait: Duration) -> Result<(), Error> {
        for number in 0..self.members.len() {
            match self.members[number].phase {
                Phase::Here => self.members[number].leave::<D>(&mut self.tally),
                Phase::Gone => self.members[number] = self.connect(number, true)?,
                Phase::Connecting | Phase::LoggingIn | Phase::Leaving => {}
            }
        }
        self.poll(wait)?;
        if self.tally.check.cut > 0 { Err(self.refused()) } else { Ok(()) }
    }

    fn connect(&mut self, number: usize, listens: bool) -> Result<Member, Error> {
        let name = format!("m{}", self.names);
        self.names += 1;
        let since = self.clock.now();
        let mut socket = TcpStream::connect(self.server).map_err(Error::Network)?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut socket, Token(number), interest).map_err(Error::Network)?;
        Ok(Member::new(socket, name, listens, since))
    }

    /// Waits, and takes what has come. Returns whether anything had.
    pub fn poll(&mut self, wait: Duration) -> Result<bool, Error> {
        match self.poll.poll(&mut self.events, Some(wait)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(false),
            result => result.map_err(Error::Network)?,
        }
        for event in &self.events {
            let Some(member) = self.members.get_mut(event.token().0) else { continue };
            if event.is_writable() {
                member.writable::<D>(&mut self.tally);
            }
            if event.is_readable() {
                member.readable::<D>(event.is_read_closed(), &mut self.buffer, self.clock, &mut self.tally);
            }
        }
        Ok(!self.events.is_empty())
    }

    /// Lets every talker say what is due. Returns when the next line is due, if any is.
    pub fn talk(&mut self, now: u64) -> Option<u64> {
        let mut next: Option<u64> = None;
        for talker in &mut self.talkers {
            let heard = self.members[talker.listener].heard(talker.number());
            if talker.due(heard).is_some_and(|due| due <= now + EARLY) {
                self.members[talker.member].say(|out| talker.talk(heard, now, out), &mut self.tally);
            }
            next = next.into_iter().chain(talker.due(heard)).min();
        }
        next
    }

    /// Why a connection broke that should not have.
    pub fn refused(&self) -> Error {
        Error::Refused(self.tally.reasons.first().cloned().unwrap_or_default())
    }
}
