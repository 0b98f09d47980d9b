//! What a process takes of its machine, as far as the system tells it.

use std::time::Duration;

/// What this process takes. What the system does not tell is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// Processor time, its own and the system's for it.
    pub cpu: Option<Duration>,
    /// Bytes of it that are in memory.
    pub resident_bytes: Option<u64>,
    /// Bytes of addresses it has; on Windows, what it has committed.
    pub virtual_bytes: Option<u64>,
    /// Files, sockets and the like that it has open: descriptors, or handles.
    pub open: Option<u64>,
    /// How many of them it may have open.
    pub open_max: Option<u64>,
    /// Its threads.
    pub threads: Option<u64>,
    /// When it was started, in seconds since 1970 UTC.
    pub since: Option<f64>,
}
