//! Why the program ends before its time, and the exit code that says so.

use std::process::ExitCode;

use crate::{config::ConfigError, store::StoreError};

/// Why the program ends before its time.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Something failed while running.
    #[error("{0}")]
    Runtime(String),
    /// The command line is wrong. At a console clap says so itself.
    #[error("{0}")]
    CommandLine(String),
    /// The configuration cannot be.
    #[error("{0}")]
    Config(String),
    /// An address to listen on is taken.
    #[error("{0} is in use by another program")]
    AddressInUse(std::net::SocketAddr),
    /// The data store failed.
    #[error("{0}")]
    Store(String),
}

impl Failure {
    /// Something that failed, and why.
    pub fn running(what: &str, why: impl std::fmt::Display) -> Self {
        Self::Runtime(format!("{what}: {why}"))
    }

    /// The exit code, of the process and of the service.
    #[must_use]
    pub fn code(&self) -> u8 {
        match self {
            Self::Runtime(_) => 1,
            Self::CommandLine(_) => 2,
            Self::Config(_) => 3,
            Self::AddressInUse(_) => 4,
            Self::Store(_) => 5,
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error.to_string())
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Config(error.to_string())
    }
}

impl From<Failure> for ExitCode {
    fn from(failure: Failure) -> Self {
        failure.code().into()
    }
}
