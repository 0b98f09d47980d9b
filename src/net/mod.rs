//! Sockets: who may connect, how bytes become packets, and how lines become bytes.
//!
//! A connection moves through three states, each a type that takes the last one by value:
//!
//! ```text
//!  accept ─▶ Guest (said nothing, or Hello) ──log in──▶ Member ──end──▶ Farewell ─▶ closed
//!              └──────────────────refused, late, gone──────────────────────▲
//! ```
//!
//! Over TLS a handshake comes before all that, of which a Guest knows nothing.
//!
//! A session that can be resumed outlives its connection for a while, as [`Absent`].

mod absent;
mod admission;
mod conduct;
mod connection;
mod desk;
mod end;
mod farewell;
mod guest;
mod listener;
mod member;
mod outbound;
mod packet_reader;
mod replay;
mod shared;
mod tls;
mod transport;
mod writer;

pub use absent::Absent;
pub use admission::{Admission, Refused, Ticket};
pub use connection::serve;
pub use end::End;
pub use listener::{Door, admit, bind, listen};
pub use outbound::Outbound;
pub use shared::Shared;
pub use tls::{
    Certificate, CertificateError, CertificateFiles, Certificates, TlsAcceptor, TlsStream, WARN_DAYS,
    serve_tls, shown_time, watch_certificates,
};
pub use transport::Transport;
