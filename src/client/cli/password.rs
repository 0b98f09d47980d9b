//! Where a password comes from: a file, the environment, or somebody at a terminal.

use std::{
    env,
    fs::{File, OpenOptions},
    io::{self, ErrorKind, IsTerminal, Read, Write},
    path::Path,
};

use chat_proto::{Credential, ErrorCode, limits::CREDENTIAL_BYTES_MAX};
use rpassword::ConfigBuilder;
use tokio::task::spawn_blocking;
use zeroize::Zeroizing;

use crate::client::Error;

/// The password, for whoever has neither a file nor a terminal.
pub const VARIABLE: &str = "CHAT_PASSWORD";

/// Bytes of a file in which its first line must end. More than that is no password of any server.
const FILE_BYTES_MAX: usize = 4 * 1024;

/// A password in clear: wiped when dropped, and without a form that could be printed.
pub struct Password(Zeroizing<String>);

/// Why there is no password.
#[derive(Debug)]
pub enum NoPassword {
    /// The file with this name cannot be read.
    File(String, io::Error),
    /// The first line of the file with this name is empty, too long, or no text.
    Line(String),
    /// The variable is no text.
    Variable,
    /// There is nobody to ask.
    Terminal(io::Error),
    /// Nothing was typed.
    Nothing,
    /// Twice was asked, and two were typed.
    Different,
    /// Ctrl-C.
    Interrupted,
}

impl Password {
    /// The first line of a file, which is UTF-8; a byte order mark and a carriage return are no part of it.
    pub fn of_file(path: &Path) -> Result<Self, NoPassword> {
        let name = || path.display().to_string();
        // Room for all of it at once: a buffer that grows leaves what it held behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(FILE_BYTES_MAX));
        File::open(path)
            .and_then(|file| file.take(FILE_BYTES_MAX as u64).read_to_end(&mut bytes))
            .map_err(|error| NoPassword::File(name(), error))?;
        Self::first_line(&bytes).ok_or_else(|| NoPassword::Line(name()))
    }

    fn first_line(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
        let line = match bytes.iter().position(|byte| *byte == b'\n') {
            Some(end) => &bytes[..end],
            None if bytes.len() + 3 >= FILE_BYTES_MAX => return None,
            None => bytes,
        };
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        Self::of_text(str::from_utf8(line).ok()?.to_owned())
    }

    /// What the environment has; an empty variable is none.
    pub fn of_environment() -> Result<Option<Self>, NoPassword> {
        match env::var(VARIABLE) {
            Ok(text) => Ok(Self::of_text(text)),
            Err(env::VarError::NotPresent) => Ok(None),
            Err(env::VarError::NotUnicode(_)) => Err(NoPassword::Variable),
        }
    }

    fn of_text(text: String) -> Option<Self> {
        (!text.is_empty()).then(|| Self(Zeroizing::new(text)))
    }

    /// Asks for one at the terminal, without showing it; `None` when nothing is typed. Ctrl-C must have been waited
    /// for before: without that it would end the program with the terminal still silent.
    pub async fn ask(prompt: String) -> Result<Option<Self>, NoPassword> {
        let asking = spawn_blocking(move || read_hidden(&prompt));
        match asking.await.expect("it does not panic, and nobody aborts it") {
            Ok(text) => Ok(Self::of_text(text)),
            Err(error) if error.kind() == ErrorKind::Interrupted => Err(NoPassword::Interrupted),
            // Ctrl-D.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(NoPassword::Nothing),
            Err(error) => Err(NoPassword::Terminal(error)),
        }
    }

    /// Asks for a new one, twice: nobody sees what is typed, not even who types it.
    pub async fn ask_new(prompt: String, again: String) -> Result<Self, NoPassword> {
        let first = Self::ask(prompt).await?.ok_or(NoPassword::Nothing)?;
        match Self::ask(again).await? {
            Some(second) if *second.0 == *first.0 => Ok(first),
            _ => Err(NoPassword::Different),
        }
    }

    /// As it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As a packet has it.
    pub fn credential(&self) -> Result<Credential, Error> {
        if self.0.len() > CREDENTIAL_BYTES_MAX.into() {
            return Err(Error::refused(ErrorCode::PasswordInvalid));
        }
        Ok(Credential::Password(self.0.as_bytes().into()))
    }
}

/// Standard input may be a pipe and standard output a file: it is the terminal that is asked.
fn read_hidden(prompt: &str) -> io::Result<String> {
    let mut config = ConfigBuilder::new();
    // The terminal that the program was given, where that is not the one its session belongs to. Where it may not be
    // opened again (it is another user's, after `su`) it is the session's all the same.
    if let Some(path) = own_terminal() {
        config = config.input_file_path(path).output_file_path(path);
    }
    let config = config.build();
    if io::stderr().is_terminal() {
        // A console of Windows gets Unicode in this way.
        let mut stderr = io::stderr();
        stderr.write_all(prompt.as_bytes()).and_then(|()| stderr.flush())?;
        return rpassword::read_password_with_config(config);
    }
    rpassword::prompt_password_with_config(prompt, config)
}

fn own_terminal() -> Option<&'static str> {
    const STDIN: &str = "/dev/stdin";
    let opens = || OpenOptions::new().read(true).write(true).open(STDIN).is_ok();
    (cfg!(unix) && io::stdin().is_terminal() && opens()).then_some(STDIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first_line(bytes: &[u8]) -> Option<String> {
        Password::first_line(bytes).map(|password| password.0.to_string())
    }

    #[test]
    fn a_file_may_come_from_any_editor() {
        for bytes in ["비밀 번호", "비밀 번호\n", "비밀 번호\r\n", "\u{feff}비밀 번호\r\nand more\n"]
        {
            assert_eq!(first_line(bytes.as_bytes()).as_deref(), Some("비밀 번호"), "{bytes:?}");
        }
        assert_eq!(first_line(b" a \r\r\n").as_deref(), Some(" a \r"));
    }

    #[test]
    fn a_first_line_that_is_no_password_is_refused() {
        let utf_16 = b"\xff\xfep\0a\0s\0s\0";
        let endless = [b'x'; FILE_BYTES_MAX];
        for bytes in [&b""[..], b"\n", b"\r\nsecond", b"\xef\xbb\xbf", utf_16, &endless] {
            assert_eq!(first_line(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn a_password_longer_than_a_packet_takes_is_refused_before_it_is_sent() {
        let of = |bytes: usize| Password::of_text("x".repeat(bytes)).expect("not empty").credential();
        assert!(of(CREDENTIAL_BYTES_MAX.into()).is_ok());
        let error = of(usize::from(CREDENTIAL_BYTES_MAX) + 1).expect_err("too long");
        assert_eq!(error.refusal(), Some(ErrorCode::PasswordInvalid.into()));
    }
}
