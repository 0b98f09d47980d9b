//! A page of a server's admin HTTP, read without a library.
#![allow(dead_code, reason = "each test target uses its own part of it")]

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

/// Sends bytes and reads what comes until the server closes.
pub fn exchange(address: &str, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_mins(5))).expect("not zero");
    // It may have been closed before the last of it.
    let _ = stream.write_all(bytes);
    read_all(&mut stream)
}

/// All that comes before the server closes, in whatever way.
pub fn read_all(stream: &mut TcpStream) -> String {
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said);
    String::from_utf8(said).expect("text")
}

/// The status and the body of a page.
pub fn get(address: &str, path: &str) -> (u16, String) {
    let said = exchange(address, format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes());
    let (head, body) = said.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head: {said}"));
    (status(head), body.to_owned())
}

/// The status of an answer.
pub fn status(said: &str) -> u16 {
    said.split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap_or_else(|| panic!("no status: {said}"))
}
