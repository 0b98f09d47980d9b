//! The certificate that the settings mean, and what it is for the server to serve others in the open.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{exit::Failure, folder, now_ms};
use crate::{
    config::{Config, TlsConfig},
    net::{CertificateFiles, Certificates, TlsAcceptor},
};

/// The folder in the data folder.
const FOLDER: &str = "tls";
const CERTIFICATE: &str = "certificate.pem";
const KEY: &str = "key.pem";

/// What to do for a certificate.
const TO_HAVE_ONE: &str =
    "make one with `chat-server cert selfsigned`, or set `tls.certificate` and `tls.key`";

/// The files that the settings name, or those of the data folder, there or not. None: there is no such folder.
pub fn files(config: &Config) -> Option<CertificateFiles> {
    let TlsConfig { certificate, key, client_ca, .. } = &config.tls;
    let client_ca = client_ca.clone();
    if let (Some(certificate), Some(key)) = (certificate.clone(), key.clone()) {
        return Some(CertificateFiles { certificate, key, client_ca });
    }
    // Servers without a folder of their own would meet in a default one, as at the operator's channel.
    let (certificate, key) = in_folder(&folder::of_channel(config)?);
    Some(CertificateFiles { certificate, key, client_ca })
}

/// Where a data folder has its certificate and its key.
pub fn in_folder(data: &Path) -> (PathBuf, PathBuf) {
    let folder = data.join(FOLDER);
    (folder.join(CERTIFICATE), folder.join(KEY))
}

/// How hands are shaken, if there is a certificate. What is wanted and cannot be, is told; whoever allows plain text has
/// said that they can do without.
pub fn acceptor(config: &Config) -> Result<Option<Arc<TlsAcceptor>>, Failure> {
    let tls = &config.tls;
    let wrong = |error: String| Failure::Config(error);
    // Each may come from a source of its own, so only all of them together can be judged.
    match (&tls.certificate, &tls.key) {
        (Some(_), None) => return Err(wrong("`tls.certificate` needs `tls.key`".into())),
        (None, Some(_)) => return Err(wrong("`tls.key` needs `tls.certificate`".into())),
        _ => {}
    }
    // What may not be looked at may be there: that it cannot be read is told when it is.
    let files = files(config)
        .filter(|files| tls.certificate.is_some() || files.certificate.try_exists().unwrap_or(true));
    let Some(files) = files.filter(|_| !tls.listen.is_empty()) else {
        let is_chosen = tls.listen != TlsConfig::default().listen && !config.allow_plaintext;
        if tls.listen.is_empty() || !(is_chosen || config.listen.is_empty()) {
            return Ok(None);
        }
        return Err(wrong(format!("`tls.listen` needs a certificate: {TO_HAVE_ONE}")));
    };
    let certificates = Certificates::load(files, tls.accept_expired, now_ms)
        .map_err(|error| wrong(format!("{error} (see `chat-server cert check`)")))?;
    Ok(Some(Arc::new(TlsAcceptor::new(Arc::new(certificates), tls.handshake))))
}

/// Refuses settings by which others would be served without TLS, though nobody said that they may.
pub fn refuse_plaintext(config: &Config) -> Result<(), Failure> {
    config.exposed().map_or(Ok(()), |address| Err(Failure::Config(refusal(address))))
}

fn refusal(address: SocketAddr) -> String {
    format!(
        "`listen` has {address}: others than this machine would send passwords and all they say in plain text. Serve \
         them over TLS (`chat-server cert selfsigned`, then --listen-tls ADDR:PORT), or allow it (--allow-plaintext, \
         CHAT_ALLOW_PLAINTEXT=true or `allow_plaintext = true`)"
    )
}

/// Warns, once, where others are served without TLS.
pub fn warn_of_plaintext(config: &Config) {
    if let Some(address) = config.plain_to_others() {
        tracing::warn!(
            event = "plaintext_allowed",
            %address,
            "others than this machine are served without TLS: whoever is on the way reads all they say, and passwords"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::log::tests::as_json;

    #[test]
    fn others_are_served_without_tls_only_where_somebody_said_so() {
        let mut config = Config::default();
        for (address, exposed) in [
            ("127.0.0.1:1", false),
            ("127.8.9.1:1", false),
            ("[::1]:1", false),
            ("[::ffff:127.0.0.1]:1", false),
            ("0.0.0.0:1", true),
            ("[::]:1", true),
            ("192.0.2.1:1", true),
            ("[::ffff:192.0.2.1]:1", true),
        ] {
            config.listen =
                vec!["127.0.0.1:2".parse().expect("an address"), address.parse().expect("an address")];
            config.allow_plaintext = false;
            let refused = refuse_plaintext(&config);
            assert_eq!(refused.is_err(), exposed, "{address}");
            if let Err(failure) = refused {
                let text = failure.to_string();
                let ways_out =
                    ["cert selfsigned", "--listen-tls", "--allow-plaintext", "CHAT_ALLOW_PLAINTEXT"];
                assert!(ways_out.iter().all(|way| text.contains(way)), "{text}");
                assert_eq!(failure.code(), 3);
            }
            config.allow_plaintext = true;
            assert!(refuse_plaintext(&config).is_ok());
            let told = as_json(|| warn_of_plaintext(&config));
            assert_eq!(told.len(), usize::from(exposed), "{address}");
            for told in told {
                assert_eq!(
                    (&told["event"], &told["address"]),
                    (&"plaintext_allowed".into(), &address.into())
                );
                assert_eq!(told["level"], "WARN");
            }
        }
    }

    #[test]
    fn an_address_for_tls_that_somebody_chose_needs_a_certificate() {
        let mut config = Config::default();
        config.database.url = "none".into();
        assert!(acceptor(&config).is_ok_and(|acceptor| acceptor.is_none()));
        config.listen.clear();
        let refused = acceptor(&config).err().expect("nothing to listen on");
        assert!(refused.to_string().contains("cert selfsigned"), "{refused}");
        config = Config { listen: Config::default().listen, ..config };
        config.tls.listen = vec!["0.0.0.0:1".parse().expect("an address")];
        assert_eq!(acceptor(&config).err().map(|failure| failure.code()), Some(3));
        config.allow_plaintext = true;
        assert!(acceptor(&config).is_ok_and(|acceptor| acceptor.is_none()));
        #[cfg(unix)]
        {
            // A folder in a file: nobody can look whether there is one.
            config.data = Some("Cargo.toml".into());
            let refused = acceptor(&config).err().expect("nobody knows");
            assert!(refused.to_string().contains("certificate.pem"), "{refused}");
            config.data = None;
        }
        config.tls.key = Some("key.pem".into());
        let refused = acceptor(&config).err().expect("half a pair");
        assert!(refused.to_string().contains("tls.certificate"), "{refused}");
    }
}
