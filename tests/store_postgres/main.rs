//! The store on PostgreSQL: the suite that every database passes, and what only a server can suffer.

#[path = "../common/mod.rs"]
mod common;
mod fresh;
#[path = "../rooms/lasting/mod.rs"]
mod lasting;
mod server;
#[path = "../store/suite/mod.rs"]
mod suite;
mod troubles;

use fresh::{Fresh, SERVER, fresh, fresh_on};
