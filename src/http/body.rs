//! The body of a request: so many bytes, or chunks until the last one (RFC 9112 sections 6 and 7).

use super::query::hex_digit;
use super::{Framing, Refusal};

/// How many bytes the chunk extensions and trailers of one body may have together. They are read and dropped, so the
/// bound is on wasted work (endless extensions have kept servers busy), not on memory.
pub const MAX_CHUNK_EXTRA_BYTES: u16 = 8 * 1024;

/// What a step of [`BodyDecoder::decode`] has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyPart<'a> {
    /// All input is consumed and the body goes on.
    NeedMore,
    /// A piece of the body, never empty, borrowed from the input.
    Data(&'a [u8]),
    /// The body has ended; what is left of the input belongs to the next request.
    End,
}

/// Takes a body out of its framing, with whatever pieces of it arrive.
///
/// It holds no bytes and counts none: the caller adds up what it gets and refuses what is too much for it.
///
/// Of the chunked coding everything is strict: no bare LF, no white space around sizes but the "bad whitespace" before an
/// extension, which a recipient "MUST parse for [...] and remove" (RFC 9110 section 5.6.3). Extensions are ignored, as section
/// 7.1.1 of RFC 9112 asks; trailers are dropped, as section 7.1.2 allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyDecoder {
    state: State,
    /// How many bytes of extensions and trailers may still come.
    extra_left: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// In a body of known length, with so many bytes to come.
    Length { left: u64 },
    /// In the number of a size line, after so many digits.
    Size { size: u64, digits: u8 },
    /// After the number, before the semicolon that must come.
    SizeSpace { size: u64 },
    /// In the extensions of a size line.
    Extension { size: u64 },
    /// After the CR of a size line.
    SizeLf { size: u64 },
    /// In a chunk, with so many bytes to come.
    Chunk { left: u64 },
    /// After the data of a chunk.
    ChunkCr,
    /// After the data of a chunk and its CR.
    ChunkLf,
    /// At the begin of a line after the last chunk.
    TrailerStart,
    /// In the name of a trailer field.
    TrailerName,
    /// In the value of a trailer field.
    TrailerValue,
    /// After the CR of a trailer field.
    TrailerLf,
    /// After the CR of the empty line.
    LastLf,
    /// After the body.
    End,
}

impl BodyDecoder {
    /// A decoder for a body with this framing.
    pub fn new(framing: Framing) -> BodyDecoder {
        let state = match framing {
            Framing::None | Framing::Length(0) => State::End,
            Framing::Length(left) => State::Length { left },
            Framing::Chunked => State::Size { size: 0, digits: 0 },
        };
        BodyDecoder {
            state,
            extra_left: MAX_CHUNK_EXTRA_BYTES,
        }
    }

    /// Whether the body has been taken out to its end.
    pub fn is_done(&self) -> bool {
        self.state == State::End
    }

    /// Goes on with `input`, which begins where the last step stopped consuming, up to the next piece of data or the end.
    ///
    /// Gives how many bytes of the input are consumed (the data included) and what they were. Call it again with the rest
    /// until it gives [`BodyPart::NeedMore`] or [`BodyPart::End`].
    pub fn decode<'a>(&mut self, input: &'a [u8]) -> Result<(usize, BodyPart<'a>), Refusal> {
        let mut at = 0;
        loop {
            let rest = &input[at..];
            match self.state {
                State::End => return Ok((at, BodyPart::End)),
                _ if rest.is_empty() => return Ok((at, BodyPart::NeedMore)),
                State::Length { left } | State::Chunk { left } => {
                    let data = &rest[..rest.len().min(usize::try_from(left).unwrap_or(usize::MAX))];
                    self.take_data(data.len() as u64);
                    return Ok((at + data.len(), BodyPart::Data(data)));
                }
                state => self.state = self.step(state, rest[0])?,
            }
            at += 1;
        }
    }

    fn take_data(&mut self, taken: u64) {
        self.state = match self.state {
            State::Length { left } if left > taken => State::Length { left: left - taken },
            State::Length { .. } => State::End,
            State::Chunk { left } if left > taken => State::Chunk { left: left - taken },
            _ => State::ChunkCr,
        };
    }

    /// The state after one byte of what is not data.
    fn step(&mut self, state: State, byte: u8) -> Result<State, Refusal> {
        match state {
            State::Size { size, digits } => self.step_size(size, digits, byte),
            State::SizeSpace { size } => match byte {
                b' ' | b'\t' => self.take_extra(state),
                b';' => self.take_extra(State::Extension { size }),
                _ => Err(Refusal::ChunkSize),
            },
            State::Extension { size } => match byte {
                b'\r' => Ok(State::SizeLf { size }),
                byte if is_field_byte(byte) => self.take_extra(state),
                _ => Err(Refusal::ChunkSize),
            },
            State::SizeLf { size } => match (byte, size) {
                (b'\n', 0) => Ok(State::TrailerStart),
                (b'\n', left) => Ok(State::Chunk { left }),
                _ => Err(Refusal::ChunkSize),
            },
            State::ChunkCr if byte == b'\r' => Ok(State::ChunkLf),
            State::ChunkLf if byte == b'\n' => Ok(State::Size { size: 0, digits: 0 }),
            State::ChunkCr | State::ChunkLf => Err(Refusal::ChunkEnd),
            _ => self.step_trailer(state, byte),
        }
    }

    fn step_size(&mut self, size: u64, digits: u8, byte: u8) -> Result<State, Refusal> {
        // Sixteen hexadecimal digits are just what 64 bits can hold, so the number cannot overflow.
        const MAX_DIGITS: u8 = 16;
        match (hex_digit(byte), byte) {
            (Some(digit), _) if digits < MAX_DIGITS => Ok(State::Size {
                size: size << 4 | u64::from(digit),
                digits: digits + 1,
            }),
            (None, b'\r') if digits > 0 => Ok(State::SizeLf { size }),
            (None, b';') if digits > 0 => self.take_extra(State::Extension { size }),
            (None, b' ' | b'\t') if digits > 0 => self.take_extra(State::SizeSpace { size }),
            _ => Err(Refusal::ChunkSize),
        }
    }

    fn step_trailer(&mut self, state: State, byte: u8) -> Result<State, Refusal> {
        match (state, byte) {
            (State::TrailerStart, b'\r') => Ok(State::LastLf),
            (State::LastLf, b'\n') => Ok(State::End),
            (State::TrailerStart | State::TrailerName, byte) if is_token_byte(byte) => {
                self.take_extra(State::TrailerName)
            }
            (State::TrailerName, b':') => self.take_extra(State::TrailerValue),
            (State::TrailerValue, b'\r') => Ok(State::TrailerLf),
            (State::TrailerValue, byte) if is_field_byte(byte) => self.take_extra(state),
            (State::TrailerLf, b'\n') => Ok(State::TrailerStart),
            _ => Err(Refusal::Trailer),
        }
    }

    /// Counts one byte that is only dropped.
    fn take_extra(&mut self, next: State) -> Result<State, Refusal> {
        let left = self.extra_left.checked_sub(1);
        self.extra_left = left.ok_or(Refusal::ChunkExtraTooLarge)?;
        Ok(next)
    }
}

/// The bytes of a field value: no control characters but the tab (RFC 9110 section 5.5).
pub(super) fn is_field_byte(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

/// The bytes of a token, as field names are made of (RFC 9110 section 5.6.2).
pub(super) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Decodes `input` in pieces of `step` bytes: the body, and how much of the input it took when it has ended.
    fn decode(
        framing: Framing,
        input: &[u8],
        step: usize,
    ) -> Result<(Vec<u8>, Option<usize>), Refusal> {
        let mut decoder = BodyDecoder::new(framing);
        let mut body = Vec::new();
        let mut at = 0;
        let mut end = 0;
        loop {
            let (consumed, part) = decoder.decode(&input[at..end])?;
            at += consumed;
            match part {
                BodyPart::Data(data) => {
                    assert!(!data.is_empty());
                    body.extend_from_slice(data);
                }
                BodyPart::End => {
                    assert!(decoder.is_done());
                    return Ok((body, Some(at)));
                }
                BodyPart::NeedMore => {
                    assert!(at == end && !decoder.is_done());
                    if end == input.len() {
                        return Ok((body, None));
                    }
                    end = (end + step).min(input.len());
                }
            }
        }
    }

    /// Decodes chunks at once and byte by byte, which must not differ.
    fn chunks(input: &[u8]) -> Result<(Vec<u8>, Option<usize>), Refusal> {
        let outcome = decode(Framing::Chunked, input, usize::MAX / 2);
        assert_eq!(decode(Framing::Chunked, input, 1), outcome);
        outcome
    }

    #[test]
    fn without_a_body_nothing_is_consumed() {
        for framing in [Framing::None, Framing::Length(0)] {
            assert_eq!(decode(framing, b"GET", 1), Ok((vec![], Some(0))));
        }
    }

    #[test]
    fn a_length_takes_exactly_its_bytes() {
        let framing = Framing::Length(5);
        assert_eq!(
            decode(framing, b"helloGET /", 3),
            Ok((b"hello".to_vec(), Some(5)))
        );
        assert_eq!(decode(framing, b"hell", 3), Ok((b"hell".to_vec(), None)));
        let endless = Framing::Length(u64::MAX);
        assert_eq!(decode(endless, b"x", 1), Ok((b"x".to_vec(), None)));
    }

    #[test]
    fn chunks_are_joined_and_what_follows_is_left() {
        for (input, body) in [
            ("0\r\n\r\n", ""),
            ("5\r\nhello\r\n0\r\n\r\n", "hello"),
            ("2\r\nhe\r\n0003\r\nllo\r\n000\r\n\r\n", "hello"),
            ("A\r\n0123456789\r\n0\r\n\r\n", "0123456789"),
            ("a;b=\"c;d\" ; e\r\n0123456789\r\n0;f\r\n\r\n", "0123456789"),
            ("1 \t;b\r\n\n\r\n0\r\n\r\n", "\n"),
            ("0\r\nTrailer: x\r\nEmpty:\r\n\r\n", ""),
        ] {
            let next = format!("{input}GET / HTTP/1.1");
            let expected = (body.as_bytes().to_vec(), Some(input.len()));
            assert_eq!(chunks(next.as_bytes()), Ok(expected), "{input:?}");
        }
    }

    #[test]
    fn malformed_chunks_are_refused() {
        for (input, refusal) in [
            ("\r\n", Refusal::ChunkSize),
            ("g\r\n", Refusal::ChunkSize),
            ("+5\r\n", Refusal::ChunkSize),
            ("-1\r\n", Refusal::ChunkSize),
            ("0x5\r\n", Refusal::ChunkSize),
            (" 5\r\n", Refusal::ChunkSize),
            ("5 \r\n", Refusal::ChunkSize),
            ("5 5\r\n", Refusal::ChunkSize),
            (";a\r\n", Refusal::ChunkSize),
            ("5\n", Refusal::ChunkSize),
            ("5\r5", Refusal::ChunkSize),
            ("5;a\nhello", Refusal::ChunkSize),
            ("5;\0\r\n", Refusal::ChunkSize),
            ("00000000000000001\r\n", Refusal::ChunkSize),
            ("10000000000000000\r\n", Refusal::ChunkSize),
            ("1\r\nab\r\n", Refusal::ChunkEnd),
            ("1\r\na\n", Refusal::ChunkEnd),
            ("1\r\na\r\r\n", Refusal::ChunkEnd),
            ("0\r\n\n", Refusal::Trailer),
            ("0\r\n\rx", Refusal::Trailer),
            ("0\r\n a: b\r\n", Refusal::Trailer),
            ("0\r\n: b\r\n", Refusal::Trailer),
            ("0\r\na : b\r\n", Refusal::Trailer),
            ("0\r\nGET / HTTP/1.1\r\n\r\n", Refusal::Trailer),
            ("0\r\na: b\n", Refusal::Trailer),
            ("0\r\na: b\r\r\n", Refusal::Trailer),
        ] {
            assert_eq!(chunks(input.as_bytes()), Err(refusal), "{input:?}");
        }
    }

    #[test]
    fn the_largest_chunk_size_neither_overflows_nor_allocates() {
        let input = b"ffffffffffffffff\r\nabc";
        assert_eq!(chunks(input), Ok((b"abc".to_vec(), None)));
    }

    #[test]
    fn extensions_and_trailers_are_bounded_in_total() {
        let most = usize::from(MAX_CHUNK_EXTRA_BYTES);
        let trailer = format!("a:{}", "x".repeat(most - 2));
        let input = format!("0\r\n{trailer}\r\n\r\n");
        assert_eq!(chunks(input.as_bytes()), Ok((vec![], Some(input.len()))));
        for input in [
            format!("0\r\n{trailer}x\r\n\r\n"),
            format!("0;\r\n{trailer}\r\n\r\n"),
            format!("1;{}", "x".repeat(most)),
            format!("{}0\r\n\r\n", "1;x\r\na\r\n".repeat(most)),
        ] {
            let refusal = Refusal::ChunkExtraTooLarge;
            assert_eq!(chunks(input.as_bytes()), Err(refusal));
        }
    }

    proptest! {
        #[test]
        fn any_body_in_any_chunks_comes_back(
            pieces in prop::collection::vec((prop::collection::vec(any::<u8>(), 1..40), "(;[a-z]{1,5})?"), 0..8),
            trailer in "([a-z]{1,5}:[ -~]{0,9}\r\n){0,3}",
            step in 1usize..50,
        ) {
            let mut input = Vec::new();
            let mut body = Vec::new();
            for (piece, extension) in &pieces {
                input.extend_from_slice(format!("{:x}{extension}\r\n", piece.len()).as_bytes());
                input.extend_from_slice(piece);
                input.extend_from_slice(b"\r\n");
                body.extend_from_slice(piece);
            }
            input.extend_from_slice(format!("0\r\n{trailer}\r\n").as_bytes());
            let length = input.len();
            input.extend_from_slice(b"next");
            prop_assert_eq!(decode(Framing::Chunked, &input, step), Ok((body, Some(length))));
        }

        #[test]
        fn no_bytes_make_the_decoder_panic_or_depend_on_the_cuts(
            input in "[0-9a-f;: \r\n]{0,40}|\\PC{0,40}",
            step in 1usize..9,
        ) {
            let whole = decode(Framing::Chunked, input.as_bytes(), input.len().max(1));
            prop_assert_eq!(decode(Framing::Chunked, input.as_bytes(), step), whole);
        }
    }
}
