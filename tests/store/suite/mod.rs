//! What the store promises on every database; each target says what a `fresh` one is.

mod accounts;
mod admins;
mod crash;
mod invites;
mod names;
mod schema;
mod transfer;

use iocp_chat::store::{NameForms, NewAccount, PasswordHash, Store};

use crate::Fresh;

pub const NOW: u64 = 1_784_974_272_000;
pub const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2g";

pub async fn open(fresh: &Fresh) -> Store {
    Store::open(&fresh.place).await.expect("it opens")
}

/// Rules as plain as a test can use: case does not count, and 0 looks like o.
pub fn forms(name: &str) -> NameForms {
    let key = name.to_lowercase();
    NameForms { shown: name.into(), skeleton: key.replace('0', "o"), key, version: 1 }
}

pub fn account(name: &str) -> NewAccount {
    NewAccount { name: forms(name), password: hash(HASH), created_ms: NOW }
}

pub fn hash(text: &str) -> PasswordHash {
    PasswordHash::parse(text).expect("a PHC string")
}
