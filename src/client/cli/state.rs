//! The file of `--state`, in which a session outlives the program.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Read, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use chat_proto::Username;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;

use super::{address::Server, args::Args};
use crate::client::Saved;

/// What the program writes, and reads.
const VERSION: u16 = 1;
/// Bytes of such a file. A session's 128 unanswered lines of 3 KiB, each byte escaped to six, with their envelopes in
/// hexadecimal digits, are less.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Why there is no going on with a file.
#[derive(Debug)]
pub enum StateFault {
    /// The file with this name cannot be read.
    Unreadable(String, io::Error),
    /// The file with this name is no session of this program's, for the reason said.
    Foreign(String, String),
    /// The file with this name is somebody else's session, or one at another server.
    Another(String, String),
}

/// A session of whom, and where.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    version: u16,
    server: String,
    session: Saved,
}

/// Keeps a session in a file. Cheap to clone.
#[derive(Clone)]
pub struct StateFile {
    path: PathBuf,
    server: String,
    /// What is to be written: whoever comes to it first writes the newest, in whichever order they come.
    next: Arc<Mutex<Option<Saved>>>,
    /// What was written last, so that the same is not written again, and what went wrong since it was asked for.
    last: Arc<Mutex<Last>>,
}

#[derive(Default)]
struct Last {
    written: Option<Saved>,
    failure: Option<String>,
}

impl StateFile {
    /// The one that the arguments name.
    #[must_use]
    pub fn of(args: &Args) -> Option<Self> {
        let (path, server) = (args.state.clone()?, args.server().to_string());
        Some(Self { path, server, next: Arc::default(), last: Arc::default() })
    }

    /// The session in it; `None` where there is no such file. One of somebody else's, or of another server's, is refused: a
    /// token is shown to nobody but who gave it.
    pub fn load(&self, server: &Server, user: &Username) -> Result<Option<Saved>, StateFault> {
        let name = self.path.display().to_string();
        let text = match read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StateFault::Unreadable(name, error)),
        };
        let contents: Contents = serde_json::from_str(&text)
            .map_err(|error| StateFault::Foreign(name.clone(), error.to_string()))?;
        if contents.version != VERSION {
            let version = format!("version {}", contents.version);
            return Err(StateFault::Foreign(name, version));
        }
        let is_ours = Username::parse(contents.session.name()).is_ok_and(|name| name.key() == user.key());
        if !is_ours || contents.server != server.to_string() {
            let whose = format!("{} @ {}", contents.session.name(), contents.server);
            return Err(StateFault::Another(name, whose));
        }
        Ok(Some(contents.session))
    }

    /// Writes a session, unless it is the one that was written last. What goes wrong is told by
    /// [`failure`](Self::failure).
    pub async fn save(&self, session: Saved) {
        *self.next.lock() = Some(session);
        let this = self.clone();
        let writing = spawn_blocking(move || this.write());
        // It does not panic, and a runtime that ends has nobody left to tell.
        let _ = writing.await;
    }

    fn write(&self) {
        // One writer at a time, or an older state could be the last.
        let mut last = self.last.lock();
        let Some(session) = self.next.lock().take() else { return };
        if last.written.as_ref() == Some(&session) {
            return;
        }
        let contents = Contents { version: VERSION, server: self.server.clone(), session };
        let text = serde_json::to_string(&contents).expect("strings and numbers into memory");
        match replace(&self.path, text.as_bytes()) {
            Ok(()) => last.written = Some(contents.session),
            Err(error) => last.failure = Some(format!("{}: {error}", self.path.display())),
        }
    }

    /// The session is over: there is nothing to go on with.
    pub fn remove(&self) {
        let mut last = self.last.lock();
        *self.next.lock() = None;
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                last.failure = Some(format!("{}: {error}", self.path.display()));
            }
            _ => {}
        }
    }

    /// Why the last session could not be written, if nobody has been told.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        // Whoever writes now tells it the next time.
        self.last.try_lock().and_then(|mut last| last.failure.take())
    }
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(FILE_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

/// All of it, or what was there before: whoever reads finds no half of it, nor does the next start after a power cut.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".new");
    let partial = PathBuf::from(partial);
    let mut options = OpenOptions::new();
    // On Windows the folder decides who may read it, and a user's own folders are theirs alone.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    // What a broken-off write has left may have other rights.
    match fs::remove_file(&partial) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = options.write(true).create_new(true).open(&partial)?;
    file.write_all(bytes)?;
    file.sync_data()?;
    drop(file);
    fs::rename(&partial, path)
}
