//! Where a server is, as people write it.

use std::fmt::{self, Display, Formatter};

use crate::client::tls::TLS_PORT;

/// Port of a server without TLS, when none is named.
const PORT: u16 = 11_021;
/// What a URL with TLS begins with.
const TLS_SCHEME: &str = "chats://";
/// What one without begins with.
const PLAIN_SCHEME: &str = "chat://";

/// Where a server is, as far as that is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// A name or an address, without brackets.
    host: String,
    /// Its port.
    port: Option<u16>,
    /// Whether it is over TLS.
    is_tls: Option<bool>,
}

/// Where a server is, and how it is spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// A name or an address, without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether it is over TLS.
    pub is_tls: bool,
}

impl Address {
    /// `HOST`, `HOST:PORT`, `[IPV6]:PORT`, or a URL of one of them.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (is_tls, text) = match (text.strip_prefix(TLS_SCHEME), text.strip_prefix(PLAIN_SCHEME)) {
            (Some(rest), _) => (Some(true), rest.strip_suffix('/').unwrap_or(rest)),
            (_, Some(rest)) => (Some(false), rest.strip_suffix('/').unwrap_or(rest)),
            _ if text.contains("://") => return Err("a URL begins with chat:// or chats://".to_owned()),
            _ => (None, text),
        };
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']').ok_or("']' is missing")?;
                match port.strip_prefix(':') {
                    None if !port.is_empty() => return Err("only ':PORT' may follow ']'".to_owned()),
                    port => (host, port),
                }
            }
            // More than one colon and no brackets: a bare IPv6 address.
            None => match text.split_once(':') {
                Some((host, port)) if !port.contains(':') => (host, Some(port)),
                _ => (text, None),
            },
        };
        if host.is_empty() || host.contains('/') {
            return Err("the host is missing".to_owned());
        }
        let port = match port.map(str::parse::<u16>) {
            None => None,
            Some(Ok(port)) if port > 0 => Some(port),
            Some(_) => return Err("the port is a number from 1 to 65535".to_owned()),
        };
        Ok(Self { host: host.to_owned(), port, is_tls })
    }

    /// Whether it says itself that it is not over TLS.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.is_tls == Some(false)
    }

    /// The server there. `tls`: it is over TLS where the address does not say.
    #[must_use]
    pub fn server(&self, tls: bool) -> Server {
        let is_tls = self.is_tls.unwrap_or(tls);
        let port = self.port.unwrap_or(if is_tls { TLS_PORT } else { PORT });
        Server { host: self.host.clone(), port, is_tls }
    }
}

impl Server {
    /// By what name it is known whose keys are whose: the two ports that a server has by default are one server's.
    #[must_use]
    pub fn known_as(&self) -> String {
        match self.port {
            PORT | TLS_PORT => self.host.to_lowercase(),
            _ => Self { is_tls: false, ..self.clone() }.to_string().to_lowercase(),
        }
    }
}

impl Display for Server {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { host, port, is_tls } = self;
        let scheme = if *is_tls { TLS_SCHEME } else { "" };
        if host.contains(':') {
            write!(f, "{scheme}[{host}]:{port}")
        } else {
            write!(f, "{scheme}{host}:{port}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_people_write_them() {
        for (text, host, port, is_tls) in [
            ("example.org", "example.org", 11_021, false),
            ("example.org:80", "example.org", 80, false),
            ("127.0.0.1:1", "127.0.0.1", 1, false),
            ("::1", "::1", 11_021, false),
            ("[::1]", "::1", 11_021, false),
            ("[fe80::1%eth0]:5", "fe80::1%eth0", 5, false),
            ("서버.kr:5", "서버.kr", 5, false),
            ("chat://example.org", "example.org", 11_021, false),
            ("chats://example.org", "example.org", 11_022, true),
            ("chats://example.org:5/", "example.org", 5, true),
            ("chats://[::1]", "::1", 11_022, true),
        ] {
            let server = Server { host: host.to_owned(), port, is_tls };
            assert_eq!(Address::parse(text).map(|address| address.server(false)), Ok(server), "{text}");
        }
        for bad in [
            "",
            ":5",
            "[::1",
            "[::1]5",
            "host:",
            "host:0",
            "host:65536",
            "host:http",
            "[]:5",
            "chats://",
            "http://host",
            "chats://host/room",
        ] {
            assert!(Address::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_server_is_one_by_both_of_its_default_ports_and_another_by_any_other() {
        let known = |text| Address::parse(text).expect("an address").server(false).known_as();
        for text in ["Example.org", "example.org:11022", "example.org:11021", "chats://example.org"] {
            assert_eq!(known(text), "example.org", "{text}");
        }
        let others = ["example.org:80", "chats://example.org:80", "[::1]:80"];
        assert_eq!(others.map(known), ["example.org:80", "example.org:80", "[::1]:80"]);
    }

    #[test]
    fn a_server_is_shown_so_that_it_can_be_read_again() {
        for text in ["example.org:11021", "[::1]:5", "chats://example.org:11022", "chats://[::1]:11022"] {
            assert_eq!(Address::parse(text).expect("an address").server(false).to_string(), text);
        }
        let server = Address::parse("example.org").expect("an address").server(true);
        assert_eq!(server.to_string(), "chats://example.org:11022");
    }
}
