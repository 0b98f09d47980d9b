//! A key and a certificate that it signs itself, made and put into files that only their owner reads.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose};
use zeroize::Zeroizing;

use crate::host::exit::Failure;

/// It is good from an hour ago on: a client's clock may be late.
const LATE_CLOCK: Duration = Duration::from_secs(60 * 60);

/// A certificate and its key, as PEM.
pub struct Pair {
    certificate: String,
    key: Zeroizing<String>,
}

/// Makes a pair for these names and addresses, good for so many days, of which the first hour is behind `now_s`, in seconds
/// since 1970 UTC. The key is one of P-256, which every client knows.
pub fn make(hosts: &[String], days: u32, now_s: u64) -> Result<Pair, Failure> {
    let failure = |error: rcgen::Error| Failure::running("no certificate can be made", error);
    let mut params = CertificateParams::new(hosts).map_err(|error| {
        Failure::CommandLine(format!(
            "--host takes names as they are in the DNS, and addresses: {error}: {}",
            hosts.join(", ")
        ))
    })?;
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(now_s);
    let from = now - LATE_CLOCK;
    params.not_before = from.into();
    // Its last second is one of them (RFC 5280, 4.1.2.5): systems that take so many days count it.
    params.not_after = (from + Duration::from_secs(u64::from(days) * 24 * 60 * 60 - 1)).into();
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CommonName, hosts[0].as_str());
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate().map_err(failure)?;
    let certificate = params.self_signed(&key).map_err(failure)?;
    Ok(Pair { certificate: certificate.pem(), key: Zeroizing::new(key.serialize_pem()) })
}

impl Pair {
    /// Puts it into these two files, in place of what is there only if that is meant.
    pub fn store(&self, paths: &(PathBuf, PathBuf), replace: bool) -> Result<(), Failure> {
        let (certificate, key) = paths;
        if let Some(there) = [certificate, key].into_iter().find(|path| !replace && path.exists()) {
            return Err(Failure::Runtime(format!(
                "{} is there already: --force replaces it, and clients that know its pin will refuse the new one",
                there.display()
            )));
        }
        let failure = |path: &Path, error| Failure::running(&path.display().to_string(), error);
        let folder = certificate.parent().unwrap_or(Path::new("."));
        make_folder(folder).map_err(|error| failure(folder, error))?;
        // Both are whole before either takes its place.
        let written = [(certificate, self.certificate.as_str(), 0o644), (key, self.key.as_str(), 0o600)]
            .map(|(path, text, mode)| write(path, text, mode).map_err(|error| failure(path, error)));
        for (path, new) in [certificate, key].into_iter().zip(written) {
            fs::rename(new?, path).map_err(|error| failure(path, error))?;
        }
        #[cfg(unix)]
        for path in [folder, certificate, key] {
            give(path, folder.parent().unwrap_or(folder)).map_err(|error| failure(path, error))?;
        }
        Ok(())
    }
}

/// A folder that is its owner's alone. On Windows it is as the folder it is in, which is the data folder.
fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Gives what root has made to whoever has the data folder: a service with an account of its own is to read it.
#[cfg(unix)]
fn give(path: &Path, data: &Path) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt as _, chown};
    let (has, should) = (fs::metadata(path)?, fs::metadata(data)?);
    if (has.uid(), has.gid()) == (should.uid(), should.gid()) || !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    chown(path, Some(should.uid()), Some(should.gid()))
}

/// Writes a file beside `path`, of which nobody else could have read anything.
#[cfg_attr(windows, expect(unused_variables, reason = "the folder's rights are the file's"))]
fn write(path: &Path, text: &str, mode: u32) -> io::Result<PathBuf> {
    let new = path.with_extension("pem.new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    let mut file = options.open(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    Ok(new)
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::{CertificateDer, pem::PemObject as _};

    use super::*;
    use crate::net::Certificate;

    #[test]
    fn a_certificate_is_good_for_as_many_days_as_are_asked_for_and_no_second_longer() {
        let now_s = 1_800_000_000;
        let pair = make(&["chat.example.com".into()], 825, now_s).expect("a name");
        let der = CertificateDer::from_pem_slice(pair.certificate.as_bytes()).expect("PEM");
        let made = Certificate::read(&der).expect("X.509");
        assert_eq!(made.not_after + 1 - made.not_before, 825 * 24 * 60 * 60);
        assert_eq!(now_s - made.not_before, LATE_CLOCK.as_secs());
    }
}
