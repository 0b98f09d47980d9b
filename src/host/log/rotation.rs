//! When a log file is put aside, under which name, and which of those put aside go: without files and clocks.

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime},
};

use chat_proto::millis;

use crate::config::LogConfig;

/// When a log file is put aside, and how many of those stay.
#[derive(Clone, Copy, Debug)]
pub struct Rotation {
    /// 0: any number.
    bytes_max: u64,
    /// The span of which a file has the lines, counted from 1970 UTC; 0: any.
    span_ms: u64,
    keep: usize,
}

/// The file that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Current {
    /// Bytes in it.
    pub bytes: u64,
    /// When its first line was written, in milliseconds since 1970 UTC.
    pub begun_ms: u64,
}

impl Rotation {
    /// As configured.
    pub fn of(config: &LogConfig) -> Self {
        let span_ms = millis(config.rotate_age);
        Self { bytes_max: config.rotate_bytes, span_ms, keep: config.keep }
    }

    /// How many bytes of these lines go into the file as it is, always whole lines. 0: it is put aside first.
    pub fn room(&self, file: Current, lines: &[u8], now_ms: u64) -> usize {
        if file.bytes > 0 && self.is_over(file.begun_ms, now_ms) {
            return 0;
        }
        if self.bytes_max == 0 {
            return lines.len();
        }
        let left = self.bytes_max.saturating_sub(file.bytes);
        let left = usize::try_from(left).unwrap_or(usize::MAX).min(lines.len());
        if left == lines.len() {
            return left;
        }
        match lines[..left].iter().rposition(|byte| *byte == b'\n') {
            Some(end) => end + 1,
            // A line longer than a file may be has one of its own.
            None if file.bytes == 0 => {
                lines.iter().position(|byte| *byte == b'\n').map_or(lines.len(), |end| end + 1)
            }
            None => 0,
        }
    }

    fn is_over(&self, begun_ms: u64, now_ms: u64) -> bool {
        self.span_ms > 0 && now_ms / self.span_ms > begun_ms / self.span_ms
    }
}

/// The files that were put aside: when, in milliseconds since 1970 UTC.
#[derive(Debug, Default)]
pub struct Archive(BTreeSet<u64>);

impl Archive {
    /// Those among the names in a folder.
    pub fn of(names: impl Iterator<Item = String>, naming: &Naming) -> Self {
        Self(names.filter_map(|name| naming.time_in(&name)).collect())
    }

    /// The time in the next one's name: now, or just after the last if the clock has been put back.
    pub fn next(&self, now_ms: u64) -> u64 {
        self.0.last().map_or(now_ms, |last| now_ms.max(last + 1))
    }

    /// One more.
    pub fn add(&mut self, time_ms: u64) {
        self.0.insert(time_ms);
    }

    /// One less.
    pub fn remove(&mut self, time_ms: u64) {
        self.0.remove(&time_ms);
    }

    /// Those that go, the oldest first.
    pub fn surplus(&self, rotation: &Rotation) -> Vec<u64> {
        self.0.iter().copied().take(self.0.len().saturating_sub(rotation.keep)).collect()
    }
}

/// How files put aside are called: `chat-server.log` becomes `chat-server.2026-07-25T10-11-12.345Z.log`. No name on
/// Windows has a colon; names in order are times in order.
#[derive(Debug)]
pub struct Naming {
    before: String,
    after: String,
}

impl Naming {
    /// For a file of this name.
    pub fn of(name: &str) -> Self {
        match name.rsplit_once('.') {
            Some((stem, extension)) if !stem.is_empty() => {
                Self { before: format!("{stem}."), after: format!(".{extension}") }
            }
            _ => Self { before: format!("{name}."), after: String::new() },
        }
    }

    /// The name of one put aside then.
    pub fn name(&self, time_ms: u64) -> String {
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(time_ms);
        let time = humantime::format_rfc3339_millis(time).to_string().replace(':', "-");
        format!("{}{time}{}", self.before, self.after)
    }

    /// When it was put aside; `None` of a name that is not of this form.
    pub fn time_in(&self, name: &str) -> Option<u64> {
        let time = name.strip_prefix(&self.before)?.strip_suffix(&self.after)?;
        let (date, clock) = time.split_once('T')?;
        let time_ms = parse(&format!("{date}T{}", clock.replace('-', ":")))?;
        (self.name(time_ms) == name).then_some(time_ms)
    }
}

/// When a line was written, by what it begins with, in either format.
pub fn time_of(line: &str) -> Option<u64> {
    /// Bytes of `2026-07-25T10:11:12.345Z`.
    const TIME_BYTES: usize = 24;
    parse(line.strip_prefix(r#"{"ts":""#).unwrap_or(line).get(..TIME_BYTES)?)
}

fn parse(time: &str) -> Option<u64> {
    let since = humantime::parse_rfc3339(time).ok()?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    u64::try_from(since.as_millis()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: u64 = 86_400_000;

    fn rotation(bytes_max: u64, span_ms: u64, keep: usize) -> Rotation {
        Rotation { bytes_max, span_ms, keep }
    }

    fn file(bytes: u64, begun_ms: u64) -> Current {
        Current { bytes, begun_ms }
    }

    #[test]
    fn a_file_takes_the_whole_lines_that_it_has_room_for() {
        let (lines, rotation) = (b"one\ntwo\nthree\n", rotation(100, 0, 1));
        for (bytes, room) in
            [(0, 14), (86, 14), (87, 8), (92, 8), (93, 4), (96, 4), (97, 0), (100, 0), (999, 0)]
        {
            assert_eq!(rotation.room(file(bytes, 0), lines, 0), room, "{bytes} bytes are in it");
        }
    }

    #[test]
    fn a_line_longer_than_a_file_may_be_has_a_file_of_its_own() {
        let long = [&b"x".repeat(200)[..], b"\nnext\n"].concat();
        assert_eq!(rotation(100, 0, 1).room(file(5, 0), &long, 0), 0, "what is there is put aside");
        assert_eq!(rotation(100, 0, 1).room(file(0, 0), &long, 0), 201);
    }

    #[test]
    fn a_file_has_lines_of_one_day_of_utc_whenever_the_server_started() {
        let (rotation, noon) = (rotation(0, DAY_MS, 1), DAY_MS * 20_000 + DAY_MS / 2);
        let midnight = DAY_MS * 20_001;
        assert_eq!(rotation.room(file(1, noon), b"x\n", midnight - 1), 2);
        assert_eq!(rotation.room(file(1, noon), b"x\n", midnight), 0);
        assert_eq!(rotation.room(file(0, noon), b"x\n", midnight), 2, "an empty file is nobody's day");
        assert_eq!(rotation.room(file(1, midnight), b"x\n", noon), 2, "a clock put back puts nothing aside");
    }

    #[test]
    fn without_limits_a_file_is_never_put_aside() {
        assert_eq!(rotation(0, 0, 1).room(file(u64::MAX / 2, 0), b"x\n", u64::MAX), 2);
    }

    #[test]
    fn names_have_no_colons_and_their_order_is_that_of_time() {
        let naming = Naming::of("chat-server.log");
        let names: Vec<_> = [0, 999, 1_784_974_272_345, 253_402_300_799_000].map(|ms| naming.name(ms)).into();
        assert_eq!(names[2], "chat-server.2026-07-25T10-11-12.345Z.log");
        assert!(names.is_sorted() && names.iter().all(|name| !name.contains(':')), "{names:?}");
        assert_eq!(names.iter().map(|name| naming.time_in(name)).collect::<Vec<_>>(), {
            [0, 999, 1_784_974_272_345, 253_402_300_799_000].map(Some)
        });
        assert_eq!(Naming::of("log").name(0), "log.1970-01-01T00-00-00.000Z");
        assert_eq!(Naming::of(".log").name(0), ".log.1970-01-01T00-00-00.000Z");
    }

    #[test]
    fn nobody_elses_file_is_taken_for_one_put_aside() {
        let naming = Naming::of("chat.log");
        for name in [
            "chat.log",
            "chat.log.1",
            "chat.2026-07-25.log",
            "chat.2026-07-25T10-11-12Z.log",
            "chat.2026-07-25T10-11-12.345Z.log.gz",
            "chat.2026-07-25T10-11-12.3456Z.log",
            "chat.2026-13-25T10-11-12.345Z.log",
            "other.2026-07-25T10-11-12.345Z.log",
            "chat.db",
            "",
        ] {
            assert_eq!(naming.time_in(name), None, "{name}");
        }
    }

    #[test]
    fn the_oldest_go_and_a_clock_put_back_makes_no_new_file_the_oldest() {
        let (naming, rotation) = (Naming::of("a.log"), rotation(0, 0, 2));
        let mut archive = Archive::of([3, 1, 2].map(|ms| naming.name(ms)).into_iter(), &naming);
        assert_eq!(archive.surplus(&rotation), [1]);
        let next = archive.next(1);
        assert_eq!((next, archive.next(9)), (4, 9));
        archive.add(next);
        assert_eq!(archive.surplus(&rotation), [1, 2]);
        archive.remove(1);
        assert_eq!(archive.surplus(&rotation), [2], "what could not be deleted is tried again");
        assert_eq!(Archive::default().next(7), 7);
    }

    #[test]
    fn a_file_found_is_as_old_as_its_first_line() {
        let time = Some(1_784_974_272_345);
        assert_eq!(time_of("2026-07-25T10:11:12.345Z  INFO listening"), time);
        assert_eq!(time_of(r#"{"ts":"2026-07-25T10:11:12.345Z","level":"INFO"}"#), time);
        for foreign in
            ["", "2026", "Jul 25 10:11:12 host chat-server: listening", "가나다라마바사아자차카타파하"]
        {
            assert_eq!(time_of(foreign), None, "{foreign}");
        }
    }
}
