//! The header of one frame of a client: the rules that it must keep by itself, and the mask.

use std::io::Cursor;

use tungstenite::protocol::frame::coding::OpCode;
use tungstenite::protocol::frame::FrameHeader;

use super::encode::MAX_CONTROL_BYTES;
use super::Failure;

/// A header that keeps the rules.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub opcode: OpCode,
    pub is_final: bool,
    mask: [u8; 4],
    /// Length of the header itself.
    pub bytes: usize,
    /// What the peer claims, below 2^63.
    pub payload_bytes: u64,
}

/// What there is at the beginning of the input.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    /// At least so many bytes are needed to go on.
    Incomplete {
        needed: usize,
    },
    Header(Header),
}

impl Header {
    pub fn parse(input: &[u8]) -> Result<Parsed, Failure> {
        let mut cursor = Cursor::new(input);
        // An opcode is the only thing that tungstenite refuses by itself.
        let parsed =
            FrameHeader::parse(&mut cursor).map_err(|_| Failure::Protocol("unknown opcode"))?;
        let Some((header, payload_bytes)) = parsed else {
            return Ok(Parsed::Incomplete {
                needed: header_bytes(input),
            });
        };
        let bytes = cursor.position() as usize;
        if header.rsv1 || header.rsv2 || header.rsv3 {
            return Err(Failure::Protocol("a reserved bit without an extension"));
        }
        let Some(mask) = header.mask else {
            return Err(Failure::Protocol("a frame without a mask"));
        };
        if bytes != header.len(payload_bytes) {
            return Err(Failure::Protocol("a length in more bytes than it needs"));
        }
        if payload_bytes > i64::MAX as u64 {
            return Err(Failure::Protocol("a length with its highest bit set"));
        }
        if matches!(header.opcode, OpCode::Control(_)) {
            if !header.is_final {
                return Err(Failure::Protocol("a control frame in fragments"));
            }
            if payload_bytes > MAX_CONTROL_BYTES as u64 {
                return Err(Failure::Protocol("a control frame of more than 125 bytes"));
            }
        }
        let FrameHeader {
            opcode, is_final, ..
        } = header;
        Ok(Parsed::Header(Header {
            opcode,
            is_final,
            mask,
            bytes,
            payload_bytes,
        }))
    }

    /// Takes the mask off the payload, eight bytes at a time: the compiler makes wider steps of them.
    pub fn unmask(&self, payload: &mut [u8]) {
        let [a, b, c, d] = self.mask;
        let wide_mask = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
        let (words, rest) = payload.as_chunks_mut::<8>();
        for word in words {
            *word = (u64::from_ne_bytes(*word) ^ wide_mask).to_ne_bytes();
        }
        for (byte, mask) in rest.iter_mut().zip(self.mask.iter().cycle()) {
            *byte ^= mask;
        }
    }
}

/// How long the header that begins here is, as far as can be told.
fn header_bytes(input: &[u8]) -> usize {
    let Some(&second) = input.get(1) else {
        return 2;
    };
    let length_bytes = match second & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    // One without a mask is refused, but not before it is there.
    let mask_bytes = if second & 0x80 == 0 { 0 } else { 4 };
    2 + length_bytes + mask_bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header of a client with this first byte, the length as these bytes say, and four bytes of mask.
    fn header(first: u8, length: &[u8]) -> Vec<u8> {
        let mut bytes = vec![first];
        bytes.extend_from_slice(length);
        bytes[1] |= 0x80;
        bytes.extend_from_slice(&[1, 2, 3, 4]);
        bytes
    }

    #[test]
    fn a_good_header_tells_all_about_its_frame() {
        let cases: [(&[u8], u64); 5] = [
            (&[0], 0),
            (&[125], 125),
            (&[126, 0, 126], 126),
            (&[127, 0, 0, 0, 0, 0, 1, 0, 0], 65_536),
            (
                &[127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
                i64::MAX as u64,
            ),
        ];
        for (length, payload_bytes) in cases {
            let mut input = header(0x02, length);
            let bytes = input.len();
            input.push(0x81);
            let expected = Header {
                opcode: OpCode::from(2),
                is_final: false,
                mask: [1, 2, 3, 4],
                bytes,
                payload_bytes,
            };
            assert_eq!(Header::parse(&input), Ok(Parsed::Header(expected)));
        }
    }

    #[test]
    fn a_part_of_a_header_says_how_much_of_it_is_missing() {
        for length in [&[7][..], &[126, 1, 0], &[127, 0, 0, 0, 0, 1, 0, 0, 0]] {
            let whole = header(0x82, length);
            for end in 0..whole.len() {
                let needed = if end < 2 { 2 } else { whole.len() };
                assert_eq!(
                    Header::parse(&whole[..end]),
                    Ok(Parsed::Incomplete { needed })
                );
            }
        }
    }

    #[test]
    fn each_broken_rule_has_its_failure() {
        let all = |range: std::ops::RangeInclusive<u8>, length: &[u8]| -> Vec<Vec<u8>> {
            range.map(|first| header(first, length)).collect()
        };
        let huge = [127, 0x80, 0, 0, 0, 0, 0, 0, 0];
        let cases = [
            (
                "a frame without a mask",
                vec![
                    vec![0x81, 0],
                    vec![0x89, 2, b'h', b'i'],
                    vec![0x82, 126, 1, 0],
                ],
            ),
            (
                "a reserved bit without an extension",
                [all(0x91..=0x92, &[0]), all(0xc1..=0xc2, &[0])].concat(),
            ),
            (
                "a reserved bit without an extension",
                all(0xf8..=0xfa, &[0]),
            ),
            (
                "unknown opcode",
                [all(0x83..=0x87, &[0]), all(0x8b..=0x8f, &[0])].concat(),
            ),
            ("unknown opcode", all(0x03..=0x07, &[0])),
            ("a control frame in fragments", all(0x08..=0x0a, &[0])),
            (
                "a control frame of more than 125 bytes",
                all(0x88..=0x8a, &[126, 0, 126]),
            ),
            (
                "a length in more bytes than it needs",
                all(0x81..=0x82, &[126, 0, 125]),
            ),
            (
                "a length in more bytes than it needs",
                all(0x89..=0x89, &[126, 0, 0]),
            ),
            (
                "a length in more bytes than it needs",
                all(0x82..=0x82, &[127, 0, 0, 0, 0, 0, 0, 0xff, 0xff]),
            ),
            ("a length with its highest bit set", all(0x81..=0x82, &huge)),
            (
                "a length with its highest bit set",
                all(0x82..=0x82, &[0xff; 9]),
            ),
        ];
        for (rule, headers) in cases {
            assert!(!headers.is_empty());
            for bytes in headers {
                assert_eq!(
                    Header::parse(&bytes),
                    Err(Failure::Protocol(rule)),
                    "{bytes:02x?}"
                );
            }
        }
    }

    #[test]
    fn every_length_is_unmasked() {
        let Ok(Parsed::Header(header)) = Header::parse(&header(0x82, &[0])) else {
            panic!("it is a good header");
        };
        for length in 0..100usize {
            let plain: Vec<u8> = (0..length).map(|at| at as u8).collect();
            let mut payload: Vec<u8> = plain
                .iter()
                .zip([1, 2, 3, 4].iter().cycle())
                .map(|(a, b)| a ^ b)
                .collect();
            header.unmask(&mut payload);
            assert_eq!(payload, plain);
        }
    }
}
