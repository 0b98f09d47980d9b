//! What a process takes of its machine, as Windows tells it.

use std::{mem::size_of, process, time::Duration};

use windows_sys::Win32::{
    Foundation::{CloseHandle, FILETIME, INVALID_HANDLE_VALUE},
    System::{
        Diagnostics::ToolHelp::{
            CreateToolhelp32Snapshot, PROCESSENTRY32W, Process32FirstW, Process32NextW, TH32CS_SNAPPROCESS,
        },
        Threading::{GetCurrentProcess, GetProcessHandleCount, GetProcessTimes},
    },
};

use super::memory_counters;
use crate::platform::Usage;

/// 100 ns, in which Windows counts time, of a second.
const TICKS_PER_SECOND: u64 = 10_000_000;
/// Seconds from 1601, from when Windows counts, to 1970.
const SECONDS_TO_1970: u64 = 11_644_473_600;

/// What this process takes. It goes through the list of processes: not for a thread that others wait for.
#[must_use]
pub fn usage() -> Usage {
    let (memory, times) = (memory_counters(), times());
    let memory_of =
        |bytes: fn(&_) -> usize| memory.as_ref().and_then(|memory| u64::try_from(bytes(memory)).ok());
    Usage {
        cpu: times.map(|(_, cpu)| cpu),
        resident_bytes: memory_of(|memory| memory.WorkingSetSize),
        virtual_bytes: memory_of(|memory| memory.PagefileUsage),
        open: handles(),
        open_max: None,
        threads: threads(),
        since: times.map(|(since, _)| since),
    }
}

/// When the process was started, in seconds since 1970 UTC, and what processor time it has taken.
fn times() -> Option<(f64, Duration)> {
    let [mut created, mut exited, mut kernel, mut user] =
        [FILETIME { dwLowDateTime: 0, dwHighDateTime: 0 }; 4];
    // SAFETY: the handle is the process's own, which is never closed, and each structure lives for the whole call; no
    // safe wrapper of this exists in std or tokio.
    let told = unsafe {
        GetProcessTimes(
            GetCurrentProcess(),
            &raw mut created,
            &raw mut exited,
            &raw mut kernel,
            &raw mut user,
        )
    };
    if told == 0 {
        return None;
    }
    let since = duration(ticks(created)).saturating_sub(Duration::from_secs(SECONDS_TO_1970));
    Some((since.as_secs_f64(), duration(ticks(kernel) + ticks(user))))
}

fn ticks(time: FILETIME) -> u64 {
    u64::from(time.dwHighDateTime) << 32 | u64::from(time.dwLowDateTime)
}

fn duration(ticks: u64) -> Duration {
    Duration::from_secs(ticks / TICKS_PER_SECOND) + Duration::from_nanos(ticks % TICKS_PER_SECOND * 100)
}

fn handles() -> Option<u64> {
    let mut count = 0;
    // SAFETY: as above; the number lives for the whole call.
    let told = unsafe { GetProcessHandleCount(GetCurrentProcess(), &raw mut count) };
    (told != 0).then(|| count.into())
}

/// Windows tells the number of a process's threads only in the list of all processes.
fn threads() -> Option<u64> {
    let bytes = u32::try_from(size_of::<PROCESSENTRY32W>()).ok()?;
    let mut entry = PROCESSENTRY32W { dwSize: bytes, ..Default::default() };
    // SAFETY: it takes no pointers. What it returns is closed below, once.
    let list = unsafe { CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0) };
    if list == INVALID_HANDLE_VALUE {
        return None;
    }
    // SAFETY: the list is open, and the structure says how long it is; so in each call below.
    let mut more = unsafe { Process32FirstW(list, &raw mut entry) };
    let mut found = None;
    while more != 0 && found.is_none() {
        if entry.th32ProcessID == process::id() {
            found = Some(entry.cntThreads.into());
        }
        // SAFETY: as above.
        more = unsafe { Process32NextW(list, &raw mut entry) };
    }
    // SAFETY: it is open, and nobody uses it after this.
    unsafe { CloseHandle(list) };
    found
}
