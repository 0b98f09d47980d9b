//! Where this device's key is kept, and beside it what is known of others.

use std::{
    cell::RefCell,
    env,
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Read},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::state::replace;
use crate::client::seal::{Book, Identity};

/// What the program writes, and reads.
const VERSION: u16 = 1;
/// Bytes of either file. As many people as are remembered of a server, with eight devices each, are a fifth of it.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// The folder in that of a user's settings, and the file of keys in it.
const FOLDER: &str = "iocp-chat";
const FILE: &str = "keys.json";

/// Why there is no key.
#[derive(Debug)]
pub enum KeyFault {
    /// There is no folder for a user's settings: neither a variable nor a home says where.
    NoFolder,
    /// The file with this name cannot be read or written.
    Io(String, io::Error),
    /// Others than its user can read the file with this name.
    Exposed(String),
    /// The file with this name is none of this program's, for the reason said.
    Foreign(String, String),
}

/// The file of keys.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    version: u16,
    secret: Zeroizing<String>,
}

/// The files. Several programs may use them at once.
pub struct KeyFiles {
    book: PathBuf,
    lock: PathBuf,
    /// The file of a key that has just been made, until somebody was told.
    made: RefCell<Option<String>>,
    /// As it was read or written last: should the file not be there any more, nobody is a stranger by that.
    last: RefCell<Book>,
    failure: RefCell<Option<String>>,
}

impl KeyFiles {
    /// What is wrong with those that are named, or the user's own, if anything is. Those that are not there are to be made.
    #[must_use]
    pub fn fault(named: Option<&Path>) -> Option<KeyFault> {
        let keys = path_of(named).and_then(|keys| identity_in(&keys).map(drop));
        keys.and_then(|()| Self::known(named).map(drop)).err()
    }

    /// What is known of others; `None` where that was never kept.
    pub fn known(named: Option<&Path>) -> Result<Option<Book>, KeyFault> {
        let book = book_of(&path_of(named)?);
        match read(&book) {
            Ok(text) => match serde_json::from_str(&text) {
                Ok(known) => Ok(Some(known)),
                Err(why) => Err(KeyFault::Foreign(shown(&book), why.to_string())),
            },
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(KeyFault::Io(shown(&book), error)),
        }
    }

    /// Opens those that are named, or the user's own, and makes a key where there is none.
    pub fn open(named: Option<&Path>) -> Result<(Identity, Self), KeyFault> {
        let keys = path_of(named)?;
        let (book, lock) = (book_of(&keys), keys.with_extension("lock"));
        if named.is_none()
            && let Some(folder) = keys.parent()
        {
            make_folder(folder).map_err(|error| KeyFault::Io(shown(folder), error))?;
        }
        let _locked = locked(&lock).map_err(|error| KeyFault::Io(shown(&lock), error))?;
        let (identity, made) = match identity_in(&keys)? {
            Some(identity) => (identity, None),
            None => (make(&keys).map_err(|error| KeyFault::Io(shown(&keys), error))?, Some(shown(&keys))),
        };
        let last = RefCell::new(Self::known(named)?.unwrap_or_default());
        Ok((identity, Self { book, lock, made: RefCell::new(made), last, failure: RefCell::default() }))
    }

    /// The file of the key that has just been made, if one was and nobody has been told.
    #[must_use]
    pub fn made(&self) -> Option<String> {
        self.made.borrow_mut().take()
    }

    /// Looks at what is known of others, or changes it. What cannot be written holds until the program ends, and is told by
    /// [`failure`](Self::failure).
    pub fn update<T>(&self, change: impl FnOnce(&mut Book) -> T) -> T {
        // Unlocked, the worst is that another program's last change is lost.
        let _locked = locked(&self.lock);
        let mut book = self.last.borrow().clone();
        if let Some(read) = read(&self.book).ok().and_then(|text| serde_json::from_str(&text).ok()) {
            book = read;
        }
        let before = book.clone();
        let done = change(&mut book);
        book.tidy();
        if book != before {
            let text = serde_json::to_string(&book).expect("strings and numbers into memory");
            if let Err(error) = write(&self.book, &text) {
                *self.failure.borrow_mut() = Some(format!("{}: {error}", self.book.display()));
            }
        }
        *self.last.borrow_mut() = book;
        done
    }

    /// Why the last change could not be written, if nobody has been told.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.failure.borrow_mut().take()
    }
}

fn path_of(named: Option<&Path>) -> Result<PathBuf, KeyFault> {
    match named {
        Some(file) => Ok(file.to_owned()),
        None => Ok(own_folder().ok_or(KeyFault::NoFolder)?.join(FOLDER).join(FILE)),
    }
}

fn book_of(keys: &Path) -> PathBuf {
    keys.with_extension("contacts.json")
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// The key in a file; `None` where there is no such file.
fn identity_in(keys: &Path) -> Result<Option<Identity>, KeyFault> {
    let text = match read(keys) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(KeyFault::Io(shown(keys), error)),
    };
    if is_exposed(keys).map_err(|error| KeyFault::Io(shown(keys), error))? {
        return Err(KeyFault::Exposed(shown(keys)));
    }
    identity_of(&text).map(Some).map_err(|why| KeyFault::Foreign(shown(keys), why))
}

fn make(keys: &Path) -> io::Result<Identity> {
    let identity = Identity::new(&mut rand::rng());
    let contents = Contents { version: VERSION, secret: Zeroizing::new(identity.to_hex()) };
    let text = Zeroizing::new(serde_json::to_string(&contents).expect("strings into memory"));
    replace(keys, text.as_bytes())?;
    Ok(identity)
}

fn identity_of(text: &str) -> Result<Identity, String> {
    let contents: Contents = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if contents.version != VERSION {
        return Err(format!("version {}", contents.version));
    }
    Identity::of_hex(&contents.secret).ok_or_else(|| "there is no key in it".to_owned())
}

fn read(path: &Path) -> io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    File::open(path)?.take(FILE_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

/// A file that could not be read again would be no file of keys.
fn write(path: &Path, text: &str) -> io::Result<()> {
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(ErrorKind::FileTooLarge.into());
    }
    replace(path, text.as_bytes())
}

/// Held until it is dropped.
fn locked(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
    file.lock()?;
    Ok(file)
}

/// Where a user's settings are.
fn own_folder() -> Option<PathBuf> {
    let variable = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    if cfg!(windows) {
        variable("APPDATA")
    } else {
        variable("XDG_CONFIG_HOME").or_else(|| variable("HOME").map(|home| home.join(".config")))
    }
}

fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Whether others than its user may read a file. On Windows the folder decides, and a user's own folders are theirs alone.
#[cfg(unix)]
fn is_exposed(path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    Ok(fs::metadata(path)?.mode() & 0o077 != 0)
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "the other system's signature")]
fn is_exposed(_: &Path) -> io::Result<bool> {
    Ok(false)
}
