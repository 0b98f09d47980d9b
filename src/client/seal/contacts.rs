//! Whose keys are known, and what to think of those that a server tells now.

use std::collections::{BTreeMap, BTreeSet};

use chat_proto::{DeviceKey, Envelope, KeyId, NameKey, Username};

/// People of one server whose keys are kept because they were met. Full: whoever is met further is met for the first time
/// each time.
pub const CONTACTS_MAX: usize = 5_000;

/// Somebody whose keys are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// Their name, as it was written.
    pub name: Username,
    /// Their devices' keys: one at least, and no more than an envelope is for.
    pub keys: BTreeSet<DeviceKey>,
    /// Whether the safety number was compared with theirs.
    pub verified: bool,
}

impl Contact {
    /// Which of the keys it is that has this mark.
    #[must_use]
    pub fn key(&self, id: KeyId) -> Option<DeviceKey> {
        self.keys.iter().copied().find(|key| KeyId::of(key) == id)
    }
}

/// What to think of the keys that somebody has now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// They have none, and had none.
    Keyless,
    /// They are the first that are known of them, and trusted as such.
    New,
    /// They are those that are known, or fewer: what is gone is forgotten.
    Known,
    /// There are others than are known: not to be trusted without a look.
    Changed {
        /// Those.
        added: Vec<DeviceKey>,
    },
    /// They had some and have none: not to be whispered to without a look, for that is what a server would say which wants
    /// to read.
    Gone,
}

/// Everybody whose keys are known on one server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contacts(BTreeMap<NameKey, Contact>);

impl Contacts {
    /// These people.
    #[must_use]
    pub fn of(people: impl IntoIterator<Item = Contact>) -> Self {
        let people =
            people.into_iter().filter(|contact| (1..=Envelope::DEVICES_MAX).contains(&contact.keys.len()));
        Self(people.map(|contact| (contact.name.key(), contact)).collect())
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Contact> {
        self.0.values()
    }

    /// Somebody, if their keys are known.
    #[must_use]
    pub fn get(&self, name: &NameKey) -> Option<&Contact> {
        self.0.get(name)
    }

    /// Whether keys of somebody are known; of what is no name nobody's are.
    #[must_use]
    pub fn knows(&self, name: &str) -> bool {
        Username::parse(name).is_ok_and(|name| self.get(&name.key()).is_some())
    }

    /// Takes note of the keys that a server says somebody has. Only the first are trusted by that.
    pub fn meet(&mut self, name: &Username, published: &BTreeSet<DeviceKey>) -> Standing {
        let Some(contact) = self.0.get_mut(&name.key()) else {
            if published.is_empty() {
                return Standing::Keyless;
            }
            if self.0.len() < CONTACTS_MAX {
                self.trust(name, published);
            }
            return Standing::New;
        };
        if published.is_empty() {
            return Standing::Gone;
        }
        let added: Vec<_> = published.difference(&contact.keys).copied().collect();
        if !added.is_empty() {
            return Standing::Changed { added };
        }
        // One that was taken back may have been stolen: should it come again, it is a stranger's.
        contact.keys.clone_from(published);
        Standing::Known
    }

    /// The same of one's own keys. That of this device is among them whatever the server says: a number that others are to
    /// compare is worth nothing without it.
    pub fn meet_own(
        &mut self,
        me: &Username,
        this_device: DeviceKey,
        published: &BTreeSet<DeviceKey>,
    ) -> Standing {
        let mut published = published.clone();
        published.insert(this_device);
        if let Some(own) = self.0.get_mut(&me.key())
            && own.keys.insert(this_device)
        {
            // It is new: what is not published any more makes room for it.
            own.keys.retain(|key| published.contains(key));
        }
        self.meet(me, &published)
    }

    /// Takes these keys for somebody's from now on, and does not say that they were compared. Without any, the person is
    /// forgotten. More than [`Envelope::DEVICES_MAX`] are not taken: nothing could be sealed to them.
    pub fn trust(&mut self, name: &Username, keys: &BTreeSet<DeviceKey>) {
        let key = name.key();
        if keys.is_empty() {
            self.0.remove(&key);
        } else if keys.len() <= Envelope::DEVICES_MAX {
            // Of fewer than were compared it is still said.
            let compared = |contact: &Contact| contact.verified && keys.is_subset(&contact.keys);
            let verified = self.0.get(&key).is_some_and(compared);
            self.0.insert(key, Contact { name: name.clone(), keys: keys.clone(), verified });
        }
    }

    /// The safety number was compared. False if nothing is known of them.
    pub fn verify(&mut self, name: &NameKey) -> bool {
        self.0.get_mut(name).is_some_and(|contact| {
            contact.verified = true;
            true
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lee() -> Username {
        Username::parse("lee").expect("a name")
    }

    fn keys(keys: &[u8]) -> BTreeSet<DeviceKey> {
        keys.iter().map(|key| DeviceKey([*key; 32])).collect()
    }

    #[test]
    fn the_first_keys_are_trusted_and_others_only_when_that_is_said() {
        let (mut contacts, lee) = (Contacts::default(), lee());
        assert_eq!(contacts.meet(&lee, &keys(&[])), Standing::Keyless);
        assert_eq!(contacts.meet(&lee, &keys(&[1])), Standing::New);
        assert_eq!(contacts.meet(&lee, &keys(&[1])), Standing::Known);
        let changed = Standing::Changed { added: vec![DeviceKey([2; 32])] };
        assert_eq!(contacts.meet(&lee, &keys(&[1, 2])), changed);
        assert_eq!(contacts.meet(&lee, &keys(&[2])), changed);
        assert_eq!(contacts.get(&lee.key()).expect("known").keys, keys(&[1]));
        contacts.trust(&lee, &keys(&[1, 2]));
        assert_eq!(contacts.meet(&lee, &keys(&[1, 2])), Standing::Known);
    }

    #[test]
    fn a_key_that_was_taken_back_is_a_strangers_when_it_comes_again() {
        let (mut contacts, lee) = (Contacts::default(), lee());
        contacts.meet(&lee, &keys(&[1, 2]));
        assert!(contacts.verify(&lee.key()));
        assert_eq!(contacts.meet(&lee, &keys(&[1])), Standing::Known);
        assert!(contacts.get(&lee.key()).expect("known").verified, "fewer devices are no new ones");
        assert_eq!(
            contacts.meet(&lee, &keys(&[1, 2])),
            Standing::Changed { added: vec![DeviceKey([2; 32])] }
        );
    }

    #[test]
    fn whose_keys_are_gone_is_not_whispered_to_in_the_clear() {
        let (mut contacts, lee) = (Contacts::default(), lee());
        contacts.meet(&lee, &keys(&[1]));
        assert_eq!(contacts.meet(&lee, &keys(&[])), Standing::Gone);
        assert_eq!(contacts.meet(&lee, &keys(&[])), Standing::Gone);
        contacts.trust(&lee, &keys(&[]));
        assert_eq!(contacts.meet(&lee, &keys(&[])), Standing::Keyless);
    }

    #[test]
    fn trusting_other_keys_says_nothing_of_having_compared_them() {
        let (mut contacts, lee) = (Contacts::default(), lee());
        assert!(!contacts.verify(&lee.key()));
        contacts.meet(&lee, &keys(&[1]));
        contacts.verify(&lee.key());
        contacts.trust(&lee, &keys(&[1]));
        assert!(contacts.get(&lee.key()).expect("known").verified, "they are the same");
        contacts.trust(&lee, &keys(&[1, 2]));
        assert!(!contacts.get(&lee.key()).expect("known").verified);
        contacts.verify(&lee.key());
        contacts.trust(&lee, &keys(&[2]));
        assert!(contacts.get(&lee.key()).expect("known").verified, "fewer are no others");
        assert_eq!(Contacts::of(contacts.iter().cloned()), contacts);
    }
    #[test]
    fn ones_own_keys_are_never_without_that_of_this_device() {
        let (mut contacts, me, this) = (Contacts::default(), lee(), DeviceKey([1; 32]));
        let own = |contacts: &Contacts| contacts.get(&me.key()).expect("known").keys.clone();
        assert_eq!(contacts.meet_own(&me, this, &keys(&[9])), Standing::New);
        assert_eq!(own(&contacts), keys(&[1, 9]), "whatever the server leaves out");
        let changed = Standing::Changed { added: vec![DeviceKey([7; 32])] };
        assert_eq!(contacts.meet_own(&me, this, &keys(&[1, 7, 9])), changed);
        assert_eq!(contacts.meet_own(&me, this, &keys(&[])), Standing::Known);
        assert_eq!(own(&contacts), keys(&[1]));
        // The file of this device's key was lost, and there are as many others as there can be.
        let others: Vec<_> = (10..18).collect();
        contacts.trust(&me, &keys(&others));
        assert_eq!(contacts.meet_own(&me, this, &keys(&others[1..])), Standing::Known);
        assert_eq!(own(&contacts), [this].into_iter().chain(keys(&others[1..])).collect());
    }

    #[test]
    fn a_server_that_names_people_without_end_fills_no_file() {
        let mut contacts = Contacts::default();
        for number in 0..=CONTACTS_MAX {
            let name = Username::parse(&format!("n{number}")).expect("a name");
            assert_eq!(contacts.meet(&name, &keys(&[1])), Standing::New);
        }
        assert_eq!(contacts.iter().count(), CONTACTS_MAX);
        let known = Username::parse("n0").expect("a name");
        assert_eq!(contacts.meet(&known, &keys(&[1])), Standing::Known, "whoever is known stays so");
        let many: Vec<_> = (0..=u8::try_from(Envelope::DEVICES_MAX).expect("few")).collect();
        contacts.trust(&known, &keys(&many));
        assert_eq!(contacts.get(&known.key()).expect("known").keys, keys(&[1]));
        assert_eq!(Contacts::default().meet(&lee(), &keys(&many)), Standing::New);
    }
}
