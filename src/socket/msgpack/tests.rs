use super::*;
use proptest::prelude::*;

const LIMITS: Limits = Limits {
    max_attachments: 10,
    max_json_depth: 128,
};

fn decoded(frame: &Frame) -> MsgpackPacket {
    assert!(frame.is_binary());
    MsgpackPacket::decode(frame.payload(), &LIMITS).expect("what was encoded")
}

#[test]
fn reads_what_the_javascript_parser_writes() {
    // {type: 2, data: ["hi", 1.5, undefined, <2 bytes>, {a: [true, -3]}], options: {compress: true}, id: 7, nsp: "/x"}
    let bytes = [
        &b"\x85\xa4type\x02\xa4data\x95\xa2hi\xcb\x3f\xf8\0\0\0\0\0\0\xd4\0\0\xc4\x02\x08\x09\x81\xa1a\x92\xc3\xfd"[..],
        b"\xa7options\x81\xa8compress\xc3\xa2id\x07\xa3nsp\xa2/x",
    ]
    .concat();
    let read = MsgpackPacket::decode(&bytes, &LIMITS).unwrap();
    let packet = read.packet(&LIMITS).unwrap();
    assert_eq!(
        (packet.kind, packet.namespace, packet.id, packet.name),
        (Kind::Event, "/x", Some(7), Some("hi"))
    );
    assert_eq!(
        &packet.data[packet.args_at..],
        r#"1.5,null,{"_placeholder":true,"num":0},{"a":[true,-3]}]"#
    );
    assert_eq!(read.attachments[0].payload(), [8, 9]);
}

/// The JSON of one value, and its binary values.
fn json_of(value: &[u8]) -> (String, Vec<Vec<u8>>) {
    let mut attachments = Vec::new();
    let mut input = value;
    let json = read_json(&mut input, &LIMITS, &mut attachments).expect("a value");
    assert!(input.is_empty());
    let bytes = attachments.iter().map(|frame| frame.payload().to_vec());
    (json, bytes.collect())
}

const PLACE: &str = r#"{"_placeholder":true,"num":0}"#;

#[test]
fn b156_typed_arrays_are_binary_and_dates_are_texts() {
    for (head, length) in [
        (&b"\xc7\x03\0"[..], 3),
        (b"\xc7\0\0", 0),
        (b"\xc7\x08\0", 8),
        (b"\xc8\x01\0\0", 256),
        (b"\xc9\0\x01\0\0\0", 65_536),
        (b"\xd4\0", 1),
        (b"\xd5\0", 2),
        (b"\xd6\0", 4),
        (b"\xd8\0", 16),
        // Milliseconds that no date has.
        (b"\xd7\0", 8),
    ] {
        let bytes = vec![7; length];
        let read = json_of(&[head, &bytes].concat());
        assert_eq!(read, (PLACE.to_owned(), vec![bytes]), "{head:?}");
    }
    for (unix_ms, text) in [
        (0_i64, "\"1970-01-01T00:00:00.000Z\""),
        (1_736_677_800_123, "\"2025-01-12T10:30:00.123Z\""),
        (-86_400_000, "\"1969-12-31T00:00:00.000Z\""),
        (-2_208_988_800_000, "\"1900-01-01T00:00:00.000Z\""),
    ] {
        let date = [&b"\xd7\0"[..], &unix_ms.to_be_bytes()].concat();
        assert_eq!(json_of(&date), (text.to_owned(), vec![]));
    }
    let two = json_of(b"\x92\xc7\x01\0\x05\xc4\x01\x06");
    assert_eq!(two.1, [[5], [6]], "numbered in their order");
}

#[test]
fn b157_keys_that_are_no_text_become_what_javascript_calls_them() {
    for (key, text) in [
        (&b"\x01"[..], "1"),
        (b"\xff", "-1"),
        (
            b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff",
            "18446744073709551615",
        ),
        (b"\xc3", "true"),
        (b"\xc2", "false"),
        (b"\xc0", "null"),
        (b"\xcb\x3f\xf8\0\0\0\0\0\0", "1.5"),
        (b"\xcb\x7f\xf8\0\0\0\0\0\0", "NaN"),
        (b"\xca\x80\0\0\0", "0"),
        (b"\xc4\x02ab", "ab"),
        (b"\xd4\0\0", "undefined"),
        (b"\xd7\0\0\0\0\0\0\0\0\0", "1970-01-01T00:00:00.000Z"),
        (b"\x93\x01\xa1a\xc0", "1,a,"),
        (b"\x92\x92\x01\x02\x90", "1,2,"),
        (b"\x81\x01\x02", "[object Object]"),
        (b"\xa1\"", "\\\""),
    ] {
        let map = [b"\x81", key, b"\x02"].concat();
        assert_eq!(json_of(&map).0, format!("{{\"{text}\":2}}"), "{key:?}");
    }
    let nested = json_of(b"\x82\x01\x81\xc3\x02\xa1b\xc4\x01\x05");
    assert_eq!(nested.0, format!(r#"{{"1":{{"true":2}},"b":{PLACE}}}"#));
    for bad in [
        &b"\x81"[..],
        b"\x81\xc1",
        b"\x81\xdd\xff\xff\xff\xff",
        b"\x81\xc4\x02a",
    ] {
        assert!(read_json(&mut &*bad, &LIMITS, &mut Vec::new()).is_err());
    }
    let deep = [&b"\x81"[..], &[0x91; 100_000]].concat();
    let read = read_json(&mut &*deep, &LIMITS, &mut Vec::new());
    assert_eq!(read, Err(PacketError::TooDeep));
}

#[test]
fn b158_what_json_cannot_say_is_left_out_or_null() {
    for (value, json) in [
        (
            &b"\x83\xa1a\xd4\0\0\xa1b\x01\xa1c\xd4\0\0"[..],
            r#"{"b":1}"#,
        ),
        (b"\x81\xa1a\xd4\0\0", "{}"),
        (b"\x81\xa1a\x81\xa1b\xd4\0\0", r#"{"a":{}}"#),
        (b"\x93\x01\xd4\0\0\x02", "[1,null,2]"),
        (b"\x91\xcb\x7f\xf8\0\0\0\0\0\0", "[null]"),
        (b"\x91\xcb\xff\xf0\0\0\0\0\0\0", "[null]"),
        (b"\x91\xca\x7f\x80\0\0", "[null]"),
        (b"\x81\xa1t\xd6\xff\0\0\0\0", r#"{"t":null}"#),
    ] {
        assert_eq!(json_of(value), (json.to_owned(), vec![]), "{value:?}");
    }
}

#[test]
fn maps_that_look_like_places_of_binary_values_are_refused_beside_such_values() {
    const LOOKS_LIKE_ONE: &[u8] = b"\x82\xac_placeholder\xc3\xa3num\x00";
    let event = |data: &[&[u8]]| {
        let head = b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data";
        [&head[..], &data.concat()].concat()
    };
    let copies = event(&[b"\x94\xa1x\xc4\x02\x08\x09", LOOKS_LIKE_ONE, LOOKS_LIKE_ONE]);
    let read = MsgpackPacket::decode(&copies, &LIMITS);
    assert_eq!(read.err(), Some(PacketError::BadPlaceholder));
    let alone = event(&[b"\x92\xa1x", LOOKS_LIKE_ONE]);
    let read = MsgpackPacket::decode(&alone, &LIMITS).unwrap();
    assert_eq!(read.data, r#"["x",{"_placeholder":true,"num":0}]"#);
}

#[test]
fn writes_what_it_reads() {
    let mut frames = FrameBuilder::default();
    let id = crate::id::Secret::draw(&mut |bytes| bytes.fill(0)).id(0);
    let connect = decoded(&encode_connect(&mut frames, "/", Some(id), None));
    assert_eq!(connect.data, r#"{"sid":"AAAAAAAAAAAAAAAAAAAA"}"#);
    let refused = decoded(&encode_connect_error(
        &mut frames,
        "/x",
        &ConnectError::new("no"),
        false,
    ));
    assert_eq!(
        (refused.kind, refused.data.as_str()),
        (Kind::ConnectError, r#"{"message":"no"}"#)
    );
    let gone = decoded(&encode_disconnect(&mut frames, "/x"));
    assert_eq!((gone.kind, gone.data.as_str()), (Kind::Disconnect, ""));
    let mut args = Args::builder();
    args.push(&serde_json::json!({"b": [1, null]}))
        .unwrap()
        .push_binary(b"xyz");
    let event = decoded(&encode_message(
        &mut frames,
        "/",
        None,
        Some("e"),
        &args.build(),
    ));
    assert_eq!(
        event.data,
        r#"["e",{"b":[1,null]},{"_placeholder":true,"num":0}]"#
    );
    assert_eq!(event.attachments[0].payload(), b"xyz");
    let ack = decoded(&encode_message(
        &mut frames,
        "/",
        Some(3),
        None,
        &Args::none(),
    ));
    assert_eq!(
        (ack.kind, ack.id, ack.data.as_str()),
        (Kind::Ack, Some(3), "[]")
    );
}

#[test]
fn binary_values_inside_of_others_are_native() {
    let value = serde_json::json!({"_placeholder": false, "num": 0});
    let args = Args::from_values(&([("k", crate::Binary::from(b"xyz"))], &value)).unwrap();
    let frame = encode_message(&mut FrameBuilder::default(), "/", None, None, &args);
    let data = [
        &b"\xa4data\x92\x91\x92\xa1k\xc4\x03xyz"[..],
        b"\x82\xac_placeholder\xc2\xa3num\x00",
    ]
    .concat();
    assert!(frame.payload().ends_with(&data), "{frame:?}");
}

#[test]
fn refuses_what_is_no_packet() {
    for bytes in [
        &b""[..],
        b"\xc0",
        b"\x80",
        b"\x81\xa4type\x02",
        b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x90",
        b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x91\xa7connect",
        b"\x82\xa4type\x05\xa3nsp\xa1/",
        b"\x82\xa4type\x04\xa3nsp\xa1/",
        b"\x82\xa4type\0\xa3nsp\xa1/trailing",
        b"\xdf\xff\xff\xff\xff\xa4type",
        b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\xdd\xff\xff\xff\xff",
        b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\xc6\xff\xff\xff\xff",
    ] {
        let read = MsgpackPacket::decode(bytes, &LIMITS);
        assert!(
            read.and_then(|read| read.packet(&LIMITS).map(|_| ()))
                .is_err(),
            "{bytes:?}"
        );
    }
    let mut deep = b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data".to_vec();
    deep.extend(std::iter::repeat_n(0x91, 100_000));
    assert_eq!(
        MsgpackPacket::decode(&deep, &LIMITS).unwrap_err(),
        PacketError::TooDeep
    );
}

proptest! {
    #[test]
    fn any_bytes_end(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let _ = MsgpackPacket::decode(&bytes, &LIMITS);
        let _ = read_json(&mut &*bytes, &LIMITS, &mut Vec::new());
    }

    #[test]
    fn values_survive_the_round_trip(numbers in prop::collection::vec(any::<i64>(), 0..5), text in ".*", float in -1e300..1e300_f64) {
        let value = serde_json::json!({"numbers": numbers, "text": text, "float": float});
        let args = Args::one(&value).unwrap();
        let read = decoded(&encode_message(&mut FrameBuilder::default(), "/", None, Some("e"), &args));
        let packet = read.packet(&LIMITS).unwrap();
        let back = Args::received(read.data.clone(), packet.args_at, Vec::new());
        prop_assert_eq!(back.get::<Value>(0).unwrap(), value);
    }
}
