//! Base64 as clients write it, which is not always as RFC 4648 section 4 says.
//!
//! Leniency, as the reference's: white space is skipped, since Android's encoder breaks lines of 76 characters by default; the
//! padding may be left out; and the alphabet of RFC 4648 section 5 is taken too, for URLs. Bits that a last character has too
//! many do not matter. What is no base64 at all is refused.

use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::Engine as _;

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &ALPHABET,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true),
);

/// The bytes that a text stands for; `None` when it is no base64.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    // Nearly everybody writes it by the book.
    STANDARD.decode(text).ok().or_else(|| decode_lenient(text))
}

fn decode_lenient(text: &str) -> Option<Vec<u8>> {
    let characters = text.bytes().filter(|byte| !is_space(*byte));
    let mut digits: Vec<u8> = characters
        .map(|byte| match byte {
            b'-' => b'+',
            b'_' => b'/',
            byte => byte,
        })
        .collect();
    for _ in 0..2 {
        digits.pop_if(|last| *last == b'=');
    }
    LENIENT.decode(digits).ok()
}

/// White space as JavaScript's regular expressions know it, as far as it is ASCII.
fn is_space(byte: u8) -> bool {
    matches!(byte, b'\t'..=b'\r' | b' ')
}

/// What bytes are as text.
pub fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Appends what bytes are as text.
pub fn append(out: &mut Vec<u8>, bytes: &[u8]) {
    let start = out.len();
    let length = base64::encoded_len(bytes.len(), true)
        .expect("a frame in memory is far from the largest length there is");
    out.resize(start + length, 0);
    STANDARD
        .encode_slice(bytes, &mut out[start..])
        .expect("the room has been made");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn clients_write_it_in_several_ways() {
        for text in [
            "+/8BAg==",
            "+/8BAg",
            "+/8BAg=",
            "-_8BAg==",
            "-_8BAg",
            "-/8BAg",
            "+/8B\nAg==\n",
            "\r\n +/8B\tAg =\u{c}=\u{b} ",
            "+/8BAh",
        ] {
            assert_eq!(decode(text), Some(vec![0xfb, 0xff, 1, 2]), "{text:?}");
        }
        for empty in ["", "\n", "=="] {
            assert_eq!(decode(empty), Some(vec![]), "{empty:?}");
        }
    }

    #[test]
    fn what_is_no_base64_is_refused() {
        for text in [
            "A",
            "AQIDB",
            "!",
            "AQ==AQ==",
            "A=Q=",
            "====",
            "AQ===",
            "AQID*",
            "äöü=",
            "AQ\0ID",
            "AQ,ID",
            "AQ\u{a0}ID",
            "{}",
        ] {
            assert_eq!(decode(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded_again_however_it_is_broken_into_lines(
            bytes in prop::collection::vec(any::<u8>(), 0..300),
            width in 1_usize..90,
        ) {
            let text = encode(&bytes);
            let mut appended = b"b".to_vec();
            append(&mut appended, &bytes);
            prop_assert_eq!(&appended[1..], text.as_bytes());
            let digits = text.as_bytes().chunks(width);
            let lines = digits.map(|line| format!("{}\n", String::from_utf8_lossy(line)));
            let lines: String = lines.collect();
            let for_urls = lines.replace('+', "-").replace('/', "_").replace('=', "");
            for written in [text, lines, for_urls] {
                prop_assert_eq!(decode(&written), Some(bytes.clone()));
            }
        }

        #[test]
        fn any_text_ends(text in ".*") {
            decode(&text);
        }
    }
}
