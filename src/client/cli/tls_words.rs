//! What the program says about TLS and whom it trusts, in English and Korean.

use std::{io, time::SystemTime};

use rustls::AlertDescription;

use super::{escape::escape, tls_args::NoTrust, words::Lang};
use crate::client::tls::{Distrust, Fingerprint, TlsFault};

impl Lang {
    /// Why there is no TLS with the server.
    pub(super) fn tls_fault(self, fault: &TlsFault) -> String {
        match fault {
            TlsFault::Untrusted(why) => self.distrust(why),
            TlsFault::NotTls => self
                .pick(
                    "the server does not speak TLS there; without TLS it usually listens at port 11021",
                    "서버의 이 포트는 TLS를 쓰지 않습니다. TLS 없이는 보통 11021 포트입니다",
                )
                .to_owned(),
            TlsFault::HungUp => self
                .pick(
                    "the server hung up instead of speaking TLS; is it the right port?",
                    "서버가 TLS 대신 연결을 끊었습니다. 포트가 맞나요?",
                )
                .to_owned(),
            // What our server says before it says anything else.
            TlsFault::Alert(AlertDescription::InternalError) => self
                .pick(
                    "the server takes no connection now: it may be full, or not want this address",
                    "서버가 지금 연결을 받지 않습니다. 가득 찼거나 이 주소를 받지 않을 수 있습니다",
                )
                .to_owned(),
            TlsFault::Alert(alert) => self.pick(
                format!("the server refused the TLS connection: {alert:?}"),
                format!("서버가 TLS 연결을 거절했습니다: {alert:?}"),
            ),
            TlsFault::Protocol(why) => {
                let why = escape(why);
                self.pick(format!("TLS error: {why}"), format!("TLS 오류: {why}"))
            }
        }
    }

    /// Why the server is not trusted, and what may be done about it.
    fn distrust(self, why: &Distrust) -> String {
        match why {
            Distrust::Unknown { host, key } => self.pick(
                format!(
                    "{host} is not known yet, and no authority that is trusted here vouches for it; its key is {key}; if \
                     that is right, trust it with --trust-new, or with --pin and the key"
                ),
                format!(
                    "{host} 은(는) 처음 보는 서버이고, 신뢰하는 인증 기관이 보증하지 않습니다. 키는 {key} 입니다. 맞다면 \
                     --trust-new 나 --pin 과 키로 신뢰하세요"
                ),
            ),
            Distrust::Changed { host, key, file, line } => {
                let file = escape(&file.display().to_string());
                self.pick(
                    format!(
                        "DANGER: {host} is not the server that it was, or somebody is listening in: its key is {key}, \
                         and the one that is known is in {file}, line {line}; if its operator says that the key has \
                         changed, remove that line"
                    ),
                    format!(
                        "위험: {host} 은(는) 전에 알던 서버가 아니거나, 누군가 엿듣고 있습니다. 키는 {key} 인데, 알고 있는 \
                         키는 {file} 의 {line}번째 줄에 있습니다. 운영자가 키를 바꾸었다면 그 줄을 지우세요"
                    ),
                )
            }
            Distrust::NotPinned(key) => self.pick(
                format!("the server is not the one that is meant: its key is {key}, which is not that of --pin"),
                format!("다른 서버입니다. 키가 --pin 의 키가 아니라 {key} 입니다"),
            ),
            Distrust::UnknownIssuer(key) => self.pick(
                format!(
                    "no authority that is trusted here has signed the server's certificate; its key is {key}; if that \
                     is right, give its authority with --ca, or the key with --pin"
                ),
                format!(
                    "신뢰하는 인증 기관이 서명하지 않은 인증서입니다. 서버의 키는 {key} 입니다. 맞다면 인증 기관을 --ca 로, \
                     또는 키를 --pin 으로 주세요"
                ),
            ),
            _ => self.unfit(why),
        }
    }

    /// What is wrong with a certificate.
    fn unfit(self, why: &Distrust) -> String {
        match why {
            Distrust::Expired(time) => self.pick(
                format!(
                    "the server's certificate has expired{}; its operator must renew it",
                    day(", on ", *time, "")
                ),
                format!("서버의 인증서가{} 만료되었습니다. 운영자가 갱신해야 합니다", day(" ", *time, "에")),
            ),
            Distrust::NotYetValid(time) => self.pick(
                format!(
                    "the server's certificate is not valid yet{}; is the clock of this machine right?",
                    day(", but from ", *time, "")
                ),
                format!(
                    "서버의 인증서가 아직 유효하지 않습니다{}. 이 컴퓨터의 시계가 맞나요?",
                    day(" (", *time, "부터)")
                ),
            ),
            Distrust::WrongName { name, names } => {
                let (name, names) = (escape(name), escape(&names.join(", ")));
                let [but, only] = if names.is_empty() {
                    [String::new(), String::new()]
                } else {
                    [format!(", but for {names}"), format!(" ({names} 의 것입니다)")]
                };
                self.pick(
                    format!("the server's certificate is not for {name}{but}"),
                    format!("서버의 인증서가 {name} 의 것이 아닙니다{only}"),
                )
            }
            Distrust::Revoked => {
                self.pick("the server's certificate was revoked", "서버의 인증서가 취소되었습니다").to_owned()
            }
            Distrust::Unreadable { file, why } => self.cannot_read(&file.display().to_string(), why),
            Distrust::Unfit(why) => {
                let why = escape(why);
                self.pick(
                    format!("the server's certificate is not accepted: {why}"),
                    format!("서버의 인증서를 받아들일 수 없습니다: {why}"),
                )
            }
            other => escape(&other.to_string()),
        }
    }

    /// The server waits to be spoken to in TLS.
    pub(super) fn speaks_tls(self) -> &'static str {
        self.pick(
            "the server speaks TLS there: write chats://HOST, or --tls",
            "서버의 이 포트는 TLS를 씁니다. chats://HOST 나 --tls 로 연결하세요",
        )
    }

    /// Whoever is not warned in vain reads it each time.
    #[must_use]
    pub fn insecure(self) -> String {
        self.pick(
            "WARNING: --insecure: nobody has checked who the server is, and whoever stands in between reads and writes \
             everything",
            "경고: --insecure: 서버가 누구인지 확인하지 않습니다. 중간에서 누구든 모두 읽고 쓸 수 있습니다",
        )
        .to_owned()
    }

    /// Asks whether to trust a server at first sight.
    #[must_use]
    pub fn ask_to_trust(self, host: &str, key: Fingerprint) -> String {
        self.pick(
            format!(
                "{host} is not known yet, and no authority that is trusted here vouches for it.\nIts key is {key}\nIs \
                 that what its operator sees with 'chat-server cert show'? Trust it from now on? [yes/no] "
            ),
            format!(
                "{host} 은(는) 처음 보는 서버이고, 신뢰하는 인증 기관이 보증하지 않습니다.\n키는 {key} 입니다.\n운영자가 \
                 'chat-server cert show' 로 보는 키와 같습니까? 앞으로 신뢰할까요? [예/아니요] "
            ),
        )
    }

    /// Somebody was met.
    #[must_use]
    pub fn known_from_now_on(self, host: &str, key: Fingerprint, file: &str) -> String {
        let file = escape(file);
        self.pick(
            format!("{host} is known from now on by its key {key}, in {file}"),
            format!("{host} 을(를) 이제 키 {key} 로 알아봅니다. {file} 에 적었습니다"),
        )
    }

    /// Nobody can be met.
    #[must_use]
    pub fn known_hosts_unwritten(self, file: &str, why: &io::Error) -> String {
        let file = escape(file);
        self.pick(format!("cannot write {file}: {why}"), format!("{file} 에 쓸 수 없습니다: {why}"))
    }

    /// Whom to trust is not known.
    pub(super) fn no_trust(self, why: &NoTrust) -> String {
        match why {
            NoTrust::Authorities(file, why) => self.cannot_read(file, &why.to_string()),
            NoTrust::Pin => self
                .pick(
                    "CHAT_PIN is no fingerprint: it is sha256// and 44 characters of Base64, or 64 hexadecimal digits",
                    "CHAT_PIN 이 지문이 아닙니다. sha256// 과 Base64 44자, 또는 16진수 64자입니다",
                )
                .to_owned(),
            NoTrust::Both => self
                .pick("CHAT_CA and CHAT_PIN exclude each other", "CHAT_CA 와 CHAT_PIN 은 함께 쓸 수 없습니다")
                .to_owned(),
        }
    }

    fn cannot_read(self, file: &str, why: &str) -> String {
        let file = escape(file);
        self.pick(format!("cannot read {file}: {why}"), format!("{file} 을(를) 읽을 수 없습니다: {why}"))
    }
}

/// A day between what stands around it, if it is known.
fn day(before: &str, time: Option<SystemTime>, after: &str) -> String {
    time.map(|time| format!("{before}{}{after}", crate::client::tls::day(time))).unwrap_or_default()
}
