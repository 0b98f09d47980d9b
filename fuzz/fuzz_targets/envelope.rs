//! One byte of choice, then an envelope, what becomes of one on its way, or what a sender puts into one: it is refused, or says
//! what its sender said.
#![no_main]

use std::sync::LazyLock;

use chacha20poly1305::{
    ChaCha20Poly1305, KeyInit as _, Nonce,
    aead::{Aead as _, array::Array},
};
use chat_proto::{DeviceKey, Envelope, KeyId, NameKey, Text, Username};
use hpke::{
    Deserializable as _, Kem as _, OpModeS, Serializable as _, aead, kdf, kem, single_shot_seal_with_rng,
};
use libfuzzer_sys::fuzz_target;
use rand::{SeedableRng as _, rngs::StdRng};

#[allow(dead_code, reason = "the other target uses the rest")]
mod client;

use client::{
    hex,
    seal::{Identity, Names, OpenFault, Opened, Said, Sealed, seal},
};

type Kem = kem::X25519HkdfSha256;

struct People {
    names: [NameKey; 2],
    from: Identity,
    to: Identity,
    said: Said,
    /// What was said, sealed.
    sealed: Vec<u8>,
}

static PEOPLE: LazyLock<People> = LazyLock::new(|| {
    let mut rng = StdRng::seed_from_u64(1);
    let names = ["kim", "lee"].map(|name| Username::parse(name).expect("a name").key());
    let (from, to) = (Identity::new(&mut rng), Identity::new(&mut rng));
    let said = Said { time_ms: 7, text: Text::parse("안녕").expect("a text") };
    let between = Names { sender: &names[0], recipient: &names[1] };
    let sealed = seal(&from, between, &[to.public()], &said, &mut rng).expect("sealed").as_bytes().to_vec();
    People { names, from, to, said, sealed }
});

fuzz_target!(|data: &[u8]| {
    let Some((choice, rest)) = data.split_first() else { return };
    match choice % 3 {
        0 => assert!(open(rest).is_none_or(|opened| opened.is_err()), "nobody has sealed it"),
        1 => on_its_way(rest),
        _ => put_in(rest),
    }
});

fn open(bytes: &[u8]) -> Option<Result<Opened, OpenFault>> {
    let People { names: [sender, recipient], from, to, .. } = &*PEOPLE;
    let envelope = Envelope::new(bytes)?;
    let opened = Sealed::parse(&envelope)
        .and_then(|sealed| sealed.open(to, &from.public(), Names { sender, recipient }));
    Some(opened)
}

/// Changes of three bytes each: where, and by which bits.
fn on_its_way(changes: &[u8]) {
    let mut bytes = PEOPLE.sealed.clone();
    for [low, high, bits] in changes.as_chunks().0 {
        let at = usize::from(u16::from_le_bytes([*low, *high])) % bytes.len();
        bytes[at] ^= bits;
    }
    if let Ok(opened) = open(&bytes).expect("of the same length") {
        assert_eq!(opened.said, PEOPLE.said);
    }
}

/// A sender who has the keys, and no manners.
fn put_in(content: &[u8]) {
    let People { names, from, to, .. } = &*PEOPLE;
    let (mut rng, key) = (StdRng::seed_from_u64(2), [3; 32]);
    let sealed = ChaCha20Poly1305::new(&Array(key)).encrypt(&Nonce::default(), content).expect("short");
    let secret = <Kem as hpke::Kem>::PrivateKey::from_bytes(&hex::read(&from.to_hex()).expect("digits"));
    let secret = secret.expect("a key");
    let mode = OpModeS::Auth((secret.clone(), Kem::sk_to_pk(&secret)));
    let mut info = b"iocp-chat sealed whisper 1".to_vec();
    for name in names {
        info.extend(u16::try_from(name.as_str().len()).expect("short").to_le_bytes());
        info.extend(name.as_str().as_bytes());
    }
    let DeviceKey(device) = to.public();
    let public = <Kem as hpke::Kem>::PublicKey::from_bytes(&device).expect("a key");
    let wrapped = single_shot_seal_with_rng::<aead::ChaCha20Poly1305, kdf::HkdfSha256, Kem>(
        &mode, &public, &info, &key, &sealed, &mut rng,
    );
    let (encapsulated, wrapped) = wrapped.expect("good keys");
    let mut bytes = vec![1];
    bytes.extend(KeyId::of(&from.public()).0);
    bytes.push(1);
    bytes.extend(KeyId::of(&to.public()).0);
    bytes.extend(&encapsulated.to_bytes()[..]);
    bytes.extend(wrapped);
    bytes.extend(sealed);
    match open(&bytes) {
        // It is too long to be an envelope.
        None => assert!(bytes.len() > 3_968),
        Some(Ok(opened)) => assert_eq!(written(&opened.said), content),
        Some(Err(fault)) => assert_eq!(fault, OpenFault::Content),
    }
}

/// A content as the protocol has it.
fn written(said: &Said) -> Vec<u8> {
    let text = said.text.as_str().as_bytes();
    let mut bytes = said.time_ms.to_le_bytes().to_vec();
    bytes.extend(u16::try_from(text.len()).expect("short").to_le_bytes());
    bytes.extend(text);
    let step = [128, 256, 512, 1_024, 2_048, 3_200].into_iter().find(|step| *step >= bytes.len());
    bytes.resize(step.expect("it fits"), 0);
    bytes
}
