//! What an operator may set of the admin's HTTP: where it listens.

use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Metrics and health, for programs on this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AdminConfig {
    /// Where they are told by HTTP: a loopback address and a port, or `none`. Whoever reaches it may read all of it, so
    /// it is never on a network. If something else has the port, the server runs without until it is free.
    pub listen: String,
}

impl AdminConfig {
    /// Nowhere.
    pub const NONE: &str = "none";

    /// Where to listen, if anywhere.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.listen.parse().ok()
    }

    /// Says what cannot be, naming the key.
    pub(super) fn check(&self) -> Result<(), String> {
        match self.address() {
            None if self.listen == Self::NONE => Ok(()),
            None => {
                Err("`admin.listen` must be an address and a port, as 127.0.0.1:11090, or \"none\"".into())
            }
            // An IPv4 address written as one of IPv6 is none: nothing listens there.
            Some(address) if address.ip().is_loopback() => Ok(()),
            Some(_) => {
                Err("`admin.listen` must be an address of this machine alone: 127.0.0.1 or [::1]".into())
            }
        }
    }
}

impl Default for AdminConfig {
    fn default() -> Self {
        Self { listen: "127.0.0.1:11090".into() }
    }
}
