//! A file of contacts that is read is written so that it is read again as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[allow(dead_code, reason = "the other target uses the rest")]
mod client;

use client::seal::Book;

fuzz_target!(|text: &str| {
    let Ok(book) = serde_json::from_str::<Book>(text) else { return };
    let written = serde_json::to_string(&book).expect("strings and numbers into memory");
    assert_eq!(serde_json::from_str::<Book>(&written).expect("it was written"), book);
});
