//! Polling payloads: what decodes is written again as it was, and what is written decodes to the same packets.

use pulsewheel::engine::{decode_payload, encode_payload, Packet, Part};
use pulsewheel::Frame;

/// Reads `data` as the payload of a `POST` where it is text, and as binary messages to be written in any case.
pub fn run(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        let parts = decode(text);
        assert_eq!(
            parts.len(),
            text.matches('\x1e').count() + 1,
            "one packet between two separators, an empty one too"
        );
        check_packets(&parts);
        if !parts.contains(&Part::Damaged) && !text.starts_with('\x1e') {
            // Base64 is read in many ways and written in one, but nothing is lost or made up on the way.
            assert_eq!(decode(&encode(&parts)), parts);
            if !text.contains('b') {
                assert_eq!(encode(&parts), text);
            }
        }
    }
    // The first byte chooses where the others are cut into messages.
    let (step, bytes) = data.split_first().unwrap_or((&0, data));
    let messages: Vec<Part<'_>> = bytes
        .chunks(usize::from(*step).max(1))
        .map(|message| Part::Binary(message.to_vec()))
        .collect();
    if !messages.is_empty() {
        assert_eq!(decode(&encode(&messages)), messages);
    }
}

fn decode(mut payload: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    loop {
        let (part, rest) = decode_payload(payload);
        parts.push(part);
        match rest {
            Some(rest) => {
                assert!(rest.len() < payload.len(), "every step takes something");
                payload = rest;
            }
            None => return parts,
        }
    }
}

fn encode(parts: &[Part<'_>]) -> String {
    let mut payload = Vec::new();
    for part in parts {
        let frame = match part {
            Part::Text(text) => Frame::text(text),
            Part::Binary(bytes) => Frame::binary(bytes),
            Part::Damaged => unreachable!("damaged packets are not written"),
        };
        encode_payload(&mut payload, &frame);
    }
    String::from_utf8(payload).expect("payloads are text")
}

/// What a packet carries stands behind its type in the text.
fn check_packets(parts: &[Part<'_>]) {
    for part in parts {
        let Part::Text(text) = part else { continue };
        match Packet::decode(text) {
            Some(Packet::Ping(data) | Packet::Pong(data) | Packet::Message(data)) => {
                assert_eq!(data, &text[1..]);
            }
            Some(_) => assert!(text.starts_with(['0', '1', '5', '6'])),
            None => assert!(!text.starts_with(|first: char| ('0'..='6').contains(&first))),
        }
    }
}
