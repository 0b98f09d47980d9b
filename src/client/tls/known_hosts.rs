//! The file of servers that are known by their keys, as SSH has one.

use std::{
    ffi::OsString,
    fs::{DirBuilder, File, OpenOptions},
    io::{self, ErrorKind, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use super::{Distrust, Fingerprint};

/// Our folder among those of other programs.
const FOLDER: &str = "iocp-chat";
/// Its name in a user's own folder.
const NAME: &str = "known_hosts";
/// Bytes of such a file: some ten thousand servers.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// A file with a line for each server that was trusted once: `HOST:PORT sha256//KEY`. What begins with `#` is a comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownHosts {
    path: PathBuf,
}

/// What a file says of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// This is its key.
    Known,
    /// Nothing.
    Stranger,
    /// Another key is its, as this line says.
    Changed(usize),
}

impl KnownHosts {
    /// The one with this name, which need not be there yet.
    #[must_use]
    pub fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// The user's own: `$XDG_CONFIG_HOME/iocp-chat/known_hosts` or `~/.config/iocp-chat/known_hosts`, on Windows
    /// `%APPDATA%\iocp-chat\known_hosts`; `None` where none of these is set.
    #[must_use]
    pub fn of_user(variable: impl Fn(&str) -> Option<OsString>) -> Option<Self> {
        // A relative path in these is to be ignored, says https://specifications.freedesktop.org/basedir/latest/.
        let folder = |name| variable(name).map(PathBuf::from).filter(|folder| folder.is_absolute());
        let folder = if cfg!(windows) {
            folder("APPDATA")
        } else {
            folder("XDG_CONFIG_HOME").or_else(|| folder("HOME").map(|home| home.join(".config")))
        };
        folder.map(|folder| Self::at(folder.join(FOLDER).join(NAME)))
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether `host`, which shows this key, is known by it. `false`: it is not known at all.
    pub(super) fn knows(&self, host: &str, key: Fingerprint) -> Result<bool, Distrust> {
        let unreadable = |why| Distrust::Unreadable { file: self.path.clone(), why };
        let text = match read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(unreadable(error.to_string())),
        };
        match look(&text, host, key) {
            Ok(Standing::Known) => Ok(true),
            Ok(Standing::Stranger) => Ok(false),
            Ok(Standing::Changed(line)) => {
                Err(Distrust::Changed { host: host.to_owned(), key, file: self.path.clone(), line })
            }
            Err(line) => Err(unreadable(format!("line {line} is not HOST:PORT and a fingerprint"))),
        }
    }

    /// From now on `host` is known by this key. The line is there as a whole or not at all, whoever else adds one at the
    /// same time.
    pub fn add(&self, host: &str, key: Fingerprint) -> io::Result<()> {
        if let Some(folder) = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            make_folder(folder)?;
        }
        let mut options = OpenOptions::new();
        // On Windows the folder decides who may read it, and a user's own folders are theirs alone.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.read(true).append(true).create(true).open(&self.path)?;
        // Whoever has edited it may have left the last line without an end.
        let end = if ends_a_line(&mut file)? { "" } else { "\n" };
        file.write_all(format!("{end}{host} {key}\n").as_bytes())?;
        file.sync_data()
    }
}

/// What the lines of a file say of a host; or the number of the first one that says nothing. A line that was damaged must
/// not make a stranger of a server: strangers may come in.
fn look(text: &str, host: &str, key: Fingerprint) -> Result<Standing, usize> {
    let mut standing = Standing::Stranger;
    for (number, line) in (1..).zip(text.trim_start_matches('\u{feff}').lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (known, its) = line.split_once(char::is_whitespace).ok_or(number)?;
        let its: Fingerprint = its.parse().map_err(|_| number)?;
        if known.eq_ignore_ascii_case(host) {
            standing = match standing {
                _ if its == key => Standing::Known,
                Standing::Stranger => Standing::Changed(number),
                before => before,
            };
        }
    }
    Ok(standing)
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let file = File::open(path)?;
    if file.take(FILE_BYTES_MAX).read_to_string(&mut text)? as u64 == FILE_BYTES_MAX {
        // What stands behind may be the very host.
        return Err(ErrorKind::FileTooLarge.into());
    }
    Ok(text)
}

/// With what is missing above it. Nobody else looks into any of that.
fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)
}

fn ends_a_line(file: &mut File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(true);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(digit: char) -> Fingerprint {
        digit.to_string().repeat(64).parse().expect("digits")
    }

    fn file(lines: &[(&str, char)]) -> String {
        lines.iter().fold("# servers\n\n".to_owned(), |text, (host, digit)| {
            text + host + " " + &key(*digit).to_string() + "\n"
        })
    }

    #[test]
    fn a_server_is_known_by_its_name_its_port_and_its_key() {
        let text = file(&[("a:1", '1'), ("b:1", '2'), ("[::1]:1", '3')]);
        for (host, digit, standing) in [
            ("a:1", '1', Standing::Known),
            ("A:1", '1', Standing::Known),
            ("[::1]:1", '3', Standing::Known),
            ("a:2", '1', Standing::Stranger),
            ("c:1", '1', Standing::Stranger),
            ("a:1", '2', Standing::Changed(3)),
            ("b:1", '1', Standing::Changed(4)),
        ] {
            assert_eq!(look(&text, host, key(digit)), Ok(standing), "{host} {digit}");
        }
    }

    #[test]
    fn a_server_may_have_several_keys_and_the_first_line_is_named_where_none_fits() {
        let text = file(&[("a:1", '1'), ("a:1", '2')]);
        assert_eq!(look(&text, "a:1", key('1')), Ok(Standing::Known));
        assert_eq!(look(&text, "a:1", key('2')), Ok(Standing::Known));
        assert_eq!(look(&text, "a:1", key('3')), Ok(Standing::Changed(3)));
    }

    #[test]
    fn a_file_may_come_from_any_editor_but_a_damaged_line_makes_no_stranger() {
        let text = format!("\u{feff}{}", file(&[("a:1", '1')]).replace('\n', "\r\n"));
        assert_eq!(look(&text, "a:1", key('1')), Ok(Standing::Known));
        for damaged in ["a:1", "a:1 sha256//abc", "a:1 sha256"] {
            assert_eq!(look(&format!("# \n{damaged}\n"), "a:1", key('1')), Err(2), "{damaged}");
        }
    }

    #[test]
    fn the_users_own_file_is_where_their_settings_are() {
        let of = |known: &'static [(&str, &str)]| {
            KnownHosts::of_user(move |name| {
                known.iter().find(|(variable, _)| *variable == name).map(|(_, value)| value.into())
            })
            .map(|hosts| hosts.path)
        };
        assert_eq!(of(&[]), None);
        #[cfg(unix)]
        {
            let home = |path: &str| Some(PathBuf::from(path));
            assert_eq!(of(&[("HOME", "/h")]), home("/h/.config/iocp-chat/known_hosts"));
            assert_eq!(of(&[("HOME", "/h"), ("XDG_CONFIG_HOME", "/x")]), home("/x/iocp-chat/known_hosts"));
            let relative = of(&[("HOME", "/h"), ("XDG_CONFIG_HOME", "x")]);
            assert_eq!(relative, home("/h/.config/iocp-chat/known_hosts"));
        }
        #[cfg(windows)]
        assert_eq!(
            of(&[("APPDATA", r"C:\Users\kim\AppData\Roaming")]),
            Some(r"C:\Users\kim\AppData\Roaming\iocp-chat\known_hosts".into())
        );
    }
}
