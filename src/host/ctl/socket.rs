//! The channel on Unix: a socket in the data folder, of its owner alone.

use std::{
    fmt,
    fs::{self, DirBuilder, File, Permissions, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt, FileTypeExt, PermissionsExt},
    path::{Path, PathBuf},
};

use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::{UnixListener, UnixStream};

/// The socket in a data folder. A folder whose path has more than about 90 bytes is too long for one: unix(7).
const FILE: &str = "ctl.sock";
/// Connections the kernel holds before they are accepted.
const BACKLOG: i32 = 16;

/// Where the server's side of a connection is read and written.
pub type Accepted = UnixStream;

/// The server's side, gone from the folder when it is dropped.
pub struct Listener {
    socket: UnixListener,
    path: PathBuf,
    /// Held as long as the socket is there.
    _lock: File,
}

impl Listener {
    /// Listens in a data folder, which is made if there is none. [`io::ErrorKind::AddrInUse`]: a living server does.
    pub fn open(folder: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        // Whoever has the folder locked has its channel, so a socket found by them is a dead server's. The system
        // takes a lock back from whoever dies.
        let lock = File::open(folder)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(io::ErrorKind::AddrInUse.into()),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let path = folder.join(FILE);
        if fs::symlink_metadata(&path).is_ok_and(|found| found.file_type().is_socket()) {
            fs::remove_file(&path)?;
        }
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.bind(&SockAddr::unix(&path)?)?;
        // Before it listens: there is no moment in which others may connect.
        fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket: UnixListener::from_std(socket.into())?, path, _lock: lock })
    }

    /// Waits for somebody. May be dropped and called again.
    pub async fn accept(&mut self) -> io::Result<Accepted> {
        self.socket.accept().await.map(|(stream, _)| stream)
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.display().fmt(f)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Whoever took it away has done it already.
        let _ = fs::remove_file(&self.path);
    }
}

/// Connects to the server of a data folder. [`io::ErrorKind::NotFound`]: there is none.
pub async fn connect(folder: &Path) -> io::Result<UnixStream> {
    let connected = UnixStream::connect(folder.join(FILE)).await;
    connected.map_err(|error| match error.kind() {
        // It was killed, and its socket is still there.
        io::ErrorKind::ConnectionRefused => io::ErrorKind::NotFound.into(),
        _ => error,
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::net;

    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            Self(std::env::temp_dir().join(format!("chat ctl {name} {}", std::process::id())))
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[tokio::test]
    async fn the_socket_is_its_owners_alone_and_goes_with_the_server() {
        let folder = Folder::new("owner");
        assert_eq!(connect(&folder.0).await.expect_err("none").kind(), io::ErrorKind::NotFound);
        let listener = Listener::open(&folder.0).expect("a new folder");
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!((mode(&folder.0), mode(&folder.0.join(FILE))), (0o700, 0o600));
        connect(&folder.0).await.expect("it listens");
        drop(listener);
        assert!(!folder.0.join(FILE).exists());
    }

    #[tokio::test]
    async fn a_dead_servers_socket_is_replaced_and_a_living_ones_is_not() {
        let folder = Folder::new("stale");
        fs::create_dir(&folder.0).expect("new");
        drop(net::UnixListener::bind(folder.0.join(FILE)).expect("new"));
        assert_eq!(connect(&folder.0).await.expect_err("dead").kind(), io::ErrorKind::NotFound);
        let living = Listener::open(&folder.0).expect("the other is dead");
        let error = Listener::open(&folder.0).map(drop).expect_err("it lives");
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        connect(&folder.0).await.expect("it still listens");
        drop(living);
        Listener::open(&folder.0).expect("it lives no more");
    }

    #[tokio::test]
    async fn what_is_no_socket_is_left_alone() {
        let folder = Folder::new("file");
        fs::create_dir(&folder.0).expect("new");
        fs::write(folder.0.join(FILE), "somebody's").expect("written");
        Listener::open(&folder.0).map(drop).expect_err("there is something else");
        assert_eq!(fs::read_to_string(folder.0.join(FILE)).expect("there"), "somebody's");
    }
}
