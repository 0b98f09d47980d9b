//! Windows.
#![allow(unsafe_code)]

mod event_log;
mod usage;

pub use event_log::{EventKind, EventSource};
pub use usage::usage;

use std::{io, os::windows::io::AsRawSocket};

use socket2::Socket;
use windows_sys::Win32::{
    Networking::WinSock::{SO_EXCLUSIVEADDRUSE, SOL_SOCKET, setsockopt},
    System::{
        ProcessStatus::{K32GetProcessMemoryInfo, PROCESS_MEMORY_COUNTERS},
        Threading::GetCurrentProcess,
    },
};

/// Before binding: makes the address this process's alone. Without it another process may bind the same address
/// with `SO_REUSEADDR` and take the connections (that option means something else here than on Unix, so it is
/// never set).
pub fn own_the_address(socket: &Socket) -> io::Result<()> {
    let on = 1_i32.to_ne_bytes();
    let handle = usize::try_from(socket.as_raw_socket()).map_err(io::Error::other)?;
    // SAFETY: the socket is open for as long as it is borrowed, and the option's value is a 4-byte integer that
    // lives for the whole call; no safe wrapper of this option exists in std, socket2 or tokio.
    let result = unsafe { setsockopt(handle, SOL_SOCKET, SO_EXCLUSIVEADDRUSE, on.as_ptr(), 4) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Windows has no such limit.
#[must_use]
pub fn raise_descriptor_limit() -> Option<u64> {
    None
}

/// Bytes of this process that are in memory: its working set.
#[must_use]
pub fn memory_bytes() -> Option<u64> {
    u64::try_from(memory_counters()?.WorkingSetSize).ok()
}

fn memory_counters() -> Option<PROCESS_MEMORY_COUNTERS> {
    let bytes = u32::try_from(size_of::<PROCESS_MEMORY_COUNTERS>()).ok()?;
    let mut counters = PROCESS_MEMORY_COUNTERS { cb: bytes, ..Default::default() };
    // SAFETY: the handle is the process's own, which is never closed, and the structure is as long as it says; no
    // safe wrapper of this exists in std or tokio.
    let told = unsafe { K32GetProcessMemoryInfo(GetCurrentProcess(), &raw mut counters, bytes) };
    (told != 0).then_some(counters)
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use socket2::{Domain, SockAddr, Type};

    use super::*;

    #[test]
    fn a_process_knows_what_memory_it_takes() {
        let bytes = memory_bytes().expect("every process may ask about itself");
        assert!((1 << 16..1 << 40).contains(&bytes), "{bytes}");
    }

    #[test]
    fn nobody_takes_an_address_that_is_owned() {
        let mine = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        own_the_address(&mine).expect("an option of every socket");
        mine.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("free");
        mine.listen(1).expect("bound");
        let address: SockAddr = mine.local_addr().expect("bound");
        let thief = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        thief.set_reuse_address(true).expect("an option of every socket");
        assert!(thief.bind(&address).and_then(|()| thief.listen(1)).is_err());
    }
}
