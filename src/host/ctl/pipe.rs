//! The channel on Windows: a named pipe with the system's default rights.

use std::{fmt, fs, io, mem, path::Path, time::Duration};

use sha2::{Digest, Sha256};
use tokio::{
    net::windows::named_pipe::{ClientOptions, NamedPipeClient, NamedPipeServer, ServerOptions},
    time::{Instant, sleep},
};

/// `ERROR_PIPE_BUSY`: the server has not yet made the instance for the next.
const BUSY: i32 = 231;
/// How long a client waits for that, as long as for an answer,
const BUSY_MAX: Duration = Duration::from_secs(15);
/// and how often it looks.
const LOOK: Duration = Duration::from_millis(10);

/// Where the server's side of a connection is read and written.
pub type Accepted = NamedPipeServer;

/// The server's side.
pub struct Listener {
    name: String,
    /// What the next client connects to. There always is one, so that the name is never free for somebody else.
    next: NamedPipeServer,
}

impl Listener {
    /// Listens for a data folder, which is made if there is none. [`io::ErrorKind::AddrInUse`]: somebody has the pipe
    /// already: a living server, or a program that would like to be taken for one.
    pub fn open(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let name = name(folder)?;
        let next = instance(&name, true).map_err(|error| match error.kind() {
            io::ErrorKind::PermissionDenied => io::ErrorKind::AddrInUse.into(),
            _ => error,
        })?;
        Ok(Self { name, next })
    }

    /// Waits for somebody. May be dropped and called again.
    pub async fn accept(&mut self) -> io::Result<Accepted> {
        let connected = self.next.connect().await;
        // If this fails, the one that is connected is found so by the next call.
        let next = instance(&self.name, false)?;
        let accepted = mem::replace(&mut self.next, next);
        connected.map(|()| accepted)
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// By default the system, administrators and the server's own account may write to it; others may open it only to
/// read, and hear nothing, because nobody answers who was not asked.
fn instance(name: &str, first: bool) -> io::Result<NamedPipeServer> {
    ServerOptions::new().first_pipe_instance(first).reject_remote_clients(true).create(name)
}

/// The pipe of a data folder, however the folder is written: names are the machine's, and two servers have two folders.
fn name(folder: &Path) -> io::Result<String> {
    let folder = fs::canonicalize(folder)?.to_string_lossy().to_lowercase();
    let digest: [u8; 32] = Sha256::digest(folder.as_bytes()).into();
    let half = digest.first_chunk().expect("32 bytes have 16");
    Ok(format!(r"\\.\pipe\iocp-chat-{:032x}", u128::from_be_bytes(*half)))
}

/// Connects to the server of a data folder. [`io::ErrorKind::NotFound`]: there is none. Whoever else may have the
/// pipe learns who we are and cannot act as us: tokio asks for no more than that.
pub async fn connect(folder: &Path) -> io::Result<NamedPipeClient> {
    let (name, end) = (name(folder)?, Instant::now() + BUSY_MAX);
    loop {
        match ClientOptions::new().open(&name) {
            Err(error) if error.raw_os_error() == Some(BUSY) && Instant::now() < end => sleep(LOOK).await,
            opened => return opened,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_folder_has_one_pipe_however_it_is_written_for_as_long_as_its_server_lives() {
        let folder = std::env::temp_dir().join(format!("chat ctl 관리 {}", std::process::id()));
        assert_eq!(connect(&folder).await.expect_err("none").kind(), io::ErrorKind::NotFound);
        let mut living = Listener::open(&folder).expect("a new folder");
        let shouted = std::path::PathBuf::from(folder.to_string_lossy().to_uppercase()).join(".");
        assert_eq!(name(&shouted).expect("the same folder"), living.name);
        for _ in 0..3 {
            let (accepted, connected) = tokio::join!(living.accept(), connect(&folder));
            accepted.expect("somebody comes");
            connected.expect("it listens");
        }
        drop(living);
        assert_eq!(connect(&folder).await.expect_err("gone").kind(), io::ErrorKind::NotFound);
        Listener::open(&folder).expect("it is free");
        fs::remove_dir_all(folder).expect("ours");
    }

    #[tokio::test]
    async fn a_living_servers_pipe_is_not_taken() {
        let folder = std::env::temp_dir().join(format!("chat ctl living {}", std::process::id()));
        let living = Listener::open(&folder).expect("a new folder");
        let error = Listener::open(&folder).map(drop).expect_err("it lives");
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        drop(living);
        fs::remove_dir_all(folder).expect("ours");
    }
}
