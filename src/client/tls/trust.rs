//! Whom a client takes for the server it means.

use std::{
    fs::File,
    io::{self, ErrorKind, Read},
    path::Path,
    sync::Arc,
};

use rustls::{
    DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
    server::ParsedCertificate,
};

use super::{Distrust, Fingerprint, KnownHosts};

/// Bytes of a file of authorities. The largest of such bundles have a few hundred kilobytes.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// By what a server is known to be the one that is meant.
#[derive(Clone, Debug)]
pub enum Trust {
    /// An authority that the system trusts vouches for its name; or it stands in the file, by its key alone.
    System(Option<KnownHosts>),
    /// One of these vouches for its name; or its certificate is one of them.
    Authorities(Vec<CertificateDer<'static>>),
    /// It has one of these keys, whatever its certificate says.
    Pins(Vec<Fingerprint>),
    /// Anyone is taken for it: who stands in between reads and writes everything.
    Anyone,
}

impl Trust {
    /// The authorities in a PEM file.
    pub fn of_file(path: &Path) -> io::Result<Self> {
        let mut bytes = Vec::new();
        if File::open(path)?.take(FILE_BYTES_MAX).read_to_end(&mut bytes)? as u64 == FILE_BYTES_MAX {
            // The very authority may stand behind.
            return Err(ErrorKind::FileTooLarge.into());
        }
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
        match certificates {
            Ok(certificates) if !certificates.is_empty() => Ok(Self::Authorities(certificates)),
            Ok(_) => Err(io::Error::other("there is no certificate in it")),
            Err(error) => Err(io::Error::other(error.to_string())),
        }
    }
}

/// Decides about one server. What a certificate says is judged here; that the server has the certificate's key is
/// shown by its signature of the handshake, which is verified whatever is trusted.
#[derive(Debug)]
pub(super) struct Verifier {
    /// The server as a file of known hosts has it.
    host: String,
    trust: Trust,
    /// Whoever judges by authorities; `None`: there are none.
    authorities: Option<Arc<dyn ServerCertVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    /// An error where a given authority is none.
    pub(super) fn new(
        host: String,
        trust: Trust,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, rustls::Error> {
        let authorities: Option<Arc<dyn ServerCertVerifier>> = match &trust {
            // A machine without any, such as a small container, trusts nobody: that is no error, since servers can be
            // known by their keys.
            Trust::System(_) => match rustls_platform_verifier::Verifier::new(Arc::clone(&provider)) {
                Ok(system) => Some(Arc::new(system)),
                Err(_) => None,
            },
            Trust::Authorities(authorities) => Some(of_authorities(authorities, &provider)?),
            Trust::Pins(_) | Trust::Anyone => None,
        };
        Ok(Self { host, trust, authorities, provider })
    }

    fn judge(
        &self,
        certificate: &CertificateDer<'_>,
        vouching: impl Fn(&dyn ServerCertVerifier) -> Result<ServerCertVerified, rustls::Error>,
        name: &ServerName<'_>,
    ) -> Result<(), Distrust> {
        let unreadable = || Distrust::Unfit("it cannot be read".to_owned());
        let key = Fingerprint::of_certificate(certificate).ok_or_else(unreadable)?;
        let why = match &self.authorities {
            Some(authorities) => match vouching(authorities.as_ref()) {
                Ok(_) => return Ok(()),
                Err(error) => Distrust::of(&error, name, key),
            },
            None => Distrust::UnknownIssuer(key),
        };
        match &self.trust {
            Trust::Anyone => Ok(()),
            Trust::Pins(pins) if pins.contains(&key) => Ok(()),
            Trust::Pins(_) => Err(Distrust::NotPinned(key)),
            // What somebody gives as an authority may be the server's own certificate, made by itself. When it is used up
            // is looked at before whose it is.
            Trust::Authorities(given)
                if matches!(why, Distrust::UnknownIssuer(_)) && given.contains(certificate) =>
            {
                let certificate = ParsedCertificate::try_from(certificate).map_err(|_| unreadable())?;
                verify_server_name(&certificate, name).map_err(|error| Distrust::of(&error, name, key))
            }
            Trust::Authorities(_) | Trust::System(None) => Err(why),
            // A revoked key is nobody's.
            Trust::System(Some(_)) if why == Distrust::Revoked => Err(why),
            Trust::System(Some(known)) => match (known.knows(&self.host, key)?, why) {
                (true, _) => Ok(()),
                (false, Distrust::UnknownIssuer(_)) => {
                    Err(Distrust::Unknown { host: self.host.clone(), key })
                }
                (false, why) => Err(why),
            },
        }
    }
}

fn of_authorities(
    authorities: &[CertificateDer<'static>],
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, rustls::Error> {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority.clone())?;
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    verifier.build().map_err(|error| rustls::Error::General(error.to_string()))
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let vouching = |authorities: &dyn ServerCertVerifier| {
            authorities.verify_server_cert(certificate, intermediates, name, ocsp_response, now)
        };
        self.judge(certificate, vouching, name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
