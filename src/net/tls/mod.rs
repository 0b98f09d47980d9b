//! TLS on the server's side: connections over it, and the certificate it shows.
//!
//! A [`Session`](session) turns bytes into bytes and knows no socket; [`TlsStream`] puts one over a socket; [`serve_tls`]
//! shakes hands in time and goes on as every connection does. [`Certificates`] are read from files, and again when those
//! change.

mod accept;
mod certificate;
mod certificates;
mod client_ca;
mod session;
mod stream;
mod watch;

pub(super) use accept::TURNED_AWAY;
pub use accept::{TlsAcceptor, serve_tls};
pub use certificate::{Certificate, shown_time};
pub use certificates::{CertificateError, CertificateFiles, Certificates};
pub use stream::TlsStream;
pub use watch::{WARN_DAYS, watch_certificates};
