//! The fingerprint by which people know a server's key.

use std::{
    fmt::{self, Debug, Display, Formatter},
    str::FromStr,
};

use data_encoding::{BASE64, BASE64_NOPAD, HEXLOWER_PERMISSIVE};
use rustls::{pki_types::CertificateDer, server::ParsedCertificate};
use sha2::{Digest, Sha256};
use thiserror::Error;

/// What it begins with, as curl's pins do.
const PREFIX: &str = "sha256//";

/// The SHA-256 of a public key's `SubjectPublicKeyInfo` (RFC 7469, section 2.4). It stays the same when a certificate is
/// renewed with its key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

/// A text that is no fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a fingerprint is sha256// and 44 characters of Base64, or 64 hexadecimal digits")]
pub struct NoFingerprint;

impl Fingerprint {
    /// Of a certificate's key; `None` where the certificate cannot be read.
    #[must_use]
    pub fn of_certificate(certificate: &CertificateDer<'_>) -> Option<Self> {
        let certificate = ParsedCertificate::try_from(certificate).ok()?;
        Some(Self(Sha256::digest(certificate.subject_public_key_info()).into()))
    }
}

impl FromStr for Fingerprint {
    type Err = NoFingerprint;

    /// Base64, with or without `sha256//` before it and `=` after it; or hexadecimal digits, with or without colons.
    fn from_str(text: &str) -> Result<Self, NoFingerprint> {
        let text = text.trim();
        let text = text.strip_prefix(PREFIX).or_else(|| text.strip_prefix("SHA256:")).unwrap_or(text);
        let bytes = HEXLOWER_PERMISSIVE
            .decode(text.replace(':', "").as_bytes())
            .or_else(|_| BASE64_NOPAD.decode(text.trim_end_matches('=').as_bytes()))
            .map_err(|_| NoFingerprint)?;
        bytes.try_into().map(Self).map_err(|_| NoFingerprint)
    }
}

impl Display for Fingerprint {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", BASE64.encode(&self.0))
    }
}

impl Debug for Fingerprint {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE64: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn a_fingerprint_is_read_as_curl_openssl_and_ssh_write_it() {
        let known: Fingerprint = HEX.parse().expect("digits");
        assert_eq!(known.to_string(), format!("sha256//{BASE64}"));
        let colons: Vec<_> =
            HEX.as_bytes().chunks(2).map(|two| str::from_utf8(two).expect("digits")).collect();
        for text in [
            BASE64.to_owned(),
            BASE64.trim_end_matches('=').to_owned(),
            format!("sha256//{BASE64}"),
            format!("SHA256:{}", BASE64.trim_end_matches('=')),
            HEX.to_uppercase(),
            colons.join(":"),
            format!(" {BASE64}\n"),
        ] {
            assert_eq!(text.parse(), Ok(known), "{text}");
        }
    }

    #[test]
    fn what_is_shorter_longer_or_something_else_is_no_fingerprint() {
        for text in
            ["", "sha256//", &HEX[2..], &format!("{HEX}00"), &BASE64[4..], "md5//abcd", &"é".repeat(32)]
        {
            assert_eq!(text.parse::<Fingerprint>(), Err(NoFingerprint), "{text}");
        }
    }
}
