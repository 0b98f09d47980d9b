//! The token of an invite.

use std::fmt;

use rand::Rng as _;
use sha2::{Digest as _, Sha256};

/// Crockford's base 32: no I, L, O or U, so that it survives being read aloud. <https://www.crockford.com/base32.html>
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Characters of 5 bits: 80 bits, which nobody guesses over a network.
const LENGTH: usize = 16;

/// Lets somebody register: 16 characters. Whoever has it may use it, so logs never show it.
#[derive(Clone, PartialEq, Eq)]
pub struct InviteToken([u8; LENGTH]);

impl InviteToken {
    /// One that nobody can guess.
    pub(super) fn random() -> Self {
        let mut token = [0; LENGTH];
        // The thread's generator is cryptographic, and seeded by the system.
        rand::rng().fill_bytes(&mut token);
        // 256 is a multiple of 32, so every character is as likely.
        Self(token.map(|byte| ALPHABET[usize::from(byte) % ALPHABET.len()]))
    }

    /// As a person may have typed it: in either case, with hyphens or spaces, `O` for `0`, `I` or `L` for `1`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut token = [0; LENGTH];
        let mut places = token.iter_mut();
        for byte in text.bytes().filter(|byte| !b"- ".contains(byte)) {
            let character = match byte.to_ascii_uppercase() {
                b'O' => b'0',
                b'I' | b'L' => b'1',
                other => other,
            };
            *places.next()? = ALPHABET.contains(&character).then_some(character)?;
        }
        places.next().is_none().then_some(Self(token))
    }

    /// As it is told to people: four groups of four, with hyphens.
    #[must_use]
    pub fn grouped(&self) -> String {
        let text = self.to_string();
        [0, 4, 8, 12].map(|at| &text[at..at + 4]).join("-")
    }

    /// What is stored in its place. Looking up a hash also takes equally long for a token that is nearly right.
    pub(super) fn hash(&self) -> Vec<u8> {
        Sha256::digest(self.0).to_vec()
    }
}

/// Its 16 characters.
impl fmt::Display for InviteToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(std::str::from_utf8(&self.0).expect("characters of ALPHABET"))
    }
}

impl fmt::Debug for InviteToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InviteToken")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_the_same_however_it_is_typed() {
        let token = InviteToken::parse("01ABCDEFGHJKMNPQ").expect("a token");
        assert_eq!(token.to_string(), "01ABCDEFGHJKMNPQ");
        assert_eq!(token.grouped(), "01AB-CDEF-GHJK-MNPQ");
        for typed in ["oiabcdefghjkmnpq", "OLAB-CDEF-GHJK-MNPQ", " 01ab cdef ghjk mnpq "] {
            assert_eq!(InviteToken::parse(typed), Some(token.clone()), "{typed}");
        }
    }

    #[test]
    fn what_is_no_token_is_refused() {
        for text in [
            "",
            "01ABCDEFGHJKMNP",
            "01ABCDEFGHJKMNPQR",
            "01ABCDEFGHJKMNPU",
            "초대장을 주세요",
            "01ABCDEFGHJKMN\0Q",
        ] {
            assert_eq!(InviteToken::parse(text), None, "{text}");
        }
    }

    #[test]
    fn no_two_tokens_are_equal_and_every_character_is_used() {
        let tokens: Vec<_> = (0..1_000).map(|_| InviteToken::random().to_string()).collect();
        let different: std::collections::HashSet<_> = tokens.iter().collect();
        assert_eq!(different.len(), tokens.len());
        let all = tokens.concat();
        assert!(ALPHABET.iter().all(|character| all.contains(char::from(*character))));
        assert!(tokens.iter().all(|token| InviteToken::parse(token).is_some()));
    }
}
