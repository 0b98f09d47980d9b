//! Why the server stops, how long it may take over it, and how the system says so.

use std::{io, time::Duration};

#[cfg(unix)]
use tokio::signal::unix;
#[cfg(windows)]
use tokio::signal::windows;

/// Why the server stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// Ctrl-C or Ctrl-Break.
    Interrupt,
    /// SIGTERM, or the operator's word.
    Terminate,
    /// The console window closes, or its user logs off. Windows ends the process after 5 s.
    ConsoleClosed,
    /// The system, or the container, shuts down.
    SystemShutdown,
    /// The service manager stops the service, by hand or before the system shuts down, for which it is installed
    /// to have 20 s.
    Service,
}

impl StopReason {
    /// The most the system grants. `system` is what it grants when all of it shuts down.
    #[must_use]
    pub fn grace_max(self, system: Duration) -> Duration {
        match self {
            Self::Interrupt | Self::Terminate => Duration::MAX,
            Self::ConsoleClosed => Duration::from_secs(4),
            Self::SystemShutdown => system,
            Self::Service => Duration::from_secs(15),
        }
    }
}

/// The system's ways to ask a process to stop. From when they are listened to, they no longer end the process.
pub struct Signals(System);

impl Signals {
    /// Listens from now on.
    pub fn listen() -> io::Result<Self> {
        System::listen().map(Self)
    }

    /// Waits until the system asks. May be dropped and called again.
    pub async fn next(&mut self) -> StopReason {
        self.0.next().await
    }
}

#[cfg(unix)]
struct System {
    interrupt: unix::Signal,
    terminate: unix::Signal,
}

#[cfg(unix)]
impl System {
    fn listen() -> io::Result<Self> {
        use unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) -> StopReason {
        tokio::select! {
            _ = self.interrupt.recv() => StopReason::Interrupt,
            _ = self.terminate.recv() => StopReason::Terminate,
        }
    }
}

#[cfg(windows)]
struct System {
    interrupt: windows::CtrlC,
    ctrl_break: windows::CtrlBreak,
    close: windows::CtrlClose,
    logoff: windows::CtrlLogoff,
    shutdown: windows::CtrlShutdown,
}

#[cfg(windows)]
impl System {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: windows::ctrl_c()?,
            ctrl_break: windows::ctrl_break()?,
            close: windows::ctrl_close()?,
            logoff: windows::ctrl_logoff()?,
            shutdown: windows::ctrl_shutdown()?,
        })
    }

    async fn next(&mut self) -> StopReason {
        tokio::select! {
            _ = self.interrupt.recv() => StopReason::Interrupt,
            _ = self.ctrl_break.recv() => StopReason::Interrupt,
            _ = self.close.recv() => StopReason::ConsoleClosed,
            _ = self.logoff.recv() => StopReason::ConsoleClosed,
            _ = self.shutdown.recv() => StopReason::SystemShutdown,
        }
    }
}
