//! The server run by a person, a shell, a container or systemd: signals stop it, its log goes to standard error.

#[cfg(unix)]
use std::io::IsTerminal as _;
use std::{
    io::{self, Write as _},
    net::SocketAddr,
    time::Duration,
};

#[cfg(unix)]
use tokio::signal::unix;

use super::{
    args::Settings,
    exit::Failure,
    log,
    run::{self, Wish},
    settings::judge,
};
use crate::stop::{Signals, StopReason};

/// Serves until a signal says to stop.
pub fn serve(settings: &Settings) -> Result<(), Failure> {
    let config = settings.load()?;
    let log = log::of_console(&config.log)?;
    log::tell_panics(|_| {});
    let again = settings.clone();
    let reread = Box::new(move || {
        let loaded = again.read()?;
        judge(&loaded)?;
        Ok(loaded.config)
    });
    let outcome = run::run(&config, &log.control(), reread, |_| {
        Ok(Console {
            signals: Signals::listen()?,
            #[cfg(unix)]
            hang_up: HangUp::listen()?,
        })
    });
    // Standard error is told anyway.
    if let (Err(failure), Some(_)) = (&outcome, log.control().file()) {
        tracing::error!(event = "failed", code = failure.code(), err = %failure, "failed");
    }
    outcome
}

struct Console {
    signals: Signals,
    #[cfg(unix)]
    hang_up: HangUp,
}

/// SIGHUP: somebody wants the settings to be read again, or the terminal is gone.
#[cfg(unix)]
struct HangUp {
    signal: unix::Signal,
    /// Whether there was a terminal when the server was started.
    had_terminal: bool,
}

#[cfg(unix)]
impl HangUp {
    fn listen() -> io::Result<Self> {
        let signal = unix::signal(unix::SignalKind::hangup())?;
        Ok(Self { signal, had_terminal: has_terminal() })
    }

    async fn next(&mut self) -> Wish {
        self.signal.recv().await;
        // One that has been closed is none any more.
        if self.had_terminal && !has_terminal() {
            Wish::Stop(StopReason::ConsoleClosed)
        } else {
            Wish::Reload
        }
    }
}

#[cfg(unix)]
fn has_terminal() -> bool {
    io::stdin().is_terminal() || io::stdout().is_terminal() || io::stderr().is_terminal()
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

    async fn asked(&mut self) -> Wish {
        #[cfg(unix)]
        let reload = self.hang_up.next();
        #[cfg(not(unix))]
        let reload = std::future::pending();
        tokio::select! {
            reason = self.signals.next() => Wish::Stop(reason),
            wish = reload => wish,
        }
    }

    #[cfg_attr(windows, expect(unused_variables, reason = "only systemd asks"))]
    fn stopping(&mut self, _: StopReason, drain: Duration) {
        #[cfg(unix)]
        super::systemd::stopping(drain);
    }

    async fn while_stopping(&mut self) -> &'static str {
        // A window that closes while the system shuts down is no second wish.
        while !matches!(self.signals.next().await, StopReason::Interrupt | StopReason::Terminate) {}
        "it was asked twice"
    }
}
