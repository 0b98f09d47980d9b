//! The admin's HTTP: metrics and health, told to programs on this machine.
//!
//! ```text
//!  Prometheus ──GET /metrics──────▶ 127.0.0.1:11090 ─▶ Admin ─▶ answer ─▶ Operator ─▶ the server
//!  a supervisor ──GET /healthz/…──▶ (loopback alone)
//! ```

mod answer;
mod ask;
mod listener;

pub use ask::ask;
pub use listener::Admin;

/// Where is told whether the server gets on with its work.
pub const LIVE: &str = "/healthz/live";
/// Where is told whether people may be sent to it.
pub const READY: &str = "/healthz/ready";
