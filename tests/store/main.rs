//! The store on SQLite: the suite that every database passes, and what only a file can suffer.

mod files;
#[path = "../common/folder.rs"]
mod folder;
mod fresh;
mod suite;

use folder::Folder;
use fresh::{Fresh, fresh};
