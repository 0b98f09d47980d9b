//! A log file that is put aside when it is full or its day is over, and may be put aside by others.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use super::{
    queue::Output,
    rotation::{Archive, Current, Naming, Rotation, time_of},
};

/// How long nothing is tried again after a file could not be put aside, in milliseconds. Until then it grows.
const RETRY_MS: u64 = 60_000;

/// A log file.
pub struct LogFile {
    path: PathBuf,
    rotation: Rotation,
    naming: Naming,
    archive: Archive,
    file: File,
    current: Current,
    /// Nothing is put aside before this time.
    retry_ms: u64,
    /// The last write ended within a line.
    torn: bool,
    /// Milliseconds since 1970 UTC.
    clock: fn() -> u64,
}

impl LogFile {
    /// Opens it, and makes it and its folder if they are not there.
    pub fn open(path: &Path, rotation: Rotation, clock: fn() -> u64) -> io::Result<Self> {
        let name = path.file_name().and_then(|name| name.to_str());
        let naming = Naming::of(name.ok_or_else(|| io::Error::other("its name is none, or not Unicode"))?);
        let (file, current) = open(path, clock())?;
        let archive = look_for(&naming, path)?;
        let path = path.to_owned();
        let mut log =
            Self { path, rotation, naming, archive, file, current, retry_ms: 0, torn: false, clock };
        log.delete_surplus();
        Ok(log)
    }

    fn put_aside(&mut self, now_ms: u64) -> io::Result<()> {
        let time_ms = self.archive.next(now_ms);
        let aside = self.path.with_file_name(self.naming.name(time_ms));
        match fs::rename(&self.path, &aside) {
            Ok(()) => self.archive.add(time_ms),
            // Somebody else has put it aside.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(_) => {
                // Windows: whoever has it open may forbid to rename it, and seldom forbids this.
                copy_and_empty(&self.path, &aside)?;
                self.archive.add(time_ms);
            }
        }
        (self.file, self.current) = open(&self.path, now_ms)?;
        self.delete_surplus();
        Ok(())
    }

    /// Deletes those put aside that are too many. Who cannot be deleted now, because somebody on Windows reads it, goes the
    /// next time.
    fn delete_surplus(&mut self) {
        for time_ms in self.archive.surplus(&self.rotation) {
            match fs::remove_file(self.path.with_file_name(self.naming.name(time_ms))) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {}
                _ => self.archive.remove(time_ms),
            }
        }
    }

    /// Writes all of it, or what can be. Returns how much that was: whole lines, of which one at least.
    fn write_lines(&mut self, lines: &[u8]) -> io::Result<usize> {
        let mut written = 0;
        while written < lines.len() {
            let error = match self.file.write(&lines[written..]) {
                Ok(0) => io::ErrorKind::WriteZero.into(),
                Ok(more) => {
                    written += more;
                    self.torn = lines[written - 1] != b'\n';
                    self.current.bytes += more as u64;
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => error,
            };
            let whole = lines[..written].iter().rposition(|byte| *byte == b'\n');
            return whole.map(|end| end + 1).ok_or(error);
        }
        Ok(written)
    }
}

impl Output for LogFile {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        let now_ms = (self.clock)();
        if self.torn {
            // Or the next line would be lost with the one that was torn.
            self.write_lines(b"\n")?;
        }
        let mut room = self.rotation.room(self.current, lines, now_ms);
        if room == 0 {
            // The clock may have been put back.
            let is_time = !(1..=RETRY_MS).contains(&self.retry_ms.saturating_sub(now_ms));
            if is_time && let Err(error) = self.put_aside(now_ms) {
                self.retry_ms = now_ms + RETRY_MS;
                tracing::warn!(event = "log_not_rotated", log = %self.path.display(), err = %error, "the log file grows on");
            }
            room = match self.rotation.room(self.current, lines, now_ms) {
                // Rather too many bytes in a file than lines lost.
                0 => lines.len(),
                room => room,
            };
        }
        if self.current.bytes == 0 {
            self.current.begun_ms = now_ms;
        }
        self.write_lines(&lines[..room])
    }

    fn reopen(&mut self) -> io::Result<()> {
        (self.file, self.current) = open(&self.path, (self.clock)())?;
        (self.torn, self.retry_ms) = (false, 0);
        // Whoever has moved the file may have deleted others.
        self.archive = look_for(&self.naming, &self.path)?;
        Ok(())
    }
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Opens a log file, and makes it and its folder if they are not there: the folder may go while the server runs.
fn open(path: &Path, now_ms: u64) -> io::Result<(File, Current)> {
    fs::create_dir_all(folder(path))?;
    let mut options = File::options();
    options.create(true).append(true).read(true);
    // It has names and addresses.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o640);
    let mut file = options.open(path)?;
    let data = file.metadata()?;
    if !data.is_file() {
        // Of a pipe or a terminal the beginning would be waited for, and none of them can be put aside.
        return Err(io::Error::other("it is no file; to standard error the log goes by `log.console`"));
    }
    // Windows gives a new file the age of the one that has just had its name, so no file system is asked for it.
    let mut head = [0; 64];
    let read = file.read(&mut head)?;
    let begun_ms = str::from_utf8(&head[..read]).ok().and_then(time_of).unwrap_or(now_ms);
    Ok((file, Current { bytes: data.len(), begun_ms }))
}

/// The files put aside that are there already.
fn look_for(naming: &Naming, path: &Path) -> io::Result<Archive> {
    let entries = fs::read_dir(folder(path))?;
    Ok(Archive::of(entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()), naming))
}

fn copy_and_empty(path: &Path, aside: &Path) -> io::Result<()> {
    let done = fs::copy(path, aside).and_then(|_| File::options().write(true).open(path)?.set_len(0));
    if done.is_err() {
        // Or its lines would be there twice.
        let _ = fs::remove_file(aside);
    }
    done
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, process};

    use super::*;
    use crate::{config::LogConfig, host::log::tests::as_json};

    thread_local! {
        static NOW_MS: Cell<u64> = const { Cell::new(0) };
    }

    fn now_ms() -> u64 {
        NOW_MS.get()
    }

    /// A folder of its own, gone with the test, and the clock at noon.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            NOW_MS.set(1_784_980_800_000);
            let path = std::env::temp_dir().join(format!("chat log {name} {}", process::id()));
            let _ = fs::remove_dir_all(&path);
            Self(path)
        }

        fn log(&self) -> PathBuf {
            self.0.join("chat.log")
        }

        fn open(&self, config: &LogConfig) -> LogFile {
            LogFile::open(&self.log(), Rotation::of(config), now_ms).expect("ours")
        }

        /// All files in the order of their names, which have the one that is written last, and what is in them.
        fn files(&self) -> Vec<(String, String)> {
            let entries =
                fs::read_dir(&self.0).expect("a folder").map(|entry| entry.expect("an entry").path());
            let name = |path: &PathBuf| path.file_name().expect("a name").to_string_lossy().into_owned();
            let mut files: Vec<_> =
                entries.map(|path| (name(&path), fs::read_to_string(&path).expect("text"))).collect();
            files.sort();
            files
        }

        fn texts(&self) -> Vec<String> {
            self.files().into_iter().map(|(_, text)| text).collect()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn small(keep: usize) -> LogConfig {
        LogConfig { rotate_bytes: 10, keep, ..LogConfig::default() }
    }

    fn write(log: &mut LogFile, mut lines: &str) {
        while !lines.is_empty() {
            lines = &lines[log.write(lines.as_bytes()).expect("written")..];
        }
    }

    #[test]
    fn full_files_are_put_aside_and_the_newest_kept_with_every_line_whole() {
        let folder = Folder::new("full");
        let mut log = folder.open(&small(2));
        write(&mut log, "one\ntwo\nthree\nfour\nfive\nsix\nseven\n");
        assert_eq!(folder.texts(), ["three\n", "four\nfive\n", "six\nseven\n"]);
        let names: Vec<_> = folder.files().into_iter().map(|(name, _)| name).collect();
        let aside = ["chat.2026-07-25T12-00-00.001Z.log", "chat.2026-07-25T12-00-00.002Z.log", "chat.log"];
        assert_eq!(names, aside);
        write(&mut log, "eight\n");
        assert_eq!(folder.texts(), ["four\nfive\n", "six\nseven\n", "eight\n"]);
    }

    #[test]
    fn a_day_that_is_over_is_put_aside_by_the_first_line_of_the_next_also_after_a_restart() {
        let folder = Folder::new("day");
        let config = LogConfig::default();
        let mut log = folder.open(&config);
        write(&mut log, "2026-07-25T12:00:00.000Z  INFO noon\n");
        NOW_MS.set(1_785_023_999_999);
        write(&mut log, "2026-07-25T23:59:59.999Z  INFO late\n");
        assert_eq!(folder.files().len(), 1);
        drop(log);
        let mut log = folder.open(&config);
        NOW_MS.set(1_785_024_000_000);
        write(&mut log, "2026-07-26T00:00:00.000Z  INFO midnight\n");
        let files = folder.files();
        assert_eq!(files[0].0, "chat.2026-07-26T00-00-00.000Z.log");
        assert_eq!((files[0].1.lines().count(), files[1].1.lines().count()), (2, 1));
        NOW_MS.set(1_785_024_000_000 + 9 * 86_400_000);
        assert_eq!(folder.files().len(), 2, "where nothing is logged nothing is put aside");
        write(&mut log, "2026-08-04T00:00:00.000Z  INFO later\n");
        assert_eq!(folder.files().len(), 3);
    }

    #[test]
    fn a_restart_goes_on_in_the_file_and_deletes_what_is_too_much_and_no_other_file() {
        let folder = Folder::new("restart");
        write(&mut folder.open(&small(9)), "one\ntwo\nthree\nfour\nfive\nsix\n");
        fs::write(folder.0.join("chat.log.1"), "theirs\n").expect("ours");
        let mut log = folder.open(&small(1));
        write(&mut log, "7\n");
        assert_eq!(folder.texts(), ["four\nfive\n", "six\n7\n", "theirs\n"]);
    }

    #[test]
    fn who_moves_the_file_away_has_the_lines_until_it_is_opened_anew_and_none_after() {
        let folder = Folder::new("moved");
        let mut log = folder.open(&LogConfig::default());
        write(&mut log, "before\n");
        let moved = folder.0.join("chat.log.1");
        fs::rename(folder.log(), &moved).expect("also on Windows");
        write(&mut log, "between\n");
        log.reopen().expect("opened");
        write(&mut log, "after\n");
        assert_eq!(fs::read_to_string(&moved).expect("there"), "before\nbetween\n");
        assert_eq!(fs::read_to_string(folder.log()).expect("there"), "after\n");
    }

    #[test]
    fn a_file_that_was_moved_away_is_begun_anew_when_it_would_be_put_aside() {
        let folder = Folder::new("gone");
        let mut log = folder.open(&small(3));
        write(&mut log, "12345678\n");
        fs::rename(folder.log(), folder.0.join("moved")).expect("also on Windows");
        write(&mut log, "next\n");
        assert_eq!(folder.texts(), ["next\n", "12345678\n"]);
    }

    #[test]
    fn what_cannot_be_put_aside_grows_on_and_is_tried_again_a_minute_later() {
        let folder = Folder::new("stuck");
        let mut log = folder.open(&small(3));
        write(&mut log, "12345678\n");
        // In the place of the file put aside.
        let obstacle = folder.0.join("chat.2026-07-25T12-00-00.000Z.log");
        fs::create_dir(&obstacle).expect("ours");
        let told = as_json(|| {
            write(&mut log, "more\nand more\n");
            NOW_MS.set(now_ms() + RETRY_MS - 1);
            write(&mut log, "still\n");
        });
        assert_eq!(told.len(), 1, "each minute once: {told:?}");
        assert_eq!((&told[0]["event"], &told[0]["level"]), (&"log_not_rotated".into(), &"WARN".into()));
        assert!(told[0]["log"].as_str().is_some_and(|log| log.ends_with("chat.log")), "{told:?}");
        assert_eq!(fs::read_to_string(folder.log()).expect("there"), "12345678\nmore\nand more\nstill\n");
        NOW_MS.set(now_ms() + 1);
        fs::remove_dir(&obstacle).expect("empty");
        write(&mut log, "then\n");
        assert_eq!(folder.texts(), ["12345678\nmore\nand more\nstill\n", "then\n"]);
    }

    #[test]
    fn a_clock_that_is_put_back_lets_nothing_wait_for_the_time_it_showed() {
        let folder = Folder::new("put back");
        let mut log = folder.open(&small(3));
        write(&mut log, "12345678\n");
        let obstacle = folder.0.join("chat.2026-07-25T12-00-00.000Z.log");
        fs::create_dir(&obstacle).expect("ours");
        write(&mut log, "more\n");
        fs::remove_dir(&obstacle).expect("empty");
        NOW_MS.set(now_ms() - 3_600_000);
        write(&mut log, "then\n");
        assert_eq!(folder.texts(), ["12345678\nmore\n", "then\n"]);
    }

    /// Windows lets nobody rename a file that is open without `FILE_SHARE_DELETE`, as in most viewers.
    #[cfg(windows)]
    #[test]
    fn a_file_that_somebody_reads_is_copied_and_emptied() {
        use std::os::windows::fs::OpenOptionsExt;
        let folder = Folder::new("read");
        let mut log = folder.open(&small(3));
        write(&mut log, "12345678\n");
        // FILE_SHARE_READ | FILE_SHARE_WRITE
        let _reader = File::options().read(true).share_mode(3).open(folder.log()).expect("it is there");
        write(&mut log, "next\n");
        assert_eq!(folder.texts(), ["12345678\n", "next\n"]);
    }

    #[test]
    fn a_line_that_was_torn_costs_no_other() {
        let folder = Folder::new("torn");
        let mut log = folder.open(&LogConfig::default());
        log.write_lines(b"half a li").expect("written");
        write(&mut log, "whole\n");
        assert_eq!(folder.texts(), ["half a li\nwhole\n"]);
    }

    /// Windows removes no folder with an open file in it.
    #[cfg(unix)]
    #[test]
    fn a_folder_that_is_gone_is_made_again_when_the_file_is_begun_anew() {
        let folder = Folder::new("gone folder");
        let mut log = folder.open(&small(3));
        write(&mut log, "12345678\n");
        fs::remove_dir_all(&folder.0).expect("ours");
        write(&mut log, "next\n");
        assert_eq!(folder.texts(), ["next\n"]);
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_file_is_not_waited_for() {
        for device in ["/dev/null", "/dev/full", "/dev/zero"] {
            let opened = LogFile::open(Path::new(device), Rotation::of(&small(3)), now_ms);
            let error = opened.err().expect("it is no file").to_string();
            assert!(error.contains("no file"), "{device}: {error}");
        }
    }

    /// A disk that is full takes part of what is written.
    #[cfg(unix)]
    #[test]
    fn lines_that_are_written_before_the_disk_is_full_are_not_lost_with_the_others() {
        use std::{io::Read as _, os::unix::net::UnixStream};
        let folder = Folder::new("full disk");
        let mut log = folder.open(&LogConfig::default());
        let (mut disk, near) = UnixStream::pair().expect("a pair");
        near.set_nonblocking(true).expect("it can be");
        log.file = File::from(std::os::fd::OwnedFd::from(near));
        let lines: Vec<u8> = (0..200_000).flat_map(|line| format!("line {line}\n").into_bytes()).collect();
        let whole = log.write(&lines).expect("some of it");
        assert!(whole < lines.len() && lines[whole - 1] == b'\n', "{whole}");
        assert!(log.write(&lines[whole..]).is_err(), "there is no room");
        let torn = log.torn;
        disk.set_nonblocking(true).expect("it can be");
        let mut taken = Vec::new();
        // It ends where nothing more is there.
        let _ = disk.read_to_end(&mut taken);
        write(&mut log, "after\n");
        let _ = disk.read_to_end(&mut taken);
        let (before, after) = taken.split_at(whole);
        assert!(before == &lines[..whole], "what was said to be written is there");
        // And nothing more of the others than the beginning of one.
        let after = String::from_utf8_lossy(after);
        assert_eq!(after.lines().count(), if torn { 2 } else { 1 }, "{after}");
        assert!(after.ends_with("after\n"), "{after}");
    }
}
