//! A password for an account, from a file or from whoever sits at the terminal; never from a command line, which
//! everybody on the machine may read.

use std::{
    fs::File,
    io::{self, IsTerminal as _, Read},
    path::{Path, PathBuf},
};

use chat_proto::limits::{PASSWORD_BYTES_MAX, PASSWORD_BYTES_MIN};
use clap::Args;
use zeroize::Zeroizing;

use super::exit::Failure;
use crate::session::Password;

/// Bytes of a password file that are read. Longer ones hold no password.
const FILE_BYTES_MAX: usize = 4_096;

/// Where the password is.
#[derive(Args)]
pub struct PasswordArgs {
    /// Read the password from this file (`-`: standard input), of which a line end and a byte order mark are no part.
    /// Without it the terminal asks, twice.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

impl PasswordArgs {
    /// Gets the password, or says why it is none.
    pub fn get(&self) -> Result<Password, Failure> {
        let typed = match &self.password_file {
            Some(path) if path.as_os_str() == "-" => read(io::stdin().lock(), path)?,
            Some(path) => read(File::open(path).map_err(|error| unreadable(path, &error))?, path)?,
            None => ask()?,
        };
        Password::parse(&typed).map_err(|_| Failure::Runtime(format!("the password {}", why_not(&typed))))
    }
}

fn read(from: impl Read, path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    // Never grows, which would leave a copy behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(FILE_BYTES_MAX + 2));
    from.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(|error| unreadable(path, &error))?;
    Ok(Zeroizing::new(line(&bytes).to_vec()))
}

/// Without what editors and shells add.
fn line(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    bytes.strip_suffix(b"\r").unwrap_or(bytes)
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::running(&path.display().to_string(), error)
}

fn ask() -> Result<Zeroizing<Vec<u8>>, Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::CommandLine(
            "there is no terminal to ask for the password: give --password-file FILE".into(),
        ));
    }
    let ask = |prompt| {
        let typed = rpassword::prompt_password(prompt);
        typed.map(Zeroizing::new).map_err(|error| Failure::running("the terminal", error))
    };
    let (once, again) = (ask("Password: ")?, ask("The same again: ")?);
    if once != again {
        return Err(Failure::Runtime("the two passwords differ".into()));
    }
    Ok(Zeroizing::new(once.as_bytes().to_vec()))
}

/// Why this is no password.
fn why_not(typed: &[u8]) -> String {
    let (min, max) = (usize::from(PASSWORD_BYTES_MIN), usize::from(PASSWORD_BYTES_MAX));
    match str::from_utf8(typed) {
        Err(_) => "is not in UTF-8".into(),
        Ok(text) if text.len() < min => format!("has {} bytes, and needs at least {min}", text.len()),
        Ok(text) if text.contains(['\n', '\r']) => "has more than one line".into(),
        Ok(text) if text.chars().any(char::is_control) => "has a control character".into(),
        Ok(text) if text.len() > max => format!("has {} bytes, and may have at most {max}", text.len()),
        Ok(_) => format!("has a character that nobody sees, or has not {min} to {max} bytes once composed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_editor_adds_is_no_part_of_a_password() {
        for file in ["open sesame", "open sesame\n", "open sesame\r\n", "\u{feff}open sesame\r\n"] {
            assert_eq!(line(file.as_bytes()), b"open sesame", "{file:?}");
        }
        assert_eq!(line(b"open sesame \n\n"), b"open sesame \n");
    }

    #[test]
    fn whoever_chose_a_bad_password_is_told_why() {
        for (typed, why) in [
            (&b"short"[..], "5 bytes"),
            (&[b'x'; 129], "at most 128"),
            (b"\xff\xfeo\0p\0e\0n\0", "UTF-8"),
            (b"open\nsesame", "line"),
            (b"open\tsesame", "control"),
            ("open\u{200b}sesame".as_bytes(), "nobody sees"),
        ] {
            assert!(Password::parse(typed).is_err());
            assert!(why_not(typed).contains(why), "{}", why_not(typed));
        }
    }
}
