//! Several packets in the body of one HTTP message: separated by 0x1e, binary messages as `b` and base64.

use base64::engine::general_purpose::STANDARD;
use base64::Engine as _;

use crate::frame::Frame;

const SEPARATOR: char = '\x1e';

/// One packet of a payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// A text packet, type digit first.
    Text(&'a str),
    /// A binary message, decoded.
    Binary(Vec<u8>),
    /// `b` with something behind it that is not base64.
    Damaged,
}

/// The first packet of a payload and the rest behind its separator; `None` in place of the rest after the last one.
pub fn decode_payload(payload: &str) -> (Part<'_>, Option<&str>) {
    let (packet, rest) = match payload.split_once(SEPARATOR) {
        Some((packet, rest)) => (packet, Some(rest)),
        None => (payload, None),
    };
    let part = match packet.strip_prefix('b') {
        None => Part::Text(packet),
        Some(base64) => match STANDARD.decode(base64) {
            Ok(bytes) => Part::Binary(bytes),
            Err(_) => Part::Damaged,
        },
    };
    (part, rest)
}

/// Appends a packet to a payload.
pub fn encode_payload(out: &mut Vec<u8>, frame: &Frame) {
    if !out.is_empty() {
        out.push(SEPARATOR as u8);
    }
    if !frame.is_binary() {
        out.extend_from_slice(frame.payload());
        return;
    }
    out.push(b'b');
    let start = out.len();
    let length = base64::encoded_len(frame.payload().len(), true)
        .expect("a frame in memory is far from the largest length there is");
    out.resize(start + length, 0);
    STANDARD
        .encode_slice(frame.payload(), &mut out[start..])
        .expect("the room has been made");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decode_all(mut payload: &str) -> Vec<Part<'_>> {
        let mut parts = Vec::new();
        loop {
            let (part, rest) = decode_payload(payload);
            parts.push(part);
            match rest {
                Some(rest) => payload = rest,
                None => return parts,
            }
        }
    }

    #[test]
    fn splits_at_the_separator() {
        assert_eq!(
            decode_all("4a\x1e2\x1ebAQID\x1e4b"),
            [
                Part::Text("4a"),
                Part::Text("2"),
                Part::Binary(vec![1, 2, 3]),
                Part::Text("4b")
            ]
        );
        assert_eq!(decode_all(""), [Part::Text("")]);
        assert_eq!(decode_all("4\x1e"), [Part::Text("4"), Part::Text("")]);
        assert_eq!(decode_all("b!"), [Part::Damaged]);
        assert_eq!(decode_all("b"), [Part::Binary(vec![])]);
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded_again(packets in prop::collection::vec(
            prop_oneof![
                "[^b\x1e][^\x1e]*".prop_map(|text| Frame::text(&text)),
                prop::collection::vec(any::<u8>(), 0..40).prop_map(|bytes| Frame::binary(&bytes)),
            ], 1..20)
        ) {
            let mut payload = Vec::new();
            for frame in &packets {
                encode_payload(&mut payload, frame);
            }
            let payload = String::from_utf8(payload).unwrap();
            let decoded: Vec<Frame> = decode_all(&payload).into_iter().map(|part| match part {
                Part::Text(text) => Frame::text(text),
                Part::Binary(bytes) => Frame::binary(&bytes),
                Part::Damaged => unreachable!("nothing damaged was encoded"),
            }).collect();
            prop_assert_eq!(decoded, packets);
        }

        #[test]
        fn any_text_ends(payload in ".*") {
            decode_all(&payload);
        }
    }
}
