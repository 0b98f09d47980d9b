//! The certificate that the server shows: read from files, and exchanged while it runs.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use chat_proto::ALPN;
use parking_lot::RwLock;
use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject},
    server::NoServerSessionStorage,
    version::{TLS12, TLS13},
};
use sha2::{Digest, Sha256};
use thiserror::Error;
use tokio::sync::Notify;
use zeroize::Zeroizing;

use super::{Certificate, client_ca::ClientCa};

/// Bytes of one of the files at most: the longest chain has a few KiB.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Where the certificate and its key are, as PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The server's own certificate first, then those it rests on.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// On which a client's certificate must rest. None: clients need none.
    pub client_ca: Option<PathBuf>,
}

/// Why files are no certificate to show.
#[derive(Debug, Error)]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("{}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file is not what it should be.
    #[error("{}: {why}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// In what way.
        why: String,
    },
    /// The certificate is not good any more.
    #[error("{}: the certificate has expired", path.display())]
    Expired {
        /// The file.
        path: PathBuf,
        /// What it has.
        certificate: Box<Certificate>,
    },
    /// The certificate is not good yet.
    #[error("{}: the certificate is not valid yet", path.display())]
    NotYetValid {
        /// The file.
        path: PathBuf,
        /// What it has.
        certificate: Box<Certificate>,
    },
    /// The key is not the certificate's, or neither is of a kind that is served.
    #[error("{} and {} are no pair: {error}", certificate.display(), key.display())]
    NoPair {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why.
        error: Box<rustls::Error>,
    },
}

impl CertificateError {
    /// From when on the same files may be good, in seconds since 1970 UTC: those of the others are not by themselves.
    pub(super) fn good_from(&self) -> u64 {
        match self {
            Self::NotYetValid { certificate, .. } => certificate.not_before,
            Self::Unreadable { .. } | Self::Malformed { .. } | Self::Expired { .. } | Self::NoPair { .. } => {
                u64::MAX
            }
        }
    }
}

/// What was read, by its digest: equal ones are the same files.
pub type FilesDigest = [u8; 32];

/// The certificate that is shown now. Each handshake begins with the one of its moment.
pub struct Certificates {
    files: CertificateFiles,
    accept_expired: bool,
    clock: fn() -> u64,
    current: RwLock<Arc<Loaded>>,
    look: Notify,
}

struct Loaded {
    config: Arc<ServerConfig>,
    certificate: Certificate,
    digest: FilesDigest,
}

impl Certificates {
    /// Reads the files. `clock` says the milliseconds since 1970 UTC. With `accept_expired` it does not matter.
    pub fn load(
        files: CertificateFiles,
        accept_expired: bool,
        clock: fn() -> u64,
    ) -> Result<Self, CertificateError> {
        let loaded = Loaded::from(&files, accept_expired, clock() / 1_000)?;
        Ok(Self { files, accept_expired, clock, current: RwLock::new(Arc::new(loaded)), look: Notify::new() })
    }

    /// Reads the files again, and shows what they have from now on. If they have nothing that can be shown, all stays as
    /// it is. Reads files: not for an async task.
    pub fn reload(&self) -> Result<Certificate, CertificateError> {
        let loaded = Loaded::from(&self.files, self.accept_expired, self.now_s())?;
        let certificate = loaded.certificate.clone();
        *self.current.write() = Arc::new(loaded);
        Ok(certificate)
    }

    /// Has the server look at the files now, and not when it would by itself.
    pub fn look_now(&self) {
        self.look.notify_one();
    }

    /// Waits until somebody wants that. May be dropped and called again.
    pub(super) async fn asked_to_look(&self) {
        self.look.notified().await;
    }

    /// What is shown now.
    #[must_use]
    pub fn certificate(&self) -> Certificate {
        self.current.read().certificate.clone()
    }

    /// Whole days until what is shown is good no more; negative when it is not any more.
    #[must_use]
    pub fn days_left(&self) -> i64 {
        self.current.read().certificate.days_left(self.now_s())
    }

    /// The time by which they are judged, in seconds since 1970 UTC.
    pub(super) fn now_s(&self) -> u64 {
        (self.clock)() / 1_000
    }

    /// What a handshake that begins now goes by.
    #[must_use]
    pub fn server_config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.current.read().config)
    }

    /// Of the files that were read last and were good.
    pub(super) fn digest(&self) -> FilesDigest {
        self.current.read().digest
    }

    /// Of the files as they are now. Reads files: not for an async task.
    pub(super) fn digest_now(&self) -> FilesDigest {
        let contents = self.files.paths().map(|path| read(path).map_err(|error| error.to_string()));
        digest(contents)
    }
}

impl CertificateFiles {
    /// All there are.
    fn paths(&self) -> impl Iterator<Item = &Path> {
        [&self.certificate, &self.key].into_iter().chain(&self.client_ca).map(PathBuf::as_path)
    }
}

impl Loaded {
    fn from(files: &CertificateFiles, accept_expired: bool, now_s: u64) -> Result<Self, CertificateError> {
        let contents = files.paths().map(read).collect::<Result<Vec<_>, _>>()?;
        let malformed = |path: &Path, why: String| CertificateError::Malformed { path: path.into(), why };
        let chain = certificates(&files.certificate, &contents[0])?;
        let certificate = Certificate::read(&chain[0]).map_err(|why| malformed(&files.certificate, why))?;
        if !accept_expired {
            let (path, boxed) = (files.certificate.clone(), Box::new(certificate.clone()));
            if now_s > certificate.not_after {
                return Err(CertificateError::Expired { path, certificate: boxed });
            }
            if now_s < certificate.not_before {
                return Err(CertificateError::NotYetValid { path, certificate: boxed });
            }
        }
        let key = PrivateKeyDer::from_pem_slice(&contents[1]).map_err(|error| {
            let why = match error {
                pem::Error::NoItemsFound => "it has no key that is not encrypted".into(),
                error => error.to_string(),
            };
            malformed(&files.key, why)
        })?;
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&TLS13, &TLS12])
            .expect("the provider has suites for both versions");
        let builder = match files.client_ca.as_deref().zip(contents.get(2)) {
            None => builder.with_no_client_auth(),
            Some((path, contents)) => {
                let mut roots = RootCertStore::empty();
                for root in certificates(path, contents)? {
                    roots.add(root).map_err(|error| malformed(path, error.to_string()))?;
                }
                let verifier =
                    ClientCa::new(roots, provider).map_err(|error| malformed(path, error.to_string()))?;
                builder.with_client_cert_verifier(Arc::new(verifier))
            }
        };
        let mut config = builder.with_single_cert(chain, key).map_err(|error| CertificateError::NoPair {
            certificate: files.certificate.clone(),
            key: files.key.clone(),
            error: Box::new(error),
        })?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        // Who comes back shows a ticket that only this server reads, and nothing is kept for them. Whose certificate
        // was looked at by other rules has no ticket any more: the keys are new with each reading of the files.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ticketer = ring::Ticketer::new().expect("the system has random numbers");
        config.send_tls13_tickets = 1;
        // What comes before the handshake is over could be sent twice by anybody.
        config.max_early_data_size = 0;
        let digest = digest(contents.into_iter().map(Ok));
        Ok(Self { config: Arc::new(config), certificate, digest })
    }
}

/// The certificates of a file: at least one.
fn certificates(path: &Path, contents: &[u8]) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let malformed = |why: String| CertificateError::Malformed { path: path.into(), why };
    let found = CertificateDer::pem_slice_iter(contents)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| malformed(error.to_string()))?;
    if found.is_empty() { Err(malformed("it has no certificate".into())) } else { Ok(found) }
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, CertificateError> {
    let unreadable = |error| CertificateError::Unreadable { path: path.into(), error };
    let file = File::open(path).map_err(unreadable)?;
    let bytes = file.metadata().map_err(unreadable)?.len().min(FILE_BYTES_MAX) + 1;
    // With room for all of it: what is outgrown is not wiped.
    let mut contents = Zeroizing::new(Vec::with_capacity(usize::try_from(bytes).expect("a MiB at most")));
    if file.take(FILE_BYTES_MAX + 1).read_to_end(&mut contents).map_err(unreadable)? as u64 > FILE_BYTES_MAX {
        let why = format!("it has more than {FILE_BYTES_MAX} bytes, more than any certificate");
        return Err(CertificateError::Malformed { path: path.into(), why });
    }
    Ok(contents)
}

fn digest(contents: impl Iterator<Item = Result<Zeroizing<Vec<u8>>, String>>) -> FilesDigest {
    let mut digest = Sha256::new();
    for content in contents {
        // Each by its own digest, so that what ends one file is not what begins the next.
        match content {
            Ok(bytes) => digest.update(Sha256::digest(&*bytes)),
            Err(error) => digest.update(Sha256::digest(error)),
        }
    }
    digest.finalize().into()
}
