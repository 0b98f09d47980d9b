//! The outside of a sealed whisper: who has sealed it, and for which devices.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::{DeviceKey, limits::SEALED_BYTES_MAX};

/// A whisper as only its recipient can read it: 1 to 3,968 bytes, which a server hands on as they are.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Envelope(Box<[u8]>);

impl Envelope {
    /// What the bytes of an envelope begin with whose parts are known. A later form begins with another.
    pub const FORM: u8 = 1;
    /// Devices that one is for at most. As many keys may an account have published.
    pub const DEVICES_MAX: usize = 8;
    /// Bytes for each device: its [`KeyId`], what to come to a secret by (32), and the key of the content (48).
    pub const SLOT_BYTES: usize = KeyId::BYTES + 32 + 48;

    /// `None` when there are no bytes, or more than 3,968.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<Self> {
        (1..=SEALED_BYTES_MAX.into()).contains(&bytes.len()).then(|| Self(bytes.into()))
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// What it is made of; `None` where it is of another form, or of none.
    #[must_use]
    pub fn parts(&self) -> Option<EnvelopeParts<'_>> {
        let ([Self::FORM], rest) = self.0.split_first_chunk()? else { return None };
        let (sender, rest) = rest.split_first_chunk()?;
        let ([devices], rest) = rest.split_first_chunk()?;
        let devices = usize::from(*devices);
        let (slots, content) = rest.split_at_checked(devices * Self::SLOT_BYTES)?;
        let (slots, []) = slots.as_chunks() else { return None };
        let parts = EnvelopeParts { sender: KeyId(*sender), slots, content };
        (1..=Self::DEVICES_MAX).contains(&devices).then_some(parts)
    }

    /// Whether one of these devices may be able to open it, as far as can be told from outside: of another form any may.
    #[must_use]
    pub fn is_for(&self, devices: &[KeyId]) -> bool {
        match self.parts() {
            Some(parts) => parts.devices().any(|id| devices.contains(&id)),
            None => !devices.is_empty(),
        }
    }
}

impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Envelope({} bytes)", self.0.len())
    }
}

impl Serialize for Envelope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Envelope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = <&[u8]>::deserialize(deserializer)?;
        Self::new(bytes).ok_or_else(|| D::Error::custom("not the bytes of an envelope"))
    }
}

/// What an envelope is made of, unopened. Nothing of it is proof of anything.
#[derive(Clone, Copy, Debug)]
pub struct EnvelopeParts<'a> {
    /// Which device of the sender's has sealed it, as it says.
    pub sender: KeyId,
    /// For each device that it is for: its [`KeyId`], and what is for it alone.
    pub slots: &'a [[u8; Envelope::SLOT_BYTES]],
    /// What is for all of them.
    pub content: &'a [u8],
}

impl EnvelopeParts<'_> {
    /// Which devices it is for, as it says.
    pub fn devices(&self) -> impl Iterator<Item = KeyId> {
        self.slots.iter().map(|slot| KeyId(*slot.first_chunk().expect("a slot is longer")))
    }
}

/// The first bytes of a device's key: enough to find it by among a few, and proof of nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(pub [u8; Self::BYTES]);

impl KeyId {
    /// Its bytes.
    pub const BYTES: usize = 8;

    /// That of a key.
    #[must_use]
    pub fn of(key: &DeviceKey) -> Self {
        Self(*key.0.first_chunk().expect("a key is longer"))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: KeyId = KeyId([7; KeyId::BYTES]);
    const OTHER: KeyId = KeyId([9; KeyId::BYTES]);

    /// An envelope of this form, said to be for so many devices, with slots for these.
    fn envelope(form: u8, said: u8, devices: &[KeyId]) -> Envelope {
        let mut bytes = vec![form];
        bytes.extend([1; KeyId::BYTES]);
        bytes.push(said);
        for KeyId(id) in devices {
            bytes.extend(id);
            bytes.extend([0; Envelope::SLOT_BYTES - KeyId::BYTES]);
        }
        bytes.extend(b"content");
        Envelope::new(&bytes).expect("some bytes")
    }

    #[test]
    fn it_is_for_the_devices_that_it_names_and_for_no_other() {
        let both = envelope(1, 2, &[OTHER, OURS]);
        let parts = both.parts().expect("it is of that form");
        assert_eq!((parts.sender, parts.content), (KeyId([1; 8]), &b"content"[..]));
        assert_eq!(parts.devices().collect::<Vec<_>>(), [OTHER, OURS]);
        assert!(both.is_for(&[OURS]) && both.is_for(&[KeyId([0; 8]), OTHER]));
        let theirs = envelope(1, 1, &[OTHER]);
        assert!(!theirs.is_for(&[OURS]) && !theirs.is_for(&[]));
    }

    #[test]
    fn what_is_of_another_form_may_be_for_any_device() {
        let all = [OURS; Envelope::DEVICES_MAX + 1];
        for strange in [
            envelope(2, 1, &[OTHER]),
            envelope(0, 1, &[OTHER]),
            envelope(1, 0, &[]),
            envelope(1, 2, &[OTHER]),
            envelope(1, 255, &[OTHER]),
            envelope(1, 9, &all),
            Envelope::new(&[1]).expect("a byte"),
            Envelope::new(&[1; 9]).expect("some bytes"),
        ] {
            assert!(strange.parts().is_none(), "{strange:?}");
            assert!(strange.is_for(&[OURS]) && !strange.is_for(&[]), "{strange:?}");
        }
        assert!(envelope(1, 8, &all[1..]).is_for(&[OURS]));
    }
}
