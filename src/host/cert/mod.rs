//! `chat-server cert`: makes a certificate, shows one, and checks the one that the settings mean.

mod selfsigned;

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};

use super::{args::Settings, exit::Failure, folder, log::escape::push_words, now_ms, print, tls};
use crate::{
    config::Config,
    net::{Certificate, CertificateFiles, Certificates, WARN_DAYS},
};

/// Makes a certificate, shows one, and checks the one that the settings mean.
#[derive(Args)]
pub struct CertArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Make a key and a certificate that it signs itself, in the data folder. Clients know it by its pin.
    Selfsigned(SelfsignedArgs),
    /// Show what a certificate says of itself, and how clients know it.
    Show {
        /// The certificate, as PEM [default: the server's].
        file: Option<PathBuf>,
    },
    /// Check that the server could serve with its certificate and key: exit code 1 if not.
    Check,
}

/// What the certificate is to say.
#[derive(Args)]
struct SelfsignedArgs {
    /// A name or an address of the server; may be given several times [default: localhost and its addresses].
    #[arg(long, value_name = "NAME")]
    host: Vec<String>,
    /// How long it is good.
    #[arg(long, value_name = "DAYS", default_value_t = DAYS, value_parser = clap::value_parser!(u32).range(1..=DAYS_MAX))]
    days: u32,
    /// Replace the certificate and the key that are there. A running server shows the new one within seconds.
    #[arg(long)]
    force: bool,
}

/// How long a certificate is good if nobody says: the most that systems take for one that they are told to trust.
const DAYS: u32 = 825;
/// Ten years.
const DAYS_MAX: i64 = 3_650;

/// Does what the command line says.
pub fn run(args: &CertArgs, settings: &Settings) -> Result<(), Failure> {
    let config = settings.load()?;
    print(&match &args.verb {
        Verb::Selfsigned(args) => make(args, &config)?,
        Verb::Show { file: Some(file) } => show(file)?,
        Verb::Show { file: None } => show(&files(&config)?.certificate)?,
        Verb::Check => check(files(&config)?)?,
    })
}

fn make(args: &SelfsignedArgs, config: &Config) -> Result<String, Failure> {
    if config.tls.certificate.is_some() {
        return Err(Failure::Config(
            "`tls.certificate` is set: a certificate in the data folder would not be used".into(),
        ));
    }
    let paths = tls::in_folder(&folder::data(config)?);
    let hosts = match &args.host[..] {
        [] => ["localhost", "127.0.0.1", "::1"].map(Into::into).to_vec(),
        hosts => hosts.to_vec(),
    };
    let pair = selfsigned::make(&hosts, args.days, now_ms() / 1_000)?;
    pair.store(&paths, args.force)?;
    let certificate = read(&paths.0)?;
    let mut text = format!("made {} and {}\n", paths.0.display(), paths.1.display());
    text += &shown(&certificate);
    let _ = write!(
        text,
        "\nA client that knows the pin needs no authority:\n  chat-client --pin sha256//{} chats://{}\n",
        certificate.pin,
        in_address(&hosts[0])
    );
    Ok(text)
}

fn show(file: &Path) -> Result<String, Failure> {
    Ok(shown(&read(file)?))
}

fn check(files: CertificateFiles) -> Result<String, Failure> {
    let path = files.certificate.display().to_string();
    let certificates =
        Certificates::load(files, false, now_ms).map_err(|error| Failure::Runtime(error.to_string()))?;
    let mut text = shown(&certificates.certificate());
    if certificates.certificate().names.is_empty() {
        return Err(Failure::Runtime(format!("{path}: the certificate is for no name")));
    }
    text += match certificates.days_left() {
        ..WARN_DAYS => "It fits its key, and is to be renewed now.\n",
        _ => "It fits its key.\n",
    };
    Ok(text)
}

/// The server's, which must be there.
fn files(config: &Config) -> Result<CertificateFiles, Failure> {
    let missing = |what: &str| {
        let hint = "make one with `chat-server cert selfsigned`, or is --data not right?";
        Failure::Runtime(format!("there is no certificate{what}: {hint}"))
    };
    let files = tls::files(config).ok_or_else(|| missing(""))?;
    if config.tls.certificate.is_none() && !files.certificate.try_exists().unwrap_or(true) {
        return Err(missing(&format!(" {}", files.certificate.display())));
    }
    Ok(files)
}

fn read(file: &Path) -> Result<Certificate, Failure> {
    let failure = |error: String| Failure::Runtime(format!("{}: {error}", file.display()));
    let pem = std::fs::read(file).map_err(|error| failure(error.to_string()))?;
    let der = CertificateDer::from_pem_slice(&pem).map_err(|error| failure(error.to_string()))?;
    Certificate::read(&der).map_err(failure)
}

fn shown(certificate: &Certificate) -> String {
    let Certificate { names, issuer, self_signed, pin, fingerprint, .. } = certificate;
    let names = if names.is_empty() { "nobody".into() } else { harmless(&names.join(", ")) };
    let issuer = if *self_signed { "itself".into() } else { harmless(issuer) };
    let (from, until) = (certificate.good_from(), certificate.good_until());
    let left = left(certificate.seconds_left(now_ms() / 1_000));
    format!(
        "for          {names}\n\
         signed by    {issuer}\n\
         good from    {from}\n\
         good until   {until} ({left})\n\
         pin          sha256//{pin}\n\
         fingerprint  SHA-256 {fingerprint}\n"
    )
}

/// Days are rounded: a new certificate has as many as were asked for.
fn left(seconds: i64) -> String {
    const HALF_A_DAY_S: i64 = 12 * 60 * 60;
    match (seconds, (seconds / HALF_A_DAY_S + 1) / 2) {
        (..0, _) => "expired".into(),
        (_, 0) => "hours left".into(),
        (_, 1) => "1 day left".into(),
        (_, days) => format!("{days} days left"),
    }
}

/// What somebody else may have written, so that it does nothing to a terminal.
fn harmless(text: &str) -> String {
    let mut line = String::new();
    push_words(&mut line, text);
    line
}

/// A name, or an address as addresses are written before a port.
fn in_address(host: &str) -> String {
    if host.parse::<std::net::Ipv6Addr>().is_ok() { format!("[{host}]") } else { host.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_said_in_days() {
        let said = [-1, 0, 43_199, 43_200, 129_599, 129_600, 2 * 86_400].map(left);
        let days =
            ["expired", "hours left", "hours left", "1 day left", "1 day left", "2 days left", "2 days left"];
        assert_eq!(said, days);
    }

    #[test]
    fn what_a_certificate_of_others_says_is_shown_and_does_nothing() {
        let shown = shown(&Certificate {
            names: vec!["a.example\u{1b}[2J".into(), "b.example\r".into()],
            issuer: "CN=\u{9b}31m\u{202e}한국".into(),
            self_signed: false,
            not_before: 0,
            not_after: u64::MAX,
            pin: String::new(),
            fingerprint: String::new(),
        });
        assert!(shown.contains(r"for          a.example\u{1b}[2J, b.example\u{d}"), "{shown}");
        assert!(shown.contains(r"signed by    CN=\u{9b}31m\u{202e}한국"), "{shown}");
    }
}
