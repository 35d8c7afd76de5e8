//! What has happened in a run, as a hash and, where somebody reads it, as text.

use std::io::IoSlice;

/// The first and the last part of what is printed of bytes.
const SHOWN_BYTES: usize = 300;

/// A hash over everything that happens.
pub struct Trace {
    hash: u64,
    is_printed: bool,
    pub now_ms: u64,
}

impl Trace {
    pub fn new(is_printed: bool) -> Trace {
        Trace {
            hash: 0xcbf2_9ce4_8422_2325,
            is_printed,
            now_ms: 0,
        }
    }

    pub fn hash(&self) -> u64 {
        self.hash
    }

    fn mix(&mut self, number: u64) {
        self.hash = (self.hash ^ number)
            .wrapping_mul(0x0100_0000_01b3)
            .rotate_left(23);
    }

    /// A word to those who read along; its making is left out where nobody does.
    pub fn note(&mut self, text: impl FnOnce() -> String) {
        self.mix(self.now_ms);
        if self.is_printed {
            println!("{:>9} {}", self.now_ms, text());
        }
    }

    pub fn bytes(&mut self, what: &str, link: usize, bytes: &[u8]) {
        self.mix(link as u64);
        for chunk in bytes.chunks(8) {
            let mut number = [0; 8];
            number[..chunk.len()].copy_from_slice(chunk);
            self.mix(u64::from_le_bytes(number));
        }
        self.note(|| format!("{what} {link}: {}", shown(bytes)));
    }

    pub fn slices(&mut self, what: &str, link: usize, slices: &[IoSlice<'_>], taken: usize) {
        let mut left = taken;
        for slice in slices {
            let length = slice.len().min(left);
            if length > 0 {
                self.bytes(what, link, &slice[..length]);
            }
            left -= length;
        }
    }
}

/// Bytes as a person reads them.
pub fn shown(bytes: &[u8]) -> String {
    let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
    match bytes.len() {
        0..=SHOWN_BYTES => text(bytes),
        length => format!("{}... ({length} bytes)", text(&bytes[..SHOWN_BYTES])),
    }
}
