//! Linux and its relatives.

mod usage;

pub use usage::usage;

use std::io;

use rustix::process::{Resource, getrlimit, setrlimit};
use socket2::Socket;

/// Before binding: lets a restarted server have its address back while old connections linger. On Unix this
/// does not let a second server take the address of a running one.
pub fn own_the_address(socket: &Socket) -> io::Result<()> {
    socket.set_reuse_address(true)
}

/// Lets the process have as many sockets as it is allowed to. Returns how many descriptors that is, if there is
/// a limit.
#[must_use]
pub fn raise_descriptor_limit() -> Option<u64> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Without it the server runs with fewer sockets, and `accept` says so when they are used up.
    let _ = setrlimit(Resource::Nofile, limit);
    getrlimit(Resource::Nofile).current
}

/// Bytes of this process that are in memory; `None` where no `/proc` tells it.
#[must_use]
pub fn memory_bytes() -> Option<u64> {
    // The second number is the resident set, in pages: proc_pid_statm(5).
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}
