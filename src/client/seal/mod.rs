//! Whispers sealed from one device to another, so that no server reads them: pure values, without files and connections.
//!
//! The construction is HPKE (RFC 9180) in its authenticated mode, with DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and
//! ChaCha20-Poly1305; `proto/PROTOCOL.md` has the bytes. What it does not give is forward secrecy: whoever steals a
//! device's key reads what was sealed to it before, if they have kept that.

mod book;
mod contacts;
mod content;
mod envelope;
mod identity;
mod repeats;
mod safety_number;
#[cfg(test)]
mod vector_tests;

pub use book::Book;
pub use contacts::{CONTACTS_MAX, Contact, Contacts, Standing};
pub use content::Said;
pub use envelope::{Names, OpenFault, Opened, SealFault, Sealed, seal};
pub use identity::Identity;
pub use repeats::{REPEATS_MAX, Repeats, Seen};
pub use safety_number::safety_number;
