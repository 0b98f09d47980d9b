//! The few system calls that no kept library wraps: small, safe from outside, the only place for `unsafe`.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub use unix::{memory_bytes, own_the_address, raise_descriptor_limit};
#[cfg(windows)]
pub use windows::{EventKind, EventSource, memory_bytes, own_the_address, raise_descriptor_limit};
