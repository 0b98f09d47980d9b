//! Looks after the certificate while the server runs: reads it again when its files change, and says when it expires.

use std::{sync::Arc, time::Duration};

use tokio::{
    task::spawn_blocking,
    time::{Instant, sleep},
};

use super::{Certificates, certificates::FilesDigest};
use crate::net::Shared;

/// How often the files are looked at. A change is read at the next look that finds them as the last did, so that nobody
/// reads half of what is still being written.
const LOOK: Duration = Duration::from_secs(2);

/// Days before a certificate expires from when on the log says so, once a day.
pub const WARN_DAYS: i64 = 14;
/// How often it says so.
const WARN: Duration = Duration::from_secs(24 * 60 * 60);

/// What was seen of the files.
#[derive(Debug, PartialEq, Eq)]
struct Sight {
    /// When they were read last, for good or not.
    read: FilesDigest,
    /// If they were refused then: from when on they may be good as they are, in seconds since 1970 UTC.
    refused: Option<u64>,
    /// At the last look, if they were others then.
    changed: Option<FilesDigest>,
}

impl Sight {
    /// Nothing but what is shown.
    fn new(shown: FilesDigest) -> Self {
        Self { read: shown, refused: None, changed: None }
    }

    /// Whether they are to be read: they are not as they were, and have stopped changing, or somebody says so. Those that
    /// were refused are, too, when their time has come, or somebody says so.
    fn look(&mut self, files: FilesDigest, asked: bool, now_s: u64) -> bool {
        if files == self.read {
            self.changed = None;
            return self.refused.is_some_and(|good_from| asked || now_s >= good_from);
        }
        if self.changed.replace(files) != Some(files) && !asked {
            return false;
        }
        *self = Self::new(files);
        true
    }
}

/// Looks after it until the server stops.
pub async fn watch_certificates(certificates: Arc<Certificates>, shared: Arc<Shared>) {
    let mut sight = Sight::new(certificates.digest());
    let mut warned: Option<Instant> = None;
    loop {
        shared.metrics.certificate_expiry.set(certificates.certificate().not_after);
        let days = certificates.days_left();
        if days >= WARN_DAYS {
            warned = None;
        } else if warned.is_none_or(|then| then.elapsed() >= WARN) {
            warned = Some(Instant::now());
            tracing::warn!(event = "certificate_expires", days, "the certificate expires soon, or has");
        }
        let asked = tokio::select! {
            () = shared.stop.cancelled() => return,
            () = sleep(LOOK) => false,
            () = certificates.asked_to_look() => true,
        };
        let reader = Arc::clone(&certificates);
        // Dropped when the server stops meanwhile: it only reads.
        let Ok(files) = spawn_blocking(move || reader.digest_now()).await else { return };
        if !sight.look(files, asked, certificates.now_s()) {
            continue;
        }
        let reader = Arc::clone(&certificates);
        match spawn_blocking(move || reader.reload()).await {
            Ok(Ok(loaded)) => {
                (warned, sight.refused) = (None, None);
                let (not_after, pin) = (loaded.good_until(), loaded.pin);
                tracing::info!(event = "certificate_loaded", not_after, pin, "the certificate was exchanged");
            }
            Ok(Err(error)) => {
                sight.refused = Some(error.good_from());
                tracing::warn!(event = "certificate_kept", err = %error, "the new certificate cannot be used: the old one stays");
            }
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Long before any of them is good.
    const EARLY: u64 = 0;

    #[test]
    fn files_are_read_once_for_each_change_and_not_while_they_change() {
        let mut sight = Sight::new([1; 32]);
        let looks = [1, 2, 3, 3, 3, 4, 3, 1, 1, 1];
        let read: Vec<_> = looks.map(|files| sight.look([files; 32], false, EARLY)).into();
        assert_eq!(read, [false, false, false, true, false, false, false, false, true, false]);
        // Whoever asks knows that they are whole.
        assert!(!sight.look([1; 32], true, EARLY));
        assert!(sight.look([2; 32], true, EARLY) && !sight.look([2; 32], true, EARLY));
    }

    #[test]
    fn files_that_were_refused_are_read_again_when_they_may_be_good_and_whenever_somebody_asks() {
        let mut sight = Sight::new([1; 32]);
        assert!(sight.look([2; 32], true, EARLY));
        sight.refused = Some(100);
        let looks = [(false, 99), (true, 99), (false, 100)];
        assert_eq!(looks.map(|(asked, now_s)| sight.look([2; 32], asked, now_s)), [false, true, true]);
        // Others in their place have not been refused.
        assert!(sight.look([3; 32], true, EARLY) && !sight.look([3; 32], true, 100));
    }
}
