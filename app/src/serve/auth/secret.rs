//! Tokens, of which nothing is kept but a hash.

use std::fmt;

use base64::prelude::{Engine, BASE64_URL_SAFE_NO_PAD};
use ring::digest::{digest, SHA256};
use subtle::ConstantTimeEq;

/// The hash of a token. Two are compared in a time that tells nothing of where they differ.
#[derive(Clone, Copy)]
pub struct Digest([u8; 32]);

impl Digest {
    pub fn of(token: &str) -> Digest {
        Digest::of_bytes(token.as_bytes())
    }

    /// A hash that says nothing about the one that tokens are compared by.
    pub fn of_owner(token: &str) -> Digest {
        Digest::of_bytes(format!("owner of {token}").as_bytes())
    }

    fn of_bytes(bytes: &[u8]) -> Digest {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
        Digest(hash)
    }

    /// A text that stands for it, from which it cannot be made.
    pub fn short(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(&self.0[..12])
    }

    /// The whole of it as text, to be written down.
    pub fn to_text(self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(self.0)
    }

    /// Reads what [`Digest::to_text`] has made.
    pub fn from_text(text: &str) -> Option<Digest> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
        Some(Digest(bytes.try_into().ok()?))
    }

    /// The whole of it, to look things up by.
    pub fn to_bytes(self) -> [u8; 32] {
        self.0
    }

    /// The beginning of it, by which it is known again.
    pub fn mark(&self) -> u64 {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&self.0[..8]);
        u64::from_be_bytes(bytes)
    }
}

impl PartialEq for Digest {
    fn eq(&self, other: &Digest) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Digest {}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest")
    }
}

/// A text that nobody can guess: 32 bytes of the operating system.
///
/// # Errors
/// Where the operating system has none.
pub fn random_text() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}

/// A number that nobody can guess.
///
/// # Errors
/// Where the operating system has none.
pub fn random_number() -> Result<u64, getrandom::Error> {
    getrandom::u64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_equal_where_their_tokens_are_and_show_nothing_of_them() {
        assert_eq!(Digest::of("a"), Digest::of("a"));
        assert_ne!(Digest::of("a"), Digest::of("b"));
        assert_ne!(Digest::of("a"), Digest::of_owner("a"));
        assert_eq!(format!("{:?}", Digest::of("a")), "Digest");
    }

    #[test]
    fn random_texts_differ() {
        let (one, other) = (random_text().unwrap(), random_text().unwrap());
        assert_eq!(one.len(), 43);
        assert_ne!(one, other);
    }
}
