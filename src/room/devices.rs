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
