//! The bytes of a file become UTF-8 text, whatever they are.

use std::io::Write;

use bytes::Bytes;
use encoding_rs::{UTF_16BE, UTF_16LE, WINDOWS_1252};
use flate2::write::MultiGzDecoder;

use super::kind::{self, Encoding, Kind, TELLING_BYTES};
use crate::import::error::ImportError;
use crate::import::stop::Stop;

/// Most bytes that come out of a gzip file.
const MAX_UNPACKED_BYTES: u64 = 1024 * 1024 * 1024;
/// Bytes of a gzip file that are unpacked at a time. They may become a thousand times
/// as many.
const PACKED_PIECE_BYTES: usize = 1024;

/// Where the bytes of the file come from.
pub trait ByteSource {
    /// The next bytes; `None` after the last.
    fn next_chunk(&mut self) -> Result<Option<Bytes>, Stop>;
}

/// Turns chunks of bytes into chunks of valid UTF-8, cut anywhere between two
/// characters. A gzip file is unpacked, UTF-16 converted, a byte order mark dropped. A
/// byte that is not UTF-8 is read as the Windows-1252 character that it most probably
/// was, and counted.
pub struct Decoder<S> {
    bytes: Unpacked<S>,
    /// The beginning of a character, or of the file, that waits for more bytes.
    carry: Vec<u8>,
    /// `None` until the first bytes have been looked at.
    text: Option<Text>,
    replaced_bytes: u64,
}

enum Text {
    Utf8,
    Utf16(encoding_rs::Decoder),
}

impl<S: ByteSource> Decoder<S> {
    pub fn new(source: S) -> Decoder<S> {
        Decoder {
            bytes: Unpacked::new(source),
            carry: Vec::new(),
            text: None,
            replaced_bytes: 0,
        }
    }

    /// Bytes so far that were not UTF-8, or not UTF-16 in such a file.
    pub fn replaced_bytes(&self) -> u64 {
        self.replaced_bytes
    }

    /// The next text, never empty; `None` at the end.
    pub fn next_text(&mut self) -> Result<Option<Bytes>, Stop> {
        loop {
            let (mut bytes, is_last) = match self.bytes.next_chunk()? {
                Some(chunk) => (self.with_carry(chunk), false),
                None if self.carry.is_empty() && !self.is_converting() => return Ok(None),
                None => (Bytes::from(std::mem::take(&mut self.carry)), true),
            };
            if self.text.is_none() {
                if bytes.len() < TELLING_BYTES && !is_last && !tells_enough(&bytes) {
                    self.carry = bytes.to_vec();
                    continue;
                }
                bytes = match self.begin(bytes)? {
                    Some(bytes) => bytes,
                    None => continue,
                };
            }
            let text = match &mut self.text {
                Some(Text::Utf16(_)) => self.convert(&bytes, is_last),
                _ => self.decode(bytes, is_last),
            };
            if !text.is_empty() {
                return Ok(Some(text));
            }
            if is_last {
                return Ok(None);
            }
        }
    }

    /// Looks at the first bytes; gives what is text of them, nothing if they have to be
    /// unpacked first.
    fn begin(&mut self, bytes: Bytes) -> Result<Option<Bytes>, Stop> {
        let head = &bytes[..bytes.len().min(TELLING_BYTES)];
        match kind::of(head, self.bytes.is_packed()) {
            Kind::Unsupported(error) => Err(Stop::Failed(error)),
            Kind::Gzip => {
                self.bytes.unpack(bytes);
                Ok(None)
            }
            Kind::Text { encoding, mark } => {
                self.text = Some(match encoding {
                    Encoding::Utf8 => Text::Utf8,
                    Encoding::Utf16Le => Text::Utf16(UTF_16LE.new_decoder_without_bom_handling()),
                    Encoding::Utf16Be => Text::Utf16(UTF_16BE.new_decoder_without_bom_handling()),
                });
                Ok(Some(bytes.slice(mark..)))
            }
        }
    }

    fn is_converting(&self) -> bool {
        matches!(self.text, Some(Text::Utf16(_)))
    }

    fn with_carry(&mut self, chunk: Bytes) -> Bytes {
        if self.carry.is_empty() {
            return chunk;
        }
        self.carry.extend_from_slice(&chunk);
        Bytes::from(std::mem::take(&mut self.carry))
    }

    fn convert(&mut self, bytes: &[u8], is_last: bool) -> Bytes {
        let Some(Text::Utf16(decoder)) = &mut self.text else {
            return Bytes::new();
        };
        let capacity = decoder
            .max_utf8_buffer_length(bytes.len())
            .unwrap_or(bytes.len() * 3 + 16);
        let mut text = String::with_capacity(capacity);
        let (_, _, has_errors) = decoder.decode_to_string(bytes, &mut text, is_last);
        if has_errors {
            self.replaced_bytes += 2 * text.matches('\u{fffd}').count() as u64;
        }
        if is_last {
            self.text = Some(Text::Utf8); // nothing comes after it
        }
        Bytes::from(text)
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

/// Whether a file that begins so is told already: a whole line of plain text is, so that
/// a slow upload shows its rows from the first one on.
fn tells_enough(head: &[u8]) -> bool {
    let is_plain = |byte: &u8| (b' '..0x7f).contains(byte) || matches!(byte, b'\t' | b'\r' | b'\n');
    head.len() >= 16
        && head.contains(&b'\n')
        && head.iter().all(is_plain)
        && !matches!(
            head.trim_ascii_start().first(),
            None | Some(b'<' | b'{' | b'[' | b'%')
        )
}

/// The bytes of the file, unpacked if it is packed.
struct Unpacked<S> {
    source: S,
    gzip: Option<MultiGzDecoder<Vec<u8>>>,
    /// What has been read and waits to be unpacked.
    packed: Bytes,
    unpacked_bytes: u64,
    most_unpacked_bytes: u64,
}

impl<S: ByteSource> Unpacked<S> {
    fn new(source: S) -> Unpacked<S> {
        Unpacked {
            source,
            gzip: None,
            packed: Bytes::new(),
            unpacked_bytes: 0,
            most_unpacked_bytes: MAX_UNPACKED_BYTES,
        }
    }

    fn is_packed(&self) -> bool {
        self.gzip.is_some() || self.unpacked_bytes > 0
    }

    /// From here on, beginning with these bytes, the file has to be unpacked.
    fn unpack(&mut self, packed: Bytes) {
        self.gzip = Some(MultiGzDecoder::new(Vec::new()));
        self.packed = packed;
    }

    fn next_chunk(&mut self) -> Result<Option<Bytes>, Stop> {
        loop {
            let Some(gzip) = &mut self.gzip else {
                // A gzip file that has ended.
                if self.unpacked_bytes > 0 {
                    return Ok(None);
                }
                return self.source.next_chunk();
            };
            if self.packed.is_empty() {
                match self.source.next_chunk()? {
                    Some(chunk) => self.packed = chunk,
                    None => {
                        let broken = gzip.try_finish().is_err();
                        let rest = std::mem::take(gzip.get_mut());
                        self.gzip = None;
                        self.unpacked_bytes = self.unpacked_bytes.max(1);
                        if broken {
                            return Err(unreadable());
                        }
                        return Ok(Some(Bytes::from(rest)).filter(|rest| !rest.is_empty()));
                    }
                }
            }
            let piece = self
                .packed
                .split_to(self.packed.len().min(PACKED_PIECE_BYTES));
            gzip.write_all(&piece).map_err(|_| unreadable())?;
            let unpacked = std::mem::take(gzip.get_mut());
            self.unpacked_bytes += unpacked.len() as u64;
            if self.unpacked_bytes > self.most_unpacked_bytes {
                return Err(ImportError::too_large().into());
            }
            if !unpacked.is_empty() {
                return Ok(Some(Bytes::from(unpacked)));
            }
        }
    }
}

fn unreadable() -> Stop {
    ImportError::parsing("The gzip file is damaged or not complete", None).into()
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

    fn try_decode(bytes: &[u8], piece: usize) -> Result<(String, u64), Stop> {
        let mut decoder = Decoder::new(Pieces::new(bytes, piece));
        let mut text = Vec::new();
        while let Some(chunk) = decoder.next_text()? {
            assert!(!chunk.is_empty());
            text.extend_from_slice(std::str::from_utf8(&chunk).unwrap().as_bytes());
        }
        Ok((String::from_utf8(text).unwrap(), decoder.replaced_bytes()))
    }

    fn decode(bytes: &[u8], piece: usize) -> (String, u64) {
        try_decode(bytes, piece).unwrap()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        packer.write_all(bytes).unwrap();
        packer.finish().unwrap()
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
    fn utf_16_is_read_with_and_without_a_mark() {
        let text = "host,title,größe,😀\r\n".repeat(40);
        for mark in ["", "\u{feff}"] {
            let marked = format!("{mark}{text}");
            let little: Vec<u8> = marked.encode_utf16().flat_map(u16::to_le_bytes).collect();
            let big: Vec<u8> = marked.encode_utf16().flat_map(u16::to_be_bytes).collect();
            for piece in [1, 3, 7, 1000] {
                assert_eq!(decode(&little, piece), (text.clone(), 0));
                assert_eq!(decode(&big, piece), (text.clone(), 0));
            }
        }
        let mut torn: Vec<u8> = "host,title"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        torn.push(b'x');
        assert_eq!(decode(&torn, 5), ("host,title\u{fffd}".to_owned(), 2));
    }

    #[test]
    fn gzip_is_unpacked_and_what_is_damaged_is_said() {
        let text = "host,title\na,größe\n".repeat(2_000);
        let packed = gzip(text.as_bytes());
        for piece in [1, 100, 100_000] {
            assert_eq!(decode(&packed, piece), (text.clone(), 0));
        }
        let twice = [packed.clone(), packed.clone()].concat();
        assert_eq!(
            decode(&twice, 100).0.len(),
            2 * text.len(),
            "members follow each other"
        );
        for broken in [&packed[..packed.len() - 20], &packed[..5]] {
            let Err(Stop::Failed(error)) = try_decode(broken, 100) else {
                panic!("accepted");
            };
            assert_eq!(error.code, "CSV_PARSING_ERROR");
        }
        let Err(Stop::Failed(error)) = try_decode(&gzip(&packed), 100) else {
            panic!("accepted");
        };
        assert_eq!(error.code, "UNSUPPORTED_FILE_TYPE");
        assert_eq!(decode(&gzip(b""), 100), (String::new(), 0));
    }

    #[test]
    fn i6_a_file_that_unpacks_to_a_thousand_times_its_size_comes_in_small_pieces_up_to_the_limit() {
        let packed = gzip(&vec![b'\n'; 8 << 20]);
        assert!(packed.len() < 16 << 10);
        let mut decoder = Decoder::new(Pieces::new(&packed, packed.len()));
        assert_eq!(decoder.bytes.most_unpacked_bytes, 1 << 30);
        decoder.bytes.most_unpacked_bytes = 5 << 20;
        let mut bytes = 0;
        let stop = loop {
            match decoder.next_text() {
                Ok(chunk) => {
                    let length = chunk.expect("the limit comes before the end").len();
                    assert!(length <= 2 << 20, "{length}");
                    bytes += length;
                }
                Err(stop) => break stop,
            }
        };
        assert!(((3 << 20)..=(5 << 20)).contains(&bytes), "{bytes}");
        let Stop::Failed(error) = stop else {
            panic!("no failure: {stop:?}");
        };
        assert_eq!(error.code, "PAYLOAD_TOO_LARGE");
    }
}
