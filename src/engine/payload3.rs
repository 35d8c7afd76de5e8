//! Polling payloads of Engine.IO 3: each packet has its length in front.
//!
//! Source: the Engine.IO protocol page, revision 3. As text a packet is `LENGTH:PACKET`, where the length counts UTF-16 code
//! units as JavaScript strings do, and a binary message is `b4` and base64. To clients that read binary answers, a payload
//! with a binary message in it goes as octets: 0 for text or 1 for binary, the decimal digits of the length as bytes, 255, the
//! packet.

use super::{base64, Part, Revision};
use crate::frame::Frame;

/// Digits of a length that are looked at: more would exceed any payload that is allowed.
const MAX_LENGTH_DIGITS: usize = 10;

/// The first packet of a text payload, and the rest of it; `None` in place of the rest after the last one.
pub fn decode_text(payload: &str) -> (Part<'_>, Option<&str>) {
    let Some((packet, rest)) = split_text(payload) else {
        return (Part::Damaged, None);
    };
    let part = Part::of_text(packet, Revision::V3);
    (part, (!rest.is_empty()).then_some(rest))
}

/// The first packet of a binary payload, and the rest of it.
pub fn decode_octets(payload: &[u8]) -> (Part<'_>, Option<&[u8]>) {
    let Some((is_binary, packet, rest)) = split_octets(payload) else {
        return (Part::Damaged, None);
    };
    let part = if !is_binary {
        let text = std::str::from_utf8(packet);
        text.map_or(Part::Damaged, |text| Part::of_text(text, Revision::V3))
    } else {
        match packet.split_first() {
            Some((4, message)) => Part::Binary(message.to_vec()),
            _ => Part::Damaged,
        }
    };
    (part, (!rest.is_empty()).then_some(rest))
}

/// Appends a packet to a text payload.
pub fn encode_text(out: &mut Vec<u8>, frame: &Frame) {
    if frame.is_binary() {
        let digits = base64::encode(frame.payload());
        out.extend_from_slice(format!("{}:b4{digits}", digits.len() + 2).as_bytes());
        return;
    }
    let units = utf16_units(frame.payload());
    out.extend_from_slice(format!("{units}:").as_bytes());
    out.extend_from_slice(frame.payload());
}

/// Appends a packet to a binary payload.
pub fn encode_octets(out: &mut Vec<u8>, frame: &Frame) {
    let payload = frame.payload();
    let length = payload.len() + usize::from(frame.is_binary());
    out.push(u8::from(frame.is_binary()));
    out.extend(length.to_string().bytes().map(|digit| digit - b'0'));
    out.push(255);
    if frame.is_binary() {
        out.push(4);
    }
    out.extend_from_slice(payload);
}

fn split_text(payload: &str) -> Option<(&str, &str)> {
    let (digits, rest) = payload.split_once(':')?;
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number || digits.len() > MAX_LENGTH_DIGITS {
        return None;
    }
    let mut units_left: usize = digits.parse().ok()?;
    let mut end = 0;
    for character in rest.chars() {
        if units_left == 0 {
            break;
        }
        units_left = units_left.checked_sub(character.len_utf16())?;
        end += character.len_utf8();
    }
    (units_left == 0).then(|| rest.split_at(end))
}

fn split_octets(payload: &[u8]) -> Option<(bool, &[u8], &[u8])> {
    let (kind, rest) = payload.split_first()?;
    let is_binary = match kind {
        0 => false,
        1 => true,
        _ => return None,
    };
    let digits = rest
        .iter()
        .take(MAX_LENGTH_DIGITS + 1)
        .position(|byte| *byte == 255)?;
    let mut length: usize = 0;
    for digit in &rest[..digits] {
        if *digit > 9 {
            return None;
        }
        length = length.checked_mul(10)?.checked_add(usize::from(*digit))?;
    }
    let rest = &rest[digits + 1..];
    let (packet, rest) = rest.split_at_checked(length)?;
    Some((is_binary, packet, rest))
}

/// How long JavaScript would say that this UTF-8 text is: one for each character, two for those of four bytes.
fn utf16_units(text: &[u8]) -> usize {
    let starts = text.iter().filter(|byte| **byte & 0xc0 != 0x80).count();
    let pairs = text.iter().filter(|byte| **byte >= 0xf0).count();
    starts + pairs
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame_of(part: Part<'_>) -> Option<Frame> {
        match part {
            Part::Text(text) => Some(Frame::text(text)),
            Part::Binary(bytes) => Some(Frame::binary(&bytes)),
            Part::Damaged => None,
        }
    }

    fn decode_all_text(mut payload: &str) -> Option<Vec<Frame>> {
        let mut frames = Vec::new();
        loop {
            let (part, rest) = decode_text(payload);
            frames.push(frame_of(part)?);
            match rest {
                Some(rest) => payload = rest,
                None => return Some(frames),
            }
        }
    }

    fn decode_all_octets(mut payload: &[u8]) -> Option<Vec<Frame>> {
        let mut frames = Vec::new();
        loop {
            let (part, rest) = decode_octets(payload);
            frames.push(frame_of(part)?);
            match rest {
                Some(rest) => payload = rest,
                None => return Some(frames),
            }
        }
    }

    #[test]
    fn lengths_count_as_javascript_counts() {
        let mut payload = Vec::new();
        encode_text(&mut payload, &Frame::text("4€😀"));
        encode_text(&mut payload, &Frame::text("2"));
        encode_text(&mut payload, &Frame::binary(&[1, 2, 3]));
        assert_eq!(payload, "4:4€😀1:26:b4AQID".as_bytes());
        let text = std::str::from_utf8(&payload).unwrap();
        let frames = [
            Frame::text("4€😀"),
            Frame::text("2"),
            Frame::binary(&[1, 2, 3]),
        ];
        assert_eq!(decode_all_text(text).unwrap(), frames);
    }

    #[test]
    fn octets_have_their_digits_as_bytes() {
        let mut payload = Vec::new();
        encode_octets(&mut payload, &Frame::text("4abcdefghij"));
        encode_octets(&mut payload, &Frame::binary(&[7]));
        assert_eq!(payload[..4], [0, 1, 1, 255]);
        assert_eq!(payload[15..], [1, 2, 255, 4, 7]);
        let frames = [Frame::text("4abcdefghij"), Frame::binary(&[7])];
        assert_eq!(decode_all_octets(&payload).unwrap(), frames);
    }

    #[test]
    fn what_is_damaged_is_said_to_be() {
        for text in [
            "",
            "x",
            ":",
            "4",
            "4:",
            "4:abc",
            "-1:4",
            "+1:4",
            "1:😀",
            "5:b4!!!",
            "99999999999999999999:4",
        ] {
            assert_eq!(decode_all_text(text), None, "{text}");
        }
        for octets in [
            &[][..],
            &[2, 1, 255, 4],
            &[0, 255],
            &[0, 1, 255],
            &[0, 10, 255, 4],
            &[1, 1, 255, 5],
            &[0, 9, 9, 9, 9],
        ] {
            let decoded = decode_all_octets(octets);
            assert!(decoded.is_none() || octets == [0, 255], "{octets:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded_again(packets in prop::collection::vec(
            prop_oneof![
                "[0-6].*".prop_map(|text| Frame::text(&text)),
                prop::collection::vec(any::<u8>(), 0..40).prop_map(|bytes| Frame::binary(&bytes)),
            ], 1..12)
        ) {
            let (mut text, mut octets) = (Vec::new(), Vec::new());
            for frame in &packets {
                encode_text(&mut text, frame);
                encode_octets(&mut octets, frame);
            }
            prop_assert_eq!(decode_all_text(std::str::from_utf8(&text).unwrap()).unwrap(), packets.clone());
            prop_assert_eq!(decode_all_octets(&octets).unwrap(), packets);
        }

        #[test]
        fn any_bytes_end(bytes in prop::collection::vec(any::<u8>(), 0..60), text in "[0-9:b4=A-Z]*") {
            decode_all_octets(&bytes);
            decode_all_text(&text);
        }
    }
}
