//! What ends the program from outside of the conversation: Ctrl-C, and the time of `-W`.

use std::{future::pending, time::Duration};

use tokio::{
    signal::ctrl_c,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::exit::Exit;

/// Ctrl-C and a deadline.
pub struct Outside {
    /// `None`: there is time for ever.
    deadline: Option<Instant>,
    /// Cancelled by Ctrl-C where it is a key of the line editor and no signal.
    pub interrupted: CancellationToken,
}

impl Outside {
    /// Time runs from now.
    #[must_use]
    pub fn new(timeout: Option<Duration>) -> Self {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        Self { deadline, interrupted: CancellationToken::new() }
    }

    /// Takes time out: somebody was asked something, and thought about it.
    pub fn put_off(&mut self, by: Duration) {
        self.deadline = self.deadline.and_then(|deadline| deadline.checked_add(by));
    }

    /// Returns when the program shall end. May be dropped and called again.
    pub async fn ends(&self) -> Exit {
        let time_is_up = async {
            match self.deadline {
                Some(deadline) => sleep_until(deadline).await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            () = signalled() => Exit::Interrupted,
            () = self.interrupted.cancelled() => Exit::Interrupted,
            () = time_is_up => Exit::Timeout,
        }
    }
}

/// Returns at the next Ctrl-C that is a signal.
pub async fn signalled() {
    if ctrl_c().await.is_err() {
        // Without a handler the signal ends the program by itself.
        pending::<()>().await;
    }
}
