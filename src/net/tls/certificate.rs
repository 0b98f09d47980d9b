//! What one certificate says of itself: whose it is, how long it is good, what its key is.

use std::{
    net::IpAddr,
    time::{Duration, SystemTime},
};

use data_encoding::{BASE64, HEXLOWER};
use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use x509_parser::{certificate::X509Certificate, extensions::GeneralName, prelude::FromDer};

/// What a certificate says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Names and addresses it is for.
    pub names: Vec<String>,
    /// Who has signed it.
    pub issuer: String,
    /// Whether that is itself.
    pub self_signed: bool,
    /// From when on it is good, in seconds since 1970 UTC.
    pub not_before: u64,
    /// Until when it is good, in seconds since 1970 UTC.
    pub not_after: u64,
    /// SHA-256 of its public key (the SPKI of RFC 7469), in base64.
    pub pin: String,
    /// SHA-256 of all of it, in hexadecimal digits.
    pub fingerprint: String,
}

impl Certificate {
    /// Reads one.
    pub fn read(der: &CertificateDer<'_>) -> Result<Self, String> {
        let (_, parsed) = X509Certificate::from_der(der).map_err(|error| error.to_string())?;
        let seconds = |time: x509_parser::time::ASN1Time| u64::try_from(time.timestamp()).unwrap_or(0);
        Ok(Self {
            names: names(&parsed),
            issuer: parsed.issuer().to_string(),
            self_signed: parsed.issuer() == parsed.subject(),
            not_before: seconds(parsed.validity().not_before),
            not_after: seconds(parsed.validity().not_after),
            pin: BASE64.encode(&Sha256::digest(parsed.public_key().raw)),
            fingerprint: HEXLOWER.encode(&Sha256::digest(der)),
        })
    }

    /// Until when it is good, as people and programs read it: `2026-07-25T10:11:12Z`.
    #[must_use]
    pub fn good_until(&self) -> String {
        shown_time(self.not_after)
    }

    /// From when on it is good, as [`good_until`](Self::good_until).
    #[must_use]
    pub fn good_from(&self) -> String {
        shown_time(self.not_before)
    }

    /// Seconds until it is good no more; negative when it is not any more.
    #[must_use]
    pub fn seconds_left(&self, now_s: u64) -> i64 {
        i64::try_from(self.not_after).unwrap_or(i64::MAX) - now_s.cast_signed()
    }

    /// Whole days until it is good no more; negative when it is not any more.
    #[must_use]
    pub fn days_left(&self, now_s: u64) -> i64 {
        self.seconds_left(now_s).div_euclid(24 * 60 * 60)
    }
}

/// A time in seconds since 1970 UTC as people and programs read it: `2026-07-25T10:11:12Z`.
#[must_use]
pub fn shown_time(seconds: u64) -> String {
    // The last moment that has four digits for its year.
    const SECONDS_MAX: u64 = 253_402_300_799;
    let since = Duration::from_secs(seconds.min(SECONDS_MAX));
    humantime::format_rfc3339_seconds(SystemTime::UNIX_EPOCH + since).to_string()
}

/// The alternative names; where there are none, nobody who looks at names takes it.
fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(alternative)) = certificate.subject_alternative_name() else { return Vec::new() };
    let name = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes).ok().map(|bytes| IpAddr::from(bytes).to_string()),
            _ => <[u8; 16]>::try_from(*bytes).ok().map(|bytes| IpAddr::from(bytes).to_string()),
        },
        _ => None,
    };
    alternative.value.general_names.iter().filter_map(name).collect()
}
