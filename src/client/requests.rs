//! Requests other than lines, no faster than the server takes them.

use std::time::Duration;

use chat_proto::{ErrorCode, Limits};
use tokio::time::{Instant, sleep};

use super::{Error, Pace};

/// Asks at the rate that a server announces for requests other than lines.
#[derive(Debug)]
pub struct Requests {
    pace: Pace,
    patience: Duration,
}

impl Requests {
    /// Has asked nothing yet. A refusal as too fast that says to wait for longer than `patience` is an error; else the
    /// same is asked again after that time.
    #[must_use]
    pub fn new(limits: &Limits, patience: Duration) -> Self {
        // Half of the burst is left for others who use the session.
        let pace = Pace::new(limits.other_per_second, limits.other_burst.div_ceil(2), Instant::now());
        Self { pace, patience }
    }

    /// Asks, as often as it takes.
    pub async fn ask<T>(&mut self, mut request: impl AsyncFnMut() -> Result<T, Error>) -> Result<T, Error> {
        loop {
            self.pace.wait().await;
            match request().await {
                // Somebody else used the session's rate: the server says when to ask again.
                Err(Error::Refused(refusal))
                    if refusal.code == ErrorCode::RateLimited.into() && refusal.retry_ms > 0 =>
                {
                    let wait = Duration::from_millis(refusal.retry_ms.into());
                    if wait > self.patience {
                        return Err(Error::Refused(refusal));
                    }
                    sleep(wait).await;
                }
                answer => return answer,
            }
        }
    }
}
