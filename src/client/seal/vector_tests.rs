//! Envelopes and safety numbers against the golden bytes of the protocol, which another implementation has made.

use std::collections::BTreeSet;

use chat_proto::{DeviceKey, Envelope, KeyId, NameKey, Text, Username};
use proptest::{collection::vec, prelude::*, proptest, sample::Index};
use rand::{SeedableRng as _, rngs::StdRng};
use serde::Deserialize;

use super::{Identity, Names, OpenFault, Opened, Said, SealFault, Sealed, safety_number, seal};
use crate::client::hex;

#[derive(Deserialize)]
struct Vectors {
    valid: Vec<Valid>,
    invalid: Vec<Invalid>,
    safety_numbers: Vec<Pair>,
}

#[derive(Deserialize)]
struct Valid {
    name: String,
    sender: String,
    recipient: String,
    sender_secret: String,
    sender_public: String,
    devices: Vec<String>,
    envelope: String,
    time_ms: u64,
    text: String,
}

#[derive(Deserialize)]
struct Invalid {
    name: String,
    sender: String,
    recipient: String,
    sender_public: String,
    device: String,
    envelope: String,
    fault: String,
}

#[derive(Deserialize)]
struct Pair {
    name: String,
    one: Person,
    other: Person,
    number: String,
}

#[derive(Deserialize)]
struct Person {
    name: String,
    keys: Vec<String>,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../../../proto/vectors/sealed.json")).expect("the vectors")
}

fn key_of(name: &str) -> NameKey {
    Username::parse(name).expect("a name").key()
}

fn public(text: &str) -> DeviceKey {
    DeviceKey(hex::read(text).expect("hexadecimal").try_into().expect("32 bytes"))
}

fn envelope(text: &str) -> Envelope {
    Envelope::new(&hex::read(text).expect("hexadecimal")).expect("an envelope")
}

fn open(
    envelope: &Envelope,
    to: &Identity,
    from: &DeviceKey,
    [sender, recipient]: [&NameKey; 2],
) -> Result<Opened, OpenFault> {
    Sealed::parse(envelope)?.open(to, from, Names { sender, recipient })
}

#[test]
fn every_valid_envelope_is_opened_by_each_of_its_devices() {
    for vector in vectors().valid {
        let names = [&key_of(&vector.sender), &key_of(&vector.recipient)];
        let (sealed, sender) = (envelope(&vector.envelope), public(&vector.sender_public));
        assert_eq!(
            Identity::of_hex(&vector.sender_secret).expect("a key").public(),
            sender,
            "{}",
            vector.name
        );
        assert_eq!(Sealed::parse(&sealed).expect("a form").sender(), KeyId::of(&sender));
        let text = Text::parse(&vector.text).expect("a text");
        let mut nonces = BTreeSet::new();
        for device in &vector.devices {
            let device = Identity::of_hex(device).expect("a key");
            let opened =
                open(&sealed, &device, &sender, names).unwrap_or_else(|why| panic!("{}: {why}", vector.name));
            assert_eq!(opened.said, Said { time_ms: vector.time_ms, text: text.clone() }, "{}", vector.name);
            assert!(nonces.insert(opened.nonce));
        }
    }
}

#[test]
fn every_invalid_envelope_is_refused_for_its_fault() {
    for vector in vectors().invalid {
        let names = [&key_of(&vector.sender), &key_of(&vector.recipient)];
        let device = Identity::of_hex(&vector.device).expect("a key");
        let fault = open(&envelope(&vector.envelope), &device, &public(&vector.sender_public), names)
            .expect_err(&vector.name);
        let fault = match fault {
            OpenFault::Form => "form",
            OpenFault::NotForUs => "not_for_us",
            OpenFault::Forged => "forged",
            OpenFault::Content => "content",
        };
        assert_eq!(fault, vector.fault, "{}", vector.name);
    }
}

#[test]
fn every_safety_number_is_as_another_implementation_computes_it() {
    for vector in vectors().safety_numbers {
        let keys = |person: &Person| person.keys.iter().map(|key| public(key)).collect::<BTreeSet<_>>();
        let (one, other) = (key_of(&vector.one.name), key_of(&vector.other.name));
        let number = safety_number((&one, &keys(&vector.one)), (&other, &keys(&vector.other)));
        assert_eq!(number, vector.number, "{}", vector.name);
    }
}

#[test]
fn nothing_is_sealed_to_nobody_to_too_many_or_to_what_is_no_key() {
    let mut rng = StdRng::seed_from_u64(3);
    let (from, to) = (Identity::new(&mut rng), Identity::new(&mut rng).public());
    let (kim, lee) = (key_of("kim"), key_of("lee"));
    let names = Names { sender: &kim, recipient: &lee };
    let said = Said { time_ms: 1, text: Text::parse("hi").expect("a text") };
    for (devices, fault) in [
        (vec![], SealFault::Devices(0)),
        (vec![to; 9], SealFault::Devices(9)),
        (vec![to, DeviceKey([0; 32])], SealFault::Key(KeyId([0; 8]))),
    ] {
        assert_eq!(seal(&from, names, &devices, &said, &mut rng), Err(fault));
    }
}

#[test]
fn the_text_is_nowhere_in_the_envelope() {
    let mut rng = StdRng::seed_from_u64(4);
    let (from, to) = (Identity::new(&mut rng), Identity::new(&mut rng));
    let (kim, lee) = (key_of("kim"), key_of("lee"));
    let names = Names { sender: &kim, recipient: &lee };
    let said = Said { time_ms: 1, text: Text::parse("canary-canary").expect("a text") };
    let sealed = seal(&from, names, &[to.public()], &said, &mut rng).expect("sealed");
    assert!(!sealed.as_bytes().windows(6).any(|piece| piece == b"canary"));
    let again = seal(&from, names, &[to.public()], &said, &mut rng).expect("sealed");
    assert_ne!(sealed, again, "nobody sees that the same was said");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whoever_it_is_for_opens_it_and_nobody_else_and_no_bit_of_it_is_another(
        seed: u64,
        devices in 1..=8_usize,
        time_ms: u64,
        text in "\\PC{1,300}",
        flips in vec((any::<Index>(), 0..8_u32), 6),
    ) {
        let Ok(text) = Text::parse(&text) else { return Ok(()) };
        let mut rng = StdRng::seed_from_u64(seed);
        let from = Identity::new(&mut rng);
        let to: Vec<_> = (0..devices).map(|_| Identity::new(&mut rng)).collect();
        let (kim, lee) = (key_of("kim"), key_of("lee"));
        let names = Names { sender: &kim, recipient: &lee };
        let said = Said { time_ms, text };
        let keys: Vec<_> = to.iter().map(Identity::public).collect();
        let sealed = seal(&from, names, &keys, &said, &mut rng).expect("sealed");
        for device in &to {
            let opened = open(&sealed, device, &from.public(), [&kim, &lee]);
            prop_assert_eq!(opened.map(|opened| opened.said), Ok(said.clone()));
        }
        let stranger = Identity::new(&mut rng);
        prop_assert_eq!(open(&sealed, &stranger, &from.public(), [&kim, &lee]), Err(OpenFault::NotForUs));
        prop_assert_eq!(open(&sealed, &to[0], &stranger.public(), [&kim, &lee]), Err(OpenFault::Forged));
        prop_assert_eq!(open(&sealed, &to[0], &from.public(), [&lee, &kim]), Err(OpenFault::Forged));
        for (at, bit) in flips {
            let mut bytes = sealed.as_bytes().to_vec();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            let flipped = Envelope::new(&bytes).expect("of the same length");
            if let Ok(opened) = open(&flipped, &to[0], &from.public(), [&kim, &lee]) {
                // The sender's mark, and what is for other devices, is not this device's to judge.
                prop_assert!((1..9).contains(&at) || (98..10 + 88 * devices).contains(&at), "byte {at}");
                prop_assert_eq!(opened.said, said.clone());
            }
        }
    }

    #[test]
    fn no_bytes_are_too_strange(bytes in vec(any::<u8>(), 1..600)) {
        let device = Identity::new(&mut StdRng::seed_from_u64(5));
        let key = device.public();
        let (kim, lee) = (key_of("kim"), key_of("lee"));
        let envelope = Envelope::new(&bytes).expect("short");
        prop_assert!(open(&envelope, &device, &key, [&kim, &lee]).is_err());
    }
}
