//! What an operator may set of connections over TLS.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema::Time;

/// The port beside [`DEFAULT_PORT`](super::DEFAULT_PORT), for connections over TLS.
pub const DEFAULT_TLS_PORT: u16 = 11022;

/// Connections over TLS: there are some where there is a certificate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// Addresses to listen on, where there is a certificate.
    pub listen: Vec<SocketAddr>,
    /// The certificate, and those it rests on, as PEM. None: `tls/certificate.pem` in the data folder, if it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<PathBuf>,
    /// Its key, as PEM. None: `tls/key.pem` in the data folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
    /// Who is connected must show a certificate that rests on one of these, as PEM. None: nobody must.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_ca: Option<PathBuf>,
    /// From accept to the end of the handshake.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "Time")]
    pub handshake: Duration,
    /// Serve with a certificate that has expired, or is not valid yet, as well.
    pub accept_expired: bool,
}

impl Default for TlsConfig {
    fn default() -> Self {
        Self {
            listen: vec![(Ipv4Addr::LOCALHOST, DEFAULT_TLS_PORT).into()],
            certificate: None,
            key: None,
            client_ca: None,
            handshake: Duration::from_secs(5),
            accept_expired: false,
        }
    }
}

impl TlsConfig {
    pub(super) fn check(&self) -> Result<(), String> {
        if self.handshake.as_millis() == 0 {
            return Err("`tls.handshake` must be at least 1ms".into());
        }
        Ok(())
    }
}
