//! Tells systemd, if it is systemd that started the server, that it listens and that it drains.

use std::{net::SocketAddr, time::Duration};

use sd_notify::NotifyState;

/// What a process needs beside its drain: to start stopping, and to end.
const BESIDE_DRAIN: Duration = Duration::from_secs(5);

/// The server listens on these addresses. Does nothing where no `NOTIFY_SOCKET` is set.
pub fn ready(addresses: &[SocketAddr]) {
    let addresses = addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    tell(&[NotifyState::Ready, NotifyState::Status(&format!("listening on {addresses}"))]);
}

/// The server takes no one more, and is gone after `drain` at the latest: systemd waits that long, even where its
/// unit says less. Does nothing where no `NOTIFY_SOCKET` is set.
pub fn stopping(drain: Duration) {
    let time = u32::try_from(drain.saturating_add(BESIDE_DRAIN).as_micros()).unwrap_or(u32::MAX);
    tell(&[NotifyState::Stopping, NotifyState::ExtendTimeoutUsec(time), NotifyState::Status("draining")]);
}

// A server that cannot reach systemd serves all the same: what then is to be done, systemd knows by itself.
fn tell(states: &[NotifyState]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(event = "systemd_not_told", err = %error, "systemd could not be told");
    }
}
