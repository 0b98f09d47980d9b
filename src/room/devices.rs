//! The devices on which a session reads sealed whispers.

use chat_proto::{DeviceKey, Envelope, KeyId};

use super::Subscriber;

/// Devices on which somebody reads, as their client has shown by publishing their keys: as many as an account may have.
#[derive(Clone, Default)]
pub struct Devices {
    shown: Vec<KeyId>,
    /// What was kept for them has been handed over: what is said now may follow.
    caught_up: bool,
}

impl Subscriber {
    /// The same, of a client that reads sealed whispers, and may send some, or of one that does not. Of one that goes on
    /// with a session of another that did, the devices are known.
    #[must_use]
    pub fn reading_sealed(mut self, reads_sealed: bool) -> Self {
        self.devices = reads_sealed.then(|| self.devices.unwrap_or_default());
        self
    }

    /// Whether its client reads sealed whispers, and may send some.
    #[must_use]
    pub fn reads_sealed(&self) -> bool {
        self.devices.is_some()
    }

    /// Its client reads on this device, so what was kept for it can be handed over. Until that [has been](Self::catch_up)
    /// what is said is kept as well: it would come before it otherwise.
    pub fn show_device(&self, key: &DeviceKey) {
        let Some(devices) = &self.devices else { return };
        let (mut devices, id) = (devices.lock(), KeyId::of(key));
        if !devices.shown.contains(&id) {
            devices.shown.push(id);
            devices.caught_up = false;
        }
    }

    /// Its client reads on this device no more.
    pub fn hide_device(&self, key: &DeviceKey) {
        if let Some(devices) = &self.devices {
            devices.lock().shown.retain(|id| *id != KeyId::of(key));
        }
    }

    /// What was kept for its devices has been handed over.
    pub fn catch_up(&self) {
        if let Some(devices) = &self.devices {
            devices.lock().caught_up = true;
        }
    }

    /// The devices on which its client reads.
    #[must_use]
    pub fn devices(&self) -> Vec<KeyId> {
        self.devices.as_ref().map(|devices| devices.lock().shown.clone()).unwrap_or_default()
    }

    /// Whether an envelope may be handed over at once: it is for one of its devices, and nothing that was kept for them
    /// has to come first.
    #[must_use]
    pub fn opens(&self, envelope: &Envelope) -> bool {
        self.devices.as_ref().is_some_and(|devices| {
            let devices = devices.lock();
            devices.caught_up && envelope.is_for(&devices.shown)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{net::Ipv4Addr, sync::Arc};

    use chat_proto::{Role, Username};

    use super::*;
    use crate::{
        config::Config,
        room::{Mailbox, SessionId},
    };

    const OLD: DeviceKey = DeviceKey([1; 32]);
    const NEW: DeviceKey = DeviceKey([2; 32]);

    fn lee() -> Subscriber {
        let (name, mailbox) =
            (Username::parse("lee").expect("a name"), Mailbox::new(1, Config::default().mailbox));
        Subscriber::new(SessionId(7), name, Role::User, mailbox)
    }

    /// An envelope for this device.
    fn sealed_to(device: &DeviceKey) -> Envelope {
        let mut bytes = vec![Envelope::FORM];
        bytes.extend([0; KeyId::BYTES]);
        bytes.push(1);
        bytes.extend(KeyId::of(device).0);
        bytes.extend([0; Envelope::SLOT_BYTES - KeyId::BYTES]);
        Envelope::new(&bytes).expect("some bytes")
    }

    #[test]
    fn nothing_is_handed_over_at_once_before_what_was_kept() {
        let lee = lee().reading_sealed(true);
        let [old, new] = [&OLD, &NEW].map(sealed_to);
        lee.catch_up();
        assert!(!lee.opens(&old), "the device is not shown");
        lee.show_device(&OLD);
        assert!(!lee.opens(&old) && lee.devices() == [KeyId::of(&OLD)], "what was kept comes first");
        lee.catch_up();
        lee.show_device(&OLD);
        assert!(lee.opens(&old) && !lee.opens(&new));
        lee.show_device(&NEW);
        assert!(!lee.opens(&old) && !lee.opens(&new), "something may be kept for the other");
        lee.catch_up();
        lee.hide_device(&OLD);
        assert!(!lee.opens(&old) && lee.opens(&new));
    }

    #[test]
    fn devices_go_on_with_the_session_unless_it_does_not_read_on_them() {
        let lee = Arc::new(lee().reading_sealed(true));
        lee.show_device(&OLD);
        lee.catch_up();
        let next = |before: &Arc<Subscriber>, reads_sealed| {
            let next = before.successor(Ipv4Addr::LOCALHOST.into(), 1).reading_sealed(reads_sealed);
            assert_eq!(next.reads_sealed(), reads_sealed);
            Arc::new(next)
        };
        assert!(next(&lee, true).opens(&sealed_to(&OLD)));
        let plain = next(&lee, false);
        assert!(!plain.opens(&sealed_to(&OLD)) && next(&plain, true).devices().is_empty());
    }
}
