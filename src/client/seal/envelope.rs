//! A sealed whisper: made for the devices of one person, and opened by one of them.

use chacha20poly1305::{
    ChaCha20Poly1305, KeyInit as _, Nonce,
    aead::{Aead as _, array::Array},
};
use chat_proto::{DeviceKey, Envelope, EnvelopeParts, KeyId, NameKey};
use hpke::{
    Deserializable as _, OpModeR, OpModeS, Serializable as _, aead, kdf, kem, single_shot_open,
    single_shot_seal_with_rng,
};
use rand::CryptoRng;
use thiserror::Error;
use zeroize::Zeroizing;

use super::{Identity, Said};

pub(super) type Kem = kem::X25519HkdfSha256;
type Kdf = kdf::HkdfSha256;
type Aead = aead::ChaCha20Poly1305;

/// What every key of this form is bound to, before the names.
const LABEL: &[u8] = b"iocp-chat sealed whisper 1";

const KEY_BYTES: usize = 32;
/// Who whispers to whom: an envelope is of no use between others.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    /// Who says it.
    pub sender: &'a NameKey,
    /// Who shall read it.
    pub recipient: &'a NameKey,
}

/// Why nothing is sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SealFault {
    /// There is nobody to seal it to, or more than [`Envelope::DEVICES_MAX`].
    #[error("{0} devices to seal to")]
    Devices(usize),
    /// What was published as a device's key is none.
    #[error("{0} is no key")]
    Key(KeyId),
}

/// Why an envelope is not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum OpenFault {
    /// It is of a form that this program does not know, or of none.
    #[error("it is of an unknown form")]
    Form,
    /// It was sealed before this device had published its key, or for others.
    #[error("it was not sealed to this device")]
    NotForUs,
    /// It was sealed by somebody else, from or to somebody else, or changed on its way.
    #[error("it is not as its sender sealed it")]
    Forged,
    /// Its sender has put no text into it.
    #[error("there is no text in it")]
    Content,
}

/// What an envelope held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// What was said.
    pub said: Said,
    /// What no other whisper to this device has: who sends it again sends a copy.
    pub nonce: [u8; 16],
}

/// Seals something said from a device to the devices of one person. The text is sealed once, with a key of its own, which is
/// sealed to each device; by that the sender is known, and the text with it.
pub fn seal(
    from: &Identity,
    names: Names<'_>,
    to: &[DeviceKey],
    said: &Said,
    rng: &mut impl CryptoRng,
) -> Result<Envelope, SealFault> {
    if !(1..=Envelope::DEVICES_MAX).contains(&to.len()) {
        return Err(SealFault::Devices(to.len()));
    }
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    rng.fill_bytes(&mut *key);
    let content = content_cipher(&key)
        .encrypt(&Nonce::default(), Zeroizing::new(said.to_bytes()).as_slice())
        .expect("a text is short");
    let mut bytes = vec![Envelope::FORM];
    bytes.extend(KeyId::of(&from.public()).0);
    bytes.push(u8::try_from(to.len()).expect("few"));
    let (mode, info) = (OpModeS::Auth((from.secret.clone(), from.public.clone())), info(names));
    for device in to {
        let not_a_key = |_| SealFault::Key(KeyId::of(device));
        let public = <Kem as hpke::Kem>::PublicKey::from_bytes(&device.0).map_err(not_a_key)?;
        // The content is what the key is good for, and for no other: whoever is given the key cannot use it for words
        // of their own in the sender's name.
        let sealed = single_shot_seal_with_rng::<Aead, Kdf, Kem>(&mode, &public, &info, &*key, &content, rng);
        let (encapsulated, wrapped) = sealed.map_err(not_a_key)?;
        bytes.extend(KeyId::of(device).0);
        bytes.extend(&encapsulated.to_bytes()[..]);
        bytes.extend(wrapped);
    }
    bytes.extend(content);
    Ok(Envelope::new(&bytes).expect("there is room for the longest text and all devices"))
}

/// An envelope, taken apart and not opened.
#[derive(Clone, Copy, Debug)]
pub struct Sealed<'a>(EnvelopeParts<'a>);

impl<'a> Sealed<'a> {
    /// Takes an envelope apart.
    pub fn parse(envelope: &'a Envelope) -> Result<Self, OpenFault> {
        envelope.parts().map(Self).ok_or(OpenFault::Form)
    }

    /// Which device of the sender's has sealed it, as it says.
    #[must_use]
    pub fn sender(&self) -> KeyId {
        self.0.sender
    }

    /// Opens it by the key of this device. That `sender`, and nobody else but its recipient, can have sealed it is shown
    /// by that.
    pub fn open(&self, to: &Identity, sender: &DeviceKey, names: Names<'_>) -> Result<Opened, OpenFault> {
        let (EnvelopeParts { slots, content, .. }, ours) = (self.0, KeyId::of(&to.public()));
        let slot = slots.iter().find(|slot| slot.starts_with(&ours.0)).ok_or(OpenFault::NotForUs)?;
        let (encapsulated, wrapped) = slot[KeyId::BYTES..].split_at(KEY_BYTES);
        let forged = |_| OpenFault::Forged;
        let mode = OpModeR::Auth(<Kem as hpke::Kem>::PublicKey::from_bytes(&sender.0).map_err(forged)?);
        let by = <Kem as hpke::Kem>::EncappedKey::from_bytes(encapsulated).map_err(forged)?;
        let key = single_shot_open::<Aead, Kdf, Kem>(&mode, &to.secret, &by, &info(names), wrapped, content);
        let key = Zeroizing::new(key.map_err(forged)?);
        let key = key.first_chunk().ok_or(OpenFault::Forged)?;
        let content = content_cipher(key).decrypt(&Nonce::default(), content);
        let content = Zeroizing::new(content.map_err(|_| OpenFault::Content)?);
        let said = Said::of_bytes(&content).ok_or(OpenFault::Content)?;
        Ok(Opened { said, nonce: *encapsulated.first_chunk().expect("it is longer") })
    }
}

/// The key is used once: its nonce is 0.
fn content_cipher(key: &[u8; KEY_BYTES]) -> ChaCha20Poly1305 {
    ChaCha20Poly1305::new(&Array(*key))
}

/// What the keys of an envelope are bound to: the label, then the sender's and the recipient's name key, each after its length
/// in two bytes, little-endian.
fn info(Names { sender, recipient }: Names<'_>) -> Vec<u8> {
    let mut info = LABEL.to_vec();
    for name in [sender, recipient] {
        let name = name.as_str().as_bytes();
        info.extend(u16::try_from(name.len()).expect("a name is short").to_le_bytes());
        info.extend(name);
    }
    info
}
