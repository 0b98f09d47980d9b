//! A SQLite database of a test's own.

use std::{future, path::PathBuf};

use iocp_chat::store::{DATABASE_FILE, Place};
use sqlx::{ConnectOptions as _, SqliteConnection, sqlite::SqliteConnectOptions};

use crate::folder::Folder;

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
