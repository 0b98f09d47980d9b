//! iocp-chat: a self-hosted chat server and its netcat-style client.
//!
//! Folders are floors; code uses the floors below its own and never looks up:
//!
//! ```text
//! main -> host -> server -> net -> session -> store, room -> proto        client -> platform, proto
//! config, metrics: plain data, used by any floor, using none        platform: the few unsafe system calls
//! ```

pub mod client;
pub mod config;
pub mod host;
pub mod metrics;
pub mod net;
pub mod platform;
pub mod room;
pub mod server;
pub mod session;
pub mod stop;
pub mod store;
