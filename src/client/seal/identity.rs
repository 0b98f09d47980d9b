//! A device's own key.

use std::fmt;

use chat_proto::DeviceKey;
use hpke::{Deserializable as _, Kem as _, Serializable as _};
use rand::CryptoRng;

use super::envelope::Kem;
use crate::client::hex;

/// The key by which a device opens what is sealed to it, and by which others know what it has sealed. Wiped when it is
/// dropped.
pub struct Identity {
    pub(super) secret: <Kem as hpke::Kem>::PrivateKey,
    pub(super) public: <Kem as hpke::Kem>::PublicKey,
}

impl Identity {
    /// A new one.
    #[must_use]
    pub fn new(rng: &mut impl CryptoRng) -> Self {
        let (secret, public) = Kem::gen_keypair_with_rng(rng);
        Self { secret, public }
    }

    /// The one of which [`to_hex`](Self::to_hex) has been kept; `None` if it is no key.
    #[must_use]
    pub fn of_hex(text: &str) -> Option<Self> {
        let secret = <Kem as hpke::Kem>::PrivateKey::from_bytes(&hex::read(text)?).ok()?;
        let public = Kem::sk_to_pk(&secret);
        Some(Self { secret, public })
    }

    /// The secret itself, to be kept where only its user reads it: 64 hexadecimal digits.
    #[must_use]
    pub fn to_hex(&self) -> String {
        hex::write(&self.secret.to_bytes())
    }

    /// What others seal to.
    #[must_use]
    pub fn public(&self) -> DeviceKey {
        DeviceKey(self.public.to_bytes().into())
    }
}

/// A secret is in no log.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("public", &self.public()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng as _, rngs::StdRng};

    use super::*;

    #[test]
    fn a_key_that_is_kept_is_the_same_and_is_shown_to_nobody() {
        let identity = Identity::new(&mut StdRng::seed_from_u64(1));
        let kept = identity.to_hex();
        assert_eq!(Identity::of_hex(&kept).expect("it was one").public(), identity.public());
        assert!(!format!("{identity:?}").contains(&kept[..8]));
        for text in ["", &kept[2..], &format!("{kept}00"), &kept.replace(|_| true, "x")] {
            assert!(Identity::of_hex(text).is_none(), "{text}");
        }
    }
}
