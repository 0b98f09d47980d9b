//! All connections of a run, and the one loop that waits for them.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use chat_proto::{RoomName, Username};
use mio::{Events, Interest, Poll, Token, net::TcpStream};
use socket2::{Domain, Protocol, Socket, Type};

use super::{
    Error,
    member::{Buffers, Member},
    plan::Plan,
    schedule::EARLY,
    tally::{Clock, Tally},
    wire::Wire,
};
use crate::client::tls::Tls;

/// Log-ins on their way at a time: a server's queue of connections is short.
const LOG_INS_AT_ONCE: usize = 64;
/// Connections from one source address to one server: fewer than there are ports to connect from.
const PER_SOURCE: usize = 25_000;
/// Events taken at a time.
const EVENTS: usize = 1_024;
/// How long one login, or coming into a room, may take.
pub const LOG_IN_PATIENCE: u64 = 30_000_000_000;

pub struct Swarm {
    poll: Poll,
    events: Events,
    buffers: Buffers,
    server: SocketAddr,
    tls: Option<Tls>,
    pub clock: Clock,
    pub members: Vec<Member>,
    pub tally: Tally,
    /// What all names of this run begin with: the server may still know those of the last.
    prefix: String,
    /// Names given so far: none is used twice, so that no log-in waits for a log-out to be noticed.
    names: u64,
}

impl Swarm {
    /// Nobody yet.
    pub fn new(plan: &Plan, clock: Clock) -> Result<Self, Error> {
        Ok(Self {
            poll: Poll::new().map_err(Error::Network)?,
            events: Events::with_capacity(EVENTS),
            buffers: Buffers::new(),
            server: plan.server,
            tls: plan.tls.clone(),
            clock,
            members: Vec::new(),
            tally: Tally::new(plan.receivers()),
            prefix: format!("b{:05x}", rand::random::<u32>() >> 12),
            names: 0,
        })
    }

    /// Logs in until there are `count` members, over the time of `ramp`.
    pub fn log_in(
        &mut self,
        count: usize,
        ramp: Duration,
        watch: &mut dyn FnMut(usize),
    ) -> Result<(), Error> {
        let (from, started) = (self.members.len(), self.clock.now());
        let due = |number: usize| {
            let ramp = u64::try_from(ramp.as_nanos()).unwrap_or(u64::MAX);
            started + ramp / (count - from) as u64 * (number - from) as u64
        };
        let mut progress = (self.tally.log_ins, started);
        let mut there = 0;
        loop {
            let now = self.clock.now();
            while self.members.len() < count
                && self.members.len() - there < LOG_INS_AT_ONCE
                && due(self.members.len()) <= now
            {
                let member = self.connect(self.members.len())?;
                self.members.push(member);
            }
            self.poll(Duration::from_millis(5))?;
            if self.tally.check.cut > 0 {
                return Err(self.refused());
            }
            there = usize::try_from(self.tally.log_ins).unwrap_or(usize::MAX);
            if there >= count {
                return Ok(());
            }
            if self.tally.log_ins > progress.0 || self.members.len() == there {
                progress = (self.tally.log_ins, self.clock.now());
                watch(there);
            } else if self.clock.now() - progress.1 > LOG_IN_PATIENCE {
                return Err(Error::Network(io::ErrorKind::TimedOut.into()));
            }
        }
    }

    /// Puts a new connection in the place of one that is gone.
    pub fn reconnect(&mut self, number: usize) -> Result<(), Error> {
        self.members[number] = self.connect(number)?;
        Ok(())
    }

    /// What this run's room of that number is called.
    pub fn room_name(&self, number: usize) -> RoomName {
        RoomName::parse(&format!("{}-room{number}", self.prefix)).expect("letters, digits and a hyphen")
    }

    fn connect(&mut self, number: usize) -> Result<Member, Error> {
        self.names += 1;
        let name = format!("{}-{}", self.prefix, self.names);
        let name = Username::parse(&name).expect("letters, digits and a hyphen");
        let since = self.clock.now();
        let mut socket = connect_from(number / PER_SOURCE, self.server).map_err(Error::Network)?;
        self.poll
            .registry()
            .register(&mut socket, Token(number), Interest::READABLE | Interest::WRITABLE)
            .map_err(Error::Network)?;
        let wire = Wire::new(socket, self.tls.as_ref()).map_err(Error::Network)?;
        Ok(Member::new(wire, name, since))
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
                member.writable(&mut self.tally);
            }
            if event.is_readable() && !member.is_stalled {
                member.readable(event.is_read_closed(), &mut self.buffers, self.clock, &mut self.tally);
            }
        }
        Ok(!self.events.is_empty())
    }

    /// Lets every talker say what is due. Returns when the next line is due, if any is.
    pub fn talk(&mut self, talkers: &[usize], now: u64) -> Option<u64> {
        let mut next: Option<u64> = None;
        for number in talkers {
            let member = &mut self.members[*number];
            if member.due().is_some_and(|due| due <= now + EARLY) {
                member.talk(now, &mut self.tally);
            }
            next = next.into_iter().chain(member.due()).min();
        }
        next
    }

    /// Reads what a member has that did not read so far; what it missed is no fault.
    pub fn wake(&mut self, number: usize) {
        let member = &mut self.members[number];
        member.is_stalled = false;
        member.readable(true, &mut self.buffers, self.clock, &mut self.tally);
    }

    /// Why a connection broke that should not have.
    pub fn refused(&self) -> Error {
        Error::Refused(self.tally.reasons.first().cloned().unwrap_or_default())
    }
}

/// Begins to connect. To a server on this machine from other addresses of it, when one has not enough ports.
fn connect_from(source: usize, server: SocketAddr) -> io::Result<TcpStream> {
    let source = match (server.ip(), u8::try_from(source)) {
        (IpAddr::V4(ip), Ok(source @ 1..)) if ip.is_loopback() => Ipv4Addr::new(127, 0, 0, 1 + source),
        _ => return TcpStream::connect(server),
    };
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::from((source, 0)).into())?;
    match socket.connect(&server.into()) {
        Err(error) if error.kind() != io::ErrorKind::WouldBlock && !is_in_progress(&error) => Err(error),
        _ => Ok(TcpStream::from_std(socket.into())),
    }
}

#[cfg(unix)]
fn is_in_progress(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error())
}

#[cfg(not(unix))]
fn is_in_progress(_: &io::Error) -> bool {
    false
}
