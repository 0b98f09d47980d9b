//! A service's first words: a small file for what happens before its log is open, or instead of it.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// The file is begun anew when it has more bytes than this.
const BYTES_MAX: u64 = 64 * 1024;

/// What a line about a failure begins with.
pub const FAILED: &str = "failed: ";

/// The file in a data folder.
pub fn path(folder: &Path) -> PathBuf {
    folder.join("early.log")
}

/// Adds a line. A folder that cannot be written to loses it: there is nobody left to tell.
pub fn note(folder: &Path, line: &str) {
    let path = path(folder);
    let full = fs::metadata(&path).is_ok_and(|data| data.len() > BYTES_MAX);
    let _ = fs::create_dir_all(folder);
    let file = File::options().create(true).append(!full).write(true).truncate(full).open(path);
    if let Ok(mut file) = file {
        let now = humantime::format_rfc3339_seconds(SystemTime::now());
        let _ = writeln!(file, "{now} {}", line.replace(['\r', '\n'], " "));
    }
}

/// Why the service failed, if that is the last line.
pub fn failure(folder: &Path) -> Option<String> {
    let text = fs::read_to_string(path(folder)).ok()?;
    let (_, last) = text.lines().last()?.split_once(' ')?;
    last.strip_prefix(FAILED).map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_keeps_the_last_words_and_does_not_grow_for_ever() {
        let folder = std::env::temp_dir().join(format!("chat early {}", std::process::id()));
        assert_eq!(failure(&folder), None);
        note(&folder, "failed: once\r\n서버");
        assert_eq!(failure(&folder).as_deref(), Some("once  서버"));
        note(&folder, "starting");
        assert_eq!(failure(&folder), None, "it has been started since");
        for _ in 0..3 {
            note(&folder, &"x".repeat(40 * 1024));
        }
        assert!(fs::metadata(path(&folder)).expect("written").len() < 2 * BYTES_MAX);
        fs::remove_dir_all(folder).expect("ours");
    }
}
