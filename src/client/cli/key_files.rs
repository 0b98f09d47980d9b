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
/// Bytes of either file. Ten thousand people with eight devices each are less.
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
    /// As it was read or written last: should the file not be there any more, nobody is a stranger by that.
    last: RefCell<Book>,
    failure: RefCell<Option<String>>,
}

impl KeyFiles {
    /// Opens those that are named, or the user's own, and makes a key where there is none.
    pub fn open(named: Option<&Path>) -> Result<(Identity, Self), KeyFault> {
        let keys = match named {
            Some(file) => file.to_owned(),
            None => own_folder().ok_or(KeyFault::NoFolder)?.join(FOLDER).join(FILE),
        };
        let (book, lock) = (keys.with_extension("contacts.json"), keys.with_extension("lock"));
        let of = |path: &Path| path.display().to_string();
        if named.is_none()
            && let Some(folder) = keys.parent()
        {
            make_folder(folder).map_err(|error| KeyFault::Io(of(folder), error))?;
        }
        let _locked = locked(&lock).map_err(|error| KeyFault::Io(of(&lock), error))?;
        let identity = match read(&keys) {
            Ok(text) => {
                if is_exposed(&keys).map_err(|error| KeyFault::Io(of(&keys), error))? {
                    return Err(KeyFault::Exposed(of(&keys)));
                }
                identity_of(&text).map_err(|why| KeyFault::Foreign(of(&keys), why))?
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                make(&keys).map_err(|error| KeyFault::Io(of(&keys), error))?
            }
            Err(error) => return Err(KeyFault::Io(of(&keys), error)),
        };
        let known = match read(&book) {
            Ok(text) => {
                serde_json::from_str(&text).map_err(|why| KeyFault::Foreign(of(&book), why.to_string()))?
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Book::default(),
            Err(error) => return Err(KeyFault::Io(of(&book), error)),
        };
        Ok((identity, Self { book, lock, last: RefCell::new(known), failure: RefCell::default() }))
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
        if book != before {
            let text = serde_json::to_string(&book).expect("strings and numbers into memory");
            if let Err(error) = replace(&self.book, text.as_bytes()) {
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
