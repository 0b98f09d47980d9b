//! A SQLite database of a test's own.

use std::{
    env, fs, future,
    io::ErrorKind,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
};

use iocp_chat::store::{DATABASE_FILE, Place};
use sqlx::{ConnectOptions as _, SqliteConnection, sqlite::SqliteConnectOptions};

/// A database of a test's own, gone with the test.
pub struct Fresh {
    /// Where it is.
    pub place: Place,
    /// The folder it is in.
    pub folder: Folder,
}

/// A database of a test's own, in a folder of its own.
pub fn fresh() -> impl Future<Output = Fresh> {
    let folder = Folder::new("chat store");
    future::ready(Fresh { place: Place::in_folder(&folder).expect("a place"), folder })
}

impl Fresh {
    /// What a process of its own finds it by.
    pub fn url(&self) -> String {
        self.file().to_str().expect("text").into()
    }

    /// Its file.
    pub fn file(&self) -> PathBuf {
        self.folder.join(DATABASE_FILE)
    }

    /// Somebody who knows SQL and not the store.
    pub async fn connect(&self) -> SqliteConnection {
        SqliteConnectOptions::new().filename(self.file()).connect().await.expect("a database")
    }
}

/// A folder of a test's own, gone with the test.
pub struct Folder(PathBuf);

impl Folder {
    /// Makes it, its name beginning with `name`.
    pub fn new(name: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        loop {
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let path = env::temp_dir().join(format!("{name} {}-{number}", process::id()));
            match fs::create_dir(&path) {
                Ok(()) => return Self(path),
                // Of a test that did not come to its end, and whose process had the same number.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => panic!("{}: {error}", path.display()),
            }
        }
    }

    /// The names of the files in it, in order.
    pub fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).expect("a folder");
        let mut names: Vec<_> = entries
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort_unstable();
        names
    }
}

impl std::ops::Deref for Folder {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Its connections may still be closing, and Windows keeps what is open: it is only the folder for such things.
        let _ = fs::remove_dir_all(&self.0);
    }
}
