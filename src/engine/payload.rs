//! Several packets in the body of one HTTP message: separated by 0x1e, binary messages as `b` and base64.

use super::{base64, Revision};
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

impl<'a> Part<'a> {
    /// A packet that came as text, on a WebSocket or by itself in a payload: behind a `b` it is a binary message. In revision 3
    /// there is the type between the two, and only messages are sent so.
    pub fn of_text(text: &'a str, revision: Revision) -> Part<'a> {
        let mark = match revision {
            Revision::V4 => "b",
            Revision::V3 => "b4",
        };
        match text.strip_prefix(mark) {
            None => Part::Text(text),
            Some(digits) => base64::decode(digits).map_or(Part::Damaged, Part::Binary),
        }
    }
}

/// A binary message as text, for clients that read no binary ones.
pub fn encode_as_text(message: &Frame, revision: Revision) -> Frame {
    let digits = base64::encode(message.payload());
    Frame::text(&match revision {
        Revision::V4 => format!("b{digits}"),
        Revision::V3 => format!("b4{digits}"),
    })
}

/// The first packet of a payload and the rest behind its separator; `None` in place of the rest after the last one.
pub fn decode_payload(payload: &str) -> (Part<'_>, Option<&str>) {
    let (packet, rest) = match payload.split_once(SEPARATOR) {
        Some((packet, rest)) => (packet, Some(rest)),
        None => (payload, None),
    };
    (Part::of_text(packet, Revision::V4), rest)
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
    base64::append(out, frame.payload());
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
