//! What a delivery costs: the core in memory by criterion, the whole server over loopback by its own CPU time.
//!
//! `cargo bench --bench fanout` runs both; `-- memory` or `-- loopback` one of them; `-- windows` the rooms and the
//! limit that chat-server.exe has to keep under Wine (`scripts/windows.sh test`).

mod loopback;
mod memory;
#[path = "../../tests/common/process.rs"]
mod process;

use loopback::Room;

/// What the server is measured with.
const LOOPBACK: [Room; 3] = [room(100, 32), room(1_000, 32), room(1_000, 64)];

/// What a delivery may cost under Wine, in microseconds of CPU.
const WINE_LIMIT_US: f64 = 50.0;
/// Four talkers, and one of long lines, packets of about a kilobyte; then, without a limit, what a delivery costs
/// that shares its send with no other.
const WINDOWS: [Room; 3] = [
    Room { limit_us: WINE_LIMIT_US, ..room(200, 32) },
    Room { talkers: 1, text_bytes: 1_024, limit_us: WINE_LIMIT_US, ..room(200, 32) },
    Room { talkers: 1, text_bytes: 1_024, ..room(200, 1) },
];

/// Four talkers of short lines. What that costs depends on the machine: it has no limit.
const fn room(members: usize, outstanding: usize) -> Room {
    Room { members, talkers: 4, outstanding, text_bytes: 64, limit_us: f64::INFINITY }
}

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let names = |part: &str| wanted.iter().any(|want| part.starts_with(want.as_str()));
    if wanted.is_empty() || names("memory") {
        memory::run();
    }
    if wanted.is_empty() || names("loopback") {
        loopback::run(&LOOPBACK);
    }
    if names("windows") {
        loopback::run(&WINDOWS);
    }
}
