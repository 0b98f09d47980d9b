//! What the client knows of sealed whispers, out of its source: no target needs the rest of it.

#[path = "../../src/client/hex.rs"]
pub mod hex;
#[path = "../../src/client/seal/mod.rs"]
pub mod seal;
