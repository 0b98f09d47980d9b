//! What a process takes of its machine, as Linux tells it in `/proc`.

use std::{fs, time::Duration};

use rustix::{
    param::{clock_ticks_per_second, page_size},
    process::{Resource, getrlimit},
};

use crate::platform::Usage;

/// What this process takes. It reads files and counts descriptors, which takes milliseconds where there are thousands:
/// not for a thread that others wait for.
#[must_use]
pub fn usage() -> Usage {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let stat = Stat::parse(&stat);
    let number = |field| stat.as_ref().and_then(|stat| stat.number(field));
    #[expect(clippy::cast_precision_loss, reason = "ticks since the start are few")]
    let seconds = |ticks: u64| ticks as f64 / clock_ticks_per_second() as f64;
    let ticks = number(UTIME).zip(number(STIME)).map(|(own, systems)| own + systems);
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are few")]
    let since = booted().zip(number(START)).map(|(booted, ticks)| booted as f64 + seconds(ticks));
    Usage {
        cpu: ticks.map(|ticks| Duration::from_secs_f64(seconds(ticks))),
        resident_bytes: number(RESIDENT_PAGES).map(|pages| pages * page_size() as u64),
        virtual_bytes: number(VIRTUAL_BYTES),
        // The folder that is being read is one of them.
        open: fs::read_dir("/proc/self/fd").ok().map(|open| open.count().saturating_sub(1) as u64),
        open_max: getrlimit(Resource::Nofile).current,
        threads: number(THREADS),
        since,
    }
}

/// Fields by their numbers in `proc_pid_stat(5)`, of which 3 is the first behind the program's name.
const UTIME: usize = 14;
const STIME: usize = 15;
const THREADS: usize = 20;
const START: usize = 22;
const VIRTUAL_BYTES: usize = 23;
const RESIDENT_PAGES: usize = 24;

/// What stands behind the name, which may itself have spaces and parentheses.
struct Stat<'a>(Vec<&'a str>);

impl<'a> Stat<'a> {
    fn parse(stat: &'a str) -> Option<Self> {
        let (_, fields) = stat.rsplit_once(')')?;
        Some(Self(fields.split_whitespace().collect()))
    }

    fn number(&self, field: usize) -> Option<u64> {
        self.0.get(field - 3)?.parse().ok()
    }
}

/// When the machine was started, in seconds since 1970 UTC: `proc_stat(5)`.
fn booted() -> Option<u64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_programs_name_may_be_anything() {
        let stat =
            "7 (a b) c) S 1 7 7 0 -1 4194560 100 0 0 0 11 12 0 0 20 0 5 0 99 4096 3 18446744073709551615";
        let stat = Stat::parse(stat).expect("it has a name");
        let numbers = [UTIME, STIME, THREADS, START, VIRTUAL_BYTES, RESIDENT_PAGES];
        assert_eq!(numbers.map(|field| stat.number(field)), [11, 12, 5, 99, 4096, 3].map(Some));
        assert!(Stat::parse("").is_none());
    }
}
