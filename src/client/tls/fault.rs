//! Why there is no TLS connection, in lines that say what to do.

use std::{
    io::{self, ErrorKind},
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustls::{
    AlertDescription, CertificateError, OtherError,
    pki_types::{ServerName, UnixTime},
};
use thiserror::Error;

use super::Fingerprint;

/// Why a TLS connection was not made, or broke.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TlsFault {
    /// The server is not known to be the one that is meant.
    #[error(transparent)]
    Untrusted(#[from] Distrust),
    /// What it answers is no TLS.
    #[error("the server does not speak TLS there; without TLS it usually listens at port 11021")]
    NotTls,
    /// It hung up in the middle of the handshake.
    #[error("the server hung up instead of speaking TLS; is it the right port?")]
    HungUp,
    /// It sent an alert.
    #[error("the server refused the TLS connection: {0:?}")]
    Alert(AlertDescription),
    /// It did not do as TLS says.
    #[error("TLS error: {0}")]
    Protocol(String),
}

/// Why a server is not trusted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Distrust {
    /// Nobody vouches for it, and it was never met before.
    #[error("nobody this machine trusts vouches for {host}, and it is not known yet; its key is {key}")]
    Unknown {
        /// As a file of known hosts has it.
        host: String,
        /// Its key.
        key: Fingerprint,
    },
    /// It has another key than the one by which it is known.
    #[error("the key of {host} has changed: it is {key}, which is not the one in {}, line {line}", .file.display())]
    Changed {
        /// As the file has it.
        host: String,
        /// The key it shows.
        key: Fingerprint,
        /// The file of known hosts.
        file: PathBuf,
        /// Where in it the other key stands; the first line is 1.
        line: usize,
    },
    /// Its key is none of the pinned ones.
    #[error("the server's key is {0}, which is not a pinned one")]
    NotPinned(Fingerprint),
    /// No given authority vouches for it.
    #[error("none of the given authorities has signed the server's certificate; its key is {0}")]
    UnknownIssuer(Fingerprint),
    /// Its certificate is too old.
    #[error("the server's certificate has expired{}", since(*.0))]
    Expired(Option<SystemTime>),
    /// Its certificate is from the future.
    #[error("the server's certificate is not valid yet{}; is the clock of this machine right?", from(*.0))]
    NotYetValid(Option<SystemTime>),
    /// Its certificate is for other names.
    #[error("the server's certificate is not for {name}{}", only_for(.names))]
    WrongName {
        /// The name that is meant.
        name: String,
        /// Those it is for, as far as they are known.
        names: Vec<String>,
    },
    /// Its certificate was taken back.
    #[error("the server's certificate was revoked")]
    Revoked,
    /// Its certificate is unfit in another way.
    #[error("the server's certificate is not accepted: {0}")]
    Unfit(String),
    /// Whom one knows cannot be looked up.
    #[error("cannot look the server up in {}: {why}", .file.display())]
    Unreadable {
        /// The file of known hosts.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

impl Distrust {
    /// What a verifier found. `name`: the one that is meant.
    pub(super) fn of(error: &rustls::Error, name: &ServerName<'_>, key: Fingerprint) -> Self {
        let rustls::Error::InvalidCertificate(why) = error else { return Self::Unfit(error.to_string()) };
        match why {
            CertificateError::Expired => Self::Expired(None),
            CertificateError::ExpiredContext { not_after, .. } => Self::Expired(Some(time(*not_after))),
            CertificateError::NotValidYet => Self::NotYetValid(None),
            CertificateError::NotValidYetContext { not_before, .. } => {
                Self::NotYetValid(Some(time(*not_before)))
            }
            CertificateError::NotValidForName => {
                Self::WrongName { name: name.to_str().into_owned(), names: Vec::new() }
            }
            CertificateError::NotValidForNameContext { presented, .. } => {
                let names = presented.iter().map(|name| plain(name)).collect();
                Self::WrongName { name: name.to_str().into_owned(), names }
            }
            CertificateError::Revoked => Self::Revoked,
            // A signature that is bad is somebody else's than its authority's. And some are told as what only the system,
            // or only its own library, has a name for: that a server's certificate is an authority's too, as OpenSSL makes
            // it, is one of them.
            CertificateError::UnknownIssuer | CertificateError::BadSignature | CertificateError::Other(_) => {
                Self::UnknownIssuer(key)
            }
            other => Self::Unfit(other.to_string()),
        }
    }
}

impl From<Distrust> for rustls::Error {
    fn from(why: Distrust) -> Self {
        Self::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(why))))
    }
}

impl TlsFault {
    /// The one in an error of a stream, if there is one.
    pub(in crate::client) fn within(error: &io::Error) -> Option<Self> {
        let inner = error.get_ref()?;
        inner.downcast_ref::<Self>().cloned().or_else(|| inner.downcast_ref().map(Self::of))
    }

    /// In the middle of a handshake a connection that ends says something.
    pub(super) fn of_handshake(error: io::Error) -> io::Error {
        match error.kind() {
            ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted => {
                io::Error::other(Self::HungUp)
            }
            _ => error,
        }
    }

    /// What is wrong with a connection.
    pub(in crate::client) fn of(error: &rustls::Error) -> Self {
        match error {
            rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(why))) => {
                match why.downcast_ref::<Distrust>() {
                    Some(why) => Self::Untrusted(why.clone()),
                    None => Self::Protocol(error.to_string()),
                }
            }
            rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType) => Self::NotTls,
            rustls::Error::AlertReceived(alert) => Self::Alert(*alert),
            _ => Self::Protocol(error.to_string()),
        }
    }
}

fn time(time: UnixTime) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(time.as_secs())
}

/// A name of a certificate as people write it: what comes is `DnsName("example.org")` or `IpAddress(127.0.0.1)`.
fn plain(name: &str) -> String {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(name);
    inner.trim_matches('"').to_owned()
}

fn since(time: Option<SystemTime>) -> String {
    time.map(|time| format!(", on {}", day(time))).unwrap_or_default()
}

fn from(time: Option<SystemTime>) -> String {
    time.map(|time| format!(", but from {}", day(time))).unwrap_or_default()
}

fn only_for(names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!(", but for {}", names.join(", ")) }
}

/// As in `2026-11-26`, in UTC. A certificate knows no year of more than four digits.
#[must_use]
pub(in crate::client) fn day(time: SystemTime) -> String {
    let mut text = humantime::format_rfc3339_seconds(time).to_string();
    text.truncate("2026-11-26".len());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_days_are_told_as_people_write_them() {
        assert_eq!(plain("DnsName(\"chat.example\")"), "chat.example");
        assert_eq!(plain("IpAddress(127.0.0.1)"), "127.0.0.1");
        let names = vec!["a.example".to_owned(), "127.0.0.1".to_owned()];
        let why = Distrust::WrongName { name: "b.example".to_owned(), names };
        assert_eq!(
            why.to_string(),
            "the server's certificate is not for b.example, but for a.example, 127.0.0.1"
        );
        let at = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let why = Distrust::Expired(Some(at));
        assert_eq!(why.to_string(), "the server's certificate has expired, on 2023-11-14");
    }
}
