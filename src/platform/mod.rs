//! The few system calls that no kept library wraps: small, safe from outside, the only place for `unsafe`.

#[cfg(unix)]
mod unix;
mod usage;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub use unix::{memory_bytes, own_the_address, raise_descriptor_limit, usage};
pub use usage::Usage;
#[cfg(windows)]
pub use windows::{EventKind, EventSource, memory_bytes, own_the_address, raise_descriptor_limit, usage};

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn a_process_knows_what_it_takes_of_its_machine() {
        let usage = usage();
        let threads = usage.threads.expect("told here");
        assert!((1..10_000).contains(&threads), "{usage:?}");
        assert!((1 << 16..1 << 40).contains(&usage.resident_bytes.expect("told here")), "{usage:?}");
        assert!(usage.virtual_bytes.expect("told here") > 1 << 16, "{usage:?}");
        assert!(usage.cpu.expect("told here").as_secs() < 24 * 3_600, "{usage:?}");
        let now = SystemTime::UNIX_EPOCH.elapsed().expect("after 1970").as_secs_f64();
        // It was started a while ago, by a clock that counts whole seconds.
        let age = now - usage.since.expect("told here");
        assert!((-2.0..24.0 * 3_600.0).contains(&age), "{age} s old: {usage:?}");
    }

    #[test]
    fn a_process_knows_how_much_it_has_open() {
        let open = usage().open.expect("told here");
        assert!((3..1_000_000).contains(&open), "{open}");
    }
}
