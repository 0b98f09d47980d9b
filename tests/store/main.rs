//! The store on SQLite: the suite that every database passes, and what only a file can suffer.

mod files;
mod fresh;
mod suite;

use fresh::{Folder, Fresh, fresh};
