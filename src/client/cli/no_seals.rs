//! Why nothing is sealed, and to whom nothing is said plainly for all that.

use super::{
    args::Args,
    key_files::{KeyFault, KeyFiles},
};
use crate::client::{Error, seal::Contacts};

/// Why nothing is sealed, nor opened.
#[derive(Debug)]
pub enum NoSeals {
    /// The arguments say so.
    Unwanted,
    /// The server does not offer it.
    NotOffered,
    /// One has no account, and so no keys.
    Guest,
    /// There is no key.
    Files(KeyFault),
    /// The key could not be published.
    Unpublished(Error),
}

/// A session in which nothing is sealed.
#[derive(Debug)]
pub struct Unsealing {
    /// Why.
    pub why: NoSeals,
    keyed: Keyed,
}

/// Who has keys, as far as is known from when whispers were sealed.
#[derive(Debug)]
enum Keyed {
    /// Nobody, or it is of no account.
    Nobody,
    /// These.
    These(Contacts),
    /// Anybody may: what is known cannot be read.
    Anybody,
}

impl Unsealing {
    /// For this reason. Most of them are what a server could say that wants to read.
    #[must_use]
    pub fn new(args: &Args, why: NoSeals) -> Self {
        let keyed = match (&why, KeyFiles::known(args.keys.as_deref())) {
            (NoSeals::Unwanted, _) | (_, Ok(None) | Err(KeyFault::NoFolder)) => Keyed::Nobody,
            (_, Ok(Some(mut book))) => Keyed::These(book.contacts(&args.server().known_as()).clone()),
            (_, Err(_)) => Keyed::Anybody,
        };
        Self { why, keyed }
    }

    /// Whether somebody has keys, or may have: then nothing is said plainly to them unasked.
    #[must_use]
    pub fn may_have_keys(&self, name: &str) -> bool {
        match &self.keyed {
            Keyed::Nobody => false,
            Keyed::These(contacts) => contacts.knows(name),
            Keyed::Anybody => true,
        }
    }

    /// Whether keys of somebody are known, so that what they whisper can be expected to be sealed.
    #[must_use]
    pub fn knows(&self, name: &str) -> bool {
        matches!(self.keyed, Keyed::These(_)) && self.may_have_keys(name)
    }
}
