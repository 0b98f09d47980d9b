//! Where the database is, and the URL by which sqlx finds it there.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use sqlx::any::{AnyConnectOptions, install_default_drivers};

use super::StoreError;

/// The file in the data folder: accounts, and what else will outlive the process.
pub const DATABASE_FILE: &str = "chat.db";

/// Where the database is: a SQLite file, a PostgreSQL server, or for tests the memory.
#[derive(Clone)]
pub struct Place(Kind);

#[derive(Clone)]
enum Kind {
    File(PathBuf),
    Memory(String),
    Postgres(AnyConnectOptions),
}

impl Place {
    /// [`DATABASE_FILE`] in the data folder. Opening makes both where they are missing.
    pub fn in_folder(data: &Path) -> Result<Self, StoreError> {
        Self::file(&data.join(DATABASE_FILE))
    }

    /// A SQLite file. Its name may hold anything that is UTF-8: SQLite takes no other.
    pub fn file(path: &Path) -> Result<Self, StoreError> {
        // Absolute, because SQLite takes a name that begins with "file:" for a URL.
        let file = std::path::absolute(path)
            .and_then(|file| {
                if file.to_str().is_some() { Ok(file) } else { Err(io::ErrorKind::InvalidFilename.into()) }
            })
            .map_err(|error| StoreError::File { path: path.into(), error })?;
        Ok(Self(Kind::File(file)))
    }

    /// A SQLite database of its own that goes with the last [`Store`](super::Store) of this place.
    #[must_use]
    pub fn memory() -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        // The slash lets the connections of one process share it: https://www.sqlite.org/src/file/src/memdb.c.
        Self(Kind::Memory(format!("/chat-{}", NUMBER.fetch_add(1, Ordering::Relaxed))))
    }

    /// A PostgreSQL database: `postgres://user:password@host:port/name`. It must exist, and be in UTF-8.
    pub fn postgres(url: &str) -> Result<Self, StoreError> {
        install_default_drivers();
        let options: AnyConnectOptions = url.parse()?;
        match options.database_url.scheme() {
            "postgres" | "postgresql" => Ok(Self(Kind::Postgres(options))),
            scheme => Err(StoreError::Unusable(format!(
                "a database URL begins with postgres://, not with {scheme}:"
            ))),
        }
    }

    /// The SQLite file, if it is one.
    #[must_use]
    pub fn as_file(&self) -> Option<&Path> {
        match &self.0 {
            Kind::File(file) => Some(file),
            Kind::Memory(_) | Kind::Postgres(_) => None,
        }
    }

    /// Whether it is SQLite, in a file or in memory.
    pub(super) fn is_sqlite(&self) -> bool {
        !matches!(self.0, Kind::Postgres(_))
    }

    pub(super) fn is_memory(&self) -> bool {
        matches!(self.0, Kind::Memory(_))
    }

    /// How to connect to it as it is: nothing is made that is not there (but in memory).
    pub(super) fn options(&self) -> AnyConnectOptions {
        install_default_drivers();
        let (name, query) = match &self.0 {
            Kind::Postgres(options) => return options.clone(),
            // Without "rwc": where somebody takes the file away under a running server, no empty one takes its place.
            Kind::File(file) => (file.to_str().expect("checked in file()"), "mode=rw"),
            Kind::Memory(name) => (name.as_str(), "mode=rwc&vfs=memdb"),
        };
        let name = percent_encode(name.as_bytes(), NON_ALPHANUMERIC);
        format!("sqlite:{name}?{query}").parse().expect("letters, digits and percent signs make a URL")
    }
}

/// What an operator may read: no password in it.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::File(file) => file.display().fmt(f),
            Kind::Memory(_) => f.write_str("memory"),
            Kind::Postgres(options) => {
                let url = &options.database_url;
                let (host, path) = (url.host_str().unwrap_or_default(), url.path());
                let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
                write!(f, "postgres://{host}{port}{path}")
            }
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Place({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_a_url_is_shown_to_nobody() {
        let place = Place::postgres("postgres://chat:secret@db:5433/talk?password=secret").expect("a URL");
        assert_eq!(format!("{place} {place:?}"), "postgres://db:5433/talk Place(postgres://db:5433/talk)");
    }

    #[test]
    fn what_is_no_postgres_url_is_refused_and_not_repeated() {
        for url in ["mysql://chat:secret@db/talk", "sqlite:secret", "secret", "", "postgres//secret@db"] {
            let error = Place::postgres(url).expect_err(url);
            assert!(matches!(error, StoreError::Unusable(_)), "{error}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
