//! The bytes of a file become UTF-8 text, whatever they are.

use bytes::Bytes;
use encoding_rs::WINDOWS_1252;

use crate::import::error::ImportError;
use crate::import::stop::Stop;

/// Where the bytes of the file come from.
pub trait ByteSource {
    /// The next bytes; `None` after the last.
    fn next_chunk(&mut self) -> Result<Option<Bytes>, Stop>;
}

/// Turns chunks of bytes into chunks of valid UTF-8, cut anywhere between two
/// characters. A byte order mark is dropped. A byte that is not UTF-8 is read as
/// the Windows-1252 character that it most probably was, and counted.
pub struct Decoder<S> {
    source: S,
    /// The beginning of a character, or of the file, that waits for more bytes.
    carry: Vec<u8>,
    begun: bool,
    replaced_bytes: u64,
}

impl<S: ByteSource> Decoder<S> {
    pub fn new(source: S) -> Decoder<S> {
        Decoder {
            source,
            carry: Vec::new(),
            begun: false,
            replaced_bytes: 0,
        }
    }

    /// Bytes so far that were not UTF-8.
    pub fn replaced_bytes(&self) -> u64 {
        self.replaced_bytes
    }

    /// The next text, never empty; `None` at the end.
    pub fn next_text(&mut self) -> Result<Option<Bytes>, Stop> {
        loop {
            let (mut bytes, is_last) = match self.source.next_chunk()? {
                Some(chunk) => (self.with_carry(chunk), false),
                None if self.carry.is_empty() => return Ok(None),
                None => (Bytes::from(std::mem::take(&mut self.carry)), true),
            };
            if !self.begun {
                if bytes.len() < 3 && !is_last {
                    self.carry = bytes.to_vec();
                    continue;
                }
                self.begun = true;
                bytes = without_mark(bytes)?;
            }
            let text = self.decode(bytes, is_last);
            if !text.is_empty() {
                return Ok(Some(text));
            }
        }
    }

    fn with_carry(&mut self, chunk: Bytes) -> Bytes {
        if self.carry.is_empty() {
            return chunk;
        }
        self.carry.extend_from_slice(&chunk);
        Bytes::from(std::mem::take(&mut self.carry))
    }

    fn decode(&mut self, bytes: Bytes, is_last: bool) -> Bytes {
        if std::str::from_utf8(&bytes).is_ok() {
            return bytes; // nearly always: nothing is copied
        }
        let mut text = String::with_capacity(bytes.len() + 16);
        let mut rest = &bytes[..];
        while let Err(error) = std::str::from_utf8(rest) {
            let (valid, after) = rest.split_at(error.valid_up_to());
            text.push_str(&String::from_utf8_lossy(valid));
            let bad_bytes = match error.error_len() {
                Some(length) => length,
                None if is_last => after.len(),
                None => {
                    self.carry = after.to_vec();
                    return Bytes::from(text);
                }
            };
            let (bad, after) = after.split_at(bad_bytes);
            text.push_str(&WINDOWS_1252.decode_without_bom_handling(bad).0);
            self.replaced_bytes += bad_bytes as u64;
            rest = after;
        }
        text.push_str(&String::from_utf8_lossy(rest));
        Bytes::from(text)
    }
}

fn without_mark(bytes: Bytes) -> Result<Bytes, Stop> {
    if bytes.starts_with(b"\xEF\xBB\xBF") {
        return Ok(bytes.slice(3..));
    }
    if bytes.starts_with(b"\xFF\xFE") || bytes.starts_with(b"\xFE\xFF") {
        let message = "The file is UTF-16; save or export it as UTF-8";
        return Err(ImportError::parsing(message, None).into());
    }
    Ok(bytes)
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use std::collections::VecDeque;

    /// A source for tests: the given bytes in pieces of the given size.
    pub struct Pieces(VecDeque<Bytes>);

    impl Pieces {
        pub fn new(bytes: &[u8], piece: usize) -> Pieces {
            Pieces(
                bytes
                    .chunks(piece.max(1))
                    .map(Bytes::copy_from_slice)
                    .collect(),
            )
        }
    }

    impl ByteSource for Pieces {
        fn next_chunk(&mut self) -> Result<Option<Bytes>, Stop> {
            Ok(self.0.pop_front())
        }
    }

    fn decode(bytes: &[u8], piece: usize) -> (String, u64) {
        let mut decoder = Decoder::new(Pieces::new(bytes, piece));
        let mut text = Vec::new();
        while let Some(chunk) = decoder.next_text().unwrap() {
            assert!(!chunk.is_empty());
            text.extend_from_slice(std::str::from_utf8(&chunk).unwrap().as_bytes());
        }
        (String::from_utf8(text).unwrap(), decoder.replaced_bytes())
    }

    #[test]
    fn text_is_the_same_however_it_is_cut() {
        let table: [(&[u8], &str, u64); 7] = [
            ("aé€😀z".as_bytes(), "aé€😀z", 0),
            (b"\xEF\xBB\xBFhost", "host", 0),
            (b"caf\xE9 \x80 \x93x\x94", "café € “x”", 4),
            (b"\xE2\x82", "â‚", 2),
            (b"\xF0\x9F\x98,", "ðŸ˜,", 3),
            (b"ab", "ab", 0),
            (b"", "", 0),
        ];
        for (bytes, text, replaced) in table {
            for piece in [1, 2, 3, 5, 100] {
                assert_eq!(
                    decode(bytes, piece),
                    (text.to_owned(), replaced),
                    "{text} by {piece}"
                );
            }
        }
    }

    #[test]
    fn every_single_byte_becomes_some_character() {
        for byte in 0x80..=0xFFu8 {
            let (text, replaced) = decode(&[b'a', byte, b'b'], 10);
            assert_eq!((text.chars().count(), replaced), (3, 1), "{byte:#x}");
        }
    }

    #[test]
    fn utf_16_is_named_instead_of_misread() {
        let mut decoder = Decoder::new(Pieces::new(b"\xFF\xFEh\0o\0", 100));
        let Err(Stop::Failed(error)) = decoder.next_text() else {
            panic!("accepted");
        };
        assert_eq!(error.code, "CSV_PARSING_ERROR");
        assert!(error.message.contains("UTF-16"));
    }
}
