//! The server run by a person, a shell, a container or systemd: signals stop it, its log goes to standard error.

use std::{
    io::{self, Write as _},
    net::SocketAddr,
    time::Duration,
};

use super::{args::Settings, exit::Failure, log, run};
use crate::stop::{Signals, StopReason};

/// Serves until a signal says to stop.
pub fn serve(settings: &Settings) -> Result<(), Failure> {
    let config = settings.load()?;
    let log = log::of_console(&config.log)?;
    log::tell_panics(|_| {});
    let outcome = run::run(&config, &log.control(), |config| {
        let signals = Signals::listen()?;
        Ok(Console { signals, drain: config.timeouts.drain })
    });
    // Standard error is told anyway.
    if let (Err(failure), Some(_)) = (&outcome, log.control().file()) {
        tracing::error!(event = "failed", code = failure.code(), err = %failure, "failed");
    }
    outcome
}

struct Console {
    signals: Signals,
    #[cfg_attr(windows, expect(dead_code, reason = "only systemd asks"))]
    drain: Duration,
}

impl run::Host for Console {
    fn first_admin(&mut self, line: &str) -> io::Result<()> {
        writeln!(io::stderr(), "chat-server: {line}")
    }

    #[cfg_attr(windows, expect(unused_variables, reason = "only systemd asks"))]
    fn ready(&mut self, addresses: &[SocketAddr]) {
        #[cfg(unix)]
        super::systemd::ready(addresses);
    }

    async fn asked_to_stop(&mut self) -> StopReason {
        self.signals.next().await
    }

    fn stopping(&mut self, _: StopReason) {
        #[cfg(unix)]
        super::systemd::stopping(self.drain);
    }

    async fn while_stopping(&mut self) -> &'static str {
        // A window that closes while the system shuts down is no second wish.
        while !matches!(self.signals.next().await, StopReason::Interrupt | StopReason::Terminate) {}
        "it was asked twice"
    }
}
