//! Why the server stops, how long it may take over it, and how the system says so.

use std::time::Duration;

/// Why the server stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// Ctrl-C or Ctrl-Break.
    Interrupt,
    /// SIGTERM, or the operator's word.
    Terminate,
    /// The console window closes, or its user logs off. Windows ends the process after 5 s.
    ConsoleClosed,
    /// The system shuts down: as for a closed console.
    SystemShutdown,
}

impl StopReason {
    /// The most the system grants, whatever the configuration says.
    #[must_use]
    pub fn grace_max(self) -> Duration {
        match self {
            Self::Interrupt | Self::Terminate => Duration::MAX,
            Self::ConsoleClosed | Self::SystemShutdown => Duration::from_secs(4),
        }
    }

    /// Waits until the system asks the process to stop.
    #[cfg(unix)]
    pub async fn wait() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        Ok(tokio::select! {
            _ = interrupt.recv() => Self::Interrupt,
            _ = terminate.recv() => Self::Terminate,
        })
    }

    /// Waits until the system asks the process to stop.
    #[cfg(windows)]
    pub async fn wait() -> std::io::Result<Self> {
        use tokio::signal::windows;
        let mut interrupt = windows::ctrl_c()?;
        let mut ctrl_break = windows::ctrl_break()?;
        let mut close = windows::ctrl_close()?;
        let mut logoff = windows::ctrl_logoff()?;
        let mut shutdown = windows::ctrl_shutdown()?;
        Ok(tokio::select! {
            _ = interrupt.recv() => Self::Interrupt,
            _ = ctrl_break.recv() => Self::Interrupt,
            _ = close.recv() => Self::ConsoleClosed,
            _ = logoff.recv() => Self::ConsoleClosed,
            _ = shutdown.recv() => Self::SystemShutdown,
        })
    }
}
