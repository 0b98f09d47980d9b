//! A list in a packet, decoded without trusting the count that the wire claims.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{SeqAccess, Visitor},
};

/// A list of at most 65,535 bytes' worth of entries. Decoding reserves nothing from the wire's count (serde's
/// own `Vec` would reserve up to 1 MiB for a ten-byte packet): it grows only as entries really arrive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct List<T>(pub Vec<T>);

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Grow<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Grow<T> {
            type Value = Vec<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Vec<T>, A::Error> {
                // An entry without bytes would let a few bytes ask for endless work.
                const { assert!(size_of::<T>() > 0, "list entries have a size") };
                let mut list = Vec::new();
                while let Some(entry) = entries.next_element()? {
                    list.push(entry);
                }
                Ok(list)
            }
        }

        deserializer.deserialize_seq(Grow(PhantomData)).map(List)
    }
}
