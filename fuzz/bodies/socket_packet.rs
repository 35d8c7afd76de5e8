//! Socket.IO packets: JSON is what serde_json takes for it, and a packet that is passed on says the same as before.

use pulsewheel::socket::{
    encode_ack, encode_event, is_reserved, Encoded, Kind, Limits, Packet, PacketError,
};
use pulsewheel::{Args, Frame, FrameBuilder};
use serde_json::value::RawValue;
use serde_json::Value;

const LIMITS: Limits = Limits {
    max_attachments: 10,
    max_json_depth: 100,
};

/// Reads `data` as the text of one packet.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    check_json(text);
    if let Ok(packet) = Packet::decode(text, &LIMITS) {
        check_packet(text, &packet);
    }
}

/// The text alone, as data without a packet around it.
fn check_json(text: &str) {
    let theirs = serde_json::from_str::<&RawValue>(text);
    let ours = Args::from_json(text);
    if is_shallow(text, 128) {
        assert_eq!(ours.is_some(), theirs.is_ok(), "{text:?}");
    }
    if let Some(args) = ours {
        assert_eq!(args.len(), 1);
        assert_eq!(args.raw(0), Some(text.trim_matches(WHITE)));
    }
    if text.starts_with('[') {
        match Packet::decode(&format!("3{text}"), &LIMITS) {
            Ok(packet) => assert_eq!(packet.data, text.trim_end_matches(WHITE)),
            Err(PacketError::TooDeep) => assert!(!is_shallow(text, 100)),
            Err(error) => {
                assert_eq!(error, PacketError::BadJson);
                assert!(theirs.is_err());
            }
        }
    }
}

/// White space of JSON.
const WHITE: [char; 4] = [' ', '\t', '\n', '\r'];

/// Whether a text cannot be nested deeper than this, as it has no more brackets.
fn is_shallow(text: &str, depth: usize) -> bool {
    text.matches(['[', '{']).count() <= depth
}

fn check_packet(text: &str, packet: &Packet<'_>) {
    assert!(packet.attachments <= LIMITS.max_attachments);
    assert!(packet.namespace.starts_with('/') && !packet.namespace.contains(','));
    assert!(text.trim_end_matches(WHITE).ends_with(packet.data));
    match packet.kind {
        Kind::Connect => {
            assert!(packet.data.is_empty() || packet.data.starts_with('{'));
        }
        Kind::Disconnect => assert_eq!(packet.data, ""),
        Kind::ConnectError => panic!("clients refuse nobody"),
        Kind::Event | Kind::BinaryEvent => {
            let elements: Vec<&RawValue> = read(packet.data);
            let Some(name) = packet.name else {
                let number = elements[0].get();
                assert!(number.starts_with(|first: char| first == '-' || first.is_ascii_digit()));
                return;
            };
            // A name with half of a surrogate pair has no text in Rust, so no host can emit it.
            if let Ok(name) = serde_json::from_str::<String>(elements[0].get()) {
                assert!(!is_reserved(&name));
                check_event(packet, &name, &elements[1..]);
            }
            assert_eq!(elements[0].get(), format!("\"{name}\""));
        }
        // It answers nothing.
        Kind::Ack | Kind::BinaryAck if packet.data.is_empty() => {}
        Kind::Ack | Kind::BinaryAck => check_ack(packet, &read::<Vec<&RawValue>>(packet.data)),
    }
}

fn check_event(packet: &Packet<'_>, name: &str, values: &[&RawValue]) {
    let args = args(packet, values);
    let frames = &mut FrameBuilder::default();
    let encoded = encode_event(frames, packet.namespace, packet.id, name, &args);
    let text = check_again(packet, &encoded);
    let again = Packet::decode(text, &LIMITS).expect("what we write can be read");
    assert_eq!((again.namespace, again.id), (packet.namespace, packet.id));
    let elements: Vec<&RawValue> = read(again.data);
    assert_eq!(read::<String>(elements[0].get()), name);
    check_values(values, args.attachments(), &elements[1..], &encoded);
}

fn check_ack(packet: &Packet<'_>, values: &[&RawValue]) {
    let args = args(packet, values);
    let id = packet.id.unwrap_or(0);
    let encoded = encode_ack(&mut FrameBuilder::default(), packet.namespace, id, &args);
    let text = check_again(packet, &encoded);
    let again = Packet::decode(text, &LIMITS).expect("what we write can be read");
    assert_eq!((again.namespace, again.id), (packet.namespace, Some(id)));
    let elements: Vec<&RawValue> = read(again.data);
    check_values(values, args.attachments(), &elements, &encoded);
}

/// The arguments of a packet whose attachments have all come.
fn args(packet: &Packet<'_>, values: &[&RawValue]) -> Args {
    let mut builder = Args::builder();
    for number in 0..packet.attachments {
        builder.push_binary(&[number as u8]);
    }
    for value in values {
        builder.push(value).expect("JSON stays JSON");
    }
    // What is left of the first ones are the attachments alone.
    builder.build().skip(packet.attachments)
}

/// The text of a packet that was written after another one was read.
fn check_again<'a>(packet: &Packet<'_>, encoded: &'a Encoded) -> &'a str {
    assert!(encoded.attachments.len() <= packet.attachments);
    let payload = std::str::from_utf8(encoded.text.payload()).expect("packets are text");
    payload.strip_prefix('4').expect("a message of Engine.IO")
}

/// Each value says what it said, with the attachments that it had.
fn check_values(before: &[&RawValue], had: &[Frame], after: &[&RawValue], has: &Encoded) {
    assert_eq!(before.len(), after.len());
    for (before, after) in before.iter().zip(after) {
        if had.is_empty() {
            assert_eq!(before.get(), after.get());
        } else if let Ok(value) = serde_json::from_str(before.get()) {
            // Where a placeholder names nothing, the packet would have been refused when its attachments came.
            if let Some(value) = filled(value, had) {
                let again = filled(read(after.get()), &has.attachments);
                assert_eq!(again, Some(value), "{before} {after}");
            }
        }
    }
}

/// The value with attachments in their places, as a JavaScript client puts them there; `None` where one is missing.
fn filled(value: Value, attachments: &[Frame]) -> Option<Value> {
    Some(match value {
        Value::Object(object) if object.get("_placeholder") == Some(&Value::Bool(true)) => {
            let number = object.get("num")?.as_u64()?;
            let attachment = attachments.get(usize::try_from(number).ok()?)?;
            Value::String(format!("attachment {:?}", attachment.payload()))
        }
        Value::Object(object) => {
            let entries = object.into_iter();
            let filled = entries.map(|(key, value)| Some((key, filled(value, attachments)?)));
            Value::Object(filled.collect::<Option<_>>()?)
        }
        Value::Array(array) => {
            let filled = array.into_iter().map(|value| filled(value, attachments));
            Value::Array(filled.collect::<Option<_>>()?)
        }
        other => other,
    })
}

fn read<'a, T: serde::Deserialize<'a>>(json: &'a str) -> T {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {json:?}"))
}
