//! Engine.IO and Socket.IO ids: 20 base64url characters that lead straight to their slot.
//!
//! An id holds 15 bytes: 88 bits from the caller's randomness, then the number of the slot. Finding a session by its
//! id is thereby one look into a slab and one comparison, no table of strings has to be kept, and two living ids
//! never collide. What must not be guessed are the 88 bits.

use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::Engine as _;

use crate::slots::Key;

/// Names one connection of an endpoint. Stale once that connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub(crate) Key);

impl ConnectionId {
    /// A number that is small and used again after the connection is gone: good for a table of sockets.
    pub fn index(self) -> usize {
        self.0.index()
    }
}

/// Names one Engine.IO session of an endpoint. Stale once that session has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EngineSessionId(pub(crate) Key);

/// Length of an id as text.
pub const ID_CHARS: usize = 20;

const SECRET_BYTES: usize = 11;

/// The random part of an id; the slot that the holder lives in is the rest of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Secret([u8; SECRET_BYTES]);

/// An id as text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IdText([u8; ID_CHARS]);

impl Secret {
    /// Draws a new one.
    pub fn draw(random: &mut dyn FnMut(&mut [u8])) -> Self {
        let mut bytes = [0; SECRET_BYTES];
        random(&mut bytes);
        Secret(bytes)
    }

    /// The id of the holder of this secret in this slot.
    pub fn id(self, index: u32) -> IdText {
        let mut bytes = [0; 15];
        bytes[..SECRET_BYTES].copy_from_slice(&self.0);
        bytes[SECRET_BYTES..].copy_from_slice(&index.to_be_bytes());
        let mut text = [0; ID_CHARS];
        URL_SAFE_NO_PAD
            .encode_slice(bytes, &mut text)
            .expect("15 bytes are 20 characters");
        IdText(text)
    }

    /// Takes an id apart; `None` when it cannot be one of ours.
    pub fn parse(id: &str) -> Option<(Secret, u32)> {
        if id.len() != ID_CHARS {
            return None;
        }
        let mut bytes = [0; 15];
        // Exactly 15 bytes come of 20 characters; the decoder wants to be shown room for its own estimate.
        URL_SAFE_NO_PAD
            .decode_slice_unchecked(id, &mut bytes)
            .ok()?;
        let (secret, index) = bytes.split_at(SECRET_BYTES);
        Some((
            Secret(secret.try_into().expect("split at this length")),
            u32::from_be_bytes(index.try_into().expect("four bytes are left")),
        ))
    }
}

impl IdText {
    /// The id as `&str`.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("base64 is ASCII")
    }
}

impl std::fmt::Display for IdText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::fmt::Debug for IdText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_20_base64url_characters_and_leads_back() {
        let secret = Secret::draw(&mut |bytes| bytes.fill(0xfb));
        for index in [0, 1, 77, u32::MAX] {
            let id = secret.id(index);
            assert_eq!(id.as_str().len(), ID_CHARS);
            assert!(id
                .as_str()
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
            assert_eq!(Secret::parse(id.as_str()), Some((secret, index)));
        }
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for text in ["", "abc", "0123456789012345678", "012345678901234567890"] {
            assert_eq!(Secret::parse(text), None);
        }
        assert_eq!(Secret::parse("0123456789012345678+"), None);
        assert_eq!(Secret::parse("ääääääääää"), None);
    }
}
