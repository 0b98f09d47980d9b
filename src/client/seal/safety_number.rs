//! The number by which two people find out whether a server has told both of them the truth about their keys.

use std::{collections::BTreeSet, fmt::Write as _};

use chat_proto::{DeviceKey, NameKey};
use sha2::{Digest as _, Sha512};

/// What every half is made of, before the name and the keys.
const LABEL: &[u8] = b"iocp-chat safety number 1";
/// How often a half is hashed: whoever looks for keys that give nearly the same number pays it for each.
const ROUNDS: u32 = 5_200;
/// Groups of five digits in a half. Each is 5 bytes of the hash, so that a half is one of 10^30.
const GROUPS: usize = 6;

/// Twelve groups of five digits, the same whichever of the two computes them: of each person's name and keys one half, the
/// smaller first.
#[must_use]
pub fn safety_number(
    (one, keys_of_one): (&NameKey, &BTreeSet<DeviceKey>),
    (other, keys_of_other): (&NameKey, &BTreeSet<DeviceKey>),
) -> String {
    let mut halves = [half(one, keys_of_one), half(other, keys_of_other)];
    halves.sort();
    halves.join(" ")
}

/// SHA-512 of the data, then, again and again, of that and the data. The data: the label, the name key after its length in
/// two bytes, little-endian, the keys in their order as bytes.
fn half(name: &NameKey, keys: &BTreeSet<DeviceKey>) -> String {
    let mut data = LABEL.to_vec();
    let name = name.as_str().as_bytes();
    data.extend(u16::try_from(name.len()).expect("a name is short").to_le_bytes());
    data.extend(name);
    for key in keys {
        data.extend(key.0);
    }
    let mut hash = Sha512::digest(&data);
    for _ in 1..ROUNDS {
        hash = Sha512::new().chain_update(hash).chain_update(&data).finalize();
    }
    let mut digits = String::with_capacity(GROUPS * 6);
    for group in hash.as_chunks::<5>().0.iter().take(GROUPS) {
        let number = group.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        let gap = if digits.is_empty() { "" } else { " " };
        write!(digits, "{gap}{:05}", number % 100_000).expect("a string takes all");
    }
    digits
}

#[cfg(test)]
mod tests {
    use chat_proto::Username;

    use super::*;

    fn name(name: &str) -> NameKey {
        Username::parse(name).expect("a name").key()
    }

    fn keys(keys: &[u8]) -> BTreeSet<DeviceKey> {
        keys.iter().map(|key| DeviceKey([*key; 32])).collect()
    }

    #[test]
    fn both_see_one_number_and_any_other_key_or_name_makes_another() {
        let (kim, lee) = (name("김철수"), name("lee"));
        let number = safety_number((&kim, &keys(&[1])), (&lee, &keys(&[2, 3])));
        assert_eq!(number, safety_number((&lee, &keys(&[3, 2])), (&kim, &keys(&[1]))));
        assert_eq!(number.split(' ').map(str::len).collect::<Vec<_>>(), [5; 12]);
        assert!(number.bytes().all(|byte| byte.is_ascii_digit() || byte == b' '));
        for other in [
            safety_number((&kim, &keys(&[1])), (&lee, &keys(&[2]))),
            safety_number((&kim, &keys(&[1, 4])), (&lee, &keys(&[2, 3]))),
            safety_number((&kim, &keys(&[2, 3])), (&lee, &keys(&[1]))),
            safety_number((&name("park"), &keys(&[1])), (&lee, &keys(&[2, 3]))),
        ] {
            assert_ne!(number, other);
        }
    }
}
